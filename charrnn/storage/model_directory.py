"""A model directory: config.json + tokenizer.json + model.safetensors, and nothing else needed.

Written from plain values and read strictly: unknown keys, other shapes and numbers that are not
numbers are refused, and nothing in a model is ever run. No torch: tensors are NumPy arrays.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from charrnn.data.tokenizer import Tokenizer, tokenizer_from_json
from charrnn.errors import ConfigError, ModelError
from charrnn.model.config import ModelConfig
from charrnn.storage.files import write_directory

CONFIG, TOKENIZER, TENSORS = "config.json", "tokenizer.json", "model.safetensors"

Tensors = Mapping[str, npt.NDArray[np.float32]]

_LARGEST_JSON_BYTES = 64 << 20

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a model comes from: the text it learned, how long, and how well.

    Attributes:
        corpus: the text's name.
        sha256: of the text, as TokenizedCorpus has it.
        corpus_bytes, corpus_characters: its size.
        validation_fraction: the share at its end that was held out.
        lines: whether each line was a document of its own.
        step: training steps taken.
        characters: characters read, all epochs together.
        seconds: time spent training.
        seed: of everything random.
        validation_nats: nats per character of the held-out text; None before it was measured.
    """

    corpus: str
    sha256: str
    corpus_bytes: int
    corpus_characters: int
    validation_fraction: float
    lines: bool
    step: int
    characters: int
    seconds: float
    seed: int
    validation_nats: float | None


@dataclass(frozen=True)
class Model:
    """What a model directory holds.

    Attributes:
        config: the network's sizes.
        tokenizer: its alphabet.
        tensors: its weights by name, float32, of `config.tensor_shapes()`.
        provenance: where it comes from.
    """

    config: ModelConfig
    tokenizer: Tokenizer
    tensors: Tensors
    provenance: Provenance


def model_files(model: Model) -> dict[str, bytes]:
    """The three files of a model directory, by name."""
    config = {"model": model.config.to_json(), "training": asdict(model.provenance)}
    return {
        CONFIG: to_json(config),
        TOKENIZER: to_json(model.tokenizer.to_json()),
        TENSORS: save({name: np.ascontiguousarray(array) for name, array in model.tensors.items()}),
    }


def write_model(directory: Path, model: Model) -> None:
    """Writes a model directory durably. Raises StorageError."""
    write_directory(directory, model_files(model))


def read_model(directory: Path) -> Model:
    """Reads a model directory. Raises ModelError when anything in it is not as it should be."""
    config, provenance = read_config(directory)
    tokenizer = read_tokenizer(directory)
    if tokenizer.vocabulary_size != config.vocabulary_size:
        raise ModelError(
            f"{directory}: its tokenizer has {tokenizer.vocabulary_size} characters, "
            f"its config {config.vocabulary_size}"
        )
    path = directory / TENSORS
    tensors = read_tensors(path, config.tensor_shapes())
    return Model(config, tokenizer, tensors, provenance)


def read_config(directory: Path) -> tuple[ModelConfig, Provenance]:
    """Reads config.json alone. Raises ModelError."""
    path = directory / CONFIG
    data = read_json(path)
    if not isinstance(data, dict) or data.keys() != {"model", "training"}:
        raise ModelError(f"{path}: expected the keys model and training")
    return (
        from_json(ModelConfig, data["model"], where=f"{path}: model"),
        from_json(Provenance, data["training"], where=f"{path}: training"),
    )


def read_tokenizer(directory: Path) -> Tokenizer:
    """Reads tokenizer.json alone. Raises ModelError."""
    path = directory / TOKENIZER
    try:
        return tokenizer_from_json(read_json(path))
    except ModelError as error:
        raise ModelError(
            f"{path}: {error}" if str(path) not in str(error) else str(error)
        ) from error


def read_tensors(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Tensors:
    """Reads float32 tensors of exactly these names and shapes. Raises ModelError.

    Names, shapes and types are compared before a single number is read.
    """
    expected_bytes = sum(4 * math.prod(shape) for shape in shapes.values())
    try:
        if path.stat().st_size < expected_bytes:
            raise ModelError(f"{path}: it is shorter than its config says; it was cut off")
        with safe_open(path, framework="numpy") as file:
            found = set(file.keys())
            for name in sorted(found ^ shapes.keys()):
                problem = "is missing" if name in shapes else "is unexpected"
                raise ModelError(f"{path}: tensor {name!a} {problem}")
            for name, shape in shapes.items():
                piece = file.get_slice(name)
                if tuple(piece.get_shape()) != shape or piece.get_dtype() != "F32":
                    raise ModelError(
                        f"{path}: tensor {name}: expected F32 {list(shape)}, "
                        f"found {piece.get_dtype()} {piece.get_shape()}"
                    )
            tensors = {name: file.get_tensor(name) for name in shapes}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: {_reason(error)}") from error
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{path}: tensor {name} has values that are not finite numbers")
    return tensors


def to_json(data: object) -> bytes:
    """JSON for people to read: indented, UTF-8, a final newline."""
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # a file's name may have lone surrogates


def read_json(path: Path) -> object:
    """The value in a JSON file. Raises ModelError."""
    try:
        if path.stat().st_size > _LARGEST_JSON_BYTES:
            raise ModelError(f"{path}: too large to be what its name says")
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: {_reason(error)}") from error


def from_json(kind: type[T], data: object, *, where: str) -> T:
    """A frozen config object of plain JSON values. Raises ModelError on a missing or unknown key,
    or on a value of another type."""
    if not isinstance(data, dict):
        raise ModelError(f"{where}: expected an object, found {type(data).__name__}")
    known: dict[str, Any] = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    for key in sorted(data.keys() ^ known.keys()):
        raise ModelError(f"{where}: {key!a} is {'missing' if key in known else 'unknown'}")
    for key, value in data.items():
        expected = known[key]
        if expected is float:
            expected = int | float
        elif expected == float | None:
            expected = int | float | None
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            raise ModelError(f"{where}: {key} is {value!a}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ModelError(f"{where}: {key} is {value}")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise ModelError(f"{where}: {key.replace('_', ' ')} is too large")
    try:
        return kind(**data)
    except ConfigError as error:
        raise ModelError(f"{where}: {error}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return " ".join(str(error).split())
