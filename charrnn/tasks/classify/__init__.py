"""The tasks of classifying documents and of predicting a number for each."""

from typing import Final

MOST_CLASSES: Final = 1 << 16
"""The most classes of a model."""
