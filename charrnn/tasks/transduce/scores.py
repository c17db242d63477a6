"""Word and symbol error rates of translations, by length, and the most frequent confusions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from charrnn.evaluation.edit_distance import alignment, edit_distance

Symbols = tuple[str, ...]

MOST_GROUPS: Final = 6
"""The most groups of source lengths."""


class Scored(NamedTuple):
    """The translation of a source, and the correct ones.

    Attributes:
        length: the characters of the source.
        translated: the symbols of the translation.
        correct: the correct translations, one or more.
    """

    length: int
    translated: Symbols
    correct: tuple[Symbols, ...]


class Confusion(NamedTuple):
    """Two symbols that the alignments of wrong translations put side by side.

    Attributes:
        correct, translated: the symbols; None for a missing or a surplus one.
        times: how often.
    """

    correct: str | None
    translated: str | None
    times: int


@dataclass(frozen=True, kw_only=True)
class ErrorRates:
    """How often translations are wrong.

    Attributes:
        sources: the number of translated sources.
        wrong: how many translations equal no correct one.
        errors: the sum of the edit distances to the nearest correct translation.
        symbols: the sum of the lengths of those.
    """

    sources: int
    wrong: int
    errors: int
    symbols: int

    @property
    def word_error_rate(self) -> float:
        """The share of translations that equal no correct one, from 0 to 1."""
        return self.wrong / max(self.sources, 1)

    @property
    def symbol_error_rate(self) -> float:
        """The edit distance per symbol of the nearest correct translations; it may exceed 1."""
        return self.errors / max(self.symbols, 1)


class LengthGroup(NamedTuple):
    """The error rates of sources of `least` to `most` characters."""

    least: int
    most: int
    rates: ErrorRates


@dataclass(frozen=True)
class Scores:
    """The scores of translations.

    Attributes:
        rates: the error rates of all of them.
        by_length: those of short to long sources, in groups of about the same size.
        confusions: what was confused, the most frequent first.
    """

    rates: ErrorRates
    by_length: tuple[LengthGroup, ...]
    confusions: tuple[Confusion, ...]


class _Compared(NamedTuple):
    length: int
    errors: int
    nearest: Symbols


def score(translations: Sequence[Scored]) -> Scores:
    """Compare translations with the nearest of their correct ones."""
    compared = [_compare(each) for each in translations]
    confused: Counter[tuple[str | None, str | None]] = Counter()
    for each, (_, errors, nearest) in zip(translations, compared, strict=True):
        if errors:
            confused.update(
                (correct, translated)
                for correct, translated in alignment(nearest, each.translated)
                if correct != translated
            )
    # Equal counts are in the order of the symbols, so that the result depends on nothing else.
    order = sorted(confused, key=lambda pair: (-confused[pair], *(each or "" for each in pair)))
    return Scores(
        _rates(compared),
        tuple(
            LengthGroup(group[0].length, group[-1].length, _rates(group))
            for group in _by_length(compared)
        ),
        tuple(Confusion(*pair, confused[pair]) for pair in order),
    )


def _compare(scored: Scored) -> _Compared:
    if scored.translated in scored.correct:
        return _Compared(scored.length, 0, scored.translated)
    # Of several at the same distance, the longest, which is the fairer unit of the error rate.
    distances = [
        (edit_distance(correct, scored.translated), -len(correct), correct)
        for correct in scored.correct
    ]
    errors, _, nearest = min(distances)
    return _Compared(scored.length, errors, nearest)


def _rates(compared: Sequence[_Compared]) -> ErrorRates:
    return ErrorRates(
        sources=len(compared),
        wrong=sum(each.errors > 0 for each in compared),
        errors=sum(each.errors for each in compared),
        symbols=sum(len(each.nearest) for each in compared),
    )


def _by_length(compared: Sequence[_Compared]) -> list[list[_Compared]]:
    """Return the translations in groups of about the same size, from short to long sources; those
    of one length are in one group."""
    groups: list[list[_Compared]] = []
    waiting: list[_Compared] = []
    least = len(compared) / MOST_GROUPS
    ordered = sorted(compared, key=lambda each: each.length)
    for number, each in enumerate(ordered):
        waiting.append(each)
        ends = number + 1 == len(ordered) or ordered[number + 1].length != each.length
        if ends and (len(waiting) >= least or number + 1 == len(ordered)):
            groups.append(waiting)
            waiting = []
    return groups
