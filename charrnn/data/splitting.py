"""The split of a text into a training and a validation part.

The validation part of running text is its last part. Lines that are separate documents may be
sorted (by name, by date, by kind), and some may be far longer than others, so lines from all over
the text are held out, drawn by a seed.

Legend: N characters, D lines.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.data.excerpt import AnyIds, Excerpt
from charrnn.data.memmap import CHUNK, chunks, release_pages
from charrnn.data.tokenizer import Ids
from charrnn.errors import ConfigError, CorpusError

MINIMUM_SPLIT: Final = 2
"""The fewest characters of training and validation: one to read, one to predict."""

LARGEST_SHARE: Final = 1.1
"""The largest share of the characters to hold out, as a multiple of the share of the lines."""

_LINES: Final = 1 << 16
"""How many lines are processed at once."""

_DRAWN: Final = 0x6C696E65
"""A number added to the seed, so that the split and the training draw from different streams."""


def check_validation_fraction(fraction: float) -> None:
    """Raise ConfigError for a share that cannot be held out."""
    if not 0 < fraction <= 0.5:
        raise ConfigError(f"validation fraction {fraction}: choose one above 0 and up to 0.5")


def split(
    ids: Ids, fraction: float, newline: int | None, *, lines: bool = False, seed: int | None = None
) -> tuple[AnyIds, AnyIds]:
    """Return the training ids, and the validation ids; nothing is copied.

    Args:
        ids: (N,).
        fraction: the share that is held out for validation.
        newline: the id that ends a line; None where the text has none.
        lines: whether the validation part begins with a whole line.
        seed: draws the lines to hold out; None: the last part is held out.

    Raises CorpusError when either would have too few characters, ConfigError for a fraction out of
    range.
    """
    check_validation_fraction(fraction)
    training: AnyIds
    held_out: AnyIds
    if seed is not None:
        drawn = _draw_lines(ids, fraction, newline, seed)
        if drawn is None:
            raise CorpusError(
                "--lines needs at least a few lines that are not empty: one to learn from, and "
                "one to be held out"
            )
        training, held_out = drawn
    else:
        boundary = int(len(ids) * (1 - fraction))
        if lines:
            boundary = _line_start(ids, boundary, newline)
            if boundary == 0:
                raise CorpusError("--lines needs at least a few lines")
        training, held_out = ids[:boundary], ids[boundary:]
    if min(len(training), len(held_out)) < MINIMUM_SPLIT:
        needed = max(2 * MINIMUM_SPLIT, int((MINIMUM_SPLIT - 1) / fraction) + 1)
        raise CorpusError(
            f"{len(ids)} characters are too few; training needs at least {needed}, of which "
            f"{fraction:.0%} are held out for validation"
        )
    return training, held_out


def _line_start(ids: Ids, end: int, newline: int | None) -> int:
    """Return where the last line of ids (N,) begins that begins at `end` or before; 0 where only
    the first line does."""
    while end > 0 and newline is not None:
        begin = max(0, end - CHUNK)
        newlines = np.flatnonzero(ids[begin:end] == newline)
        if len(newlines):
            return begin + int(newlines[-1]) + 1
        release_pages(ids)
        end = begin
    return 0


def _draw_lines(
    ids: Ids, fraction: float, newline: int | None, seed: int
) -> tuple[Excerpt, Excerpt] | None:
    """Return the lines to learn from, and the held-out lines: a share of the lines, drawn by the
    seed, but not much more than that share of the characters (see LARGEST_SHARE), so that no line
    that is longer is held out. Both are in the order of the text.

    Empty lines are learned from. Returns None where there are fewer than two lines that are not
    empty.
    """
    if newline is None:
        return None
    small = np.min_scalar_type(len(ids))
    ends = positions_after(ids, newline, small)  # (D,)
    order = _not_empty(ends)
    if len(order) < 2:
        return None
    np.random.default_rng([seed, _DRAWN]).shuffle(order)
    chosen = np.sort(_draw(order, ends, fraction, LARGEST_SHARE * fraction * len(ids)))
    begin, end = ends[chosen] - _lengths(ends, chosen), ends[chosen]
    before = np.concatenate([[0], end]).astype(small), np.concatenate([begin, [len(ids)]])
    some = before[0] < before[1]
    learned = before[0][some], before[1][some].astype(small)
    return Excerpt(ids, *learned), Excerpt(ids, begin, end)


def _draw(
    order: npt.NDArray[Any], ends: npt.NDArray[Any], fraction: float, room: float
) -> npt.NDArray[Any]:
    """Return the first lines of an order that fit into `room` characters: that fraction of them, or
    as many as fit; where none fits, the shortest."""
    wanted = min(max(round(fraction * len(order)), 1), len(order) - 1)
    every, drawn = order, order[:0]
    while len(order):
        total = np.cumsum(_lengths(ends, order[:wanted]), dtype=np.int64)
        fit = int(np.searchsorted(total, room, side="right"))
        drawn = np.concatenate([drawn, order[:fit]])
        if fit == wanted:
            return drawn
        wanted -= fit
        room -= int(total[fit - 1]) if fit else 0
        order = order[fit:]
        order = order[_lengths(ends, order) <= room]
    return drawn if len(drawn) else every[[_lengths(ends, every).argmin()]]


def _not_empty(ends: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return which of the lines with these ends (D,) are longer than their newline."""
    found = np.empty_like(ends)
    count = 0
    for begin in range(0, len(ends), _LINES):
        lines = np.arange(begin, min(begin + _LINES, len(ends)))
        some = lines[_lengths(ends, lines) > 1]
        found[count : count + len(some)] = some
        count += len(some)
    return found[:count]


def _lengths(ends: npt.NDArray[Any], lines: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the characters of some lines, including newlines, given where each line ends (D,)."""
    first = lines == 0
    begins = ends[np.where(first, lines, lines - 1)]
    begins[first] = 0
    lengths: npt.NDArray[Any] = ends[lines] - begins
    return lengths


def positions_after(ids: AnyIds, separator: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return the position after each separator in ids (N,), and the end where the last separator is
    missing."""
    count = sum(int(np.count_nonzero(chunk == separator)) for chunk in chunks(ids))
    open_end = len(ids) > 0 and int(ids[len(ids) - 1 : len(ids)][0]) != separator
    positions = np.empty(count + open_end, dtype=dtype)
    begin = end = 0
    for chunk in chunks(ids):
        found = np.flatnonzero(chunk == separator) + (begin + 1)
        positions[end : end + len(found)] = found
        begin, end = begin + len(chunk), end + len(found)
    if open_end:
        positions[-1] = len(ids)
    return positions


def count_repeated(training: AnyIds, held_out: AnyIds, newline: int) -> tuple[int, int]:
    """Return how many lines that are not empty were held out, and how many of them also occur in
    the training text."""
    wanted = [line for line in _lines(held_out, newline) if line]
    unseen = set(wanted)
    for line in _lines(training, newline):
        unseen.discard(line)
    return len(wanted), sum(line not in unseen for line in wanted)


def _lines(ids: AnyIds, newline: int) -> Iterator[str]:
    """Yield the lines of ids (N,), each id as a character, without the newlines."""
    begun = ""
    for chunk in chunks(ids):
        text = chunk.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
        first, *others = text.split(chr(newline))
        begun += first
        for other in others:
            yield begun
            begun = other
    if begun:
        yield begun
