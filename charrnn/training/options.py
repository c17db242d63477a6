"""TrainingOptions: the options of a training and of `charrnn train`."""

import re
from dataclasses import dataclass
from typing import Final

from charrnn.errors import ConfigError
from charrnn.model.config import GATES, POOLINGS
from charrnn.option_declaration import LARGEST, check, documented, option
from charrnn.tasks import TASKS

PRECISIONS: Final = ("fp32", "bf16")

CLASS_WEIGHTS: Final = ("none", "balanced")
"""The weight of a document: equal for all, or larger for rarer classes (see `balanced_weights`)."""

TEXT: Final = "Text"
NETWORK: Final = "Network"
OPTIMIZATION: Final = "Training"
DURATION: Final = "Duration and checkpoints"
"""The panels of `--help`."""

_BY_RECIPE: Final = "chosen for the text"

VALIDATION_FRACTION: Final = 0.1
"""The share that is held out by default, where the task has no other."""


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as `112s`, `10m`, `1h30m`. Raises ConfigError."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    pieces = re.findall(r"(\d+(?:\.\d+)?)([dhms])", text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        raise ConfigError(f"budget {text!r}: write it like 90s, 10m or 1h30m")
    return sum(float(number) * units[unit] for number, unit in pieces)


@documented
@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of a training; `None` leaves the choice to the recipe.

    Raises ConfigError when a setting is out of range. `task` is an entry of charrnn.tasks.TASKS;
    with None, it follows from the other options and the corpus (`charrnn.tasks.choose_task`).
    `split_seed` draws the held-out lines or documents instead of `seed`. `budget` is in seconds.
    For `readout_scale`, see CharRNN.scale_readout.
    """

    task: str | None = None
    split_seed: int | None = None
    lines: bool = option(
        False,
        "Read each line as a document of its own, and shuffle them in every epoch.",
        panel=TEXT,
        decided_by=("label", "source"),
    )
    validation_fraction: float | None = option(
        None,
        "Hold out this share for validation: the end of a text, or random lines, labelled "
        "documents or pairs.",
        panel=TEXT,
        metavar="X",
        unset="0.1; 0.05 of pairs",
        above=0,
        most=0.5,
    )
    cell: str | None = option(
        None,
        "Choose the recurrent cell.",
        panel=NETWORK,
        unset="lstm",
        choices=tuple(GATES),
        decided_by=("start_from",),
    )
    layers: int | None = option(
        None,
        "Stack this many recurrent layers.",
        panel=NETWORK,
        metavar="N",
        unset="2",
        decided_by=("start_from",),
    )
    hidden_size: int | None = option(
        None,
        "Give each layer this many units.",
        panel=NETWORK,
        metavar="N",
        unset=_BY_RECIPE,
        decided_by=("start_from",),
    )
    embedding_size: int | None = option(
        None,
        "Embed each character in a vector of this size.",
        panel=NETWORK,
        metavar="N",
        unset="64",
        decided_by=("start_from",),
    )
    dropout: float | None = option(
        None,
        "Drop this share of each layer's outputs, with one mask for all time steps.",
        panel=NETWORK,
        metavar="X",
        unset=_BY_RECIPE,
    )
    weight_dropout: float | None = option(
        None,
        "Drop this share of the recurrent weights, with one mask for all time steps.",
        panel=NETWORK,
        metavar="X",
        unset=_BY_RECIPE,
    )
    bidirectional: bool = option(
        False,
        "Read the text in both directions: for fill and proofread, or with --label for predict.",
        panel=NETWORK,
        decided_by=("source", "start_from"),
    )
    pooling: str | None = option(
        None,
        "Pool the outputs of all characters of a document into one vector (with --label).",
        panel=NETWORK,
        unset="max; attention when fine-tuning a language model",
        choices=POOLINGS,
        needs=("label",),
        decided_by=("start_from",),
    )
    attention: int | None = option(
        None,
        "Add attention to the last WINDOW states, for texts that repeat themselves.",
        panel=NETWORK,
        metavar="WINDOW",
        unset="no attention",
        decided_by=("label", "source", "start_from"),
    )
    batch_size: int | None = option(
        None,
        "Read this many sequences side by side in each step.",
        panel=OPTIMIZATION,
        metavar="N",
        unset="32",
        least=1,
        most=LARGEST,
    )
    sequence_length: int | None = option(
        None,
        "Read this many characters of each sequence in a step, and backpropagate through them.",
        panel=OPTIMIZATION,
        metavar="N",
        unset="48",
        least=1,
        most=LARGEST,
    )
    learning_rate: float | None = option(
        None,
        "Set the peak learning rate, which warm-up reaches.",
        panel=OPTIMIZATION,
        metavar="X",
        unset=_BY_RECIPE,
        above=0,
    )
    readout_scale: float | None = option(
        None,
        "Multiply the initial size and the learning rate of the weights that read a layer's "
        "outputs by X.",
        panel=OPTIMIZATION,
        metavar="X",
        unset=_BY_RECIPE,
        above=0,
    )
    clip: float | None = option(
        None,
        "Clip the norm of the gradients at this value; 0 is off.",
        panel=OPTIMIZATION,
        metavar="X",
        unset="1",
        least=0,
    )
    regress: bool = option(
        False,
        "Predict numbers: the labels are numbers, not classes.",
        panel=OPTIMIZATION,
        excludes=("class_weights",),
        needs=("label",),
    )
    class_weights: str = option(
        "none",
        "Weight documents by class (with --label); balanced makes every class count the same.",
        panel=OPTIMIZATION,
        choices=CLASS_WEIGHTS,
        needs=("label",),
    )
    seed: int = option(
        0, "Seed all random numbers.", panel=OPTIMIZATION, metavar="N", least=0, below=2**63
    )
    precision: str | None = option(
        None,
        "Compute in this precision; auto takes the faster one, measured if there is a time budget.",
        panel=OPTIMIZATION,
        none="auto",
        choices=PRECISIONS,
    )
    device: str | None = option(
        None,
        "Train on this device: cpu, cuda, cuda:1, ...; auto takes the best one.",
        panel=OPTIMIZATION,
        metavar="DEVICE",
        none="auto",
    )
    budget: float | None = option(
        None,
        "Train for this time, like 90s, 10m or 1h30m, including evaluations and saves.",
        panel=DURATION,
        metavar="TIME",
        unset="5m",
        above=0,
        read=parse_duration,
        excludes=("epochs", "steps"),
    )
    epochs: float | None = option(
        None,
        "Read the training text this many times, instead of --budget.",
        panel=DURATION,
        metavar="X",
        above=0,
        excludes=("steps",),
    )
    steps: int | None = option(
        None,
        "Train for this many steps, instead of --budget.",
        panel=DURATION,
        metavar="N",
        least=1,
        most=LARGEST,
    )
    evaluate_every: int | None = option(
        None,
        "Evaluate after every N steps.",
        panel=DURATION,
        metavar="N",
        unset="about 20 times",
        least=1,
        most=LARGEST,
    )
    checkpoint_every: int | None = option(
        None,
        "Save a checkpoint after every N steps.",
        panel=DURATION,
        metavar="N",
        unset="at evaluations, and every 5 minutes",
        least=1,
        most=LARGEST,
    )
    patience: int | None = option(
        None,
        "Stop early after N evaluations without a better model; 0 is off.",
        panel=DURATION,
        metavar="N",
        unset="5",
        least=0,
    )
    keep: int = option(
        2,
        "Keep the N newest checkpoints and the best one.",
        panel=DURATION,
        metavar="N",
        least=1,
        most=LARGEST,
    )

    def __post_init__(self) -> None:
        if self.task is not None and self.task not in TASKS:
            raise ConfigError(f"task {self.task!r}: choose from {', '.join(TASKS)}")
        check(self)
        check_device(self.device)

    @property
    def for_labels(self) -> str | None:
        """The first option that was given and that only labels need, as it is typed; None where
        none was."""
        for name, off in (("regress", False), ("pooling", None), ("class_weights", "none")):
            if getattr(self, name) != off:
                return "--" + name.replace("_", "-")
        return None


_DEVICES: Final = r"auto|cpu|cuda(:\d{1,3})?"


def check_device(device: str | None) -> None:
    """Raise ConfigError for what is not the name of a device."""
    if device is not None and not re.fullmatch(_DEVICES, device):
        raise ConfigError(f"device {device!r}: choose cpu, cuda, cuda:1, ... or auto")
