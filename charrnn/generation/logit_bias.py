"""The bias of logits: numbers that are added to the logits of some ids, before all other filters
that change logits.

Legend: V vocabulary.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from charrnn.errors import ConfigError

LARGEST_BIAS: Final = 100.0
"""Minus this much makes an id impossible for all practical purposes, plus this much certain."""


def check_logit_bias(pairs: Any) -> None:
    """Raise ConfigError unless this is a tuple of pairs of an id and a number in range, each id
    once."""
    wrong = "logit-bias: give a tuple of pairs of an id and a number, such as ((3, -100.0),)"
    if not isinstance(pairs, tuple):
        raise ConfigError(wrong)
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ConfigError(wrong)
        each, bias = pair
        if type(each) is not int or isinstance(bias, bool) or not isinstance(bias, int | float):
            raise ConfigError(wrong)
        if not -LARGEST_BIAS <= bias <= LARGEST_BIAS:  # false for NaN
            raise ConfigError(
                f"logit-bias {bias!r} of id {each}: choose from -{LARGEST_BIAS:g} to "
                f"{LARGEST_BIAS:g}"
            )
    most_common = Counter(each for each, _ in pairs).most_common(1)
    if most_common and most_common[0][1] > 1:
        raise ConfigError(f"logit-bias: id {most_common[0][0]} is given twice")


def biases_of_ids(pairs: Sequence[tuple[int, float]], vocabulary_size: int) -> list[float]:
    """Return the bias of each of V ids. Raises ConfigError for an id outside the vocabulary."""
    biases = [0.0] * vocabulary_size
    for each, bias in pairs:
        if not 0 <= each < vocabulary_size:
            raise ConfigError(
                f"logit-bias: id {each}: the model's ids go from 0 to {vocabulary_size - 1}"
            )
        biases[each] = float(bias)
    return biases
