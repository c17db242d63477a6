import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import ConfigError
from charrnn.training.config import TrainingConfig
from charrnn.training.schedule import MOST_REVISIONS, Revision, Schedule

MakeConfig = Callable[..., TrainingConfig]


def revision(step: int, steps: int, every: int = 7, save_every: int = 7) -> Revision:
    return Revision(
        step=step,
        steps=steps,
        evaluate_every=every,
        checkpoint_every=save_every,
        threads=1,
        characters_per_second=1000.0,
        planned_characters_per_second=2000.0,
    )


@st.composite
def schedules(draw: st.DrawFn, make_config: MakeConfig) -> Schedule:
    """A plan with revisions, each of which lies between the one before and the end as it was."""
    steps = draw(st.integers(2, 600))
    config = make_config(
        steps=steps,
        warmup_steps=draw(st.integers(0, steps // 4)),
        evaluate_every=draw(st.integers(1, 60)),
        checkpoint_every=draw(st.integers(1, 60)),
        learning_rate=0.5,
    )
    schedule = Schedule(config)
    last = 0
    for _ in range(draw(st.integers(0, 5))):
        if last + 1 >= schedule.steps:
            break
        step = draw(st.integers(last + 1, schedule.steps - 1))
        total = draw(st.integers(step + 1, step + 900))
        every = (draw(st.integers(1, 60)), draw(st.integers(1, 60)))
        schedule = schedule.revised(revision(step, total, *every))
        last = step
    return schedule


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_without_revisions_it_is_the_plan(make_config: MakeConfig, data: st.DataObject) -> None:
    config = data.draw(schedules(make_config)).config
    schedule = Schedule(config)
    assert schedule.steps == config.steps
    for step in range(config.steps):
        assert schedule.learning_rate_at(step) == config.learning_rate_at(step)
    for step in range(1, config.steps):
        assert schedule.evaluation_due(step) == (step % config.evaluate_every == 0)
        assert schedule.save_due(step) == (step % config.checkpoint_every == 0)


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_a_revision_changes_nothing_before_it_and_makes_no_jump(
    make_config: MakeConfig, data: st.DataObject
) -> None:
    after = data.draw(schedules(make_config).filter(lambda each: each.revisions))
    before = Schedule(after.config, after.revisions[:-1])
    revised = after.revisions[-1].step
    for step in range(revised):
        assert after.learning_rate_at(step) == before.learning_rate_at(step)
    for step in range(1, revised + 1):  # what is due after that step was due before, too
        assert after.evaluation_due(step) == before.evaluation_due(step)
        assert after.save_due(step) == before.save_due(step)
    assert after.learning_rate_at(revised) == pytest.approx(before.learning_rate_at(revised))


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_it_goes_through_all_of_the_plan_and_ends_at_the_floor(
    make_config: MakeConfig, data: st.DataObject
) -> None:
    schedule = data.draw(schedules(make_config))
    places = [schedule.planned_step(step) for step in range(schedule.steps + 1)]
    assert places[0] == 0
    assert all(before < after for before, after in itertools.pairwise(places))
    assert places[-1] == pytest.approx(schedule.config.steps)
    rates = [schedule.learning_rate_at(step) for step in range(schedule.steps + 1)]
    falling = [
        rate
        for rate, place in zip(rates, places, strict=True)
        if place >= schedule.config.warmup_steps
    ]
    assert all(before >= after for before, after in itertools.pairwise(falling))
    assert all(0 < rate <= 0.5 for rate in rates)
    assert rates[-1] == pytest.approx(0.005)
    # No step changes the rate by more than the steepest place of the plan, at the pace there.
    warmup, length = schedule.config.warmup_steps, schedule.config.steps
    steepest = max(1 / warmup if warmup else 0.0, 1.6 / max(1, length - warmup)) * 0.5
    for before, after in itertools.pairwise(range(schedule.steps)):
        pace = places[after] - places[before]
        assert abs(rates[after] - rates[before]) <= steepest * pace * (1 + 1e-9)


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_evaluations_are_counted(make_config: MakeConfig, data: st.DataObject) -> None:
    schedule = data.draw(schedules(make_config))
    after = data.draw(st.integers(0, schedule.steps - 1))
    through = data.draw(st.integers(after, schedule.steps - 1))
    due = [step for step in range(after + 1, through + 1) if schedule.evaluation_due(step)]
    assert schedule.evaluations(after, through) == len(due)
    assert schedule.evaluation_due(schedule.steps) and schedule.save_due(schedule.steps)


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_what_was_decided_on_the_way_is_the_same_afterwards(
    make_config: MakeConfig, data: st.DataObject
) -> None:
    # A training takes each step by the revisions so far; one that is resumed knows later ones too.
    whole = data.draw(schedules(make_config))
    for step in sorted(data.draw(st.sets(st.integers(0, whole.steps - 1), max_size=20))):
        known = Schedule(whole.config, whole.revisions_until(step))
        assert known.learning_rate_at(step) == whole.learning_rate_at(step)
        if step:
            assert known.evaluation_due(step) == whole.evaluation_due(step)
            assert known.save_due(step) == whole.save_due(step)
            assert known.steps > step


@pytest.mark.parametrize(
    "revisions",
    [
        [(100, 200)],  # when all steps were taken
        [(50, 70), (50, 80)],
        [(50, 70), (40, 80)],
        [(50, 70), (70, 80)],
        [(step, 10_000) for step in range(1, MOST_REVISIONS + 2)],
    ],
)
def test_a_revision_follows_from_those_before_it(
    revisions: list[tuple[int, int]], make_config: MakeConfig
) -> None:
    with pytest.raises(ConfigError, match="revision"):
        Schedule(make_config(steps=100), tuple(revision(*each) for each in revisions))


@pytest.mark.parametrize("change", [{"step": 0}, {"steps": 5}, {"steps": 4}, {"evaluate_every": 0}])
def test_a_revision_is_checked(change: dict[str, int]) -> None:
    values = {
        "step": 5,
        "steps": 6,
        "evaluate_every": 1,
        "checkpoint_every": 1,
        "threads": 1,
    } | change
    with pytest.raises(ConfigError):
        Revision(**values, characters_per_second=1.0, planned_characters_per_second=1.0)


def test_evaluations_whose_number_stays_stay_where_they_were(make_config: MakeConfig) -> None:
    schedule = Schedule(make_config(steps=100, evaluate_every=7, checkpoint_every=9))
    schedule = schedule.revised(revision(30, 60, every=7, save_every=5))
    assert [step for step in range(1, 61) if schedule.evaluation_due(step)] == [
        *range(7, 60, 7),
        60,
    ]
    assert [step for step in range(1, 61) if schedule.save_due(step)] == [
        9,
        18,
        27,
        *range(32, 61, 5),
        60,
    ]
