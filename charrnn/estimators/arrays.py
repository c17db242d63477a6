"""Arrays made from lists, tensors and columns of tables, checked before NumPy converts them.

`np.asarray` alone drops the mask of a masked array, turns a missing value into the string "nan",
and makes the number 1 and the string "1" equal.
"""

import sys
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.data.table_cells import is_missing
from charrnn.errors import ConfigError

Array = npt.NDArray[Any]

_PLAIN: Final = {bool, int, float, np.bool_, np.int32, np.int64, np.float32, np.float64}
"""The types of numbers that NumPy converts without loss."""


def as_array(values: Any, what: str) -> Array:
    """Make an array of values; an array of objects if they are not all numbers or all strings.

    Args:
        values: an array, a list (of lists, of arrays), a tensor of PyTorch on any device, a Series
            or DataFrame of pandas, or anything else that NumPy converts to an array.
        what: the name of the values in messages.

    Raises ConfigError, with the position, for masked values, and for sparse or ragged arrays.
    """
    values = unwrap(values, what)
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "OT":
            return values
        values = values.tolist() if values.ndim else [values.item()]
    if not isinstance(values, list | tuple):
        return np.asarray(values)
    if set(map(type, values)) <= _PLAIN:
        return np.array(values)
    if any(_holds_others(each) for each in values):
        rows = [as_array(each, f"row {place} of {what}") for place, each in enumerate(values)]
        return _stacked(rows, what)
    if all(isinstance(each, str) for each in values):
        return np.array(values)
    objects = np.empty(len(values), dtype=object)
    for place, each in enumerate(values):
        objects[place] = each.item() if isinstance(each, np.number | np.bool_) else each
    return objects


def unwrap(values: Any, what: str) -> Any:
    """Convert tensors, pandas columns and the like to an array, a list, a tuple or a scalar.

    Raises as `as_array` does.
    """
    if np.ma.isMaskedArray(values) and values is not np.ma.masked:
        masked = np.argwhere(np.ma.getmaskarray(values))
        if len(masked):
            raise _missing(f"{what} is masked", masked[0].tolist())
        return np.asarray(values.data)
    if isinstance(values, np.ndarray | list) or type(values) is tuple:
        return values
    if hasattr(values, "toarray") or hasattr(values, "todense"):
        raise ConfigError(f"{what} is sparse: expected all its numbers; its toarray() gives them")
    if _is_tensor(values):
        return _of_tensor(values, what)
    if hasattr(values, "__array__"):
        try:
            return np.asarray(values)
        except Exception as error:  # the object's library may raise anything
            name = type(values).__name__
            raise ConfigError(f"{what} is a {name} that is no array: {error}") from error
    if isinstance(values, Real | str | bytes | complex | Decimal | None):
        return values
    if isinstance(values, Sequence) and not isinstance(values, tuple):
        return list(values)
    raise ConfigError(f"{what} is of type {type(values).__name__}: expected an array, or a list")


def as_numbers(values: Any, what: str) -> Array:
    """Make an array of real numbers. Raises ConfigError that names the value that is not one."""
    numbers = _at_least_a_row(as_array(values, what), values, what)
    if numbers.dtype == object:
        check_nothing_missing(numbers, what)
        for place, value in np.ndenumerate(numbers):
            if not isinstance(value, Real | Decimal):
                raise ConfigError(
                    f"{what} has {_shown(value)} at {list(place)}, which is a "
                    f"{type(value).__name__}: expected real numbers"
                )
        try:
            numbers = numbers.astype(np.float64)
        except OverflowError as error:
            raise ConfigError(f"{what} has a number that is too large: scale it") from error
    _refuse_complex(numbers, what)
    if numbers.dtype.kind not in "biuf":
        raise ConfigError(f"{what} is of type {numbers.dtype}: expected real numbers")
    return numbers


