"""What a memory looks up before an id, as native/memory_counts.h does.

Legend: V vocabulary, D decisions of an id.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.engines.memory.config import CONTEXT, MemoryConfig
from charrnn.engines.memory.tables import (
    COUNTERS,
    MATCH_LEAST,
    NODE_START,
    NODES,
    ORDERS,
    Tables,
    Words,
    place_bits,
)

_MASK: Final = 0xFFFFFFFF
_BUCKET: Final = 4
IDS_READ: Final = 0
"""The place of the number of ids that were read in `totals`."""


@dataclass(frozen=True)
class View:
    """What is known before an id.

    Attributes:
        context: the last CONTEXT ids, the last one first; -1 for none.
        seeds: the hash of the context of each counter.
        places: for each match, the place of its context's hash; None where the context is short.
        expected: for each match, the id that followed; -1 without one.
        lengths: for each match, how many ids were the same.
    """

    context: list[int]
    seeds: list[int]
    places: list[int | None]
    expected: list[int]
    lengths: list[int]


def mixed(hashed: int, value: int) -> int:
    """Return a hash of a hash and a value."""
    hashed = (hashed + value + 1) * 0x9E3779B1 & _MASK
    return hashed ^ hashed >> 15


def look(
    tables: Tables,
    config: MemoryConfig,
    words: npt.NDArray[np.int32],
    context: npt.NDArray[np.int32],
    *,
    matches: bool,
) -> View:
    """Find the contexts, and the matches if they are wanted."""
    last = context[::-1].tolist()
    hashes, hashed = [0], 0
    for each in last[: max(*ORDERS, *MATCH_LEAST)]:
        hashed = mixed(hashed, each)
        hashes.append(hashed)
    seeds = [mixed(hashes[order], 0) for order in ORDERS] + _word_seeds(last, words)
    bits = place_bits(config)
    places = [
        hashes[least] * 0x85EBCA6B % (1 << 32) >> (32 - bits) if last[least - 1] >= 0 else None
        for least in MATCH_LEAST
    ]
    expected, lengths = [-1] * len(places), [0] * len(places)
    for match, place in enumerate(places):
        if matches and place is not None:
            expected[match], lengths[match] = _match(tables, last, match, place)
    if expected[0] == expected[1] and lengths[0] == lengths[1]:
        expected[1] = -1  # the same place
    return View(last, seeds, places, expected, lengths)


def _word_seeds(last: list[int], words: npt.NDArray[np.int32]) -> list[int]:
    """Return the hashes of the word, and of the word with the one before."""
    letters = [int(words[each]) if each >= 0 else -1 for each in last]
    hashed, i = 77, 0
    while i < CONTEXT and letters[i] > 0:
        hashed, i = mixed(hashed, letters[i]), i + 1
    first = mixed(hashed, 1)
    while i < CONTEXT and letters[i] == 0:
        hashed, i = mixed(hashed, last[i]), i + 1
    while i < CONTEXT and letters[i] > 0:
        hashed, i = mixed(hashed, letters[i]), i + 1
    return [first, mixed(hashed, 2)]


def _match(tables: Tables, last: list[int], match: int, place: int) -> tuple[int, int]:
    """Return the id after the last place with the same context, and the context's length."""
    read, ring = int(tables.totals[IDS_READ]), len(tables.history)
    found = int(tables.places[match, place])
    if found == 0 or found >= read or read - found + CONTEXT >= ring:
        return -1, 0
    length = 0
    while (
        length < CONTEXT
        and length < found
        and tables.history[(found - 1 - length) % ring] == last[length]
    ):
        length += 1
    return (int(tables.history[found % ring]), length) if length >= MATCH_LEAST[match] else (-1, 0)


def slot_hash(view: View, counter: int, prefix: int) -> int:
    """Return the hash of a slot: of a counter's context, and of the decisions before."""
    hashed = mixed(view.seeds[counter], prefix * 16 + counter) * 0x2C1B3C6D & _MASK
    return hashed ^ hashed >> 13 or 1


def _bucket(tables: Tables, hashed: int) -> list[int]:
    """Return the rows in which a slot may be."""
    bits = len(tables.table).bit_length() - 1
    index = (hashed * 0x297A2D39 & _MASK) >> (32 - bits)
    return [index ^ k for k in range(_BUCKET)]


def nodes(tables: Tables, view: View, prefix: int) -> Words:
    """Return the nodes (COUNTERS, NODES) of the next four decisions."""
    found = np.full((COUNTERS, NODES), NODE_START, dtype=np.uint32)
    for counter in range(COUNTERS):
        hashed = slot_hash(view, counter, prefix)
        rows = _bucket(tables, hashed)
        checks = tables.table[rows, NODES].tolist()
        if hashed in checks:
            found[counter] = tables.table[rows[checks.index(hashed)], :NODES]
    return found


def find_or_make(tables: Tables, hashed: int) -> Words:
    """Return a slot; a new one takes the place of the one whose first node was seen least."""
    rows = _bucket(tables, hashed)
    checks = tables.table[rows, NODES].tolist()
    if hashed in checks:
        found: Words = tables.table[rows[checks.index(hashed)]]
        return found
    firsts = tables.table[rows, 0].tolist()
    seen = [
        1 + (first >> 8 & 255) if check else 0 for first, check in zip(firsts, checks, strict=True)
    ]
    slot: Words = tables.table[rows[seen.index(min(seen))]]
    slot[:NODES], slot[NODES] = NODE_START, hashed
    return slot
