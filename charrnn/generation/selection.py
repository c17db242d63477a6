"""Iterators that select among samples, and keep their order.

They compose: `islice(unique(novel(samples, known)), 10)` yields ten new and different texts.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharRNNError
from charrnn.generation.request import Sample

MOST_REJECTED: Final = 10_000
"""The number of samples rejected in a row after which the search is given up."""


def unique(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Yield each text once.

    Raises CharRNNError when no new text comes for MOST_REJECTED samples.
    """
    seen: set[str] = set()

    def is_new(sample: Sample) -> bool:
        known = len(seen)
        seen.add(sample.text)
        return len(seen) > known

    return accepted(
        samples,
        is_new,
        lambda rejected: (
            f"--unique: found {len(seen):,} different texts; the next {rejected:,} repeated "
            "them; try a higher --temperature"
        ),
    )


def novel(samples: Iterable[Sample], known: "Lines", prompt: str = "") -> Iterator[Sample]:
    """Yield the texts that, with the prompt, have no line in common with a corpus.

    Raises CharRNNError when none comes for MOST_REJECTED samples.
    """
    return accepted(
        samples,
        lambda sample: known_line(prompt + sample.text, known) is None,
        lambda rejected: (
            f"--novel: {rejected:,} texts in a row were all in the training text; "
            "try a higher --temperature"
        ),
    )


def accepted(
    samples: Iterable[Sample], is_wanted: Callable[[Sample], bool], describe: Callable[[int], str]
) -> Iterator[Sample]:
    """Yield the wanted ones of samples.

    Raises CharRNNError, with what `describe` returns of their number, when none comes for
    MOST_REJECTED samples.
    """
    rejected = 0
    for sample in samples:
        if is_wanted(sample):
            rejected = 0
            yield sample
        elif (rejected := rejected + 1) >= MOST_REJECTED:
            raise CharRNNError(describe(rejected))


def known_line(text: str, known: "Lines") -> str | None:
    """Return the first line of a text that is a line of a corpus, too; empty lines do not count."""
    return next((line for line in _lines([text]) if line and line in known), None)


def best_of(samples: Iterable[Sample], count: int) -> Iterator[Sample]:
    """Yield the likeliest of every `count` samples, by nats per character."""
    samples = iter(samples)
    while candidates := list(islice(samples, count)):
        yield min(candidates, key=lambda sample: sample.nats / max(sample.characters, 1))


class Lines:
    """The lines of a corpus as 64-bit hashes, for `line in Lines(texts)`.

    Lines are compared as UTF-8, so that a character that is split into single bytes is the same.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._hashes: npt.NDArray[np.int64] = np.unique(
            np.fromiter(map(_hash, _lines(texts)), dtype=np.int64)
        )

    def __contains__(self, line: str) -> bool:
        wanted = _hash(line)
        place = int(np.searchsorted(self._hashes, wanted))
        return place < len(self._hashes) and int(self._hashes[place]) == wanted


def _hash(line: str) -> int:
    return hash(line.encode("utf-8", "surrogateescape"))


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a text that comes in pieces, without their ends."""
    begun: list[str] = []  # the pieces of the current line
    for text in texts:
        first, *others = text.split("\n")
        begun.append(first)
        for other in others:
            yield "".join(begun).removesuffix("\r")
            begun = [other]
    if last := "".join(begun):
        yield last.removesuffix("\r")
