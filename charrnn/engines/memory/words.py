"""Which ids are letters of words: the memory has contexts of whole words.

Letters are those of Unicode 3.2, which every Python knows beside the version of its own. So the
word ids of characters, and with them all predictions, are the same in every version of Python.

Legend: V vocabulary.
"""

from collections.abc import Sequence
from unicodedata import ucd_3_2_0

import numpy as np
import numpy.typing as npt

WordIds = npt.NDArray[np.int32]
"""For each id, 0 outside words; letters that differ in case alone have the same number."""


def word_ids_of_characters(characters: Sequence[str]) -> WordIds:
    """Return the word ids (V,) of characters."""
    numbers: dict[str, int] = {}
    found = [
        numbers.setdefault(_small(each), len(numbers) + 1) if _is_letter(each) else 0
        for each in characters
    ]
    return np.array(found, dtype=np.int32)


def word_ids_of_bytes() -> WordIds:
    """Return the word ids (256,) of the bytes of UTF-8, all of whose parts of other letters than
    those of ASCII count as letters."""
    found = word_ids_of_characters([chr(each) if each < 128 else " " for each in range(256)])
    found[128:] = np.arange(128, 256)
    return found


def _is_letter(character: str) -> bool:
    return ucd_3_2_0.category(character).startswith("L")


def _small(letter: str) -> str:
    """Return the small form of a letter, or the letter itself where that is newer than it.

    Two characters that both existed never become a pair of a capital and a small letter, or cease
    to be one; but a later version may add the small letter of one that existed.
    """
    small = letter.lower()
    return small if len(small) == 1 and _is_letter(small) else letter
