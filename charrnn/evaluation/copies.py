"""Copies: how much of a text stands word for word in the training text.

A passage is copied where LENGTH characters in a row, or more, are also somewhere in the training
text. A model, an n-gram and xz all predict such a passage better than a new one, so where much of
the held-out text is copied, the loss says little of how the model does on new text.

Ruled lines and padding are not passages: LENGTH characters count only where at least LEAST_CHANGES
of them differ from the character before. Otherwise any two tables would be copies of each other.

The training text is read once, in chunks, and may be larger than memory. Windows of LENGTH
characters are compared by 64-bit hashes; the probability that one of a million windows has by
chance the hash of one of a billion others is below 1 in 10,000. Most windows of the training text
are not hashed. It is cut into blocks of STRIDE characters, and every window holds the first GRAM
characters of a block: only the windows are compared whose block begins as some passage of the text
does (rsync compares files in this way; Tridgell and Mackerras, 1996).

Legend: N characters of a text, W windows, H hashes.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from charrnn.data.excerpt import AnyIds, passages
from charrnn.data.memmap import release_pages
from charrnn.data.tokenizer import Ids
from charrnn.data.window_hashes import Hashes, mix_hashes, rolling_hashes

LENGTH: Final = 50
"""The characters of the shortest passage that is a copy: about eight words, which hardly two
people write alike by chance."""

LEAST_CHANGES: Final = LENGTH // 2

LARGEST_COMPARED: Final = 1_000_000
"""The most characters of a text that are compared; a longer one is compared in passages."""

GRAM: Final = 24
STRIDE: Final = LENGTH - GRAM + 1
"""Every window of LENGTH has a multiple of STRIDE with GRAM characters after it."""

_GRAMS_OF_WINDOW: Final = (0, GRAM, LENGTH - GRAM)
"""Where in a window its grams begin, which are all of it together."""

_BLOCKS: Final = 1 << 14
_CHUNK: Final = _BLOCKS * STRIDE
"""The blocks, and the characters, of the training text that are looked at together."""

_ROWS: Final = 1 << 15
_DENSE: Final = 0.5
"""The share of blocks from which it takes less time to hash every window."""

_SEED: Final = np.uint64(0x9E3779B97F4A7C15)
_LAST: Final = np.uint64(2**64 - 1)

Mask = npt.NDArray[np.bool_]


def copied_share(training: AnyIds, text: AnyIds) -> float:
    """Return the share of the characters of a text (N,) that lie in copies of LENGTH characters or
    more of the training text.

    Of more than LARGEST_COMPARED characters, passages from all over the text are compared, and the
    share is an estimate.
    """
    if len(text) > LARGEST_COMPARED:
        text = passages(text, LARGEST_COMPARED)
    text = np.asarray(text, np.result_type(text.dtype, training.dtype))
    if min(len(training), len(text)) < LENGTH:
        return 0.0
    copied = _find(training, text)  # (W,)
    return float(_within(copied, LENGTH).mean())


def longest_copy(training: AnyIds, texts: Sequence[Ids]) -> tuple[int, int]:
    """Return how many characters the longest passage has that one of the texts (N,) shares word for
    word with the training text, whatever it consists of; and the number of that text.

    Every window of the training text is hashed, once for each step of a binary search.
    """
    lengths = [len(text) for text in texts]
    between = np.array([-1], np.int64)  # no id, so that no copy goes from one text to the next
    parts = [part for text in texts for part in (text.astype(np.int64), between)]
    joined = np.concatenate([*parts, between])
    least, number, most = 0, 0, min(max(lengths, default=0), len(training))
    while least < most:
        length = (least + most + 1) // 2
        windows = rolling_hashes(joined, length)
        wanted = _HashSet(windows)
        for begin in range(0, len(training), _CHUNK):
            piece = training[begin : begin + _CHUNK + length - 1].astype(np.int64)
            if len(piece) >= length:
                wanted.mark(rolling_hashes(piece, length))
            release_pages(training)
        found = np.flatnonzero(wanted.is_found(windows))
        if len(found):
            least = length
            ends = np.cumsum(np.array(lengths) + 1)
            number = int(np.searchsorted(ends, found[0], side="right"))
        else:
            most = length - 1
    return least, number


class _HashSet:
    """A set of 64-bit hashes (H,) that remembers which of them have been found.

    The hashes are sorted, and their first bits say where in the order each must be: a search takes
    a few steps. A table says of most numbers that are not in the set that they are not.
    """

    def __init__(self, hashes: Hashes) -> None:
        ordered = np.sort(hashes)
        new = np.append(ordered[:-1] != ordered[1:], True)[: len(ordered)]
        self._hashes = np.append(ordered[new], _LAST)  # np.unique takes ten times as long
        bits = len(self._hashes).bit_length()
        self._shift, self._table_shift = np.uint64(64 - bits), np.uint64(64 - bits - 4)
        first_bits = np.arange(1 << bits, dtype=np.uint64) << self._shift
        self._begins = np.searchsorted(self._hashes, first_bits).astype(np.int32)
        self._table = np.zeros(1 << (bits + 4), bool)
        self._table[self._hashes >> self._table_shift] = True
        self._found = np.zeros(len(self._hashes), bool)

    def find(self, hashes: Hashes) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32]]:
        """Return which of the hashes (H,) are in the set, and where."""
        likely = np.flatnonzero(self._table[hashes >> self._table_shift])
        wanted = hashes[likely]
        places = self._begins[wanted >> self._shift]
        while (before := self._hashes[places] < wanted).any():
            places += before
        known = self._hashes[places] == wanted
        return likely[known], places[known]

    def mark(self, hashes: Hashes) -> None:
        """Mark those of the hashes (H,) that are in the set as found."""
        self._found[self.find(hashes)[1]] = True

    def is_found(self, hashes: Hashes) -> Mask:
        """Return whether each of the hashes (H,) is in the set and was found."""
        found = np.zeros(len(hashes), bool)
        positions, places = self.find(hashes)
        found[positions] = self._found[places]
        return found

    @property
    def size(self) -> int:
        """Return H."""
        return len(self._hashes) - 1

    @property
    def found(self) -> int:
        """Return how many of them have been found."""
        return int(np.count_nonzero(self._found))


def _find(training: AnyIds, text: Ids) -> Mask:
    """Return whether each window (W,) of a text is a passage that occurs in the training text."""
    grams = _gram_hashes(text)
    windows = _window_hashes(grams)
    passage = _is_passage(text)
    wanted = _HashSet(windows[passage])
    beginnings = _HashSet(grams[_within(passage, STRIDE)])
    enough = wanted.size // 4
    if not passage.any():
        return passage
    for begin in range(0, len(training), _CHUNK):
        before = min(begin, STRIDE - 1)  # windows begin there that have their block in this chunk
        piece = training[begin - before : begin + _CHUNK + LENGTH].astype(text.dtype, copy=False)
        blocks = sliding_window_view(piece, GRAM)[before::STRIDE][:_BLOCKS]
        found = before + STRIDE * beginnings.find(_hash_rows(blocks))[0]
        if len(found) > _DENSE * len(blocks):
            wanted.mark(_window_hashes(_gram_hashes(piece)))
        else:
            starts = (found[:, None] - np.arange(STRIDE)).ravel()
            starts = starts[(starts >= 0) & (starts <= len(piece) - LENGTH)]
            wanted.mark(_window_hashes_at(piece, starts))
        release_pages(training)
        if wanted.found > enough:  # what was found need not be looked for again
            missing = passage & ~wanted.is_found(windows)
            if not missing.any():
                break
            beginnings = _HashSet(grams[_within(missing, STRIDE)])
            enough = wanted.found + (wanted.size - wanted.found) // 4
    return passage & wanted.is_found(windows)


def _is_passage(text: Ids) -> Mask:
    """Return whether each window (W,) of ids (N,) is a passage, and not a rule or padding."""
    changes = np.cumsum(text[1:] != text[:-1], dtype=np.int64)
    changes = np.concatenate([[0], changes])  # before each character
    enough: Mask = changes[LENGTH - 1 :] - changes[: len(text) - LENGTH + 1] >= LEAST_CHANGES
    return enough


def _within(windows: Mask, span: int) -> Mask:
    """Return whether each position (W + span - 1,) is among the `span` positions from the start of
    a marked window."""
    depth = np.zeros(len(windows) + span, np.int64)  # how many begin, less how many end
    depth[: len(windows)] += windows
    depth[span:] -= windows
    within: Mask = np.cumsum(depth)[:-1] > 0
    return within


def _gram_hashes(ids: Ids) -> Hashes:
    """Return the hash of each GRAM characters in a row of ids (N,)."""
    rows = sliding_window_view(ids, GRAM)
    hashes = np.empty(len(rows), np.uint64)
    for begin in range(0, len(rows), _ROWS):
        hashes[begin : begin + _ROWS] = _hash_rows(rows[begin : begin + _ROWS])
    return hashes


def _window_hashes(grams: Hashes) -> Hashes:
    """Return the hash of each window (W,), from those of all GRAM characters in a row."""
    count = len(grams) - LENGTH + GRAM
    first, *others = (grams[begin : begin + count] for begin in _GRAMS_OF_WINDOW)
    return mix_hashes(first, *others)


def _window_hashes_at(ids: Ids, starts: npt.NDArray[np.intp]) -> Hashes:
    """Return the hashes of the windows of ids (N,) with these starts (W,)."""
    rows = sliding_window_view(ids, GRAM)
    first, *others = (_hash_rows(rows[starts + begin]) for begin in _GRAMS_OF_WINDOW)
    return mix_hashes(first, *others)


def _hash_rows(rows: npt.NDArray[Any]) -> Hashes:
    """Return the hash of each row of ids (H, GRAM), in 64-bit words."""
    words = np.ascontiguousarray(rows).view(np.uint64)
    return mix_hashes(np.full(len(rows), _SEED), *words.T)
