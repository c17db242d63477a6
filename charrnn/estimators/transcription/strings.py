"""The strings that a transcriber learns: validated, as ids, and as JSON. No torch.

Id 0 is the blank of connectionist temporal classification, which stands for no character, and the
characters follow.

Legend: N sequences, T steps, L characters of a string, K ids.
"""

from typing import Any, Final

import numpy as np

from charrnn.array_types import Int64Array
from charrnn.errors import ConfigError, ModelError
from charrnn.estimators.arrays import as_array
from charrnn.estimators.storage import numbers_from_json

BLANK: Final = 0

STEPS_PER_CHARACTER: Final = 1.3
"""The steps of the network for each character that are left where steps are joined. Of speech in
steps of 10 ms, three are joined so, which takes a third of the time."""

MOST_JOINED: Final = 3
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
    steps for each character (or repetition) of nearly all strings, and room for every one."""
    needed = np.maximum(fewest_steps(ids), 1)
    room = np.quantile(lengths / needed, 1 - SHARE_LONG_ENOUGH) / STEPS_PER_CHARACTER
    return max(
        count
        for count in range(1, MOST_JOINED + 1)
        if count == 1 or (count <= room and (-(-lengths // count) >= needed).all())
    )


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


def strings_from_json(data: dict[str, Any], outputs: int, where: str) -> dict[str, Any]:
    """Return the fitted attributes of a transcriber with K outputs that concern its strings. Raises
    ModelError."""
    match data:
        case {
            "characters": str(characters),
            "subsampling": int(joined),  # see _features_in
            "held_out": list(held_out),
            "language_model_weight": weight,
            "insertion_bonus": bonus,
            **others,
        } if not others:
            pass
        case _:
            raise ModelError(f"{where}: expected the characters and the language model's weight")
    if len(characters) != outputs - 1 or characters != "".join(sorted(set(characters))):
        raise ModelError(f"{where}: expected {outputs - 1} characters, sorted, each once")
    if not all(type(each) is int and 0 <= each < 2**63 for each in held_out):
        raise ModelError(f"{where}: held_out: expected places")
    numbers_from_json([bonus] if weight is None else [weight, bonus], where)
    return {
        "characters_": characters,
        "subsampling_": joined,
        "held_out_": np.array(held_out, np.int64),
        "language_model_weight_": None if weight is None else float(weight),
        "insertion_bonus_": float(bonus),
    }
