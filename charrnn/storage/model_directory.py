"""A model directory: config.json, tokenizer.json and model.safetensors.

It is written from plain values and read strictly: unknown keys, other shapes and numbers that are
not finite are errors, and no code from a model is ever run. No torch: tensors are NumPy arrays.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from charrnn.data.tokenizer import Tokenizer
from charrnn.errors import CharRNNWarning, ConfigError, ModelError
from charrnn.model.config import LATER, ModelConfig
from charrnn.storage.files import write_directory
from charrnn.storage.json_file import from_json, to_json
from charrnn.storage.manifest import MANIFEST, Manifest, read_json, read_manifest
from charrnn.storage.tensor_file import Tensors, read_tensors, to_safetensors
from charrnn.storage.untrusted_files import ReadFile, read_file
from charrnn.tasks import find_task

T = TypeVar("T")

CONFIG: Final = "config.json"
TOKENIZER: Final = "tokenizer.json"
TENSORS: Final = "model.safetensors"

LARGEST_TOKENIZER: Final = 4 << 20
"""The most bytes of tokenizer.json; the largest vocabulary takes 14 per character."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The origin of a model: the text it was trained on, how long, and how well it did.

    Attributes:
        corpus: the name of the text.
        sha256: the SHA-256 of the text; see TokenizedCorpus.
        corpus_bytes, corpus_characters: the size of the text.
        validation_fraction: the share that was held out.
        lines: whether each line was a document.
        step: the training steps taken.
        characters: the characters read in all epochs together.
        seconds: the time spent training.
        seed: the seed of everything random.
        split_seed: the seed that drew the held-out lines; None: the last part of the text was held
            out. Of labelled documents, None stands for `seed`.
        validation_nats: the loss on the held-out part: nats per character of a text, nats per
            document that is classified, or the mean squared error of numbers; None before the first
            evaluation.
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
    split_seed: int | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        for name in ("seed", "split_seed"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ConfigError(f"{name.replace('_', ' ')} {value} is below 0")


@dataclass(frozen=True)
class Model:
    """The contents of a model directory.

    Attributes:
        config: the sizes of the network.
        tokenizer: the tokenizer of its texts.
        tensors: the weights by name, float32, with the shapes `config.tensor_shapes()`.
        provenance: the origin of the model.
        labels: the names of the classes, in the order of the outputs; empty where the task has no
            classes.
        others: further models of the same tokenizer, which work together with this one; they are
            read from other directories (see `model_list.py`).
    """

    config: ModelConfig
    tokenizer: Tokenizer
    tensors: Tensors
    provenance: Provenance
    labels: tuple[str, ...] = ()
    others: "tuple[Model, ...]" = ()

    @property
    def members(self) -> "tuple[Model, ...]":
        """All models that work together: this one, and the others."""
        return (self, *self.others)

    def require(self, *tasks: str) -> None:
        """Raise ModelError, with the commands that the model is for, unless its task is among
        these."""
        task = self.config.task
        if task not in tasks:
            raise ModelError(
                f"the model of {self.provenance.corpus} was trained to {task}, not to "
                f"{' or '.join(tasks)}: use it with {find_task(task).commands}"
            )


def model_files(model: Model) -> dict[str, bytes]:
    """Return the three files of a model directory, by name. Raises ModelError for several models
    that work together, which have no directory in common."""
    if model.others:
        raise ModelError(
            f"{1 + len(model.others)} models work together here, and each has a directory of its "
            "own; name one of them"
        )
    config: dict[str, Any] = {"model": model.config.to_json(), "training": asdict(model.provenance)}
    if model.labels:
        config["labels"] = list(model.labels)
    return {
        CONFIG: to_json(config),
        TOKENIZER: to_json(model.tokenizer.to_json()),
        TENSORS: to_safetensors(model.tensors),
    }


def write_model(directory: Path, model: Model) -> None:
    """Write a model directory durably. Raises StorageError."""
    write_directory(directory, model_files(model))


def read_model(
    directory: Path, manifest: Manifest | None = None, read: ReadFile = read_file
) -> Model:
    """Read a model directory, and its manifest, where there is one and it was not read before.

    `read` reads one of its files, which may lie elsewhere than on the disk. Raises ModelError when
    anything in it is damaged or missing.
    """
    manifest = manifest or find_manifest(directory)
    config, provenance, labels = _read_config(directory, manifest, read)
    tokenizer = read_tokenizer(directory, config, manifest, read)
    tensors = read_tensors(directory / TENSORS, config.tensor_shapes(), manifest, read)
    return Model(config, tokenizer, tensors, provenance, labels)


def find_manifest(directory: Path) -> Manifest | None:
    """Return the manifest of a model directory, where there is one: a model may have only its three
    files.

    Raises ModelError.
    """
    return read_manifest(directory) if os.path.lexists(directory / MANIFEST) else None


def read_config(
    directory: Path, manifest: Manifest | None = None
) -> tuple[ModelConfig, Provenance]:
    """Read config.json without the labels. Raises ModelError."""
    return _read_config(directory, manifest)[:2]


def _read_config(
    directory: Path, manifest: Manifest | None, read: ReadFile = read_file
) -> tuple[ModelConfig, Provenance, tuple[str, ...]]:
    path = directory / CONFIG
    data = read_json(path, manifest, read=read)
    if not isinstance(data, dict) or data.keys() - {"labels"} != {"model", "training"}:
        raise ModelError(f"{path}: expected the keys model and training")
    config = from_json(ModelConfig, data["model"], where=f"{path}: model")
    provenance = from_json(Provenance, data["training"], where=f"{path}: training")
    if find_task(config.task).has_classes != ("labels" in data):
        raise ModelError(
            f"{path}: labels are {'unknown' if 'labels' in data else 'missing'} "
            f"in a model to {config.task}"
        )
    labels = _labels(path, data["labels"], config.outputs) if "labels" in data else ()
    return config, provenance, labels


def _labels(path: Path, names: object, outputs: int | None) -> tuple[str, ...]:
    """Return the names of classes from JSON. Raises ModelError."""
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ModelError(f"{path}: labels: expected a list of names")
    if any("\ud800" <= character <= "\udfff" for name in names for character in name):
        raise ModelError(f"{path}: a label has half of a surrogate pair")
    if len(names) != outputs:
        raise ModelError(f"{path}: it has {len(names)} labels for {outputs} classes")
    if len(set(names)) != len(names):
        raise ModelError(f"{path}: a label appears twice")
    return tuple(names)


def read_tokenizer(
    directory: Path,
    config: ModelConfig,
    manifest: Manifest | None = None,
    read: ReadFile = read_file,
) -> Tokenizer:
    """Read tokenizer.json of a model with this config. Raises ModelError."""
    path = directory / TOKENIZER
    data = read_json(path, manifest, largest=LARGEST_TOKENIZER, read=read)
    definition = find_task(config.task)
    try:
        tokenizer: Tokenizer = definition.tokenizer_from_json(data)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    try:
        definition.check_tokenizer(config, tokenizer)
    except ModelError as error:
        raise ModelError(f"{directory}: {error}") from error
    return tokenizer


def first_sound(paths: Sequence[Path], read: Callable[[Path], T]) -> tuple[Path, T]:
    """Read the first intact one of these models: return its path, and the result of `read`.

    Warns about damaged models before it. Raises ModelError when none can be read.
    """
    problems: list[ModelError] = []
    for path in paths:
        try:
            content = read(path)
        except ModelError as error:
            if path.is_dir():  # otherwise it was deleted meanwhile, like any old checkpoint
                problems.append(error)
            continue
        for problem in problems:
            warnings.warn(f"{problem}; falling back on {path}", CharRNNWarning, stacklevel=2)
        return path, content
    if not problems:
        raise ModelError(f"{paths[0].parent}: it has no checkpoint")
    if len(problems) == 1:
        raise problems[0]
    raise ModelError(f"{problems[0]}; none of {len(problems)} checkpoints is intact")
