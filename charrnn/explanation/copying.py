"""Copying: the passages of texts that stand word for word in the training text.

Of each place of a text, the longest passage that begins there and is somewhere in the training text
is found in the suffix array of both: it is shared with one of the two neighbours among the suffixes
of the training text. This is exact, and each of the other figures follows from it (the lengths are
called matching statistics; Chang and Lawler, 1994).

Legend: N ids of the training text, M ids of all texts together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Int64Array
from charrnn.data.corpus import newline_id
from charrnn.data.excerpt import AnyIds, Excerpt
from charrnn.data.tokenizer import Ids, Tokenizer
from charrnn.explanation.copy_records import Copy, CopyFigures
from charrnn.explanation.suffix_array import suffix_array

LENGTHS: Final = (20, 50, 100, 200)
"""The lengths from which passages are counted as copies."""

LONGEST_NGRAM: Final = 50
"""Novelty is measured for sequences of up to so many characters."""

LISTED: Final = 10
_FEW: Final = 500
"""As few passages are compared one by one."""

_SHOWN: Final = 400
"""The most characters of a passage that are recorded."""


@dataclass(frozen=True)
class Matches:
    """The longest passages of texts that are in the training text.

    Attributes:
        lengths: (M,) the length of the longest one that begins at each place.
        places: (M,) where it stands in the training text; any of several.
        ends: the end of each text among the M ids.
    """

    lengths: Int64Array
    places: Int64Array
    ends: tuple[int, ...]

    def of(self, first: int, last: int) -> "Matches":
        """Return those of the texts from number `first` up to (not including) `last`."""
        begin = self.ends[first - 1] if first else 0
        end = self.ends[last - 1] if last > first else begin
        return Matches(
            self.lengths[begin:end],
            self.places[begin:end],
            tuple(each - begin for each in self.ends[first:last]),
        )


def find_matches(training: Ids, texts: Sequence[Ids]) -> Matches:
    """Find the longest passages of texts that are also in the training text (N,)."""
    lengths = [len(text) for text in texts]
    ends = np.cumsum(lengths, dtype=np.int64)
    joined = _join(texts, training)
    count = len(joined) - len(training)
    below, above = _neighbours(suffix_array(joined), count)
    shared, places = _extend(joined, below, above)
    is_text = np.ones(count, np.bool_)
    is_text[ends + np.arange(len(ends))] = False
    return Matches(shared[is_text], places[is_text] - count, tuple(ends.tolist()))


def _join(texts: Sequence[Ids], training: Ids) -> Ids:
    """Return all texts, each with a 0 after it, and then the training text; ids are one higher.

    So no passage goes past the end of a text, and those that repeat themselves have neighbours that
    do so as long.
    """
    largest = max(int(each.max(initial=0)) for each in (training, *texts))
    kind = np.min_scalar_type(largest + 1)
    parts = [part for text in texts for part in (text.astype(kind) + kind.type(1), [0])]
    return np.concatenate([*parts, training.astype(kind) + kind.type(1)]).astype(kind)


def _neighbours(order: npt.NDArray[Any], count: int) -> tuple[Int64Array, Int64Array]:
    """Return the suffixes of the training text that are next below and above each of the first
    `count` suffixes (-1: none), in the order of all."""
    is_training = order >= count
    slots = np.flatnonzero(~is_training)
    of_training = np.flatnonzero(is_training)
    after = np.searchsorted(of_training, slots)
    below, above = (np.full(count, -1, np.int64) for _ in range(2))
    if len(of_training):
        mine = order[slots]
        below[mine] = np.where(after > 0, order[of_training[np.maximum(after - 1, 0)]], -1)
        last = len(of_training) - 1
        above[mine] = np.where(after <= last, order[of_training[np.minimum(after, last)]], -1)
    return below, above


def _extend(joined: Ids, below: Int64Array, above: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return how many ids each suffix shares with the better of its neighbours, and that neighbour
    (-1: it shares none)."""
    shared = [_shared(joined, each) for each in (below, above)]
    is_above = shared[1] > shared[0]
    lengths = np.where(is_above, shared[1], shared[0])
    places = np.where(is_above, above, below)
    return lengths, np.where(lengths > 0, places, -1)


def _shared(joined: Ids, others: Int64Array) -> Int64Array:
    """Return how many ids each of the first M suffixes shares with its neighbour of the training
    text on one side (-1: it has none).

    Where the ids before a suffix and before its neighbour are equal, the suffixes that begin with
    them are neighbours too, and share one id more. So only the others are compared, whose shared
    ids are few (Kärkkäinen, Manzini and Puglisi, 2009).
    """
    count = len(others)
    here = np.arange(count)
    follows = np.zeros(count, np.bool_)
    known = np.flatnonzero(others[1:] > count) + 1
    follows[known] = joined[known - 1] == joined[others[known] - 1]
    first = np.flatnonzero(~follows & (others >= 0))
    lengths = np.zeros(count, np.int64)
    lengths[first] = _compare(joined, first, others[first])
    begins = np.maximum.accumulate(np.where(follows, 0, here))
    found: Int64Array = np.where(others < 0, 0, lengths[begins] - (here - begins))
    return found


