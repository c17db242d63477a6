import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import ConfigError
from charrnn.model.cells import CELLS
from charrnn.training.config import TrainingOptions
from charrnn.training.recipe import (
    Machine,
    choose_batch,
    choose_dropout,
    choose_learning_rate,
    choose_length,
    choose_model,
    choose_training,
)

MACHINE = Machine(
    device="cpu",
    precision="fp32",
    kernel="fused",
    threads=2,
    step_seconds=0.01,
    evaluation_seconds=0.5,
    save_seconds=0.1,
    probe_seconds=2.0,
)

sizes = st.integers(2, 50_000_000)
budgets = st.floats(0.5, 100_000)


def hidden(characters: int, **options: Any) -> int:
    settings = TrainingOptions(**options)
    return choose_model(settings, vocabulary_size=50, training_characters=characters).hidden_size


# Sizes


@given(sizes, sizes)
def test_more_text_never_gets_a_smaller_network(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert 64 <= hidden(small) <= hidden(large) <= 512
    assert hidden(small) % 32 == 0


@given(sizes, budgets, budgets)
def test_more_time_never_gets_a_smaller_network(characters: int, one: float, other: float) -> None:
    short, long = sorted((one, other))
    assert hidden(characters, budget=short) <= hidden(characters, budget=long)


@pytest.mark.parametrize(
    ("characters", "expected"), [(5_000, 64), (30_000, 128), (100_000, 256), (10_000_000, 256)]
)
def test_the_sizes_are_those_the_recipe_names(characters: int, expected: int) -> None:
    assert hidden(characters) == expected


def test_the_largest_network_needs_time_and_text() -> None:
    assert hidden(2_000_000, budget=1800.0) == 512
    assert hidden(2_000_000, budget=600.0) == 256
    assert hidden(30_000, budget=1800.0) == 128


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_given_is_taken(cell: str) -> None:
    options = TrainingOptions(cell=cell, layers=3, hidden_size=10, embedding_size=4, dropout=0.2)
    model = choose_model(options, vocabulary_size=9, training_characters=1000)
    assert (model.cell, model.layers, model.hidden_size) == (cell, 3, 10)
    assert (model.embedding_size, model.dropout, model.vocabulary_size) == (4, 0.2, 9)


@pytest.mark.parametrize("name", ["cell", "layers", "hidden_size", "embedding_size", "dropout"])
def test_sizes_out_of_range_are_refused_by_the_name_they_were_given(name: str) -> None:
    # The embedding follows the hidden size: an error about it would confuse who gave --hidden-size.
    wrong: Any = "x" if name == "cell" else -1
    with pytest.raises(ConfigError, match=f"^{name.replace('_', ' ')} "):
        choose_model(TrainingOptions(**{name: wrong}), vocabulary_size=9, training_characters=1000)


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


@given(budgets, budgets)
def test_more_time_never_makes_fewer_steps(one: float, other: float) -> None:
    short, long = sorted((one, other))
    lengths = [
        choose_length(TrainingOptions(budget=budget), MACHINE, chunks_per_epoch=10)
        for budget in (short, long)
    ]
    assert lengths[0][1] <= lengths[1][1]
    # One more evaluation may cost the steps of its pause, not more.
    pause = MACHINE.evaluation_seconds + MACHINE.save_seconds
    more = lengths[1][1] - lengths[0][1]
    assert lengths[0][0] <= lengths[1][0] + more * pause / MACHINE.step_seconds + 1


@given(
    st.floats(20, 100_000),
    st.floats(1e-4, 1),
    st.floats(0, 5),
    st.floats(0.05, 1),
    st.floats(0, 8),
)
def test_all_that_is_planned_fits_in_the_budget(
    budget: float, step: float, evaluation: float, save: float, probe: float
) -> None:
    machine = dataclasses.replace(
        MACHINE,
        step_seconds=step,
        evaluation_seconds=evaluation,
        save_seconds=save,
        probe_seconds=probe,
    )
    steps, evaluations = choose_length(TrainingOptions(budget=budget), machine, chunks_per_epoch=10)
    assert evaluations >= 2
    planned = probe + steps * step + evaluations * (evaluation + save)
    assert planned <= budget + 1e-6
    assert planned >= budget - step - 1e-6  # and uses it


def test_a_budget_too_short_for_anything_makes_one_step() -> None:
    steps, _ = choose_length(TrainingOptions(budget=0.01), MACHINE, chunks_per_epoch=10)
    assert steps == 1


def test_steps_are_taken_as_they_are() -> None:
    assert choose_length(TrainingOptions(steps=77), MACHINE, chunks_per_epoch=10)[0] == 77


@pytest.mark.parametrize(("epochs", "steps"), [(1, 10), (2.5, 25), (0.01, 1), (12, 120)])
def test_epochs_are_so_many_chunks(epochs: float, steps: int) -> None:
    options = TrainingOptions(epochs=epochs)
    assert choose_length(options, MACHINE, chunks_per_epoch=10)[0] == steps


# Learning rate


@given(sizes, sizes)
def test_more_text_never_gets_larger_steps(one: int, other: int) -> None:
    small, large = sorted((one, other))
    less, more = (
        choose_learning_rate(TrainingOptions(), training_characters=size) for size in (small, large)
    )
    assert 0 < more <= less < 0.1


def test_a_learning_rate_that_is_given_is_taken() -> None:
    options = TrainingOptions(learning_rate=0.3)
    assert choose_learning_rate(options, training_characters=1000) == 0.3


# Dropout


@given(st.floats(0, 10_000), st.floats(0, 10_000))
def test_more_epochs_never_get_less_dropout(one: float, other: float) -> None:
    few, many = sorted((one, other))
    options = TrainingOptions()
    assert 0 <= choose_dropout(options, epochs=few) <= choose_dropout(options, epochs=many) <= 0.5


@pytest.mark.parametrize(("epochs", "dropout"), [(0.1, 0), (4, 0), (8, 0.1), (128, 0.5)])
def test_dropout_is_what_the_recipe_names(epochs: float, dropout: float) -> None:
    assert choose_dropout(TrainingOptions(), epochs=epochs) == pytest.approx(dropout)


def test_dropout_that_is_given_is_taken() -> None:
    assert choose_dropout(TrainingOptions(dropout=0.3), epochs=1) == 0.3
    assert choose_dropout(TrainingOptions(dropout=0.0), epochs=1000) == 0.0


# All together


@given(steps=st.integers(1, 1_000_000))
def test_a_training_is_planned_within_its_steps(steps: int) -> None:
    config = choose_training(TrainingOptions(steps=steps), MACHINE, batch_size=4, sequence_length=8)
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
        "keep": 3,
    }
    config = choose_training(TrainingOptions(**given), MACHINE, batch_size=4, sequence_length=8)
    assert {name: getattr(config, name) for name in given} == given
    assert (config.batch_size, config.sequence_length) == (4, 8)
    for name in ("device", "precision", "kernel", "threads"):
        assert getattr(config, name) == getattr(MACHINE, name)


def test_the_recipe_is_a_pure_function() -> None:
    options = TrainingOptions(budget=100.0)
    made = [choose_training(options, MACHINE, batch_size=4, sequence_length=8) for _ in range(2)]
    assert made[0] == made[1]
