"""How much of a text is copied from the training text, against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.data.excerpt import Excerpt
from charrnn.data.tokenizer import Ids
from charrnn.evaluation import copies
from charrnn.evaluation.copies import LEAST_CHANGES, LENGTH, copied_share, longest_copy


def by_definition(training: Ids, text: Ids) -> float:
    """Every window of the text is looked for in the training text."""
    known = training.astype("<u4").tobytes().decode("utf-32-le")
    copied = np.zeros(len(text), bool)
    for begin in range(len(text) - LENGTH + 1):
        window = text[begin : begin + LENGTH]
        changes = np.count_nonzero(window[1:] != window[:-1])
        if changes >= LEAST_CHANGES and window.astype("<u4").tobytes().decode("utf-32-le") in known:
            copied[begin : begin + LENGTH] = True
    return float(copied.mean())


def random_ids(count: int, size: int = 60, seed: int = 0, dtype: str = "u1") -> Ids:
    ids: Ids = np.random.default_rng(seed).integers(size, size=count).astype(dtype)
    return ids


PIECES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 120), st.booleans()), min_size=1, max_size=8
)


@given(st.integers(2, 60), PIECES, st.integers(0, 3), st.sampled_from(["u1", "u2", "u4"]))
@settings(max_examples=200, deadline=None)
def test_the_share_is_that_of_the_definition(
    size: int, pieces: list[tuple[int, int, bool]], seed: int, dtype: str
) -> None:
    """A text is made of passages of the training text, padding and new characters."""
    training = random_ids(500, size, seed, dtype)
    training[100:180] = training[99]  # a rule, as in a table
    parts = [random_ids(3, size, seed + 1, dtype)]
    for begin, length, copied in pieces:
        own = random_ids(length, size, begin, dtype)
        parts.append(training[begin : begin + length] if copied else own)
    text = np.concatenate(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "_BLOCKS", 3)
        patch.setattr(copies, "_CHUNK", 3 * copies.STRIDE)
        assert copied_share(training, text) == by_definition(training, text)


@pytest.mark.parametrize("begin", range(0, 2 * copies.STRIDE + 1, 3))
@pytest.mark.parametrize("length", [LENGTH - 1, LENGTH, LENGTH + 1])
def test_a_copy_is_found_wherever_it_stands(begin: int, length: int) -> None:
    training, text = random_ids(300), random_ids(200, seed=1) + 60
    text[60 : 60 + length] = training[begin : begin + length]
    expected = length / 200 if length >= LENGTH else 0.0
    assert copied_share(training, text) == pytest.approx(expected)


def test_the_last_characters_of_the_training_text_are_compared() -> None:
    for count in range(LENGTH, LENGTH + 2 * copies.STRIDE):
        training = random_ids(count)
        assert copied_share(training, training[-LENGTH:]) == 1


def test_a_text_that_is_shorter_than_a_copy_has_none() -> None:
    ids = random_ids(LENGTH)
    assert copied_share(ids, ids[1:]) == copied_share(ids[1:], ids) == 0
    assert copied_share(ids[:0], ids[:0]) == 0
    assert copied_share(ids, ids) == 1


def test_ids_may_be_of_different_types() -> None:
    ids = random_ids(200)
    assert copied_share(ids, ids[:100].astype(np.int64)) == 1
    assert copied_share(ids.astype(np.uint16), ids[:100]) == 1


def test_padding_and_rules_are_no_copies() -> None:
    """The tables of Python's manual made a tenth of it a copy of the rest."""
    row = np.frombuffer(("| a" + " " * 60 + "| b" + " " * 60 + "|\n").encode(), np.uint8)
    assert copied_share(np.tile(row, 9), np.tile(row, 3)) == 0
    dna = random_ids(400, 4)
    assert copied_share(dna, dna[100:200]) == 1


def test_a_training_text_that_is_all_copies_is_read_by_its_windows() -> None:
    text = random_ids(700)
    other = np.concatenate([random_ids(700, seed=1), text[:350]])
    training = np.tile(other, 5)
    assert copied_share(training, text) == by_definition(training, text) == 0.5


def test_of_a_long_text_passages_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "LARGEST_COMPARED", 64_000)
    training, text = random_ids(100_000), random_ids(400_000, seed=1)
    text[100_000:200_000] = training
    assert copied_share(training, text) == pytest.approx(0.25, abs=0.02)


def test_lines_that_were_drawn_are_compared() -> None:
    ids = np.tile(random_ids(100), 10)
    starts, ends = np.array([0, 300]), np.array([200, 900])
    assert copied_share(Excerpt(ids, starts, ends), Excerpt(ids, ends[:1], starts[1:])) == 1


def longest_by_hand(training: str, texts: list[str]) -> int:
    return max(
        (
            length
            for text in texts
            for begin in range(len(text))
            for length in range(1, len(text) - begin + 1)
            if text[begin : begin + length] in training
        ),
        default=0,
    )


@settings(deadline=None)
@given(
    st.text("ab\n", max_size=60),
    st.lists(st.text("ab\nc", max_size=30), max_size=4),
)
def test_the_longest_copy_is_as_long_as_comparing_everything_finds(
    training: str, texts: list[str]
) -> None:
    length, number = longest_copy(ids_of(training), [ids_of(text) for text in texts])
    assert length == longest_by_hand(training, texts)
    assert length == 0 or longest_by_hand(training, [texts[number]]) == length


def test_the_longest_copy_is_found_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    training = np.random.default_rng(0).integers(0, 50, 5000).astype(np.uint16)
    texts = [training[:20], training[990:1100], training[4950:]]
    monkeypatch.setattr(copies, "_CHUNK", 1000)
    assert longest_copy(training, texts) == (110, 1)


def ids_of(text: str) -> Ids:
    return np.array([ord(each) for each in text], np.uint32)
