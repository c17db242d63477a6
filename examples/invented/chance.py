"""Random choices that are the same on every Python.

They rest on `Random.random` alone, whose sequence Python promises to keep.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def below(random: Random, limit: int) -> int:
    """A whole number from 0 to `limit` - 1, evenly."""
    return int(random.random() * limit)


def between(random: Random, lowest: int, highest: int) -> int:
    """A whole number from `lowest` to `highest`, both included, evenly."""
    return lowest + below(random, highest - lowest + 1)


def pick(random: Random, options: Sequence[T]) -> T:
    """One of `options`, evenly."""
    return options[below(random, len(options))]


def pick_early(random: Random, options: Sequence[T]) -> T:
    """One of `options`: the first is the most frequent, as words are in a text (Zipf's law)."""
    place = int((len(options) + 1) ** random.random()) - 1  # P(place) is about 1 / (place + 1)
    return options[min(place, len(options) - 1)]


def chance(random: Random, probability: float) -> bool:
    """True with this probability."""
    return random.random() < probability
