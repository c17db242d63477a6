"""The strings that a transcriber learns: validated, and as ids. No torch.

Id 0 is the blank of connectionist temporal classification, which stands for no character, and the
characters follow.

Legend: N sequences, T steps, L characters of a string, K ids.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Int64Array
from charrnn.errors import ConfigError
from charrnn.estimators.arrays import as_array

BLANK: Final = 0

STEPS_PER_CHARACTER: Final = 2.5
"""The steps of the network for each character that are kept where steps are joined."""

MOST_JOINED: Final = 4
"""The most steps that are joined where none are given."""

SHARE_LONG_ENOUGH: Final = 0.99
"""The share of the sequences that keep so many steps."""


def read_strings(y: Any, count: int) -> list[str]:
    """Read N strings. Raises ConfigError for another shape, and for what is no string."""
    strings = as_array(y, "y")
    if strings.shape != (count,):
        raise ConfigError(
            f"y has shape {strings.shape}: expected ({count},), a string for each sequence of X"
        )
    read: list[str] = strings.tolist()
    for place, each in enumerate(read):
        if not isinstance(each, str):
            raise ConfigError(f"y has {each!r:.40} at [{place}]: expected strings")
        if any("\ud800" <= character <= "\udfff" for character in each):
            raise ConfigError(f"y has half of a surrogate pair at [{place}]: decode it rightly")
    return read


def encode(strings: list[str], characters: str) -> Int64Array:
    """Return the ids (N, L) of strings, with blanks after the end of each. Raises ConfigError for a
    character that is not among those that were learned."""
    ids = {character: number for number, character in enumerate(characters, 1)}
    encoded = np.full((len(strings), max(map(len, strings), default=0)), BLANK, np.int64)
    for place, string in enumerate(strings):
        for at, character in enumerate(string):
            if character not in ids:
                raise ConfigError(
                    f"y has the character {character!r} at [{place}], which the fit that is "
                    "resumed has not"
                )
            encoded[place, at] = ids[character]
    return encoded


def fewest_steps(ids: Int64Array) -> Int64Array:
    """Return the fewest steps (N,) in which ids (N, L) can be written: one for each, and one for
    the blank between two equal ones."""
    repeated = (ids[:, 1:] == ids[:, :-1]) & (ids[:, 1:] != BLANK)
    needed: Int64Array = (ids != BLANK).sum(1) + repeated.sum(1)
    return needed


def choose_subsampling(lengths: Int64Array, ids: Int64Array) -> int:
    """Return how many steps to join: the most, up to MOST_JOINED, that leave STEPS_PER_CHARACTER
    steps for each character (or repetition) of nearly all strings."""
    room = lengths / np.maximum(STEPS_PER_CHARACTER * fewest_steps(ids), 1)
    return int(np.clip(np.quantile(room, 1 - SHARE_LONG_ENOUGH), 1, MOST_JOINED))


def check_room(lengths: Int64Array, ids: Int64Array, subsampling: int) -> None:
    """Raise ConfigError for a sequence that has fewer steps than its string needs."""
    steps, needed = -(-lengths // subsampling), fewest_steps(ids)
    short = np.flatnonzero(steps < needed)
    if len(short):
        number = int(short[0])
        shown = f"{lengths[number]} steps"
        if subsampling > 1:
            shown += f", {steps[number]} after subsampling by {subsampling}"
        advice = "lower subsampling, " if subsampling > 1 else ""
        raise ConfigError(
            f"sequence {number} of X has {shown}, and its string needs {needed[number]} (one for "
            f"each character, and one between two equal ones): {advice}leave it out, or give more "
            "steps a second or a pixel"
        )


def as_strings(strings: list[str]) -> npt.NDArray[np.str_]:
    """Return an array (N,) of strings."""
    return np.array(strings, dtype=np.str_)
