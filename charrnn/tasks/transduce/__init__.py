"""Pairs of strings: a network reads a source and writes its target (sequence-to-sequence)."""

from typing import Final

LONGEST: Final = 1000
"""The most characters of a source, with its features, and the most symbols of a target: a network
considers every pair of positions in both."""

MOST_SYMBOLS: Final = 1 << 15
"""The most different symbols of targets, of sources' characters, and of features."""

ADVANCE: Final = 0
COPY: Final = 1
FIRST_SYMBOL: Final = 2
"""The outputs of a network: advance to the next source position, copy the character there, and the
first symbol of targets."""

LARGEST_BEAM: Final = 100
"""The most hypotheses of a beam, and the most translations of a text."""

LONGEST_SYMBOL: Final = 64
"""The most characters of a feature, and of a symbol of a target."""
