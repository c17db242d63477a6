"""Ids in, logits out. Knows nothing of text."""
