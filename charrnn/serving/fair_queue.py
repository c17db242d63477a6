"""FairQueue: a queue that serves its owners in turn."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class FairQueue(Generic[Item]):
    """A queue that takes one item of each owner in turn, so that an owner of many does not make the
    others wait. The items of one owner keep their order, and none is in the queue twice.

    It does not lock; its user does.
    """

    def __init__(self) -> None:
        self._owners: OrderedDict[Hashable, OrderedDict[Item, None]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Item]:
        for items in self._owners.values():
            yield from items

    def push(self, owner: Hashable, item: Item) -> None:
        """Add an item of an owner at the end."""
        items = self._owners.setdefault(owner, OrderedDict())
        self._size += item not in items
        items[item] = None

    def pop(self) -> Item:
        """Remove and return the first item of the owner whose turn it is. Raises KeyError when the
        queue is empty."""
        owner = next(iter(self._owners), None)
        if owner is None:
            raise KeyError("the queue is empty")
        items = self._owners[owner]
        item, _ = items.popitem(last=False)
        self._size -= 1
        if items:
            self._owners.move_to_end(owner)
        else:
            del self._owners[owner]
        return item

    def remove(self, owner: Hashable, item: Item) -> bool:
        """Remove an item. Returns whether it was in the queue."""
        items = self._owners.get(owner)
        if items is None or item not in items:
            return False
        del items[item]
        self._size -= 1
        if not items:
            del self._owners[owner]
        return True
