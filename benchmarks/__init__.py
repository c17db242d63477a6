"""Benchmarks of speed and quality; each is a command that prints the results of one run."""
