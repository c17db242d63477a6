import subprocess
import sys
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.errors import ConfigError
from charrnn.estimators.arrays import as_array, as_classes, as_numbers, check_finite

MASKED = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
GRADIENT = torch.tensor([1.0, 2.0], requires_grad=True)


class Foreign:
    """An array of a library that keeps it on a device of its own."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("implicit conversion is not allowed")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5, True], [1.0, 2.5, 1.0]),
        ((Decimal("0.5"), 2), [0.5, 2.0]),
        (np.array([1, 2], dtype=object), [1.0, 2.0]),
        ([np.float16(1), np.uint8(2)], [1.0, 2.0]),
        (np.ma.array([1.0, 2.0]), [1.0, 2.0]),
        (GRADIENT, [1.0, 2.0]),
        (GRADIENT.detach().bfloat16(), [1.0, 2.0]),
        ([GRADIENT[0], 3], [1.0, 3.0]),
        ([GRADIENT, [3, 4]], [[1.0, 2.0], [3.0, 4.0]]),
        ([np.ma.array([1.0]), [2]], [[1.0], [2.0]]),
        (torch.tensor([1 + 2j]).conj().real, [1.0]),
        (range(3), [0.0, 1.0, 2.0]),
    ],
)
def test_numbers_are_taken_from_wherever_they_are(values: Any, expected: Any) -> None:
    assert as_numbers(values, "y").tolist() == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (MASKED, r"y is masked at \[1\]: fill in what is missing, or leave it out"),
        ([MASKED, [1, 2, 3]], r"row 0 of y is masked at \[1\]"),
        ([1.0, np.ma.masked], r"y has masked at \[1\]: fill in what is missing"),
        ([1.0, None], r"y has None at \[1\]: fill in what is missing"),
        ([[1.0, 2.0], [1.0, None]], r"y has None at \[1, 1\]"),
        ([1, "1"], r"y has '1' at \[1\], which is a str: expected real numbers"),
        (np.array(["1.5", 2], dtype=object), r"y has '1.5' at \[0\], which is a str"),
        ([b"1"], r"y has b'1' at \[0\], which is a bytes"),
        (["1"], "y is of type <U1: expected real numbers"),
        ([1j, 2], r"y has 1j at \[0\], which is a complex"),
        (np.array([1j]), "y is of type complex128. Complex data not supported"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "y is of type datetime64"),
        ([10**400], "y has a number that is too large"),
        ([[1], [1, 2]], "y is no array: its rows differ in length"),
        (np.array([[1], [1, 2]], dtype=object), "y is no array: its rows differ in length"),
        (torch.ones(2, device="meta"), "y is a tensor without numbers here: Cannot copy out"),
        (torch.ones(2, 2).to_sparse(), "y is sparse: expected all its numbers"),
        (SimpleNamespace(toarray=None), "y is sparse: expected all its numbers; its toarray"),
        (Foreign(), "y is a Foreign that is no array: implicit conversion is not allowed"),
        ((value for value in "ab"), "y is of type generator: expected an array, or a list"),
        ({1.0, 2.0}, "y is of type set: expected"),
        ({"a": 1.0}, "y is of type dict: expected"),
        ("12", "y is of type str: expected"),
        (None, "y is None: expected"),
        (12, "y is of type int: expected"),
        ([{}], r"y has {} at \[0\], which is a dict"),
    ],
)
def test_what_is_no_number_is_said_with_its_place(values: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        as_numbers(values, "y")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["b", "a"], ["b", "a"]),
        (np.array(["b", "a"], dtype=object), ["b", "a"]),
        ([1, True, 0.0], [1, 1, 0]),
        ([True, False], [True, False]),
        (np.array([1.0, 0.0]), [1, 0]),
        (torch.tensor([1, 0]), [1, 0]),
        ([10**30, 1], [10**30, 1]),
    ],
)
def test_classes_are_strings_or_whole_numbers(values: Any, expected: list[Any]) -> None:
    assert as_classes(values, "y").tolist() == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", float("nan"), "b"], r"y has nan at \[1\]: fill in what is missing"),
        (["a", None], r"y has None at \[1\]: fill in what is missing"),
        (np.array(["NaT", "2020"], dtype="M8[Y]"), r"y has NaT at \[0\]: fill in what is missing"),
        (MASKED, r"y is masked at \[1\]"),
        ([1, "1"], r"y has 1 at \[0\] and '1' at \[1\]: expected strings only, or numbers only"),
        ([True, "True"], r"y has True at \[0\] and 'True' at \[1\]"),
        (["a", 0.5, "b"], r"y has 'a' at \[0\] and 0.5 at \[1\]"),
        ([b"a", b"b"], r"y has b'a' at \[0\], which is a bytes"),
        (np.array([b"a"]), r"y is of type \|S1: expected strings or whole numbers"),
        ([1j], r"y has 1j at \[0\]"),
        ([0.5, 1.0], r"y has 0.5 at \[0\]. Unknown label type: continuous"),
        ([1.0, float("inf")], r"y has inf at \[1\]"),
        (["a", ("b",)], "y is no array: its rows differ"),
        ("ab", "y is of type str"),
    ],
)
def test_what_is_no_class_is_said_with_its_place(values: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        as_classes(values, "y")


def test_columns_of_a_table_are_taken_by_position_and_missing_ones_found() -> None:
    pandas = pytest.importorskip("pandas")
    numbers = pandas.Series([1, 2], dtype="Int64", index=[7, 9])
    assert as_numbers(numbers, "y").tolist() == [1, 2]
    assert as_classes(pandas.Series(["b", "a"], dtype="category"), "y").tolist() == ["b", "a"]
    assert as_numbers(pandas.DataFrame({"a": [1, 2], "b": [0.5, 1]}), "x").shape == (2, 2)
    missing = [
        pandas.Series([1, None], dtype="Int64"),
        pandas.Series(["a", None]),
        pandas.Series(["a", None], dtype="string"),
        pandas.Series(["a", None], dtype="category"),
        pandas.Series([True, None], dtype="boolean"),
        pandas.to_datetime(pandas.Series(["2020-01-01", None])),
        [1, pandas.NA],
        [pandas.NaT, 1],
    ]
    for values in missing:
        with pytest.raises(ConfigError, match=r"y has \S+ at \[\d\]: fill in what is missing"):
            as_classes(values, "y")


def test_a_sparse_matrix_is_not_made_dense() -> None:
    scipy = pytest.importorskip("scipy.sparse")
    for values in (scipy.csr_matrix((3, 3)), scipy.coo_array((3, 3))):
        with pytest.raises(ConfigError, match="y is sparse: expected all its numbers"):
            as_numbers(values, "y")


def test_finite_numbers_are_what_is_asked_for() -> None:
    check_finite(np.ones(3), "y")
    with pytest.raises(ConfigError, match=r"y has nan at \[2\]: fill in what is missing \(NaN\)"):
        check_finite(np.array([1, 2, np.nan]), "y")


def test_an_array_is_not_copied() -> None:
    array = np.ones((3, 2))
    assert as_array(array, "x") is array


def test_without_pytorch_there_are_no_tensors_and_it_is_not_loaded() -> None:
    code = (
        "import sys; from charrnn.estimators.arrays import as_numbers\n"
        "as_numbers([1, 2], 'y'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
