"""TaskCard: what a model card says about the models of one task."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from charrnn.tasks import find_task
from charrnn.training.report import Rows, Table

if TYPE_CHECKING:
    from charrnn.data.corpus import TokenizedCorpus
    from charrnn.storage.model_directory import Model
    from charrnn.training.report import EvaluationRequest

PAGE_CHARACTERS = 2000
"""The characters of a printed page."""


@dataclass(frozen=True, kw_only=True)
class CardSource:
    """What a card is written from.

    Attributes:
        name: the model as an argument of a command, quoted for a shell.
        model: the model.
        request: an evaluation of it on its held-out text.
        corpus: the training text; None where it cannot be read.
        baselines: nats per character of simpler models on the held-out text, by name.
        measures: other measures of the best evaluation of the training, by name.
    """

    name: str
    model: "Model"
    request: "EvaluationRequest"
    corpus: "TokenizedCorpus | None" = None
    baselines: Mapping[str, float] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """A text, and the command that writes it; of a remark, what it is about, or nothing."""

    command: str
    text: str


@dataclass(frozen=True)
class Results:
    """How good a model is: names and values, a table, and sentences."""

    rows: Rows = ()
    table: Table | None = None
    remarks: tuple[str, ...] = ()


class TaskCard:
    """What a card says about the models of a task; a task without one of its own says little.

    Attributes:
        pipeline_tag: what hubs call the task; None: they have no name for it.
        metrics: the names of its measures on hubs.
    """

    pipeline_tag: str | None = None
    metrics: tuple[str, ...] = ()

    def purpose(self, source: CardSource) -> str:
        """Return what the model does, as a sentence."""
        return f"It was trained to {source.model.config.task}."

    def results(self, source: CardSource) -> Results:
        """Measure the model, or return what the training measured. This may take a while."""
        return Results()

    def examples(self, source: CardSource) -> tuple[Example, ...]:
        """Return texts of the model."""
        return ()

    def copies(self, source: CardSource) -> Example | None:
        """Return a sentence or two on how much the model repeats of its training text, and the
        command of the sample that repeats most; None where it writes no texts."""
        return None

    def limits(self, source: CardSource) -> list[str]:
        """Return what the model is not good for, a sentence or two each."""
        return []


def training_results(source: CardSource, rows: Rows, remark: str) -> Results:
    """Return the rows that the training measured; where there are none, its loss.

    Args:
        remark: why nothing else could be measured.
    """
    loss = source.model.provenance.validation_nats
    if not rows and loss is not None:
        definition = find_task(source.model.config.task)
        rows = (("loss", definition.describe_loss(source.model.tokenizer, loss)),)
    return Results(rows, remarks=(remark,))


def describe_alphabet(model: "Model") -> str:
    """Return a sentence on what the model can read."""
    if model.tokenizer.kind == "byte":
        return "It reads bytes, so any text, but knows only what its training text had."
    size = model.config.vocabulary_size
    return f"It knows {size:,} characters, those of its training text, and cannot read others."


def describe_size(model: "Model") -> str:
    """Return a sentence on how little text the model has seen."""
    characters = model.provenance.corpus_characters
    pages = max(round(characters / PAGE_CHARACTERS), 1)
    amount = "about a page" if pages == 1 else f"about {pages:,} pages"
    return (
        f"All it knows comes from {characters:,} {model.tokenizer.unit}s, as much as {amount}: on "
        "other subjects, in other styles and in other languages it is of little use."
    )
