"""A checkpoint: a model directory, and everything needed to go on exactly where it stopped.

Beside the three files of the model stand `training.json` (settings, corpus, position) and
`training.safetensors` (the weights themselves, of which the model has the average, the optimizer's
moments and the hidden state). Random states need no
keeping: all that is random is a function of the seed, the epoch and the step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from charrnn.data.corpus import Corpus, TokenizedCorpus, open_corpus
from charrnn.data.read_options import ReadOptions
from charrnn.data.sources import HUGGING_FACE
from charrnn.data.tokenizer import Ids
from charrnn.data.two_pass_reading import (
    FindIds,
    IdsKey,
    KeepIds,
    LongerTextError,
    ReadingProgress,
    no_progress,
)
from charrnn.errors import ConfigError, CorpusError, ModelError, UnknownCharacterError
from charrnn.model.config import ModelConfig
from charrnn.storage.json_file import from_json, to_json
from charrnn.storage.manifest import read_json, read_manifest
from charrnn.storage.model_directory import Model, first_sound, model_files, read_model
from charrnn.storage.pointers import LARGEST_TRAINING
from charrnn.storage.run import Run
from charrnn.storage.tensor_file import Tensors, read_tensors, to_safetensors
from charrnn.tasks import find_task
from charrnn.training.config import TrainingConfig

TRAINING: Final = "training.json"
TRAINING_TENSORS: Final = "training.safetensors"

MOMENTS: Final = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps of each weight, by its own names."""

_ALL_ELSE: Final = 1 << 20
"""Bytes that training.json takes at most beside what it says of the text."""

MOST_FILES: Final = 50_000
"""Files and folders that a folder may hold beside one for each byte of the text that was trained
on."""

