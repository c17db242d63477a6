"""Models in forms that other programs open: a page in one file."""
