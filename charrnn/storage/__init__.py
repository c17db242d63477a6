"""Files on disk. No torch."""
