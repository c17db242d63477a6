"""The recipe: corpus size + compute budget -> ModelConfig, TrainingConfig.

What a person leaves open is chosen here, in two moves: sizes from the amount of text
(`choose_model`), then, once the machine's speed on those sizes is known, the length of the training
and what depends on it (`choose_training`). Both are pure functions.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

from charrnn.errors import ConfigError
from charrnn.model.config import ModelConfig
from charrnn.training.config import TrainingConfig, TrainingOptions

T = TypeVar("T")

DEFAULT_BUDGET = 300.0
"""Seconds of training, when nobody says how long."""

BATCH_SIZE, SEQUENCE_LENGTH = 32, 48

EVALUATION_SHARE = 0.06
"""How much of a time budget may go into evaluations."""


CHECKPOINT_SECONDS = 300.0
"""What a power cut may cost at most, where nobody said otherwise."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What this machine does with a network of the chosen sizes, as far as it is known.

    Attributes:
        device, precision, kernel, threads: see TrainingConfig.
        step_seconds: one training step, measured under a time budget, else guessed.
        evaluation_seconds: one pass over the validation text.
        save_seconds: one checkpoint.
        probe_seconds: what measuring took; part of the budget.
    """

    device: str
    precision: str
    kernel: str
    threads: int
    step_seconds: float
    evaluation_seconds: float
    save_seconds: float
    probe_seconds: float


def choose_model(
    options: TrainingOptions, *, vocabulary_size: int, training_characters: int
) -> ModelConfig:
    """Sizes for an amount of text, where the options leave them open.

    The hidden size grows with the square root of the text (so that weights, which grow with its
    square, keep pace with the text), in steps of 32 between 64 and 256: 5 kB 64, 30 kB 128, 100 kB
    and more 256. Given twenty minutes or more and a megabyte, 512 pays.
    """
    budget = options.budget or DEFAULT_BUDGET
    hidden = 0.8 * math.sqrt(training_characters)
    largest = 512 if budget >= 1200 and training_characters > 800_000 else 256
    chosen = min(max(32 * round(hidden / 32), 64), largest)
    hidden_size = _given(options.hidden_size, chosen)
    return ModelConfig(
        vocabulary_size=vocabulary_size,
        cell=_given(options.cell, "lstm"),
        embedding_size=_given(options.embedding_size, min(64, hidden_size)),
        hidden_size=hidden_size,
        layers=_given(options.layers, 2),
        dropout=_given(options.dropout, 0.0),
    )


def choose_batch(options: TrainingOptions, *, training_characters: int) -> tuple[int, int]:
    """The batch size and sequence length: 32 lanes of 48 characters, or what little text allows.

    A small batch makes many steps, and steps are what short budgets lack. Lanes shorter than a
    chunk would carry no state, so the batch shrinks until each holds at least one.
    """
    sequence_length = min(_given(options.sequence_length, SEQUENCE_LENGTH), training_characters)
    batch_size = _given(options.batch_size, BATCH_SIZE)
    if sequence_length < 1 or batch_size < 1:
        raise ConfigError("batch size and sequence length: choose 1 or more")
    return max(1, min(batch_size, training_characters // sequence_length)), sequence_length


def choose_training(
    options: TrainingOptions,
    machine: Machine,
    *,
    batch_size: int,
    sequence_length: int,
    chunks_per_epoch: int = 1,
    training_characters: int = 1_000_000,
) -> TrainingConfig:
    """The length of a training and its schedule, where the options leave them open."""
    steps, evaluations = choose_length(options, machine, chunks_per_epoch=chunks_per_epoch)
    evaluate_every = _given(options.evaluate_every, math.ceil(steps / evaluations))
    return TrainingConfig(
        steps=steps,
        batch_size=batch_size,
        sequence_length=sequence_length,
        learning_rate=choose_learning_rate(options, training_characters=training_characters),
        warmup_steps=min(100, steps // 10),
        clip=_given(options.clip, 1.0),
        seed=options.seed,
        precision=machine.precision,
        device=machine.device,
        kernel=machine.kernel,
        threads=machine.threads,
        validation_fraction=options.validation_fraction,
        lines=options.lines,
        evaluate_every=evaluate_every,
        checkpoint_every=_given(
            options.checkpoint_every,
            min(evaluate_every, math.ceil(CHECKPOINT_SECONDS / machine.step_seconds)),
        ),
        keep=options.keep,
    )


def choose_length(
    options: TrainingOptions, machine: Machine, *, chunks_per_epoch: int
) -> tuple[int, int]:
    """How many steps, and how many evaluations on the way.

    A time budget is turned into steps: what is left of it after the probe, the evaluations and
    the saves, divided by the time of a step.
    """
    if options.steps is not None:
        return options.steps, 20
    if options.epochs is not None:
        return max(1, round(options.epochs * chunks_per_epoch)), 20
    budget = options.budget or DEFAULT_BUDGET
    pause = machine.evaluation_seconds + machine.save_seconds
    evaluations = int(min(max(EVALUATION_SHARE * budget / pause, 2), 20))
    left = budget - machine.probe_seconds - evaluations * pause
    return max(1, int(left / machine.step_seconds)), evaluations


def choose_learning_rate(options: TrainingOptions, *, training_characters: int) -> float:
    """0.005 for a megabyte, falling slowly as the text grows: 0.008 for 27 kB.

    Measured on plays, names and fables: short texts, read often, gain by larger steps.
    """
    chosen = 5e-3 * math.pow(1e6 / training_characters, 0.125)
    return _given(options.learning_rate, round(min(max(chosen, 2e-3), 1e-2), 4))


def choose_dropout(options: TrainingOptions, *, epochs: float) -> float:
    """Dropout for how often the text will be read: none up to 4 epochs, 0.5 from 128 on."""
    if options.dropout is not None:
        return options.dropout
    return min(max(0.1 * math.log2(max(epochs, 1) / 4), 0.0), 0.5)


def _given(value: T | None, otherwise: T) -> T:
    return otherwise if value is None else value
