"""Groups of items that come one after the other."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def grouped(
    items: Iterable[T],
    *,
    most: int,
    size: Callable[[T], int] = lambda item: 0,
    most_size: float = math.inf,
) -> Iterator[list[T]]:
    """Yield items in groups. Where the iterator of items raises an error, the last group comes
    before it.

    Args:
        most: the most items of a group.
        size: the size of an item.
        most_size: a group whose items have more than this size together is complete.
    """
    group: list[T] = []
    total = 0
    failure: Exception | None = None
    remaining = iter(items)
    while True:
        try:
            item = next(remaining)
        except StopIteration:
            break
        except Exception as error:
            failure = error
            break
        group.append(item)
        total += size(item)
        if len(group) == most or total > most_size:
            yield group
            group, total = [], 0
    if group:
        yield group
    if failure is not None:
        raise failure
