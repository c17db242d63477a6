"""Estimators on disk: a directory of config.json, model.safetensors and a manifest. No torch.

config.json has the name of the estimator, its parameters, the sizes of its network, the settings of
its fit, and what it learned beside the weights. Nothing in it can run: unknown keys, other shapes
and numbers that are not finite are errors.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from charrnn.array_types import Float64Array
from charrnn.errors import ConfigError, ModelError
from charrnn.estimators.arrays import Array
from charrnn.estimators.network_config import NetworkConfig
from charrnn.storage.files import write_directory
from charrnn.storage.json_file import from_json, is_finite_number, to_json
from charrnn.storage.manifest import read_json, read_manifest, with_manifest
from charrnn.storage.model_directory import CONFIG, TENSORS, Model, model_files, read_model
from charrnn.storage.tensor_file import Tensors, read_tensors, to_safetensors

LANGUAGE_MODEL: Final = "language_model"
"""The directory inside, which has the language model of an estimator that reads one."""

LARGEST_CONFIG: Final = 1 << 24
"""The most bytes of config.json, which has the classes and the scale of each number."""

_KEYS: Final = {"estimator", "parameters", "network", "fitted"}

_CLASS_KINDS: Final = "biufUM"
"""The kinds of NumPy's types that classes on disk may have."""


@dataclass(frozen=True)
class StoredEstimator:
    """The contents of the directory of an estimator.

    Attributes:
        estimator: the name of its class.
        parameters: its parameters, as JSON.
        network: the sizes of its network.
        tensors: the weights.
        fitted: what else it learned, as JSON.
        language_model: the language model that is stored with it; None is none.
    """

    estimator: str
    parameters: Mapping[str, Any]
    network: NetworkConfig
    tensors: Tensors
    fitted: Mapping[str, Any]
    language_model: Model | None = None


def write_estimator(directory: Path, stored: StoredEstimator) -> None:
    """Write a directory durably, or replace one. Raises StorageError; ConfigError for a parameter
    that JSON cannot hold."""
    config = {
        "estimator": stored.estimator,
        "parameters": {name: _plain(name, value) for name, value in stored.parameters.items()},
        "network": asdict(stored.network),
        "fitted": dict(stored.fitted),
    }
    files = {CONFIG: to_json(config), TENSORS: to_safetensors(stored.tensors)}
    files = with_manifest(files)
    if stored.language_model is not None:
        inside = with_manifest(model_files(stored.language_model))
        files |= {f"{LANGUAGE_MODEL}/{name}": content for name, content in inside.items()}
    write_directory(directory, files)


def read_estimator(directory: Path) -> StoredEstimator:
    """Read the directory of an estimator. Raises ModelError where it is not one, or is damaged."""
    manifest = read_manifest(directory)
    path = directory / CONFIG
    data = read_json(path, manifest, largest=LARGEST_CONFIG)
    if not isinstance(data, dict) or data.keys() != _KEYS:
        raise ModelError(f"{path}: not an estimator: expected the keys {', '.join(sorted(_KEYS))}")
    for name in ("parameters", "fitted"):
        if not isinstance(data[name], dict):
            raise ModelError(f"{path}: {name}: expected an object")
    if not isinstance(data["estimator"], str):
        raise ModelError(f"{path}: estimator: expected the name of a class")
    network = from_json(NetworkConfig, data["network"], where=f"{path}: network")
    tensors = read_tensors(directory / TENSORS, network.tensor_shapes(), manifest)
    inside = directory / LANGUAGE_MODEL
    return StoredEstimator(
        data["estimator"],
        data["parameters"],
        network,
        tensors,
        data["fitted"],
        read_model(inside, read_manifest(inside)) if os.path.lexists(inside) else None,
    )


def numbers_from_json(value: object, what: str, size: int | None = None) -> Float64Array:
    """Return an array (N,) of a list of finite numbers, N of them where `size` is given. Raises
    ModelError."""
    if not isinstance(value, list) or not all(is_finite_number(each) for each in value):
        raise ModelError(f"{what}: expected a list of numbers")
    if size is not None and len(value) != size:
        raise ModelError(f"{what}: expected {size} numbers, found {len(value)}")
    return np.array(value, np.float64)


def classes_to_json(classes: Array) -> dict[str, Any]:
    """Return classes (K,) as JSON, with their type. Raises ConfigError for one that has none."""
    if classes.dtype.kind not in _CLASS_KINDS:
        raise ConfigError(
            f"classes of type {classes.dtype} cannot be saved: fit with strings or whole numbers"
        )
    values = np.datetime_as_string(classes) if classes.dtype.kind == "M" else classes
    return {"type": classes.dtype.str, "values": values.tolist()}


def classes_from_json(data: object, what: str, size: int) -> Array:
    """Return classes (K,), sorted and each once, from JSON. Raises ModelError."""
    match data:
        case {"type": str(name), "values": list(values), **others} if not others:
            pass
        case _:
            raise ModelError(f"{what}: expected the type and the values of the classes")
    try:
        kind = np.dtype(name)
        if kind.kind not in _CLASS_KINDS or kind.shape or len(values) != size:
            raise ValueError(f"expected {size} strings, numbers or dates")
        if not all(isinstance(each, str | int | float) for each in values):
            raise ValueError("a class is neither a string nor a number")
        classes: Array = np.array(values, kind)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{what}: {error}") from error
    if len(np.unique(classes)) != size or (classes != np.unique(classes)).any():
        raise ModelError(f"{what}: expected the classes sorted, each once")
    return classes


def _plain(name: str, value: Any) -> Any:
    """Return a parameter as a value of JSON. Raises ConfigError where it is none."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int | float):
        return value
    raise ConfigError(f"{name} {value!r} cannot be saved: set a string or a number")
