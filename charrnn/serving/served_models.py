"""The models that a server has: by id, with what runs each of them."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from charrnn.data.corpus import newline_id
from charrnn.data.tokenizer import CharTokenizer
from charrnn.errors import ConfigError, ModelError
from charrnn.generation.sampler import Sampler
from charrnn.generation.selection import Lines
from charrnn.serving.api_errors import ApiError, shown
from charrnn.storage.model_directory import Model, read_model
from charrnn.storage.run_lookup import name_of, read_found
from charrnn.tasks import find_task
from charrnn.tasks.generate.training_lines import training_lines

USES: Final = {
    "generate": "/v1/completions, /api/suggest and /api/score",
    "restore": "/v1/completions with a suffix, /api/fill and /api/proofread",
    "classify": "/api/predict",
    "regress": "/api/predict",
}
"""The endpoints for a model of each task."""


class ServedModel:
    """A model that is served.

    Args:
        name: its id.
        model: the model.
        engine: the engine that writes its texts, as for Sampler.
        created: when its files were written, in seconds since 1970.
        directory: its directory, which may say where its training text is; None for a model in
            memory.

    Attributes:
        name, model, created, directory: as given.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        engine: str | None = None,
        created: int = 0,
        directory: Path | None = None,
    ) -> None:
        self.name, self.model, self.created = name, model, created
        self.directory, self._engine = directory, engine

    @cached_property
    def sampler(self) -> Sampler:
        """What generates its texts. Raises ModelError for a model of another task."""
        return Sampler(self.model, self._engine)

    @cached_property
    def training_lines(self) -> Lines:
        """The lines of its training text. Raises CorpusError where that is not found."""
        return training_lines(None if self.directory is None else str(self.directory))

    @property
    def task(self) -> str:
        """The task that it was trained for."""
        return self.model.config.task

    def require(self, *tasks: str) -> None:
        """Raise ApiError, with the endpoints that the model is for, unless its task is among
        these."""
        try:
            self.model.require(*tasks)
        except ModelError:
            raise ApiError(
                f"the model {self.name} was trained to {self.task}, not to {' or '.join(tasks)}: "
                f"use it with {USES.get(self.task, 'another endpoint')}",
                param="model",
                code="model_not_suitable",
            ) from None

    @property
    def beginning(self) -> str | None:
        """The text before the first character of a text without a prompt."""
        tokenizer = self.model.tokenizer
        if newline_id(tokenizer) is not None:
            return "\n"
        return None if tokenizer.unknown(" ") else " "

    def describe(self, *, default: bool) -> dict[str, Any]:
        """Return its entry in the list of models.

        Args:
            default: whether it answers requests that name no model.
        """
        config, tokenizer, provenance = (
            self.model.config,
            self.model.tokenizer,
            self.model.provenance,
        )
        nats = provenance.validation_nats
        details: dict[str, Any] = {
            "task": self.task,
            "default": default,
            "tokenizer": tokenizer.kind,
            "characters": "".join(tokenizer.characters)
            if isinstance(tokenizer, CharTokenizer)
            else None,
            "vocabulary_size": config.vocabulary_size,
            "beginning": self.beginning,
            "lines": provenance.lines,
            "labels": list(self.model.labels),
            "cell": config.cell,
            "layers": config.layers,
            "hidden_size": config.hidden_size,
            "parameters": config.parameters,
            "corpus": provenance.corpus,
            "corpus_characters": provenance.corpus_characters,
            "step": provenance.step,
            "seconds": provenance.seconds,
            "validation_bits": None if nats is None or not self._in_nats else nats / math.log(2),
        }
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": "charrnn",
            "charrnn": details,
        }

    @property
    def _in_nats(self) -> bool:
        """Whether its validation loss is in nats per character."""
        return self.model.config.outputs is None


@dataclass(frozen=True)
class ServedModels:
    """The models of a server, by id. The first one answers requests that name no model."""

    by_name: dict[str, ServedModel]

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self.by_name.values())

    @property
    def default(self) -> ServedModel:
        """The first model."""
        return next(iter(self))

    def find(self, name: str | None, *tasks: str) -> ServedModel:
        """Return the model of that id; for None, the first model of one of the tasks.

        Raises ApiError when there is none, or when its task is not among those.
        """
        if name is None:
            suitable = (each for each in self if each.task in tasks)
            found = next(suitable, self.default)
        elif name in self.by_name:
            found = self.by_name[name]
        else:
            raise ApiError(
                f"the model {shown(name)} does not exist; GET /v1/models lists those that do",
                status=404,
                param="model",
                code="model_not_found",
            )
        if tasks:
            found.require(*tasks)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the list of models in OpenAI's form."""
        entries = [each.describe(default=each is self.default) for each in self]
        return {"object": "list", "data": entries}


def read_models(names: Sequence[str], engine: str | None = None) -> ServedModels:
    """Read the models that are named; none means the newest run under `checkpoints/`.

    The id of a model is the name of its run or folder; where several have the same, each has its
    argument as id.

    Raises ModelError, also for a model without an endpoint, and ConfigError when a model is named
    twice.
    """
    wanted: Sequence[str | None] = names or [None]
    found = [(name, *read_found(name, read_model)) for name in wanted]
    ids = [name_of(directory) for _, directory, _ in found]
    by_name: dict[str, ServedModel] = {}
    for (argument, directory, model), name in zip(found, ids, strict=True):
        if ids.count(name) > 1 and argument is not None:
            name = argument
        if model.config.task not in USES:
            raise ModelError(
                f"{directory}: the model was trained to {model.config.task}, for which charrnn "
                f"serve has no endpoint: use it with {find_task(model.config.task).commands}"
            )
        if name in by_name:
            raise ConfigError(f"{name}: it is named twice; name each model once")
        by_name[name] = ServedModel(name, model, engine, _written(directory), directory)
    return ServedModels(by_name)


def _written(directory: Path) -> int:
    """Return when a model was written, in seconds since 1970."""
    try:
        return int(directory.stat().st_mtime)
    except OSError:
        return int(time.time())
