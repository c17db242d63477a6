"""Reports about a model, as plain data that a command shows and a program reads."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from charrnn.data.read_options import ReadOptions
    from charrnn.storage.model_directory import Model
    from charrnn.training.checkpoint import Checkpoint

Rows = tuple[tuple[str, str], ...]
"""Names and values, in the order in which they are shown."""


@dataclass(frozen=True)
class Table:
    """A table for people.

    Attributes:
        title: what it shows.
        header: the name of each column.
        rows: the cells of each row, as text.
        left: how many columns are aligned to the left; the others are aligned to the right.
        emphasized: (row, column) of the cells that stand out.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1
    emphasized: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """The results of a model on a text or on labelled documents.

    Attributes:
        record: all results, for programs.
        rows, table: the results for people.
        remarks: how the results were measured, a sentence each.
        skipped: characters that were left out because the model has never seen them.
    """

    record: dict[str, Any]
    rows: Rows
    table: Table | None = None
    remarks: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values of JSON."""
        return self.record


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """A model to evaluate, and how.

    Attributes:
        model: the model.
        read: how to read the file.
        directory: the directory of the model; None for a model in memory, which does not say where
            its text is, and so needs a file and has no baselines.
        checkpoint: its checkpoint, which names the training text; None where the directory holds
            only a model.
        file: a text, or labelled documents, to evaluate on; None: the held-out part.
        protocol, adapt, memory, at_most, engine: see `charrnn.evaluation.scoring.evaluate`.
    """

    model: "Model"
    read: "ReadOptions"
    directory: Path | None = None
    checkpoint: "Checkpoint | None" = None
    file: str | None = None
    protocol: str = "stream"
    adapt: bool = False
    memory: bool = False
    at_most: int | None = None
    engine: str | None = None


Evaluate = Callable[[Callable[[int, int], None] | None], EvaluationReport]
"""An evaluation whose texts were read. It calls its argument with how many characters of how many
it has evaluated."""


@dataclass(frozen=True, kw_only=True)
class TrainingSummary:
    """The results of the best model of a training.

    Attributes:
        rows, table: measures on the held-out part.
        remark: a sentence that compares the loss.
    """

    rows: Rows = ()
    table: Table | None = None
    remark: str | None = None


class NextCommand(NamedTuple):
    """A command, and what it does.

    Attributes:
        command: as it is typed, with `{run}` where the run is named.
        purpose: a few words that begin with a verb.
    """

    command: str
    purpose: str


@dataclass(frozen=True)
class LossUnit:
    """The unit in which people see a loss.

    Attributes:
        name, abbreviation: the unit, such as `bits per character` and `bits/character`.
        show: formats a loss as a number in this unit.
        show_training: formats the loss of a training step, where that is of another kind; None: as
            `show` does.
    """

    name: str
    abbreviation: str
    show: Callable[[float], str]
    show_training: Callable[[float], str] | None = None


def bits_per(what: str) -> LossUnit:
    """Return the unit of bits (nats / ln 2) per character, byte or document."""
    return LossUnit(f"bits per {what}", f"bits/{what}", lambda nats: f"{nats / math.log(2):.3f}")
