"""What a model looked at."""