WEIGHTS: Final = "weights"
"""Before the names of the weights that are trained; those of the model are their average."""


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """How far a training has come.

    Attributes:
        step: steps taken.
        epoch, chunk: where the loader is.
        lanes: B, the lanes of the hidden state.
        characters: characters learned from.
        seconds: spent training.
        nats, measured: the sum of what the steps since the last line of metrics.jsonl measured,
            and how many they were.
        evaluated: the step of the last evaluation; -1 before the first.
        validation_nats: what it gave.
        best_nats, best_step: the best evaluation, where there was one.
    """

    step: int
    epoch: int
    chunk: int
    lanes: int
    characters: int
    seconds: float
    nats: float
    measured: int
    evaluated: int
    validation_nats: float | None
    best_nats: float | None
    best_step: int | None

    def __post_init__(self) -> None:
        for name in ("step", "epoch", "chunk", "lanes", "characters", "seconds", "measured"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} {getattr(self, name)} is below 0")
        if self.evaluated > self.step or self.evaluated < -1:
            raise ConfigError(f"evaluated {self.evaluated} is no step up to {self.step}")
        if (self.validation_nats is None) != (self.evaluated < 0):
            raise ConfigError(
                f"validation_nats is {self.validation_nats}, evaluated {self.evaluated}"
            )
        if (self.best_nats is None) != (self.best_step is None):
            raise ConfigError(f"best_nats is {self.best_nats}, best_step {self.best_step}")
        if self.best_step is not None and not 0 <= self.best_step <= self.evaluated:
            raise ConfigError(f"best_step {self.best_step} is no step up to {self.evaluated}")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        model: the network.
        config: the settings of the training.
        sources, options: the corpus, as TokenizedCorpus has them, to find it again.
        position: how far it has come.
        tensors: the weights, the optimizer's moments and the hidden state, by name (see
            `tensor_shapes`).
    """

    model: Model
    config: TrainingConfig
    sources: tuple[str, ...]
    options: ReadOptions
    position: TrainingState
    tensors: Tensors

    def files(self) -> dict[str, bytes]:
        """The five files, by name."""
        training = {
            "config": asdict(self.config),
            "corpus": _described(self.sources, self.options),
            "position": asdict(self.position),
        }
        return {
            **model_files(self.model),
            TRAINING: to_json(training),
            TRAINING_TENSORS: to_safetensors(self.tensors),
        }

    def read_corpus(
        self,
        corpus: Corpus | None = None,
        *,
        find: FindIds | None = None,
        keep: KeepIds | None = None,
        progress: ReadingProgress = no_progress,
    ) -> TokenizedCorpus:
        """The text that was trained on: from where it was, unless it is given.

        It is read, and its SHA-256 compared, even where its ids are found in a file. `find`, `keep`
        and `progress` are those of `tokenize`.

        Raises CorpusError when it cannot be found or is not the same any more.
        """
        if corpus is None:
            if "-" in self.sources:
                raise CorpusError(
                    "the text came from standard input: pipe it in again, and name it '-'"
                )
            if remote := [source for source in self.sources if source.startswith(HUGGING_FACE)]:
                # A model from a stranger must not make anyone fetch what it names.
                raise CorpusError(f"the text came from {remote[0]}: name it, and it is read again")
            # A model from anyone may name `/`, which takes minutes to walk through.
            most_files = MOST_FILES + self.model.provenance.corpus_bytes
            try:
                corpus = open_corpus(self.sources, self.options, most_files=most_files)
            except ConfigError as error:
                raise ModelError(f"{TRAINING}: {error}") from error
        sha256 = self.model.provenance.sha256
        other = CorpusError(
            f"{corpus.name}: not the text that the model was trained on; "
            "to go on with other text: charrnn train CORPUS --from MODEL"
        )

        def find_same(key: IdsKey) -> Ids | None:
            if key.text_sha256 != sha256:  # before its ids replace those that are kept
                raise other
            return find(key) if find is not None else None

        definition = find_task(self.model.config.task)
        if corpus.options.label is None and self.options.label is not None:
            raise CorpusError(
                f"{corpus.name}: the model was trained on labelled texts: say where they are with "
                f"--label {self.options.label}"
                + (f" --text {self.options.column}" if self.options.column else "")
            )
        if corpus.options.label is not None and not definition.labelled:
            raise other
        try:
            text: TokenizedCorpus = definition.read_corpus(
                corpus,
                tokenizer=self.model.tokenizer,
                find=find_same,
                keep=keep,
                # What a stranger's model names may be anything, and have no end.
                at_most=self.model.provenance.corpus_bytes,
                progress=progress,
            )
        except (UnknownCharacterError, LongerTextError):
            raise other from None
        if text.sha256 != sha256:
            raise other
        return text


def check_sources(corpus: Corpus | TokenizedCorpus) -> None:
    """Raises ConfigError where what names a text is too long for a checkpoint to be read again."""
    size = len(to_json(_described(corpus.sources, corpus.options)))
    if size > LARGEST_TRAINING - _ALL_ELSE:
        raise ConfigError(
            f"{corpus.name}: the {len(corpus.sources):,} names of its files take {size:,} bytes, "
            "more than a checkpoint may; name their folder instead, with --glob"
        )


def _described(sources: Sequence[str], options: ReadOptions) -> dict[str, Any]:
    """What a checkpoint says of its text."""
    return {"sources": list(sources), "options": asdict(options)}


def read_checkpoint(directory: Path) -> Checkpoint:
    """Reads a checkpoint. Raises ModelError when anything in it is not as it should be."""
    manifest = read_manifest(directory)
    model = read_model(directory, manifest)
    path = directory / TRAINING
    match read_json(path, manifest, largest=LARGEST_TRAINING):
        case {
            "config": config,
            "corpus": {"sources": [*sources], "options": options, **no_more},
            "position": position,
            **others,
        } if not (no_more or others) and all(isinstance(source, str) for source in sources):
            pass
        case _:
            raise ModelError(f"{path}: expected config, corpus and position")
    position = from_json(TrainingState, position, where=f"{path}: position")
    shapes = tensor_shapes(model.config, position.lanes)
    return Checkpoint(
        model=model,
        config=from_json(TrainingConfig, config, where=f"{path}: config"),
        sources=tuple(sources),
        options=from_json(ReadOptions, options, where=f"{path}: options"),
        position=position,
        tensors=read_tensors(directory / TRAINING_TENSORS, shapes, manifest),
    )


def read_newest(run: Run) -> Checkpoint:
    """Reads the newest checkpoint of a run that is sound; warns of newer ones that are damaged.

    Raises ModelError.
    """
    newest_first = run.checkpoints()[::-1]
    if not newest_first:
        raise ModelError(f"{run.directory}: it has no checkpoint")

    def read(path: Path) -> Checkpoint:
        checkpoint = read_checkpoint(path)
        if path != run.checkpoint(checkpoint.position.step):
            raise ModelError(f"{path / TRAINING}: it is of step {checkpoint.position.step}")
        return checkpoint

    return first_sound(newest_first, read)[1]


def tensor_shapes(config: ModelConfig, lanes: int) -> Mapping[str, tuple[int, ...]]:
    """The names and shapes in `training.safetensors`."""
    of_weights = {
        f"{kind}.{name}": shape
        for kind in (WEIGHTS, *MOMENTS)
        for name, shape in config.tensor_shapes().items()
    }
    state = zip(state_names(config), config.state_shapes(lanes).values(), strict=True)
    return of_weights | dict(state)


def state_names(config: ModelConfig) -> list[str]:
    """The names of the parts of the state in `training.safetensors`."""
    return [f"state.{name}" for name in config.state_shapes(1)]
