"""The recipe: corpus size + compute budget -> ModelConfig, TrainingConfig.

What a person leaves open is chosen here: sizes from the amount of text and of time
(`choose_model`), then, once the machine's speed on those sizes is known, the length of the training
and what depends on it (`choose_training`, `choose_dropout`). All are pure functions.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from charrnn.errors import ConfigError
from charrnn.model.config import ModelConfig
from charrnn.training.config import TrainingConfig
from charrnn.training.options import TrainingOptions

T = TypeVar("T")

DEFAULT_BUDGET: Final = 300.0
"""Seconds of training, when nobody says how long."""

SIZES: Final = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
"""Hidden sizes that are chosen from."""

LARGEST_UNTIMED: Final = 512
"""The largest that is chosen where epochs or steps are given, not a time: what is larger may take
hours."""

CHARACTERS_PER_WEIGHT: Final = 1.0
OF_NEW_TEXT: Final = 3.0
"""What a network must read to be worth its size: with less, the next smaller one, which reads two
or three times as much in the same time, comes as far. Of a text that is new throughout it must read
more: every character that a smaller one gets beyond that teaches it something, while one that has
been read before teaches little."""

NIMBLE: Final = 256
"""The hidden size up to which a smaller network is not much faster, and so gains nothing on new
text; least of all where most of the time goes into a large alphabet."""

MOST_EPOCHS: Final = 60
"""After so many, a network of such a size knows its text by heart, whatever is dropped out."""

BATCH_SIZE: Final = 32
SEQUENCE_LENGTH: Final = 48
"""Those of a step on running text whose state is carried on; see TextTask.usual_batch."""

EVALUATION_SHARE: Final = 0.06
EVALUATIONS: Final = 20
LEAST_EVALUATIONS: Final = 10
"""How much of a time budget may go into evaluations; how many there are where it suffices; and
where it does not suffice for the least, each reads but a part of the validation text."""

LEAST_EVALUATED: Final = 50_000
MOST_EVALUATED: Final = 1_000_000
"""Characters of that part, as long as two evaluations fit in; and where no budget limits them."""

PATIENCE: Final = 5
"""Evaluations without a better model, where nobody said otherwise."""


CHECKPOINT_SECONDS: Final = 300.0
"""What a power cut may cost at most, where nobody said otherwise."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What this machine does with a network of the chosen sizes, as far as it is known.

    Attributes:
        device, precision, kernel, threads: see TrainingConfig.
        step_seconds: one training step, measured under a time budget, else guessed.
        evaluation_speed: characters of the validation text read in a second.
        save_seconds: one checkpoint.
        sample_seconds: the sample that is made at each evaluation.
        probe_seconds: what measuring took; part of the budget.
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
    """The sizes of the network, where the options leave them open: the largest of SIZES that reads
    enough characters for each weight of its layers.

    Args:
        task, bidirectional: of the network; see ModelConfig.
        characters: how many a network can read in the time there is, epoch after epoch.
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
    """What a network must read for each of its weights, where it reads the text so often."""
    if hidden_size <= NIMBLE:
        return CHARACTERS_PER_WEIGHT
    return max(OF_NEW_TEXT - epochs, CHARACTERS_PER_WEIGHT)


def layer_weights(config: ModelConfig) -> int:
    """The weights of the layers; those of the alphabet, which may be many, cost little."""
    shapes = config.tensor_shapes()
    return sum(math.prod(shape) for name, shape in shapes.items() if name.startswith("rnn."))


def choose_batch(
    options: TrainingOptions,
    *,
    training_characters: int,
    usual: tuple[int, int] = (BATCH_SIZE, SEQUENCE_LENGTH),
) -> tuple[int, int]:
    """The batch size and sequence length: the usual ones, or what little text allows.

    A small batch makes many steps, and steps are what short budgets lack. Lanes shorter than a
    chunk would carry no state, so the batch shrinks until each holds at least one.
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
    """The length of a training and its schedule, where the options leave them open."""
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
        validation_fraction=options.validation_fraction,
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
    """How many steps, how many evaluations on the way, and how much each of these reads."""

    steps: int
    evaluations: int
    evaluation_characters: int


def choose_length(
    options: TrainingOptions, machine: Machine, *, chunks_per_epoch: int, validation_characters: int
) -> Length:
    """How long to train, and how often and thoroughly to evaluate.

    A time budget is turned into steps: what is left of it after the probe, the evaluations with
    their samples, and the saves, those between two evaluations too, divided by the time of a step.
    Of a short text not all of it is needed.
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
        left -= pause  # of the last step
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
    return Length(steps=max(1, steps), evaluations=evaluations, evaluation_characters=characters)


def planned_seconds(config: TrainingConfig, machine: Machine) -> float:
    """What a training will take on a machine, from the probe to the last save."""
    evaluation = config.evaluation_characters / machine.evaluation_speed + machine.sample_seconds
    evaluations = math.ceil(config.steps / config.evaluate_every)
    # Each evaluation may be of the best model so far, and is saved; and so is what lies between
    # them.
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
    """The larger a network, the smaller its steps: 0.0092 for a hidden size of 128, 0.0055 for 256,
    0.0033 for 512."""
    chosen = min(5.5e-3 * math.pow(256 / hidden_size, 0.75), 1e-2)
    return _given(options.learning_rate, round(chosen, 4))


def choose_readout_scale(
    options: TrainingOptions, config: ModelConfig, *, epochs: float, training_characters: int
) -> float:
    """How much faster the readout weights learn: twice as fast, where a text is read so little that
    all haste helps; no faster where it could be learned by heart. See `memorization_pressure`."""
    reached = memorization_pressure(config, epochs=epochs, training_characters=training_characters)
    return _given(options.readout_scale, round(min(max(20 / reached, 1.0), 2.0), 2))


def choose_dropout(
    options: TrainingOptions, config: ModelConfig, *, epochs: float, training_characters: int
) -> ModelConfig:
    """The network with what is dropped of it while training, where the options leave that open.

    Dropout is none up to a pressure of 2, 0.25 at 64, 0.5 at 2,048; the weights' sets in later, at
    10, and is 0.46 by then.
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
    """How easily a text is learned by heart: how often it is read, times how many weights the
    layers have for each of its characters. 1 at least."""
    return max(epochs * layer_weights(config) / training_characters, 1.0)


def _given(value: T | None, otherwise: T) -> T:
    return otherwise if value is None else value
