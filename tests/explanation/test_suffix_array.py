import sys

import numpy as np
import pytest

from charrnn.data.tokenizer import Ids
from charrnn.explanation.suffix_array import numpy_suffix_array, suffix_array


def sorted_suffixes(ids: list[int]) -> list[int]:
    return sorted(range(len(ids)), key=lambda begin: ids[begin:])


@pytest.mark.parametrize("symbols", [1, 2, 4, 256, 300, 70_000])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 63, 64, 300])
def test_suffixes_are_in_order(symbols: int, count: int) -> None:
    """In NumPy, and with pydivsufsort where it is installed. A text of one character has only equal
    beginnings."""
    drawn = np.random.default_rng(count).integers(0, symbols, count)
    ids: Ids = drawn.astype(np.min_scalar_type(symbols - 1))
    expected = sorted_suffixes(ids.tolist())
    assert numpy_suffix_array(ids).tolist() == expected
    assert suffix_array(ids).tolist() == expected


def test_long_repetitions_are_in_order() -> None:
    ids = np.tile(np.arange(7, dtype=np.uint8), 40)
    assert numpy_suffix_array(ids).tolist() == sorted_suffixes(ids.tolist())


def test_it_works_without_pydivsufsort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.explanation.suffix_array.find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "pydivsufsort", None)  # importing it would fail
    assert suffix_array(np.frombuffer(b"banana", np.uint8)).tolist() == [5, 3, 1, 0, 4, 2]


def test_ids_that_cannot_be_written_to_are_sorted_too() -> None:
    """pydivsufsort refuses them; those of a file that is mapped are such."""
    assert suffix_array(np.frombuffer(b"banana", np.uint8)).tolist() == [5, 3, 1, 0, 4, 2]
