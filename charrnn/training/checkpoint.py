"""A checkpoint: a model directory, and everything needed to resume training exactly where it
stopped.

Besides the three files of the model, a checkpoint has `training.json` (settings, corpus, position)
and `training.safetensors` (the trained weights, whose average is the model's; the optimizer's
moments; the hidden state). No random state is saved: all that is random is a function of the seed,
the epoch and the step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from charrnn.data.corpus import Corpus, TokenizedCorpus, open_corpus
from charrnn.data.read_options import ReadOptions
from charrnn.data.sources import HUGGING_FACE, PYTHON_DOCS
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
from charrnn.storage.json_file import from_json, is_finite_number, to_json
from charrnn.storage.manifest import read_json, read_manifest
from charrnn.storage.model_directory import Model, first_sound, model_files, read_model
from charrnn.storage.pointers import LARGEST_TRAINING
from charrnn.storage.run import Run
from charrnn.storage.tensor_file import Tensors, read_tensors, to_safetensors
from charrnn.tasks import find_task
from charrnn.training.config import TrainingConfig
from charrnn.training.schedule import Revision, Schedule, TimeBudget

TRAINING: Final = "training.json"
TRAINING_TENSORS: Final = "training.safetensors"

MOMENTS: Final = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps for each weight, by AdamW's names."""

_ALL_ELSE: Final = 1 << 20
"""The most bytes of training.json, besides what it says about the text."""

MOST_FILES: Final = 50_000
"""The files and folders that a folder may hold, besides one for each byte of the training text."""

OTHER_PYTHON_DOCS: Final = (
    " (it comes with Python, and is another text in another version of Python or of charrnn)"
)
"""Why `python-docs` may not be the text that a model was trained on."""

