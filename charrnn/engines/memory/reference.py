"""The memory in NumPy, whose bits native/memory.h has too.

Legend: V vocabulary, D decisions of an id, N ids, n decisions that are predicted together.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float32Array, Float64Array, Int64Array
from charrnn.engines.int8_numbers import exp
from charrnn.engines.memory.config import PROBABILITY_BITS, MemoryConfig
from charrnn.engines.memory.mixture import (
    Decisions,
    Guess,
    decide,
    learn_mixture,
    learn_shares,
    shares_after,
)
from charrnn.engines.memory.tables import (
    COUNTERS,
    MAP_LIMIT,
    MATCHES,
    SHORT,
    Tables,
    Words,
    stretched,
)
from charrnn.engines.memory.view import IDS_READ, View, find_or_make, look, nodes, slot_hash

_GROUP: Final = 4
"""The decisions of a slot, counted from the last."""


class ReferenceMemory:
    """See Memory."""

    def __init__(self, words: npt.NDArray[np.int32], config: MemoryConfig, tables: Tables) -> None:
        self.tables, self._words, self._config = tables, words, config
        self._stretched = stretched()
        self._size, self._decisions = len(words), (len(words) - 1).bit_length()
        self._made: list[tuple[Decisions, int]] = []
        self._left = 0

    def begin(self, logits: Float32Array | None) -> None:
        """See Memory."""
        self._begun = self._guess(self._look(self.tables.context), logits)
        self._now = self._shares(self._begun)
        self._prefix, self._left, self._made = 1, self._decisions, []
        self._skip()

    @property
    def undecided(self) -> bool:
        """See Memory."""
        return self._left > 0

    def bit(self, number: int) -> int:
        """See Memory."""
        return number >> (self._left - 1) & 1

    def predict_bit(self) -> int:
        """See Memory."""
        inner = self._passed(self._left)
        number = (self._prefix & ((1 << inner) - 1)) | 1 << inner
        prefixes, opened = np.array([self._prefix]), self._nodes[:, number - 1][None]
        self._decision = self._decide(self._begun, self._now, prefixes, opened, self._left)
        return int(self._decision.whole[0])

    def update_bit(self, bit: int) -> None:
        """See Memory."""
        self._made.append((self._decision, bit))
        self._now = shares_after(self._now, self._decision, bit)
        self._prefix, self._left = self._prefix * 2 + bit, self._left - 1
        self._skip()

    def end(self) -> int:
        """See Memory."""
        number = self._prefix - (1 << self._decisions)
        if self._begun.tree is not None:
            learn_shares(self.tables, self._config, self._now[:, 0])
        for decision, bit in self._made:
            learn_mixture(self.tables, decision, bit)
        self._learn_counts(self._begun.view, number)
        self._append(self._begun.view, number)
        return number

    def learn(self, ids: npt.NDArray[np.int32]) -> None:
        """See Memory."""
        for each in ids.tolist():
            view = self._look(self.tables.context)
            self._learn_counts(view, each)
            self._append(view, each)

    def score(self, ids: npt.NDArray[np.int32], network: Float32Array | None) -> Float64Array:
        """Return the probabilities (N,) of ids; see Memory."""
        found = np.ones(len(ids))
        for place, each in enumerate(ids.tolist()):
            self.begin(None if network is None else network[place])
            while self.undecided:
                one, bit = self.predict_bit() / (1 << PROBABILITY_BITS), self.bit(each)
                found[place] *= one if bit else 1 - one
                self.update_bit(bit)
            self.end()
        return found

    def distribution(
        self, context: npt.NDArray[np.int32], logits: Float32Array | None, matches: bool
    ) -> Float64Array:
        """See Memory; all decisions at the same depth are computed together."""
        guess = self._guess(self._look(context, matches), logits)
        shares, products = self._shares(guess), np.ones(1)
        groups = np.zeros((0, COUNTERS, 0), dtype=np.uint32)
        for depth in range(self._decisions):
            left = self._decisions - depth
            inner = self._passed(left)
            count = -(-self._size >> left)  # the beginnings of ids
            prefixes = (1 << depth) + np.arange(count)
            if inner == 0:
                groups = np.stack([nodes(self.tables, guess.view, int(p)) for p in prefixes])
            numbers = (prefixes & ((1 << inner) - 1)) | 1 << inner
            opened = groups[np.arange(count) >> inner, :, numbers - 1]
            decisions = self._decide(guess, shares, prefixes, opened, left)
            certain = np.array([self._is_certain(int(prefix), left) for prefix in prefixes])
            ones = np.where(certain, 0, decisions.whole / (1 << PROBABILITY_BITS))
            zero = np.where(certain, shares, shares_after(shares, decisions, 0))
            both = np.stack([zero, shares_after(shares, decisions, 1)], axis=2)
            shares = both.reshape(2, -1)[:, : -(-self._size >> left - 1)]
            products = np.stack([products * (1 - ones), products * ones], axis=1).reshape(-1)
            products = products[: -(-self._size >> left - 1)]
        return products

    def _look(self, context: npt.NDArray[np.int32], matches: bool = True) -> View:
        matches = matches and self._config.has("matches")
        return look(self.tables, self._config, self._words, context, matches=matches)

    def _guess(self, view: View, logits: Float32Array | None) -> Guess:
        tree = self._sum_tree(logits)
        return Guess(self._config, self._stretched, view, tree, self._decisions)

    def _shares(self, guess: Guess) -> Float32Array:
        """Return the shares (2, 1) of the mixture and of the network alone before an id."""
        alone = np.array([1, 0], dtype=np.float32)
        return (alone if guess.tree is None else self.tables.trust)[:, None]

    def _decide(
        self, guess: Guess, shares: Float32Array, prefixes: Int64Array, opened: Words, left: int
    ) -> Decisions:
        states = states_of(opened)
        return decide(self.tables, guess, shares, prefixes, opened, states, left)

    def _passed(self, left: int) -> int:
        """Return how many decisions of a slot are passed."""
        return min((left - 1) // _GROUP * _GROUP + _GROUP, self._decisions) - left

    def _is_certain(self, prefix: int, left: int) -> bool:
        one = prefix * 2 + 1 - (1 << (self._decisions - left + 1))
        return one << (left - 1) >= self._size

    def _skip(self) -> None:
        """Take the decisions that are certain, and find slots where the next four begin."""
        while self._left:
            if self._passed(self._left) == 0:
                self._nodes = nodes(self.tables, self._begun.view, self._prefix)
            if not self._is_certain(self._prefix, self._left):
                return
            self._prefix, self._left = self._prefix * 2, self._left - 1

    def _sum_tree(self, logits: Float32Array | None) -> Float32Array | None:
        """Return the sums (2^(D + 1),) of the network's probabilities by the beginnings of ids;
        None without a network, or where a logit is not finite."""
        if logits is None or not np.isfinite(logits).all():
            return None
        with np.errstate(over="ignore"):
            level = exp(np.maximum(logits - logits.max(), np.float32(-60)))
        leaves = 1 << self._decisions
        tree = np.zeros(2 * leaves, dtype=np.float32)
        tree[leaves : leaves + self._size] = level
        while leaves > 1:
            leaves //= 2
            below = tree[2 * leaves : 4 * leaves]
            tree[leaves : 2 * leaves] = below[::2] + below[1::2]
        return tree

    def _learn_counts(self, view: View, number: int) -> None:
        """Count that an id came."""
        whole = number | 1 << self._decisions
        first = self._decisions
        while first > 0:
            last = (first - 1) // _GROUP * _GROUP
            for counter in range(COUNTERS):
                slot = find_or_make(self.tables, slot_hash(view, counter, whole >> first))
                for left in range(first, last, -1):
                    if self._is_certain(whole >> left, left):
                        continue
                    inner = first - left
                    place = ((whole >> left & ((1 << inner) - 1)) | 1 << inner) - 1
                    bit = whole >> (left - 1) & 1
                    node = int(slot[place])
                    if node >> 8 & 255:
                        _learn_entry(self.tables.maps[counter], state_of(node), bit)
                    slot[place] = _learned_node(node, bit)
            first = last
        for left in range(self._decisions, 0, -1):
            if self._is_certain(whole >> left, left):
                continue
            for match, expected in enumerate(view.expected):
                prefix = (expected | 1 << self._decisions) >> left
                if expected >= 0 and prefix == whole >> left:
                    entry = view.lengths[match] // 2 * 2 + (left == self._decisions)
                    right = (expected ^ whole) >> (left - 1) & 1 == 0
                    _learn_entry(self.tables.match_maps[match], entry, right)

    def _append(self, view: View, number: int) -> None:
        """Append an id to what was read."""
        tables = self.tables
        read = int(tables.totals[IDS_READ])
        for match in range(MATCHES):
            place = view.places[match]
            if place is not None:
                tables.places[match, place] = read
        tables.history[read % len(tables.history)] = number
        tables.totals[IDS_READ] += np.uint64(1)
        tables.context[:-1] = tables.context[1:].copy()
        tables.context[-1] = number


def states_of(given: Words) -> npt.NDArray[np.int64]:
    """Return the states of nodes: their decisions where they have few; else their last four, about
    how often they were seen, and their probability."""
    wide = given.astype(np.int64)
    seen, last = wide >> 8 & 255, wide & 255
    short = np.minimum(seen, SHORT)
    often = (seen >= 12).astype(np.int64) + (seen >= 32)
    many = 64 + ((often * 32 + (wide >> 27)) * 16 + (last & 15))
    return np.asarray(np.where(seen <= SHORT, (1 << short) | (last & ((1 << short) - 1)), many))


def state_of(node: int) -> int:
    """Return the state of one node."""
    seen, last = node >> 8 & 255, node & 255
    if seen <= SHORT:
        return 1 << seen | last & ((1 << seen) - 1)
    often = (seen >= 12) + (seen >= 32)
    return 64 + (often * 32 + (node >> 27)) * 16 + (last & 15)


def _learned_node(node: int, bit: int) -> int:
    p, seen = node >> 16, node >> 8 & 255
    rate = 131072 // (2 * seen + 3)
    p = p + ((65535 - p) * rate >> 16) if bit else p - (p * rate >> 16)
    return p << 16 | min(seen + 1, 255) << 8 | (node << 1 & 254) | bit


def _learn_entry(entries: Words, place: int, outcome: int) -> None:
    """Move an entry of a map, 22 bits of a probability and 10 of a count, to an outcome."""
    entry = int(entries[place])
    p, count = entry >> 10, entry & 1023
    rate, most = 131072 // (2 * count + 3), (1 << 22) - 1
    p = p + ((most - p) * rate >> 16) if outcome else p - (p * rate >> 16)
    entries[place] = p << 10 | min(count + 1, MAP_LIMIT)
