"""Loops over the loader; writes runs."""
