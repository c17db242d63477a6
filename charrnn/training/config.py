"""What a training may be asked for, and what it then is."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from charrnn.errors import ConfigError
from charrnn.model.config import LATER
from charrnn.tasks import TASKS

PRECISIONS: Final = ("fp32", "bf16")

CLASS_WEIGHTS: Final = ("none", "balanced")
"""What a document counts: all the same, or as much more as its class is rarer (see
`balanced_weights`)."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What a person may ask for, flag by flag; `None` leaves the choice to the recipe.

    Attributes:
        task: what the network is for, an entry of charrnn.tasks.TASKS; None: what the other options
            and the corpus mean (`charrnn.tasks.choose_task`).
        cell, layers, hidden_size, embedding_size, dropout, weight_dropout: see ModelConfig.
        bidirectional: whether to read a text from its end as well: to infill it instead of
            continuing it, or to predict the labels of documents.
        regress: whether the labels are numbers.
        pooling: see ModelConfig.
        class_weights: see CLASS_WEIGHTS.
        attention: how many of its last states the network looks things up in; None for none.
        batch_size: lanes read side by side.
        sequence_length: characters of each lane in a step; backpropagation ends there.
        learning_rate: at its highest, after warm-up.
        readout_scale: how many times as fast the weights learn that read a layer's outputs, and as
            large they begin, see CharRNN.scale_readout.
        clip: the norm that gradients are scaled down to; 0 is off.
        seed: of everything random.
        precision: `fp32`, `bf16`, or the faster of the two (measured under a budget, else the one
            that usually is).
        device: `cpu`, `cuda`, or the best there is.
        validation_fraction: the share that is held out: the last part of the corpus; of lines, and
            of labelled documents, some that the seed draws.
        lines: each line is a document; documents are reshuffled every epoch.
        budget: seconds that training may take, evaluations and saves included.
        epochs, steps: how long to train, instead of a budget.
        evaluate_every, checkpoint_every: in steps.
        patience: evaluations without a better model after which a training whose validation has
            turned ends; 0 is off.
        keep: checkpoints to keep besides the best.
    """

    task: str | None = None
    cell: str | None = None
    layers: int | None = None
    hidden_size: int | None = None
    embedding_size: int | None = None
    dropout: float | None = None
    weight_dropout: float | None = None
    bidirectional: bool = False
    regress: bool = False
    pooling: str | None = None
    class_weights: str = "none"
    attention: int | None = None
    batch_size: int | None = None
    sequence_length: int | None = None
    learning_rate: float | None = None
    readout_scale: float | None = None
    clip: float | None = None
    seed: int = 0
    precision: str | None = None
    device: str | None = None
    validation_fraction: float = 0.1
    lines: bool = False
    budget: float | None = None
    epochs: float | None = None
    steps: int | None = None
    evaluate_every: int | None = None
    checkpoint_every: int | None = None
    patience: int | None = None
    keep: int = 2

    def __post_init__(self) -> None:
        lengths = [
            name for name in ("budget", "epochs", "steps") if getattr(self, name) is not None
        ]
        if len(lengths) > 1:
            raise ConfigError(f"{lengths[0]} and {lengths[1]} exclude each other; choose one")
        if self.task is not None and self.task not in TASKS:
            raise ConfigError(f"task {self.task!r}: choose from {', '.join(TASKS)}")
        _check(self)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """All that decides how a training goes, beside the corpus, the network and its weights.

    Stored with the run and reused when it is resumed. From here on, training is a pure function of
    (corpus, ModelConfig, TrainingConfig): never of the clock. The attributes are those of
    TrainingOptions, each decided, and:

        warmup_steps: over which the learning rate rises from zero.
        evaluation_characters: of the validation text, read at each evaluation; all at most.
        kernel: the entry of KERNELS that computes the layers.
        threads: of the CPU.
        split_seed: draws the lines that are held out; None: the last part of the text is (of
            labelled documents, None is the seed).
    """

    steps: int
    batch_size: int
    sequence_length: int
    learning_rate: float
    warmup_steps: int
    clip: float
    seed: int
    precision: str
    device: str
    kernel: str
    threads: int
    validation_fraction: float
    lines: bool
    evaluate_every: int
    evaluation_characters: int
    checkpoint_every: int
    patience: int
    keep: int
    readout_scale: float = field(default=1.0, metadata={"formerly": "upward_scale"})
    class_weights: str = field(default="none", metadata=LATER)
    split_seed: int | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        _check(self)

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of step 0, 1, 2, ...: a linear warm-up, then half a cosine to near 0.

        Loshchilov & Hutter, 2017, arXiv:1608.03983, without restarts.
        """
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        through = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        lowest = 0.01
        return self.learning_rate * (lowest + (1 - lowest) * (1 + math.cos(math.pi * through)) / 2)


_ABOVE_ZERO: Final = ("budget", "epochs", "learning_rate", "readout_scale")
_ONE_OR_MORE: Final = (
    *("steps", "batch_size", "sequence_length", "threads"),
    *("evaluate_every", "evaluation_characters", "checkpoint_every", "keep"),
)
_DEVICES: Final = r"auto|cpu|cuda(:\d{1,3})?"
_WHOLE: Final = (*_ONE_OR_MORE, "seed", "split_seed", "warmup_steps", "patience")
_ZERO_OR_MORE: Final = ("clip", "seed", "split_seed", "warmup_steps", "patience")


def _check(settings: TrainingOptions | TrainingConfig) -> None:
    """Raises ConfigError for a setting that is there and out of range."""

    def refuse(names: Iterable[str], fits: Callable[[float], bool], advice: str) -> None:
        for name in names:
            value = getattr(settings, name, None)
            if value is not None and not fits(value):
                raise ConfigError(f"{name.replace('_', ' ')} {value}: choose {advice}")

    refuse(_ABOVE_ZERO, lambda value: 0 < value < math.inf, "one above 0")
    refuse(_WHOLE, lambda value: type(value) is int, "a whole number")
    refuse(_ONE_OR_MORE, lambda value: 1 <= value <= 2**53, "1 or more")
    refuse(("threads",), lambda value: value <= 1024, "up to 1024")
    refuse(("seed", "split_seed"), lambda value: value < 2**63, "below 2**63")
    if settings.device is not None and not re.fullmatch(_DEVICES, settings.device):
        raise ConfigError(f"device {settings.device!r}: choose cpu, cuda, cuda:1, ... or auto")
    if settings.device == "auto" and isinstance(settings, TrainingConfig):
        raise ConfigError("device 'auto': it was not decided; choose cpu, cuda, cuda:1, ...")
    refuse(_ZERO_OR_MORE, lambda value: 0 <= value < math.inf, "0 or more")
    refuse(("validation_fraction",), lambda value: 0 < value <= 0.5, "above 0 and up to 0.5")
    if settings.class_weights not in CLASS_WEIGHTS:
        raise ConfigError(
            f"class weights {settings.class_weights!r}: choose from {', '.join(CLASS_WEIGHTS)}"
        )
    if settings.precision not in (None, *PRECISIONS):
        raise ConfigError(f"precision {settings.precision!r}: choose from {', '.join(PRECISIONS)}")


def parse_duration(text: str) -> float:
    """Seconds in `112s`, `10m`, `1h30m`. Raises ConfigError."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    pieces = re.findall(r"(\d+(?:\.\d+)?)([dhms])", text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        raise ConfigError(f"budget {text!r}: write it like 90s, 10m or 1h30m")
    return sum(float(number) * units[unit] for number, unit in pieces)
