from typing import Any

import numpy as np
import pytest

from charrnn.errors import ConfigError
from charrnn.estimators.sequences import Sequences, read_sequences


def ragged(*lengths: int, size: int = 2) -> list[Any]:
    return [np.arange(length * size, dtype=float).reshape(length, size) + 1 for length in lengths]


def test_an_array_and_a_list_of_its_rows_are_the_same() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    objects = np.empty(3, dtype=object)
    objects[:] = list(x)
    expected = read_sequences(x)
    assert (len(expected), expected.size, expected.lengths.tolist()) == (3, 2, [4, 4, 4])
    for same in (list(x), x.tolist(), tuple(x), objects, x.astype(np.float32)):
        read = read_sequences(same)
        assert all((a == b).all() for a, b in zip(read.vectors, expected.vectors, strict=True))


def test_padded_behind_the_end_with_zeros() -> None:
    batch = read_sequences(ragged(1, 3, 2)).padded(np.array([2, 0]))
    assert batch.tolist() == [[[1, 2], [1, 2]], [[3, 4], [0, 0]]]
    assert batch.dtype == np.float32


def lengths_of(sequences: Sequences, batches: Any) -> list[list[int]]:
    return [sequences.lengths[places].tolist() for places in batches]


def test_every_sequence_comes_once_an_epoch_beside_others_of_its_length() -> None:
    sequences = read_sequences(ragged(*np.random.default_rng(0).integers(1, 40, size=50)))
    first, again, other = (
        list(sequences.shuffled(8, np.random.default_rng(seed), np.arange(50)))
        for seed in (0, 0, 1)
    )
    assert sorted(np.concatenate(first).tolist()) == list(range(50))
    assert [len(places) for places in first].count(8) == 6
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    padded = sum(max(each) * len(each) for each in lengths_of(sequences, first))
    assert padded < 1.3 * sequences.lengths.sum()


def test_sorted_is_shortest_first() -> None:
    sequences = read_sequences(ragged(5, 1, 3, 2))
    assert lengths_of(sequences, sequences.sorted(3, np.arange(4))) == [[1, 2, 3], [5]]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((4, 3)), r"shape \(4, 3\): expected \(N, T, E\).*X\[..., None\]"),
        (np.zeros(4), r"shape \(4,\): expected \(N, T, E\)"),
        ([[1.0, 2.0]], r"sequence 0 of X has shape \(2,\): expected \(T, E\)"),
        ([], "no sequences"),
        (np.zeros((0, 3, 2)), "no sequences"),
        (np.zeros((2, 0, 2)), r"sequence 0 of X has shape \(0, 2\)"),
        ([np.zeros((3, 2)), np.zeros((3, 5))], r"sequence 1 of X has shape \(3, 5\).*\(T, 2\)"),
        ([[[1.0, 2.0], [3.0]]], "sequence 0 of X is no array: its rows differ"),
        ([[["a", "b"]]], "sequence 0 of X is of type <U1: expected real numbers"),
        ([np.array([[1.0, None]], dtype=object)], r"sequence 0 of X has None at \[0, 1\]"),
        ([np.array([[1.0, {}]], dtype=object)], r"X has {} at \[0, 1\], which is a dict"),
        (np.full((1, 2, 2), 1e300), r"sequence 0 of X has inf at \[0, 0\]"),
        (np.full((2, 2, 2), np.nan), r"sequence 0 of X has nan at \[0, 0\]: fill in"),
        (np.zeros((2, 2, 2), dtype=complex), "complex128. Complex data not supported"),
        ("text", "X is a str"),
        (7, "X is a int"),
    ],
)
def test_what_is_no_sequence_is_refused(x: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_sequences(x)


def test_another_size_than_was_asked_for_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sequence 0 of X has shape \(3, 2\): expected \(T, 5\)"):
        read_sequences(ragged(3), 5)
