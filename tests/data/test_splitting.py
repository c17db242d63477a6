"""What is held out of running text, and of lines."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.data import excerpt
from charrnn.data.excerpt import AnyIds, Excerpt
from charrnn.data.memmap import CHUNK
from charrnn.data.splitting import LARGEST_SHARE, count_repeated, split
from charrnn.data.tokenizer import Ids
from charrnn.errors import CorpusError

NEWLINE = 10


def ids_of(text: str) -> Ids:
    return np.frombuffer(text.encode(), np.uint8)


def text_of(ids: AnyIds) -> str:
    return np.asarray(ids).tobytes().decode()


def drawn(text: str, fraction: float = 0.1, seed: int = 0) -> tuple[str, str]:
    """The lines to learn from and those held out, as text."""
    training, held_out = split(ids_of(text), fraction, NEWLINE, lines=True, seed=seed)
    return text_of(training), text_of(held_out)


def numbered(count: int) -> str:
    return "".join(f"line {number:05}\n" for number in range(count))


@settings(deadline=None)
@given(
    lines=st.lists(st.text("ab\r", max_size=9), min_size=2, max_size=60),
    fraction=st.floats(0.05, 0.5),
    end=st.sampled_from(["", "\n"]),
    seed=st.integers(0, 9),
)
def test_each_line_is_in_one_of_both_parts_and_in_its_order(
    lines: list[str], fraction: float, end: str, seed: int
) -> None:
    text = "\n".join(lines) + end
    try:
        parts = drawn(text, fraction, seed)
    except CorpusError:
        return
    training, held_out = (re.findall(r"[^\n]*\n|[^\n]+$", part) for part in parts)
    assert "\n" not in held_out, "an empty line says nothing of a model"
    rest = iter(re.findall(r"[^\n]*\n|[^\n]+$", text))
    assert all(line in rest for line in held_out)
    assert sorted(training + held_out) == sorted(re.findall(r"[^\n]*\n|[^\n]+$", text))


def test_lines_are_held_out_all_over_a_sorted_text() -> None:
    """A sorted file held out its end: names that begin with letters that nothing was learned of."""
    training, held_out = drawn(numbered(1000))
    numbers = [int(line.split()[1]) for line in held_out.splitlines()]
    assert len(numbers) == 100
    assert numbers == sorted(numbers)
    assert all(3 <= count <= 25 for count in np.bincount(np.array(numbers) // 125)), numbers
    assert not set(held_out.splitlines()) & set(training.splitlines())


def test_the_seed_draws_the_lines() -> None:
    text = numbered(200)
    assert drawn(text, seed=1) == drawn(text, seed=1)
    assert drawn(text, seed=1) != drawn(text, seed=2)


@pytest.mark.parametrize("place", [0, 300, 600])
def test_a_line_that_is_most_of_the_text_is_learned_from(place: int) -> None:
    """It was 99 % held out, or made 601 lines too few."""
    lines = numbered(600).splitlines()
    lines.insert(place, "x" * 1_000_000)
    text = "\n".join(lines) + "\n"
    for seed in range(20):
        training, held_out = drawn(text, seed=seed)
        assert len(held_out.splitlines()) == 60
        assert "x" not in held_out and "x" * 1_000_000 in training


@pytest.mark.parametrize("seed", range(10))
def test_no_more_than_the_share_of_the_characters_is_held_out_by_much(seed: int) -> None:
    random = np.random.default_rng(seed)
    lengths = np.ceil(random.pareto(0.9, 500) * 20).astype(int).clip(1, 100_000)
    text = "".join("a" * length + "\n" for length in lengths)
    _, held_out = drawn(text, seed=seed)
    assert len(held_out) <= LARGEST_SHARE * 0.1 * len(text)
    assert 45 <= held_out.count("\n") <= 50


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aaaa\nbb\n", "bb\n"),  # the shorter of two, for neither fits into a tenth
        ("a\n" * 3, "a\n"),
        ("\n\n\nab\n\n\nabc\n\n", "ab\n"),  # an empty line says nothing of a model
        ("a" * 99 + "\nbb", "bb"),
        ("b\n" + "a" * 99, "b\n"),
    ],
)
def test_of_few_lines_one_is_held_out(text: str, expected: str) -> None:
    training, held_out = drawn(text)
    assert held_out == expected
    assert len(training) + len(held_out) == len(text)


@pytest.mark.parametrize("text", ["a" * 100, "a" * 99 + "\n", "\n" * 100, "a\n\n\n"])
def test_lines_need_two_that_are_not_empty(text: str) -> None:
    with pytest.raises(CorpusError, match="--lines needs at least a few lines"):
        drawn(text)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_lines_that_are_held_out_and_learned_are_counted(dtype: type) -> None:
    ids: list[Ids] = [
        ids_of(text).astype(dtype)
        for text in ("a" * (CHUNK - 2) + "\nab\ncd\n\nab\nxyzx\nef", "ab\n\nab\nxyz\nef\ncdcd\n")
    ]
    assert count_repeated(ids[0], ids[1], NEWLINE) == (5, 3)
    ids = [each + dtype(0xD7F6 if dtype != np.uint8 else 0) for each in ids]  # as surrogates are
    assert count_repeated(ids[0], ids[1], int(ids[1][2])) == (5, 3)


# Excerpts


@settings(deadline=None)
@given(data=st.data(), dtype=st.sampled_from([np.uint8, np.uint16, np.uint64]))
def test_an_excerpt_is_read_like_an_array(data: st.DataObject, dtype: type) -> None:
    ids = np.arange(200, dtype=np.uint8)
    cuts = data.draw(st.lists(st.integers(0, 200), min_size=2, max_size=12, unique=True))
    cuts = sorted(cuts)[: len(cuts) // 2 * 2]
    starts: Ids = np.array(cuts[::2], dtype)
    ends: Ids = np.array(cuts[1::2], dtype)
    expected = np.concatenate([ids[a:b] for a, b in zip(starts, ends, strict=True)])
    read = Excerpt(ids, starts, ends)
    assert len(read) == len(expected) and read.nbytes == expected.nbytes
    np.testing.assert_array_equal(np.asarray(read), expected)
    begin, end = data.draw(st.integers(-9, 210)), data.draw(st.integers(-9, 210))
    np.testing.assert_array_equal(read[begin:end], expected[begin:end])
    np.testing.assert_array_equal(read[-3:], expected[-3:])
    places = np.array(
        data.draw(st.lists(st.integers(0, len(expected) - 1), min_size=4, max_size=4))
    )
    np.testing.assert_array_equal(read[places.reshape(2, 2)], expected[places.reshape(2, 2)])
    for side, again in zip((starts, ends), read.passages(), strict=True):
        np.testing.assert_array_equal(side, again)


def test_a_long_slice_is_looked_up_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excerpt, "_CHUNK", 3)
    ids = np.arange(100, dtype=np.uint8)
    read = Excerpt(ids, np.array([2, 10, 50]), np.array([3, 20, 60]))
    expected = np.concatenate([ids[2:3], ids[10:20], ids[50:60]])
    np.testing.assert_array_equal(read[:], expected)
    np.testing.assert_array_equal(read[1:8], expected[1:8])
