"""Corpora: text in, batches of ids out. No torch."""
