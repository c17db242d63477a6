"""Passages: whether a text shares a passage of N characters with a corpus.

Legend: N characters of a passage.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from charrnn.array_types import Int64Array
from charrnn.data.tokenizer import code_points
from charrnn.data.window_hashes import Hashes, rolling_hashes
from charrnn.errors import CorpusError
from charrnn.generation.request import Sample
from charrnn.generation.selection import accepted

LARGEST: Final = 200_000_000
"""The most characters of a corpus; each takes eight bytes."""


class Passages:
    """The passages of N characters of a corpus, as 64-bit hashes.

    Args:
        texts: the corpus, in chunks.
        length: N.

    Raises CorpusError for a corpus of more than LARGEST characters.
    """

    def __init__(self, texts: Iterable[str], length: int) -> None:
        self.length = length
        found, size = [np.zeros(0, np.uint64)], 0
        for points in _overlapping(texts, length):
            size += len(points)
            if size > LARGEST:
                raise CorpusError(
                    f"--novel N compares with texts of up to {LARGEST:,} characters; this one is "
                    "longer; use --novel without a number, which compares lines"
                )
            found.append(_hashes(points, length))
        self._hashes = np.sort(np.concatenate(found))

    def find(self, text: str) -> str | None:
        """Return the first passage of N characters of a text that is in the corpus, too."""
        wanted = _hashes(code_points(text).astype(np.int64), self.length)
        places = np.searchsorted(self._hashes, wanted)
        places = np.minimum(places, len(self._hashes) - 1)
        copied = np.flatnonzero(self._hashes[places] == wanted) if len(self._hashes) else wanted[:0]
        if not len(copied):
            return None
        return text[int(copied[0]) : int(copied[0]) + self.length]


def without_copies(
    samples: Iterable[Sample], known: Passages, prompt: str = ""
) -> Iterator[Sample]:
    """Yield the texts that, with the prompt, share no passage of N characters with a corpus.

    Raises CharRNNError when none comes for MOST_REJECTED samples.
    """
    return accepted(
        samples,
        lambda sample: known.find(prompt + sample.text) is None,
        lambda rejected: (
            f"--novel {known.length}: {rejected:,} texts in a row had {known.length} "
            "characters of the training text; try a larger number or a higher --temperature"
        ),
    )


def _overlapping(texts: Iterable[str], length: int) -> Iterator[Int64Array]:
    """Yield the code points of chunks, each after the last N - 1 of the one before."""
    before = np.zeros(0, np.int64)
    for text in texts:
        points = np.concatenate([before, code_points(text)])
        yield points
        before = points[len(points) - min(length - 1, len(points)) :]


def _hashes(points: Int64Array, length: int) -> Hashes:
    if len(points) < length:
        return np.zeros(0, np.uint64)
    return rolling_hashes(points, length)
