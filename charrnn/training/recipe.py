"""The recipe: corpus size + compute budget -> ModelConfig, TrainingConfig.

The recipe chooses what the options leave open: sizes from the amount of text and of time
(`choose_model`), then, once the machine's speed on those sizes is known, the length of the training
and what depends on it (`choose_training`, `choose_dropout`). All are pure functions. docs/recipe.md
gives the measurements.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from charrnn.errors import ConfigError
from charrnn.model.config import ModelConfig
from charrnn.training.config import TrainingConfig
from charrnn.training.options import VALIDATION_FRACTION, TrainingOptions

T = TypeVar("T")

DEFAULT_BUDGET: Final = 300.0
"""Seconds of training by default."""

SIZES: Final = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
"""The hidden sizes to choose from."""

LARGEST_UNTIMED: Final = 512
"""The largest hidden size where epochs or steps are given and no time: a larger one may take
hours."""

CHARACTERS_PER_WEIGHT: Final = 1.0
OF_LARGE_NETWORKS: Final = 1.5
OF_NEW_TEXT: Final = 3.0
"""Characters per weight that a network must read to be worth its size; the last two are for
networks larger than NIMBLE. With less, the next smaller network, which reads two or three times as
much in the same time, becomes as good. Where the text is not read twice a network must read more,
since each new character that a smaller network gets to read teaches it more than a repeated one."""

NIMBLE: Final = 256
"""The hidden size up to which a smaller network is not much faster, and so gains nothing on new
text; this holds most where a large alphabet takes most of the time."""

MOST_EPOCHS: Final = 60
"""After this many epochs, a network of the recipe's size has memorized its text, whatever the
dropout."""

BATCH_SIZE: Final = 32
SEQUENCE_LENGTH: Final = 48
"""The sizes of a step on running text that carries its state; see TextTask.usual_batch."""

EVALUATION_SHARE: Final = 0.06
EVALUATIONS: Final = 20
LEAST_EVALUATIONS: Final = 10
"""The share of a time budget for evaluations; how many there are where it suffices; and the fewest.
Where it does not suffice for the fewest, each reads only a part of the validation text."""

LEAST_EVALUATED: Final = 50_000
MOST_EVALUATED: Final = 1_000_000
"""The least characters of that part, as long as two evaluations fit; and the most without a
budget."""

PATIENCE: Final = 5
"""Evaluations without a better model before a training stops early, by default."""


CHECKPOINT_SECONDS: Final = 300.0
"""Seconds between two saves by default: the most that a power cut may cost."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The speed of this machine on a network of the chosen sizes, as far as it is known.

    Attributes:
        device, precision, kernel, threads: see TrainingConfig.
        step_seconds: the time of a training step, measured under a time budget, else guessed.
        evaluation_speed: characters of the validation text read per second.
        save_seconds: the time to save a checkpoint.
        sample_seconds: the time to generate the sample of an evaluation.
        probe_seconds: the time that measuring took, which is part of the budget.
    """

    device: str
    precision: str
    kernel: str
    threads: int
    step_seconds: float
    evaluation_speed: float
    save_seconds: float
    sample_seconds: float
    probe_seconds: float


def choose_model(
    options: TrainingOptions,
    *,
    task: str,
    vocabulary_size: int,
    training_characters: int,
    characters: Callable[[ModelConfig], float],
    bidirectional: bool = False,
) -> ModelConfig:
    """Choose the sizes of the network that the options leave open: the largest of SIZES that reads
    enough characters for each weight of its layers.

    Args:
        task, bidirectional: see ModelConfig.
        characters: returns how many characters a network can read in the given time, over all
            epochs.
    """

    def network(hidden_size: int) -> ModelConfig:
        return ModelConfig(
            vocabulary_size=vocabulary_size,
            task=task,
            bidirectional=bidirectional,
            attention=options.attention,
            cell=_given(options.cell, "lstm"),
            embedding_size=_given(options.embedding_size, min(64, hidden_size)),
            hidden_size=hidden_size,
            layers=_given(options.layers, 2),
            dropout=_given(options.dropout, 0.0),
            weight_dropout=_given(options.weight_dropout, 0.0),
        )

    if options.hidden_size is not None:
        return network(options.hidden_size)
    timed = options.steps is None and options.epochs is None
    sizes = [size for size in SIZES if timed or size <= LARGEST_UNTIMED]
    chosen = network(sizes[0])
    for larger in map(network, sizes[1:]):
        weights = layer_weights(larger)
        if MOST_EPOCHS * training_characters < CHARACTERS_PER_WEIGHT * weights:
            break
        read = characters(larger)
        epochs = read / training_characters
        if read < characters_per_weight(larger.hidden_size, epochs) * weights:
            break
        chosen = larger
    return chosen


def characters_per_weight(hidden_size: int, epochs: float) -> float:
    """Return how many characters a network must read for each of its weights, in `epochs`
    epochs."""
    if hidden_size <= NIMBLE:
        return CHARACTERS_PER_WEIGHT
    return max(OF_NEW_TEXT - epochs, OF_LARGE_NETWORKS)


def layer_weights(config: ModelConfig) -> int:
    """Return the number of weights of the layers. Those of the alphabet may be many, and cost
    little."""
    shapes = config.tensor_shapes()
    return sum(math.prod(shape) for name, shape in shapes.items() if name.startswith("rnn."))


def choose_batch(
    options: TrainingOptions,
    *,
    training_characters: int,
    usual: tuple[int, int] = (BATCH_SIZE, SEQUENCE_LENGTH),
) -> tuple[int, int]:
    """Choose the batch size and sequence length: the usual ones, or smaller ones for a short text.

    A small batch makes many steps, which a short budget lacks. Lanes shorter than a chunk would
    carry no state, so the batch shrinks until each holds at least one.
    """
    batch_size = _given(options.batch_size, usual[0])
    sequence_length = min(_given(options.sequence_length, usual[1]), training_characters)
    if sequence_length < 1 or batch_size < 1:
        raise ConfigError("batch size and sequence length: choose 1 or more")
    return max(1, min(batch_size, training_characters // sequence_length)), sequence_length


def choose_training(
    options: TrainingOptions,
    machine: Machine,
    *,
    batch_size: int,
    sequence_length: int,
    hidden_size: int,
    chunks_per_epoch: int,
    validation_characters: int,
) -> TrainingConfig:
    """Choose the length of a training and its schedule, where the options leave them open."""
    length = choose_length(
        options,
        machine,
        chunks_per_epoch=chunks_per_epoch,
        validation_characters=validation_characters,
    )
    evaluate_every = _given(options.evaluate_every, math.ceil(length.steps / length.evaluations))
    return TrainingConfig(
        steps=length.steps,
        batch_size=batch_size,
        sequence_length=sequence_length,
        learning_rate=choose_learning_rate(options, hidden_size=hidden_size),
        warmup_steps=min(100, length.steps // 10),
        clip=_given(options.clip, 1.0),
        seed=options.seed,
        precision=machine.precision,
        device=machine.device,
        kernel=machine.kernel,
        threads=machine.threads,
        validation_fraction=_given(options.validation_fraction, VALIDATION_FRACTION),
        lines=options.lines,
        evaluate_every=evaluate_every,
        evaluation_characters=length.evaluation_characters,
        checkpoint_every=_given(
            options.checkpoint_every, min(evaluate_every, _steps_between_saves(machine))
        ),
        patience=_given(options.patience, PATIENCE),
        keep=options.keep,
    )


@dataclass(frozen=True, kw_only=True)
class Length:
    """The number of steps, the evaluations on the way, and how much each of them reads."""

    steps: int
    evaluations: int
    evaluation_characters: int


def choose_length(
    options: TrainingOptions, machine: Machine, *, chunks_per_epoch: int, validation_characters: int
) -> Length:
    """Choose how long to train, and how often and thoroughly to evaluate.

    A time budget becomes steps: what is left after the probe, the evaluations with their samples,
    and all saves is divided by the time of a step. A short text does not need all of it.
    """
    if options.steps is not None or options.epochs is not None:
        steps = options.steps or max(1, round((options.epochs or 0) * chunks_per_epoch))
        return Length(
            steps=steps,
            evaluations=EVALUATIONS,
            evaluation_characters=min(validation_characters, MOST_EVALUATED),
        )
    budget = options.budget or DEFAULT_BUDGET
    share = EVALUATION_SHARE * budget
    affordable = int(share / LEAST_EVALUATIONS * machine.evaluation_speed)
    most_affordable = max(1, int(share / 2 * machine.evaluation_speed))
    characters = min(validation_characters, max(affordable, LEAST_EVALUATED), most_affordable)
    pause = characters / machine.evaluation_speed + machine.sample_seconds + machine.save_seconds
    evaluations = int(min(max(share / pause, 2), EVALUATIONS))
    left = budget - machine.probe_seconds
    each = machine.step_seconds
    if options.evaluate_every is None:
        left -= evaluations * pause
        steps_between = left / each / evaluations
    else:
        left -= pause  # the pause after the last step
        each += pause / options.evaluate_every
        steps_between = options.evaluate_every
    save_every = options.checkpoint_every or _steps_between_saves(machine)
    if options.checkpoint_every is not None or steps_between > save_every:
        each += machine.save_seconds / save_every
    steps = int(left / each)
    if steps > MOST_EPOCHS * chunks_per_epoch:
        spare = (steps - MOST_EPOCHS * chunks_per_epoch) * each
        steps = MOST_EPOCHS * chunks_per_epoch
        evaluations = min(evaluations + int(spare / pause), EVALUATIONS)
    # Two at least: the plan can be revised between them.
    return Length(steps=max(2, steps), evaluations=evaluations, evaluation_characters=characters)


def planned_seconds(config: TrainingConfig, machine: Machine) -> float:
    """Return the estimated seconds of a training on a machine, from the probe to the last save."""
    evaluation = config.evaluation_characters / machine.evaluation_speed + machine.sample_seconds
    evaluations = math.ceil(config.steps / config.evaluate_every)
    # Each evaluation may find the best model so far, which is saved; more saves lie between them.
    both = math.lcm(config.checkpoint_every, config.evaluate_every)
    saves = evaluations + config.steps // config.checkpoint_every - config.steps // both
    return (
        machine.probe_seconds
        + config.steps * machine.step_seconds
        + evaluations * evaluation
        + saves * machine.save_seconds
    )


def _steps_between_saves(machine: Machine) -> int:
    return math.ceil(CHECKPOINT_SECONDS / machine.step_seconds)


def choose_learning_rate(options: TrainingOptions, *, hidden_size: int) -> float:
    """Choose the learning rate, smaller for larger networks: 0.0092 for a hidden size of 128,
    0.0055 for 256, 0.0033 for 512."""
    chosen = min(5.5e-3 * math.pow(256 / hidden_size, 0.75), 1e-2)
    return _given(options.learning_rate, round(chosen, 4))


def choose_readout_scale(
    options: TrainingOptions, config: ModelConfig, *, epochs: float, training_characters: int
) -> float:
    """Choose how much faster the readout weights learn: twice as fast where a text is read seldom,
    no faster where it could be memorized. See `memorization_pressure`."""
    reached = memorization_pressure(config, epochs=epochs, training_characters=training_characters)
    return _given(options.readout_scale, round(min(max(20 / reached, 1.0), 2.0), 2))


def choose_dropout(
    options: TrainingOptions, config: ModelConfig, *, epochs: float, training_characters: int
) -> ModelConfig:
    """Return the network with its dropout, where the options leave it open.

    Dropout is 0 up to a pressure of 2, 0.25 at 64 and 0.5 at 2,048. Weight dropout begins at a
    pressure of 10 and is 0.46 at 2,048.
    """
    reached = memorization_pressure(config, epochs=epochs, training_characters=training_characters)
    dropout = min(max(0.05 * math.log2(reached / 2), 0.0), 0.5)
    weight_dropout = min(max(0.06 * math.log2(reached / 10), 0.0), 0.5)
    return dataclasses.replace(
        config,
        dropout=_given(options.dropout, round(dropout, 2)),
        weight_dropout=_given(options.weight_dropout, round(weight_dropout, 2)),
    )


def memorization_pressure(config: ModelConfig, *, epochs: float, training_characters: int) -> float:
    """Return how easily a text is memorized: how often it is read, times how many weights the
    layers have for each of its characters; at least 1."""
    return max(epochs * layer_weights(config) / training_characters, 1.0)


def _given(value: T | None, otherwise: T) -> T:
    return otherwise if value is None else value
