"""PrefixCache: states of the model after the beginnings of texts, so that none is read twice.

Legend: N ids.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engines import State

MOST_BYTES: Final = 64 << 20
"""The default limit on the memory of all states."""

_ENTRY_BYTES: Final = 600
"""About what an entry takes beside the numbers of its state."""


class Prefixes:
    """Ids, and a fingerprint of each of their beginnings.

    Attributes:
        ids: (N,) the ids.
        sums: the fingerprints of the first 1, 2, ..., N ids.
    """

    def __init__(self, ids: Sequence[int] | npt.NDArray[np.integer], salt: int) -> None:
        self.ids = np.asarray(ids, dtype=np.int32)
        # A random number for each pair of a place and an id, by SplitMix64; added up modulo 2**64.
        mixed = np.arange(len(self.ids), dtype=np.uint64) << np.uint64(32)
        mixed += self.ids.view(np.uint32)
        mixed += np.uint64(salt)
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        self.sums: list[int] = mixed.cumsum().tolist()

    def __len__(self) -> int:
        return len(self.ids)

    def digest(self, length: int) -> bytes:
        """Return a digest that no other ids than the first `length` have."""
        return blake2b(self.ids[:length].data, digest_size=16).digest()


class _Entry(NamedTuple):
    digest: bytes
    state: State
    size: int  # bytes


class PrefixCache:
    """States after the beginnings of texts. When they take too much memory, those that were not
    used for the longest time are dropped. Several threads may use one cache.

    Args:
        most_bytes: the limit on the memory of all states.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._salt = secrets.randbits(64)  # nobody can make texts with equal fingerprints
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        """The bytes that all states take, about."""
        return self._bytes

    def prefixes(self, ids: Sequence[int] | npt.NDArray[np.integer]) -> Prefixes:
        """Return the prefixes of ids (N,), for the other methods."""
        return Prefixes(ids, self._salt)

    def longest(self, prefixes: Prefixes) -> tuple[int, State | None]:
        """Return the length of the longest beginning whose state is kept, and the state (with B =
        1); 0 and None if there is none."""
        entries = self._entries
        if not entries:
            return 0, None
        with self._lock:
            for length in range(len(prefixes), 0, -1):
                entry = entries.get(prefixes.sums[length - 1])
                if entry is not None and entry.digest == prefixes.digest(length):
                    entries.move_to_end(prefixes.sums[length - 1])
                    return length, entry.state
        return 0, None

    def keep(self, prefixes: Prefixes, length: int, state: State | None) -> None:
        """Keep the state (with B = 1) after the first `length` ids. None is not kept, nor is a
        state larger than the whole cache."""
        if state is None or length == 0:
            return
        size = _ENTRY_BYTES + sum(getattr(part, "nbytes", 0) for part in state)
        if size > self._most_bytes:
            return
        key, entry = prefixes.sums[length - 1], _Entry(prefixes.digest(length), state, size)
        with self._lock:
            before = self._entries.pop(key, None)
            self._bytes += size - (0 if before is None else before.size)
            self._entries[key] = entry
            while self._bytes > self._most_bytes:
                _, dropped = self._entries.popitem(last=False)
                self._bytes -= dropped.size
