"""Text in, batches of ids out. Knows nothing of torch."""
