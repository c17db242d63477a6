"""The edit distance of two strings of symbols (Levenshtein), and the alignment behind it.

Exact, and computed a column at a time in the bits of Python's integers: Myers, "A fast bit-vector
algorithm for approximate string matching based on dynamic programming", 1999, in the form of Hyyrö,
2003. Bit i of a column says whether the distance grows, or falls, from i to i + 1 symbols of the
first string.

Legend: M symbols of the first string, N of the second.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import TypeVar

Symbol = TypeVar("Symbol", bound=Hashable)


def edit_distance(first: Sequence[Symbol], second: Sequence[Symbol]) -> int:
    """Return the fewest symbols to insert, delete or replace, one at a time, to get from the first
    string to the second."""
    if not first:
        return len(second)
    distance = len(second)
    for distance, _, _ in _columns(first, second):
        pass
    return distance if second else len(first)


def alignment(
    first: Sequence[Symbol], second: Sequence[Symbol]
) -> list[tuple[Symbol | None, Symbol | None]]:
    """Return pairs of the symbols of both strings, in their order, as the edit distance aligns
    them: None stands for the missing partner of a symbol.

    Of several alignments with the fewest edits, it is one that replaces symbols as late as
    possible, rather than inserting and deleting.
    """
    columns = [(0, (1 << len(first)) - 1, 0)]
    columns += ((0, rises, falls) for _, rises, falls in _columns(first, second))

    def distance(m: int, n: int) -> int:
        """The distance of the first m symbols to the first n."""
        mask = (1 << m) - 1
        _, rises, falls = columns[n]
        return n + (rises & mask).bit_count() - (falls & mask).bit_count()

    pairs: list[tuple[Symbol | None, Symbol | None]] = []
    m, n = len(first), len(second)
    while m or n:
        here = distance(m, n)
        if m and n and distance(m - 1, n - 1) + (first[m - 1] != second[n - 1]) == here:
            m, n = m - 1, n - 1
            pairs.append((first[m], second[n]))
        elif m and distance(m - 1, n) + 1 == here:
            m -= 1
            pairs.append((first[m], None))
        else:
            n -= 1
            pairs.append((None, second[n]))
    return pairs[::-1]


def _columns(first: Sequence[Symbol], second: Sequence[Symbol]) -> Iterator[tuple[int, int, int]]:
    """Yield, after each symbol of the second string: the distance of the whole first string to what
    was read of the second; and the bits (M,) where the column of distances rises, and where it
    falls."""
    size = len(first)
    if not size:
        yield from ((n, 0, 0) for n in range(1, len(second) + 1))
        return
    where: dict[Symbol, int] = {}
    for place, symbol in enumerate(first):
        where[symbol] = where.get(symbol, 0) | 1 << place
    full, last = (1 << size) - 1, 1 << (size - 1)
    rises, falls, distance = full, 0, size
    for symbol in second:
        same = where.get(symbol, 0)
        diagonal = (((same & rises) + rises) ^ rises) | same | falls
        across_up = falls | ~(diagonal | rises)
        across_down = rises & diagonal
        distance += bool(across_up & last) - bool(across_down & last)
        # The top row rises by 1 from column to column: strings are compared, not searched for.
        across_up = across_up << 1 | 1
        rises = ((across_down << 1) | ~(diagonal | across_up)) & full
        falls = across_up & diagonal & full
        yield distance, rises, falls
