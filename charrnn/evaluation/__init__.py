"""Numbers about texts."""
