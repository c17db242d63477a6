"""Targets for speed and quality, each a command that prints ratios or scores of one run."""
