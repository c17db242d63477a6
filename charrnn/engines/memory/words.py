"""Which ids are letters of words: the memory has contexts of whole words.

Legend: V vocabulary.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

WordIds = npt.NDArray[np.int32]
"""For each id, 0 outside words; letters that differ in case alone have the same number."""


def word_ids_of_characters(characters: Sequence[str]) -> WordIds:
    """Return the word ids (V,) of characters."""
    numbers: dict[str, int] = {}
    found = [
        numbers.setdefault(each.lower(), len(numbers) + 1) if each.isalpha() else 0
        for each in characters
    ]
    return np.array(found, dtype=np.int32)


def word_ids_of_bytes() -> WordIds:
    """Return the word ids (256,) of the bytes of UTF-8, all of whose parts of other letters than
    those of ASCII count as letters."""
    found = word_ids_of_characters([chr(each) if each < 128 else " " for each in range(256)])
    found[128:] = np.arange(128, 256)
    return found
