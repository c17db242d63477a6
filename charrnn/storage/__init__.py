"""What is on disk. Knows nothing of torch."""
