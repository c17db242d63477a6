"""The part of an Explanation about pairs of strings. See Explanation.

Legend: C the characters of a source and then its features, P pieces of them, U symbols of a target.
"""

from dataclasses import dataclass
from typing import Any

from charrnn.explanation.record import Record


@dataclass(frozen=True, kw_only=True)
class AlignedPair(Record):
    """A source, its translation, and what in the source made each symbol of it.

    Attributes:
        place, length: where the source is in the text.
        features: its features, which count as the C characters after those of the source.
        target: the translation; empty where there is none.
        probability: its probability.
        correct: the correct translations, where they are known.
        problem: why there is no translation; null where there is one.
        symbols: (U,) the symbols of the translation.
        nats: (U,) what each symbol costs, given the source and the symbols before it (half of a
            model with several members reads from the end: given those after it).
        written_at: for each symbol, [number, share] of the characters and features where it was
            written, the largest first: the probabilities of all alignments, added up. The rest up
            to 1 was written before the first character or after the last.
        pieces: [number, count] of the characters or features that were left out together: one at a
            time, but in long sources several.
        effects: (U, P) the nats more that a symbol costs without a piece; less than 0: it costs
            less. At most 20.
        totals: (P,) the nats more that the whole translation costs, with its end.
    """

    place: int
    length: int
    features: tuple[str, ...]
    target: str
    probability: float
    correct: tuple[str, ...]
    problem: str | None
    symbols: tuple[str, ...] = ()
    nats: Any = ()
    written_at: tuple[tuple[tuple[int, float], ...], ...] = ()
    pieces: tuple[tuple[int, int], ...] = ()
    effects: Any = ()
    totals: Any = ()


@dataclass(frozen=True, kw_only=True)
class Alignment(Record):
    """Which characters of sources made which symbols of their translations.

    Attributes:
        pairs: the pairs that were translated; the text has their sources, one a line.
        of_pairs: how many sources there were.
    """

    pairs: tuple[AlignedPair, ...]
    of_pairs: int