def _compare(joined: Ids, first: Int64Array, second: Int64Array) -> Int64Array:
    """Return how many ids are equal from each place of the first and of the second on: all are
    compared together as long as many are equal, and the few long ones one by one."""
    lengths = np.zeros(len(first), np.int64)
    active = np.arange(len(first))
    most = len(joined) - np.maximum(first, second)
    length = 0
    while len(active) > _FEW:
        active = active[most[active] > length]
        active = active[joined[first[active] + length] == joined[second[active] + length]]
        length += 1
        lengths[active] = length
    content, size = joined.tobytes() if len(active) else b"", joined.itemsize
    for each in active.tolist():
        bounds = int(first[each]) * size, int(second[each]) * size
        lengths[each] = _common(content, *bounds, length * size) // size
    return lengths


def _common(content: bytes, here: int, there: int, known: int) -> int:
    """Return how many bytes are equal from `here` and from `there` on; `known` of them are."""
    step = 16
    most = len(content) - max(here, there)
    while known < most:
        first, second = here + known, there + known
        if content[first : first + step] == content[second : second + step]:
            known += step
            step *= 2
        elif step == 1:
            break
        else:
            step = max(step // 4, 1)
    return min(known, most)


def describe_copies(
    name: str,
    matches: Matches,
    texts: Sequence[Ids],
    training: AnyIds,
    tokenizer: Tokenizer,
) -> CopyFigures:
    """Return how much of some texts is copied; `matches` are theirs."""
    count = len(matches.lengths)
    return CopyFigures(
        name=name,
        texts=len(texts),
        characters=count,
        longest=_longest(matches, texts, training, tokenizer),
        shares={length: _share(matches, length) for length in LENGTHS},
        novelty=_novelty(matches),
    )


def copied_passages(matches: Matches, least: int = LENGTHS[0]) -> list[tuple[int, int, int]]:
    """Return (place, length, training place) of each copy of `least` ids or more that is as long as
    it can be, in the order of the texts."""
    lengths = matches.lengths
    longer = np.append(0, lengths[:-1]) == lengths + 1  # the end of one that began before
    longer[[end for end in (0, *matches.ends) if end < len(lengths)]] = False
    chosen = np.flatnonzero((lengths >= least) & ~longer)
    return [(int(at), int(lengths[at]), int(matches.places[at])) for at in chosen]


def _share(matches: Matches, length: int) -> float:
    """Return the share of ids that lie in copies of `length` ids or more."""
    count = len(matches.lengths)
    if not count:
        return 0.0
    places = np.flatnonzero(matches.lengths >= length)
    depth = np.zeros(count + 1, np.int64)  # how many begin, less how many end
    np.add.at(depth, places, 1)
    np.add.at(depth, places + matches.lengths[places], -1)
    return float((np.cumsum(depth)[:-1] > 0).mean())


def _novelty(matches: Matches) -> tuple[float, ...]:
    """Return for n from 1 on the share of the sequences of n ids that the training text lacks; NaN
    where all texts are shorter."""
    sizes = np.diff(matches.ends, prepend=0)
    found = []
    for length in range(1, LONGEST_NGRAM + 1):
        sequences = int(np.maximum(sizes - length + 1, 0).sum())
        known = int((matches.lengths >= length).sum())
        found.append(1 - known / sequences if sequences else math.nan)
    return tuple(found)


def _longest(
    matches: Matches, texts: Sequence[Ids], training: AnyIds, tokenizer: Tokenizer
) -> tuple[Copy, ...]:
    """Return the longest copies, no two of which overlap."""
    found: list[Copy] = []
    taken: list[tuple[int, int]] = []
    copies = copied_passages(matches, least=1)
    for place, length, other in sorted(copies, key=lambda each: (-each[1], each[0])):
        if len(found) == LISTED:
            break
        if any(place < end and begin < place + length for begin, end in taken):
            continue
        taken.append((place, place + length))
        number = int(np.searchsorted(matches.ends, place, side="right"))
        within = place - (matches.ends[number - 1] if number else 0)
        (where,) = original_places(training, [other])
        found.append(
            Copy(
                text_number=number,
                place=within,
                length=length,
                passage=tokenizer.decode(texts[number][within : within + min(length, _SHOWN)]),
                training_place=where,
                training_line=_line(training, where, tokenizer),
            )
        )
    return tuple(found)


def original_places(training: AnyIds, places: Sequence[int]) -> list[int]:
    """Return where places of the training text are in the whole text."""
    if not isinstance(training, Excerpt):
        return list(places)
    starts, ends = (each.astype(np.int64) for each in training.passages())
    bounds = np.cumsum(ends - starts)
    passages = np.searchsorted(bounds, places, side="right")
    found: list[int] = (ends[passages] - bounds[passages] + np.asarray(places)).tolist()
    return found


def _line(training: AnyIds, place: int, tokenizer: Tokenizer) -> int:
    """Return the number of a place's line from 1; 1 where no line ends are known."""
    newline = newline_id(tokenizer)
    ids = training.ids if isinstance(training, Excerpt) else training
    return 1 if newline is None else 1 + int(np.count_nonzero(ids[:place] == newline))


__all__ = [
    "Matches",
    "copied_passages",
    "describe_copies",
    "find_matches",
    "original_places",
]
