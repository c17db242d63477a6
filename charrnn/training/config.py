"""TrainingConfig: the settings of a training, all decided."""

import math
from dataclasses import dataclass, field

from charrnn.errors import ConfigError
from charrnn.model.config import LATER
from charrnn.option_declaration import LARGEST, check, limits
from charrnn.training.options import TrainingOptions, check_device


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The settings that decide a training, besides the corpus, the network and its weights.

    They are stored with the run and reused when it is resumed. Training is a pure function of
    (corpus, ModelConfig, TrainingConfig), and never of the clock. The attributes are those of
    TrainingOptions, each decided, and:

        warmup_steps: steps over which the learning rate rises from zero.
        evaluation_characters: characters of the validation text that each evaluation reads at most.
        kernel: the entry of KERNELS that computes the layers.
        threads: the number of CPU threads.
        split_seed: the seed that draws the held-out lines; None: the last part of the text is held
            out. Of labelled documents, None stands for `seed`.
    """

    steps: int
    batch_size: int
    sequence_length: int
    learning_rate: float
    warmup_steps: int = field(metadata=limits(least=0))
    clip: float
    seed: int
    precision: str
    device: str
    kernel: str
    threads: int = field(metadata=limits(least=1, most=1024))
    validation_fraction: float
    lines: bool
    evaluate_every: int
    evaluation_characters: int = field(metadata=limits(least=1, most=LARGEST))
    checkpoint_every: int
    patience: int
    keep: int
    readout_scale: float = field(default=1.0, metadata={"formerly": "upward_scale"})
    class_weights: str = field(default="none", metadata=LATER)
    split_seed: int | None = field(default=None, metadata=LATER | limits(least=0, below=2**63))

    def __post_init__(self) -> None:
        check(self, declared_by=TrainingOptions)
        check_device(self.device)
        if self.device == "auto":
            raise ConfigError("device 'auto': it was not decided; choose cpu, cuda, cuda:1, ...")

    def learning_rate_at(self, step: float) -> float:
        """Return the learning rate of step 0, 1, 2, ...: a linear warm-up, then half a cosine to
        near 0. A revised Schedule asks for steps that are no whole numbers.

        Loshchilov & Hutter, 2017, arXiv:1608.03983, without restarts.
        """
        if step < self.warmup_steps:
            if step > self.warmup_steps - 1:
                return self.learning_rate
            return self.learning_rate * (step + 1) / self.warmup_steps
        through = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        lowest = 0.01
        return self.learning_rate * (lowest + (1 - lowest) * (1 + math.cos(math.pi * through)) / 2)
