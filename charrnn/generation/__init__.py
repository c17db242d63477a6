"""A model directory in, text out. No torch on the CPU path."""
