import dataclasses
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.errors import ConfigError
from charrnn.model.cells import CELLS
from charrnn.model.config import ModelConfig
from charrnn.training.config import TrainingConfig
from charrnn.training.options import TrainingOptions
from charrnn.training.recipe import (
    EVALUATIONS,
    LARGEST_UNTIMED,
    LEAST_EVALUATED,
    LEAST_EVALUATIONS,
    MOST_EPOCHS,
    MOST_EVALUATED,
    OF_LARGE_NETWORKS,
    SIZES,
    Length,
    Machine,
    characters_per_weight,
    choose_batch,
    choose_dropout,
    choose_learning_rate,
    choose_length,
    choose_model,
    choose_readout_scale,
    choose_training,
    layer_weights,
    planned_seconds,
)
from tests.machine import MACHINE

sizes = st.integers(2, 50_000_000)
budgets = st.floats(0.5, 100_000)


def hidden(characters: int, read: float = 1e12, **options: Any) -> int:
    """The hidden size for so much text, where any network would read so many characters."""
    return choose_model(
        TrainingOptions(**options),
        task="generate",
        vocabulary_size=50,
        training_characters=characters,
        characters=lambda _: read,
    ).hidden_size


# Sizes


@given(sizes, sizes)
def test_more_text_never_gets_a_smaller_network(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert SIZES[0] <= hidden(small) <= hidden(large) <= SIZES[-1]
    assert hidden(small) in SIZES


def test_where_no_time_is_given_no_network_takes_hours() -> None:
    assert hidden(10_000_000, epochs=30) == hidden(10_000_000, steps=10**6) == LARGEST_UNTIMED
    assert hidden(10_000_000, budget=1e6) > LARGEST_UNTIMED


@given(sizes, st.floats(0, 1e12), st.floats(0, 1e12))
def test_a_faster_machine_never_gets_a_smaller_network(
    characters: int, one: float, other: float
) -> None:
    slow, fast = sorted((one, other))
    assert hidden(characters, slow) <= hidden(characters, fast)


def test_the_largest_network_needs_speed_and_text() -> None:
    assert hidden(50_000_000, 1e9) > hidden(50_000_000, 1e7) > hidden(50_000_000, 1e6)
    assert hidden(1_000_000, 1e9) > hidden(30_000, 1e9) > hidden(2_000, 1e9)


def test_a_network_that_is_chosen_can_be_read_for_and_the_next_cannot() -> None:
    """As measured, a network reads the less the larger it is. It reads this text several times."""
    asked: list[int] = []

    def characters(config: ModelConfig) -> float:
        asked.append(config.hidden_size)
        return 1e13 / layer_weights(config)

    chosen = choose_model(
        TrainingOptions(),
        task="generate",
        vocabulary_size=50,
        training_characters=10**6,
        characters=characters,
    )
    assert characters(chosen) >= OF_LARGE_NETWORKS * layer_weights(chosen)
    larger = dataclasses.replace(chosen, hidden_size=SIZES[SIZES.index(chosen.hidden_size) + 1])
    assert characters(larger) < OF_LARGE_NETWORKS * layer_weights(larger)
    # No time is spent on measuring what is larger still.
    assert max(asked) == larger.hidden_size


def test_a_text_that_is_new_throughout_gets_a_network_that_reads_more_of_it() -> None:
    """A minute of 11 MB: 2 x 384 came 5 % short of 2 x 256, which read more than twice as much."""

    def characters(config: ModelConfig) -> float:
        return 6e12 / layer_weights(config)

    def chosen(training_characters: int) -> int:
        return choose_model(
            TrainingOptions(),
            task="generate",
            vocabulary_size=50,
            training_characters=training_characters,
            characters=characters,
        ).hidden_size

    assert (chosen(500_000), chosen(10_900_000)) == (384, 256)


@pytest.mark.parametrize(("epochs", "needed"), [(0, 3), (0.2, 2.8), (1, 2), (2, 1.5), (16, 1.5)])
def test_what_must_be_read_for_a_weight_is_what_the_recipe_names(
    epochs: float, needed: float
) -> None:
    assert characters_per_weight(384, epochs) == pytest.approx(needed)
    assert characters_per_weight(256, epochs) == 1


def test_an_alphabet_of_thousands_does_not_make_the_layers_smaller() -> None:
    """Of Chinese, nearly all weights are rows of characters, most of them rarely learned."""
    models = [
        choose_model(
            TrainingOptions(),
            task="generate",
            vocabulary_size=size,
            training_characters=300_000,
            characters=lambda _: 3e6,
        )
        for size in (60, 6000)
    ]
    assert models[0].hidden_size == models[1].hidden_size


def test_a_size_that_is_given_is_not_measured() -> None:
    def never(_: ModelConfig) -> float:
        raise AssertionError

    options = TrainingOptions(hidden_size=77)
    model = choose_model(
        options,
        task="generate",
        vocabulary_size=9,
        training_characters=1000,
        characters=never,
    )
    assert model.hidden_size == 77


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_given_is_taken(cell: str) -> None:
    options = TrainingOptions(cell=cell, layers=3, hidden_size=10, embedding_size=4, dropout=0.2)
    model = choose_model(
        options,
        task="generate",
        vocabulary_size=9,
        training_characters=1000,
        characters=lambda _: 1e9,
    )
    assert (model.cell, model.layers, model.hidden_size) == (cell, 3, 10)
    assert (model.embedding_size, model.dropout, model.vocabulary_size) == (4, 0.2, 9)


@pytest.mark.parametrize("name", ["cell", "layers", "hidden_size", "embedding_size", "dropout"])
def test_sizes_out_of_range_are_refused_by_the_name_they_were_given(name: str) -> None:
    # The embedding follows the hidden size: an error about it would confuse who gave --hidden-size.
    wrong: Any = "x" if name == "cell" else -1
    with pytest.raises(ConfigError, match=f"^{name.replace('_', ' ')} "):
        choose_model(
            TrainingOptions(**{name: wrong}),
            task="generate",
            vocabulary_size=9,
            training_characters=1000,
            characters=lambda _: 1e9,
        )


# Batches


@given(sizes, st.none() | st.integers(1, 500), st.none() | st.integers(1, 500))
def test_every_lane_holds_a_chunk(
    characters: int, batch_size: int | None, sequence_length: int | None
) -> None:
    options = TrainingOptions(batch_size=batch_size, sequence_length=sequence_length)
    batch, length = choose_batch(options, training_characters=characters)
    assert batch >= 1 and length >= 1
    assert batch * length <= characters
    assert batch <= (batch_size or 32) and length <= (sequence_length or 48)


@given(sizes, sizes)
def test_more_text_never_gets_a_smaller_batch(one: int, other: int) -> None:
    small, large = sorted((one, other))
    options = TrainingOptions()
    less, more = (choose_batch(options, training_characters=size) for size in (small, large))
    assert less[0] <= more[0] and less[1] <= more[1]


def test_enough_text_gets_the_batch_that_was_asked_for() -> None:
    options = TrainingOptions(batch_size=7, sequence_length=11)
    assert choose_batch(options, training_characters=77) == (7, 11)
    assert choose_batch(options, training_characters=76) == (6, 11)


# Length


def planned(validation: int = 100_000, **options: Any) -> TrainingConfig:
    return choose_training(
        TrainingOptions(**options),
        MACHINE,
        batch_size=4,
        sequence_length=8,
        hidden_size=64,
        chunks_per_epoch=100_000,
        validation_characters=validation,
    )


def length(
    machine: Machine = MACHINE,
    *,
    chunks: int = 100_000_000,
    validation: int = 100_000,
    **options: Any,
) -> Length:
    return choose_length(
        TrainingOptions(**options),
        machine,
        chunks_per_epoch=chunks,
        validation_characters=validation,
    )


@given(budgets, budgets)
def test_more_time_never_makes_fewer_steps(one: float, other: float) -> None:
    short, long = sorted((one, other))
    less, more = length(budget=short), length(budget=long)
    assert less.evaluations <= more.evaluations
    # One more evaluation, or a longer one, may cost the steps of its pause, not more.
    pauses = [
        each.evaluations
        * (
            each.evaluation_characters / MACHINE.evaluation_speed
            + MACHINE.save_seconds
            + MACHINE.sample_seconds
        )
        for each in (less, more)
    ]
    assert less.steps <= more.steps + (pauses[1] - pauses[0]) / MACHINE.step_seconds + 1


every = st.none() | st.integers(1, 100_000)


@given(
    st.floats(60, 100_000),
    st.floats(1e-4, 1),
    st.floats(1e5, 1e7),
    st.floats(0.05, 10),
    st.floats(0, 8),
    st.integers(100, 100_000_000),
    every,
    every,
)
@example(36_000.0, 3.0, 1e5, 8.0, 8.0, 1_000_000, None, None)  # 2 layers of 2048: 120 saves
@example(36_000.0, 3.0, 1e5, 8.0, 8.0, 1_000_000, None, 10)
@example(36_000.0, 3.0, 1e5, 8.0, 8.0, 1_000_000, 50, None)
def test_all_that_is_planned_fits_in_the_budget(
    budget: float,
    step: float,
    speed: float,
    pause: float,
    probe: float,
    validation: int,
    evaluate_every: int | None,
    checkpoint_every: int | None,
) -> None:
    machine = dataclasses.replace(
        MACHINE,
        step_seconds=step,
        evaluation_speed=speed,
        save_seconds=pause,
        sample_seconds=pause / 2,
        probe_seconds=probe,
    )
    config = choose_training(
        TrainingOptions(
            budget=budget, evaluate_every=evaluate_every, checkpoint_every=checkpoint_every
        ),
        machine,
        batch_size=4,
        sequence_length=8,
        hidden_size=64,
        chunks_per_epoch=100_000_000,
        validation_characters=validation,
    )
    planned = planned_seconds(config, machine)
    assert config.steps == 1 or planned <= budget + 1e-6
    # And uses it: what is left is less than a step, or what evaluations and saves at the same step
    # have in common.
    evaluations = math.ceil(config.steps / config.evaluate_every)
    evaluation = config.evaluation_characters / speed + 1.5 * pause
    per_step = (planned - probe) / config.steps
    assert planned >= budget - per_step - evaluations * pause - 2 * evaluation - step - pause


def test_a_validation_text_of_some_length_is_read_as_a_whole() -> None:
    assert length(budget=112.0, validation=111_000).evaluation_characters == 111_000
    assert length(steps=9, validation=111_000).evaluation_characters == 111_000


@pytest.mark.parametrize("options", [{"budget": 60.0}, {"steps": 9}], ids=str)
def test_of_a_huge_validation_text_a_part_is_read(options: dict[str, Any]) -> None:
    """Ten megabytes at every evaluation took all of a short budget."""
    made = length(validation=10_000_000, **options)
    assert LEAST_EVALUATED <= made.evaluation_characters <= MOST_EVALUATED
    assert made.evaluations >= LEAST_EVALUATIONS / 2


def test_evaluations_leave_most_of_a_budget_to_a_slow_network() -> None:
    """A minute of one that reads 1,000 characters a second was all evaluation, and one step."""
    slow = dataclasses.replace(MACHINE, step_seconds=2.0, evaluation_speed=1_000)
    made = length(slow, budget=60.0)
    assert made.steps >= 0.85 * 60 / 2
    assert made.evaluations >= 2


def test_a_budget_too_short_for_anything_makes_two_steps() -> None:
    assert length(budget=0.01).steps == 2


def test_a_short_text_is_not_read_for_hours() -> None:
    """Five minutes of a text of 27 kB were 1,600 epochs, and the first evaluation came too late."""
    made = length(budget=3600.0, chunks=10)
    assert (made.steps, made.evaluations) == (10 * MOST_EPOCHS, EVALUATIONS)
    assert length(budget=60.0, chunks=10).evaluations == EVALUATIONS  # in the time that is left
    assert length(epochs=1600.0, chunks=10).steps == 16_000  # who asks for it gets it


def test_steps_are_taken_as_they_are() -> None:
    assert length(steps=77, chunks=1).steps == 77


@pytest.mark.parametrize(("epochs", "steps"), [(1, 10), (2.5, 25), (0.01, 1), (12, 120)])
def test_epochs_are_so_many_chunks(epochs: float, steps: int) -> None:
    assert length(epochs=epochs, chunks=10).steps == steps


@given(st.integers(1, 1_000_000), st.integers(1, 10_000_000))
def test_the_time_that_is_planned_is_the_time_of_its_parts(steps: int, validation: int) -> None:
    config = planned(validation, steps=steps)
    seconds = planned_seconds(config, MACHINE)
    assert seconds >= MACHINE.probe_seconds + steps * MACHINE.step_seconds
    assert (
        seconds
        <= MACHINE.probe_seconds
        + steps * MACHINE.step_seconds
        + 20 * (config.evaluation_characters / MACHINE.evaluation_speed + MACHINE.sample_seconds)
        + (20 + steps / config.checkpoint_every) * MACHINE.save_seconds
        + 1e-6
    )


# Learning rate


@given(st.sampled_from(SIZES), st.sampled_from(SIZES))
def test_a_larger_network_never_takes_larger_steps(one: int, other: int) -> None:
    small, large = sorted((one, other))
    less, more = (
        choose_learning_rate(TrainingOptions(), hidden_size=size) for size in (large, small)
    )
    assert 0 < less <= more <= 0.01


@pytest.mark.parametrize(("hidden_size", "rate"), [(128, 0.0092), (256, 0.0055), (512, 0.0033)])
def test_learning_rates_are_those_the_recipe_names(hidden_size: int, rate: float) -> None:
    assert choose_learning_rate(TrainingOptions(), hidden_size=hidden_size) == rate


def test_a_learning_rate_that_is_given_is_taken() -> None:
    options = TrainingOptions(learning_rate=0.3)
    assert choose_learning_rate(options, hidden_size=256) == 0.3


# Dropout


MODEL = ModelConfig(vocabulary_size=9, hidden_size=64)


def dropped(
    epochs: float, *, weights_per_character: float = 1.0, **options: Any
) -> tuple[float, float]:
    """What is dropped of a layer's output, and of its recurrent weights."""
    config = choose_dropout(
        TrainingOptions(**options),
        MODEL,
        epochs=epochs,
        training_characters=round(layer_weights(MODEL) / weights_per_character),
    )
    assert dataclasses.replace(config, dropout=0.0, weight_dropout=0.0) == MODEL
    return config.dropout, config.weight_dropout


@given(st.floats(0, 10_000), st.floats(0, 10_000), st.floats(0.01, 100), st.floats(0.01, 100))
def test_what_is_learned_by_heart_more_easily_never_gets_less_dropout(
    one: float, other: float, some: float, others: float
) -> None:
    few, many = sorted((one, other))
    small, large = sorted((some, others))
    less = dropped(few, weights_per_character=small)
    more = dropped(many, weights_per_character=large)
    assert 0 <= less[0] <= more[0] <= 0.5
    assert 0 <= less[1] <= more[1] <= 0.5


@pytest.mark.parametrize(
    ("memorization_pressure", "dropout", "weight_dropout"),
    [(0.1, 0, 0), (2, 0, 0), (10, 0.12, 0), (64, 0.25, 0.16), (2048, 0.5, 0.46), (9999, 0.5, 0.5)],
)
def test_dropout_is_what_the_recipe_names(
    memorization_pressure: float, dropout: float, weight_dropout: float
) -> None:
    assert dropped(memorization_pressure) == (dropout, weight_dropout)
    assert dropped(1, weights_per_character=memorization_pressure) == (dropout, weight_dropout)


def test_dropout_that_is_given_is_taken() -> None:
    assert dropped(1, dropout=0.3, weight_dropout=0.2) == (0.3, 0.2)
    assert dropped(9999, dropout=0.0) == (0.0, 0.5)
    assert dropped(9999, weight_dropout=0.0) == (0.5, 0.0)


# Readout weights


def readout_scale(memorization_pressure: float, **options: Any) -> float:
    return choose_readout_scale(
        TrainingOptions(**options),
        MODEL,
        epochs=memorization_pressure,
        training_characters=layer_weights(MODEL),
    )


@pytest.mark.parametrize(
    ("memorization_pressure", "scale"), [(0.1, 2), (1, 2), (10, 2), (16, 1.25), (20, 1), (9999, 1)]
)
def test_readout_weights_hurry_where_nothing_can_be_learned_by_heart(
    memorization_pressure: float, scale: float
) -> None:
    assert readout_scale(memorization_pressure) == scale


def test_a_readout_scale_that_is_given_is_taken() -> None:
    assert readout_scale(9999, readout_scale=3.0) == 3.0


# All together


@given(steps=st.integers(1, 1_000_000))
def test_a_training_is_planned_within_its_steps(steps: int) -> None:
    config = planned(steps=steps)
    assert config.steps == steps
    assert 0 <= config.warmup_steps <= steps / 10
    assert 1 <= config.evaluate_every <= steps
    assert -(-steps // config.evaluate_every) <= 20
    # A power cut costs five minutes at most, of a training that takes weeks, too.
    in_five_minutes = round(300 / MACHINE.step_seconds)
    assert config.checkpoint_every == min(config.evaluate_every, in_five_minutes)


def test_every_option_that_a_training_has_is_taken() -> None:
    given: dict[str, Any] = {
        "steps": 77,
        "learning_rate": 0.3,
        "clip": 0.0,
        "seed": 5,
        "validation_fraction": 0.2,
        "lines": True,
        "evaluate_every": 9,
        "checkpoint_every": 4,
        "patience": 7,
        "keep": 3,
    }
    config = planned(**given)
    assert {name: getattr(config, name) for name in given} == given
    assert (config.batch_size, config.sequence_length) == (4, 8)
    for name in ("device", "precision", "kernel", "threads"):
        assert getattr(config, name) == getattr(MACHINE, name)


def test_the_recipe_is_a_pure_function() -> None:
    assert planned(budget=100.0) == planned(budget=100.0)