WEIGHTS: Final = "weights"
"""The prefix of the names of the trained weights; the model's weights are their average."""


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """The progress of a training, as a checkpoint stores it.

    Attributes:
        step: steps taken.
        epoch, chunk: the position of the loader.
        lanes: B, the number of lanes of the hidden state.
        characters: how many characters were learned from.
        seconds: time spent training.
        nats, measured: the sum of the losses since the last line of metrics.jsonl, and their
            number.
        evaluated: the step of the last evaluation; -1 before the first.
        validation_nats: its loss.
        best_nats, best_step: the best evaluation; None before the first.
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

    @classmethod
    def initial(cls, lanes: int) -> "TrainingState":
        """Return the state before the first step."""
        return cls(
            step=0,
            epoch=0,
            chunk=0,
            lanes=lanes,
            characters=0,
            seconds=0.0,
            nats=0.0,
            measured=0,
            evaluated=-1,
            validation_nats=None,
            best_nats=None,
            best_step=None,
        )

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
    """The contents of a checkpoint.

    Attributes:
        model: the network.
        config: the settings of the training.
        sources, options: where to find the corpus, see TokenizedCorpus.
        position: the progress of the training.
        tensors: the weights, the optimizer's moments and the hidden state, by name (see
            `tensor_shapes`).
        budget: the time budget; None where there is none, or the version that wrote the checkpoint
            kept to its plan.
        spent_seconds: how much of the budget was spent.
        revisions: the revisions of the plan, up to this step.
    """

    model: Model
    config: TrainingConfig
    sources: tuple[str, ...]
    options: ReadOptions
    position: TrainingState
    tensors: Tensors
    budget: TimeBudget | None = None
    spent_seconds: float = 0.0
    revisions: tuple[Revision, ...] = ()

    def files(self) -> dict[str, bytes]:
        """Return the contents of the five files by name."""
        training = {
            "config": asdict(self.config),
            "corpus": _described(self.sources, self.options),
            "position": asdict(self.position),
        }
        if self.budget is not None:
            training["time_budget"] = {
                "plan": asdict(self.budget),
                "spent_seconds": self.spent_seconds,
                "revisions": [asdict(each) for each in self.revisions],
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
        """Read the text that was trained on: `corpus`, or from where it was when None.

        The text is read and its SHA-256 compared even where its ids are found in a file. For
        `find`, `keep` and `progress`, see `tokenize`.

        Raises CorpusError when the text cannot be found or has changed.
        """
        if corpus is None:
            if "-" in self.sources:
                raise CorpusError(
                    "the text came from standard input: pipe it in again, and name it '-'"
                )
            if remote := [source for source in self.sources if source.startswith(HUGGING_FACE)]:
                # A model from a stranger must not make anyone download what it names.
                raise CorpusError(f"the text came from {remote[0]}: name it, and it is read again")
            # A model from a stranger may name `/`, which takes minutes to walk through.
            most_files = MOST_FILES + self.model.provenance.corpus_bytes
            try:
                corpus = open_corpus(self.sources, self.options, most_files=most_files)
            except ConfigError as error:
                raise ModelError(f"{TRAINING}: {error}") from error
        sha256 = self.model.provenance.sha256
        why = OTHER_PYTHON_DOCS if PYTHON_DOCS in corpus.sources else ""
        other = CorpusError(
            f"{corpus.name}: not the text that the model was trained on{why}; "
            "to continue with another text: charrnn train CORPUS --from MODEL"
        )

        def find_same(key: IdsKey) -> Ids | None:
            if key.text_sha256 != sha256:  # checked before new ids replace the kept ones
                raise other
            return find(key) if find is not None else None

        definition = find_task(self.model.config.task)
        if not definition.learns_from(corpus.options):
            if not definition.learns_from(self.options) or not self.options.learned:
                raise other
            what = "pairs" if definition.pairs else "labelled texts"
            raise CorpusError(
                f"{corpus.name}: the model was trained on {what}: say where they are with "
                f"{self.options.learned}"
            )
        try:
            text: TokenizedCorpus = definition.read_corpus(
                corpus,
                tokenizer=self.model.tokenizer,
                find=find_same,
                keep=keep,
                # A model from a stranger may name a device or a pipe that never ends.
                at_most=self.model.provenance.corpus_bytes,
                progress=progress,
            )
        except (UnknownCharacterError, LongerTextError):
            raise other from None
        if text.sha256 != sha256:
            raise other
        return text


def check_sources(corpus: Corpus | TokenizedCorpus) -> None:
    """Raise ConfigError where the names of the files are too long for a checkpoint."""
    size = len(to_json(_described(corpus.sources, corpus.options)))
    if size > LARGEST_TRAINING - _ALL_ELSE:
        raise ConfigError(
            f"{corpus.name}: the {len(corpus.sources):,} names of its files take {size:,} bytes, "
            "more than a checkpoint can hold; name their folder instead, with --glob"
        )


def _described(sources: Sequence[str], options: ReadOptions) -> dict[str, Any]:
    """Return what a checkpoint stores about its text."""
    return {"sources": list(sources), "options": asdict(options)}


def read_checkpoint(directory: Path) -> Checkpoint:
    """Read a checkpoint. Raises ModelError when anything in it is damaged or missing."""
    manifest = read_manifest(directory)
    model = read_model(directory, manifest)
    path = directory / TRAINING
    match read_json(path, manifest, largest=LARGEST_TRAINING):
        case {
            "config": config,
            "corpus": {"sources": [*sources], "options": options, **no_more},
            "position": position,
            **others,
        } if not (no_more or others.keys() - {"time_budget"}) and all(
            isinstance(source, str) for source in sources
        ):
            pass
        case _:
            raise ModelError(f"{path}: expected config, corpus and position")
    training_config = from_json(TrainingConfig, config, where=f"{path}: config")
    position = from_json(TrainingState, position, where=f"{path}: position")
    shapes = tensor_shapes(model.config, position.lanes)
    return Checkpoint(
        model=model,
        config=training_config,
        sources=tuple(sources),
        options=from_json(ReadOptions, options, where=f"{path}: options"),
        position=position,
        tensors=read_tensors(directory / TRAINING_TENSORS, shapes, manifest),
        **_read_time_budget(others.get("time_budget"), training_config, position, path),
    )


def _read_time_budget(
    data: object, config: TrainingConfig, position: TrainingState, path: Path
) -> dict[str, Any]:
    """Return the fields of a Checkpoint on its time budget; none where it has no time budget.

    Raises ModelError.
    """
    where = f"{path}: time_budget"
    match data:
        case None:
            return {}
        case {"plan": plan, "spent_seconds": spent, "revisions": [*revisions], **no_more} if (
            not no_more and is_finite_number(spent) and spent >= 0
        ):
            pass
        case _:
            raise ModelError(f"{where}: expected plan, spent_seconds and revisions")
    read = tuple(from_json(Revision, each, where=f"{where}: revisions") for each in revisions)
    try:
        Schedule(config, read)
    except ConfigError as error:
        raise ModelError(f"{where}: {error}") from error
    if read and read[-1].step > position.step:
        raise ModelError(f"{where}: a revision after step {position.step}")
    budget = from_json(TimeBudget, plan, where=f"{where}: plan")
    return {"budget": budget, "spent_seconds": float(spent), "revisions": read}


def read_newest(run: Run) -> Checkpoint:
    """Read the newest intact checkpoint of a run; warn about newer ones that are damaged.

    Raises ModelError.
    """
    newest_first = run.checkpoints()[::-1]
    if not newest_first:
        raise ModelError(f"{run.directory}: it has no checkpoint")

    def read(path: Path) -> Checkpoint:
        checkpoint = read_checkpoint(path)
        if path != run.checkpoint(checkpoint.position.step):
            raise ModelError(f"{path / TRAINING}: it belongs to step {checkpoint.position.step}")
        return checkpoint

    return first_sound(newest_first, read)[1]


def tensor_shapes(config: ModelConfig, lanes: int) -> Mapping[str, tuple[int, ...]]:
    """Return the names and shapes of the tensors in `training.safetensors`."""
    of_weights = {
        f"{kind}.{name}": shape
        for kind in (WEIGHTS, *MOMENTS)
        for name, shape in config.tensor_shapes().items()
    }
    state = zip(state_names(config), config.state_shapes(lanes).values(), strict=True)
    return of_weights | dict(state)


def state_names(config: ModelConfig) -> list[str]:
    """Return the names of the parts of the state in `training.safetensors`."""
    return [f"state.{name}" for name in config.state_shapes(1)]
