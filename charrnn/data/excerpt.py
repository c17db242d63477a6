"""Excerpts: passages of a text, read as if they were a separate text.

Only the requested ids are copied, and only the positions of the passages are in memory, so that the
text may be larger than memory.

Legend: N characters of the text, n of the excerpt, P passages.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import Ids

_CHUNK: Final = 1 << 16
"""How many ids are looked up at once."""

_PASSAGES: Final = 64


class Excerpt:
    """Passages of ids (N,), in their order. It is indexed like an array (n,), by a slice or by
    positions of any shape, and returns a copy.

    Args:
        ids: (N,).
        starts, ends: (P,) the bounds of the passages, which are in ascending order and do not
            overlap.
    """

    def __init__(self, ids: Ids, starts: npt.NDArray[Any], ends: npt.NDArray[Any]) -> None:
        self.ids = ids
        lengths = ends - starts
        self._ends = np.cumsum(lengths, dtype=starts.dtype)  # (P,) in the excerpt
        self._shifts = starts - (self._ends - lengths)  # (P,) from the excerpt to the text

    def __len__(self) -> int:
        """Return n."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, where: slice | npt.NDArray[Any]) -> Ids:
        """Return the ids of a slice, or at positions."""
        if isinstance(where, slice):
            begin, end, step = where.indices(len(self))
            assert step == 1, "an excerpt is read forwards, and whole"
            found = np.empty(max(end - begin, 0), self.dtype)
            for at in range(begin, end, _CHUNK):  # positions take far more memory than ids
                part = found[at - begin : at - begin + _CHUNK]
                part[:] = self.ids[self._places(at, at + len(part))]
            return found
        at_positions: Ids = self.ids[self._positions(where)]
        return at_positions

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return all ids, in memory."""
        if copy is False:
            raise ValueError("an excerpt is made an array by copying only")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the ids."""
        return self.ids.dtype

    @property
    def nbytes(self) -> int:
        """The bytes of the ids."""
        return len(self) * self.ids.itemsize

    def passages(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return where in the text the passages start (P,), and end (P,)."""
        ends = self._ends + self._shifts
        return ends - np.diff(self._ends, prepend=self._ends.dtype.type(0)), ends

    def _positions(self, where: npt.NDArray[Any]) -> npt.NDArray[Any]:
        wanted = where.astype(self._ends.dtype)  # otherwise all of the ends would be converted
        passages = np.searchsorted(self._ends, wanted, side="right")
        places: npt.NDArray[Any] = wanted + self._shifts[passages]
        return places

    def _places(self, begin: int, end: int) -> npt.NDArray[Any]:
        """Return the positions in the text of the excerpt's ids from `begin` to `end`, at least
        one."""
        dtype = self._ends.dtype
        first, last = np.searchsorted(self._ends, np.array([begin, end - 1], dtype), side="right")
        ends = self._ends[first : last + 1].copy()
        ends[-1] = end
        counts = np.diff(ends, prepend=dtype.type(begin)).astype(np.int64)
        places: npt.NDArray[Any] = np.arange(begin, end, dtype=dtype)
        places += np.repeat(self._shifts[first : last + 1], counts)
        return places


AnyIds = Ids | Excerpt
"""Ids (N,) that can be indexed by a slice or by positions."""


def passages(ids: AnyIds, count: int) -> Ids:
    """Take about `count` ids, in passages of one length from all over a longer text (N,)."""
    length = max(count // _PASSAGES, 1)
    starts = (len(ids) - length) * np.arange(_PASSAGES, dtype=np.int64) // (_PASSAGES - 1)
    return np.concatenate([ids[int(start) : int(start) + length] for start in starts])
