"""The task of classifying documents, or of predicting a number for each."""

from typing import Final

MOST_CLASSES: Final = 1 << 16
"""How many classes there may be."""
