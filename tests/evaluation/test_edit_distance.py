import numpy as np
import pytest

from charrnn.evaluation.edit_distance import alignment, edit_distance


def by_the_table(first: str, second: str) -> int:
    """The distance as the textbook computes it, cell by cell."""
    above = list(range(len(second) + 1))
    for row, symbol in enumerate(first, 1):
        here = [row]
        for column, other in enumerate(second, 1):
            here.append(min(above[column] + 1, here[-1] + 1, above[column - 1] + (symbol != other)))
        above = here
    return above[-1]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("flaw", "lawn", 2),
        ("a" * 200, "a" * 199 + "b", 1),  # more symbols than the bits of a machine word
    ],
)
def test_known_distances(first: str, second: str, expected: int) -> None:
    assert edit_distance(first, second) == expected


def test_the_bits_agree_with_the_table_and_with_their_alignment() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        first, second = ("".join(random.choice([*"abc"], random.integers(0, 12))) for _ in "12")
        distance = edit_distance(first, second)
        assert distance == by_the_table(first, second) == edit_distance(second, first)
        pairs = alignment(first, second)
        assert "".join(a or "" for a, _ in pairs) == first
        assert "".join(b or "" for _, b in pairs) == second
        assert sum(a != b for a, b in pairs) == distance


def test_symbols_of_several_characters_count_as_one() -> None:
    assert edit_distance(("t͡ʃ", "a"), ("t", "a")) == 1
    assert alignment(("t͡ʃ", "a"), ("t", "a")) == [("t͡ʃ", "t"), ("a", "a")]


def test_symbols_are_replaced_rather_than_inserted_and_deleted() -> None:
    assert alignment("ab", "ba") == [("a", "b"), ("b", "a")]
    assert alignment("abc", "bc") == [("a", None), ("b", "b"), ("c", "c")]
