"""Generates a seeded text of several hundred characters, most of them rare."""

import unicodedata
from typing import Final

import numpy as np

_LARGEST: Final = 0x600
"""Letters below it are Latin, Greek, Cyrillic, Armenian and Hebrew."""


def rare_characters(lines: int = 6000, *, seed: int = 0) -> str:
    """Return lines of a letter, three times, and its Unicode name, such as `éé é: latin small
    letter e with acute`.

    The n-th letter of a random order is drawn with a probability proportional to 1 / n, so that
    about 850 characters occur, 680 of them in fewer than six lines.
    """
    random = np.random.default_rng(seed)
    letters = [chr(code) for code in range(_LARGEST) if chr(code).isalpha()]
    names = {each: unicodedata.name(each).lower() for each in letters}
    random.shuffle(letters)
    shares = 1 / np.arange(1, len(letters) + 1)
    drawn = random.choice(len(letters), size=lines, p=shares / shares.sum())
    return "".join(f"{each * 2} {each}: {names[each]}\n" for each in (letters[n] for n in drawn))
