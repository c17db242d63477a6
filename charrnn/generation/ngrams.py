"""Followers: the ids that follow each n-gram of a text, so that no n-gram comes twice."""

from collections.abc import Mapping, Sequence
from typing import Final

_NEW: Final = 256
"""The number of new n-grams that each copy has to copy; older ones are shared."""

_SHARE: Final = 64
"""The number of shared n-grams for each new one, so that large tables are not merged too often."""

_Table = dict[tuple[int, ...], tuple[int, ...]]


class Followers:
    """The ids that have followed each n - 1 ids in a row.

    Args:
        size: n.
        ids: the text so far.
    """

    def __init__(self, size: int, ids: Sequence[int] = ()) -> None:
        self._size = size
        self._shared: Mapping[tuple[int, ...], tuple[int, ...]] = {}
        self._new: _Table = {}
        for end in range(size - 1, len(ids)):
            _join(self._new, tuple(ids[end - size + 1 : end]), (int(ids[end]),))
        self._share()

    def after(self, ids: Sequence[int]) -> list[int]:
        """Return the ids that have followed the end of a text before.

        Returns none if the text is shorter than n - 1.
        """
        beginning = self._beginning(ids)
        if beginning is None:
            return []
        return [*self._shared.get(beginning, ()), *self._new.get(beginning, ())]

    def add(self, ids: Sequence[int], choice: int) -> None:
        """Add the id that follows the end of a text."""
        beginning = self._beginning(ids)
        if beginning is None or choice in self._shared.get(beginning, ()):
            return
        _join(self._new, beginning, (choice,))
        if len(self._new) > max(_NEW, len(self._shared) // _SHARE):
            self._share()

    def copy(self) -> "Followers":
        """Return a copy that can be extended independently."""
        other = Followers.__new__(Followers)
        other._size, other._shared, other._new = self._size, self._shared, self._new.copy()
        return other

    def _share(self) -> None:
        if self._new:
            shared = dict(self._shared)
            for beginning, following in self._new.items():
                _join(shared, beginning, following)
            self._shared, self._new = shared, {}

    def _beginning(self, ids: Sequence[int]) -> tuple[int, ...] | None:
        size = self._size - 1
        return tuple(ids[len(ids) - size :]) if len(ids) >= size else None


def _join(table: _Table, beginning: tuple[int, ...], following: tuple[int, ...]) -> None:
    known = table.get(beginning, ())
    table[beginning] = known + tuple(each for each in following if each not in known)
