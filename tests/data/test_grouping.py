from collections.abc import Iterator

import pytest

from charrnn.data.grouping import grouped


def test_groups_are_complete_by_number_or_by_size() -> None:
    assert list(grouped("abcde", most=2)) == [["a", "b"], ["c", "d"], ["e"]]
    words = ["a", "bb", "ccc", "d"]
    assert list(grouped(words, most=9, size=len, most_size=2)) == [["a", "bb"], ["ccc"], ["d"]]
    assert list(grouped([], most=2)) == []


def test_what_came_before_an_error_is_not_lost() -> None:
    def failing() -> Iterator[int]:
        yield from (1, 2, 3)
        raise OSError("gone")

    groups = grouped(failing(), most=2)
    assert [next(groups), next(groups)] == [[1, 2], [3]]
    with pytest.raises(OSError, match="gone"):
        next(groups)