def as_classes(values: Any, what: str) -> Array:
    """Make an array of class names: strings, whole numbers, booleans or dates, all of one kind.

    Raises ConfigError that names the value that is none of these, or of another kind.
    """
    classes = _at_least_a_row(as_array(values, what), values, what)
    if classes.dtype == object:
        check_nothing_missing(classes, what)
        first: dict[str, tuple[list[int], Any]] = {}
        for place, value in np.ndenumerate(classes):
            kind = "string" if isinstance(value, str) else "number" if _is_real(value) else "other"
            first.setdefault(kind, (list(place), value))
        if "other" in first:
            where, value = first["other"]
            raise ConfigError(
                f"{what} has {_shown(value)} at {where}, which is a {type(value).__name__}: "
                f"expected strings or whole numbers"
            )
        if len(first) > 1:
            (where, value), (elsewhere, other) = first.values()
            raise ConfigError(
                f"{what} has {_shown(value)} at {where} and {_shown(other)} at {elsewhere}: "
                f"expected strings only, or numbers only"
            )
        converted = np.array(classes.tolist())
        classes = converted if converted.dtype.kind in "biufU" else classes
    _refuse_complex(classes, what)
    if classes.dtype.kind in "SV":
        raise ConfigError(f"{what} is of type {classes.dtype}: expected strings or whole numbers")
    if classes.dtype.kind in "Mm" and len(missing := np.argwhere(np.isnat(classes))):
        raise _missing(f"{what} has NaT", missing[0].tolist())
    if classes.dtype.kind == "f":
        check_finite(classes, what)
        if len(odd := np.argwhere(classes != np.round(classes))):
            place = tuple(odd[0].tolist())
            raise ConfigError(
                f"{what} has {classes[place]} at {list(place)}. Unknown label type: continuous. "
                f"Classes are strings or whole numbers; a regressor learns other numbers"
            )
    return classes


def check_finite(numbers: Array, what: str) -> None:
    """Raise ConfigError for a number that is NaN or infinite."""
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        place = tuple(bad[0].tolist())
        raise ConfigError(
            f"{what} has {numbers[place]} at {list(place)}: fill in what is missing (NaN), and "
            "scale what is too large (infinite)"
        )


def check_nothing_missing(objects: Array, what: str) -> None:
    """Raise ConfigError for an object that stands for a missing value."""
    for place, value in np.ndenumerate(objects):
        if is_missing(value):
            raise _missing(f"{what} has {_shown(value)}", list(place))


def _at_least_a_row(array: Array, values: Any, what: str) -> Array:
    if values is None:
        raise ConfigError(f"{what} is None: expected an array, or a list")
    if array.ndim == 0:
        raise ConfigError(
            f"{what} is of type {type(values).__name__}: expected an array, or a list"
        )
    return array


def _refuse_complex(array: Array, what: str) -> None:
    if array.dtype.kind == "c":
        raise ConfigError(
            f"{what} is of type {array.dtype}. Complex data not supported: expected real numbers"
        )


def _missing(what: str, place: list[int]) -> ConfigError:
    return ConfigError(f"{what} at {place}: fill in what is missing, or leave it out")


def _is_real(value: Any) -> bool:
    return isinstance(value, Real | Decimal)


def _holds_others(value: Any) -> bool:
    """Return whether a value is an array or a list."""
    if value is np.ma.masked or isinstance(value, np.generic):
        return False
    return isinstance(value, list | tuple) or hasattr(value, "__array__")


def _stacked(arrays: list[Array], what: str) -> Array:
    """Stack arrays (...) into one (N, ...). Raises ConfigError when their shapes differ."""
    if len({each.shape for each in arrays}) > 1:
        raise ConfigError(f"{what} is no array: its rows differ in length")
    if len({each.dtype.kind in "biuf" for each in arrays}) > 1:
        arrays = [each.astype(object) for each in arrays]
    return np.stack(arrays)


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")  # if it is not loaded, no value is a tensor
    return torch is not None and isinstance(value, torch.Tensor)


def _of_tensor(tensor: Any, what: str) -> Any:
    """Convert a tensor on any device to an array, without its gradient."""
    import torch

    try:
        if tensor.is_nested:
            return [_of_tensor(each, what) for each in tensor.unbind()]
        if tensor.layout != torch.strided:
            raise ConfigError(
                f"{what} is sparse: expected all its numbers; its to_dense() gives them"
            )
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        if tensor.is_floating_point() and tensor.dtype not in (torch.float16, torch.float64):
            tensor = tensor.float()
        return tensor.numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:  # such as a tensor on `meta`
        raise ConfigError(f"{what} is a tensor without numbers here: {error}") from error


def _shown(value: Any) -> str:
    """Format a value for a message, shortened."""
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}..."
