"""Lossless compression of texts and other files with a memory, alone or beside a network."""
