"""charrnn: a character-level language model you train on your own text."""

__version__ = "0.1.0"
