"""Trainings whose plan is revised: what they record, and that they resume exactly."""

import dataclasses
import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from charrnn.errors import ModelError
from charrnn.storage.metrics_file import REVISION
from charrnn.storage.run import Run
from charrnn.training import pacing
from charrnn.training.checkpoint import TRAINING, read_checkpoint
from charrnn.training.learner import StepResult
from charrnn.training.parallel.rank import usable_threads_each
from charrnn.training.schedule import Revision, Schedule, TimeBudget
from charrnn.training.trainer import Trainer
from tests.conftest import reseal
from tests.trainings import learned, make_budget

MakeTrainer = Callable[..., Trainer]

STEPS = 80
STEP_SECONDS = 0.25

BUDGET = make_budget(STEPS * STEP_SECONDS, STEP_SECONDS)


class FakeClock:
    """A clock that goes on by a step's time with each step, `slowness` times as much."""

    def __init__(self, slowness: Callable[[int], float]) -> None:
        self.now, self.slowness = 0.0, slowness

    def drive(self, trainer: Trainer) -> Trainer:
        """Makes the steps of a training take their time on this clock."""
        take = trainer.learner.step

        def step(batch: Any, number: int) -> StepResult:
            self.now += STEP_SECONDS * self.slowness(number)
            return take(batch, number)

        vars(trainer.learner)["step"] = step
        return trainer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """A neighbour comes after a quarter of the steps, and goes."""
    clock = FakeClock(lambda number: 3.0 if 20 <= number < 35 else 1.0)
    monkeypatch.setattr(pacing, "wall_clock", lambda: clock.now)
    return clock


@pytest.fixture
def budgeted(make_trainer: MakeTrainer, clock: FakeClock) -> MakeTrainer:
    """A new training of that name with a time budget, on the fake clock."""

    def make(name: str, budget: TimeBudget | None = BUDGET) -> Trainer:
        planned = make_trainer(
            name, steps=STEPS, evaluate_every=8, checkpoint_every=4, dropout=0.3, keep=3
        )
        threads = 1 if budget is None else budget.most_threads
        config = dataclasses.replace(planned.config, threads=threads)
        trainer = Trainer(
            planned.corpus, planned.learner.network, config, planned.run, budget=budget
        )
        return clock.drive(trainer)

    return make


def steadily(slowness: float, number: int) -> float:
    """A machine that is as slow all the time."""
    return slowness


def kill(trainer: Trainer, step: int) -> None:
    """Trains so far, and then the power fails."""
    for progress in trainer:
        if progress.step == step:
            trainer.request_stop()  # so that nothing more is saved
            break


def killed_after_a_revision(budgeted: MakeTrainer) -> tuple[Trainer, int]:
    """A training that was killed right after its first revision, and the step of that."""
    step = next(each.step for each in budgeted("straight") if each.revision is not None)
    killed = budgeted("killed")
    kill(killed, step)
    return killed, step


def time_budget(checkpoint: Path) -> dict[str, Any]:
    saved: dict[str, Any] = json.loads((checkpoint / TRAINING).read_bytes())
    assert saved.keys() == {"config", "corpus", "position", "time_budget"}
    value: dict[str, Any] = saved["time_budget"]
    return value


def test_a_revision_is_said_recorded_and_saved(budgeted: MakeTrainer, clock: FakeClock) -> None:
    trainer = budgeted("run")
    reported = list(trainer)
    assert 0.95 < clock.now / BUDGET.seconds < 1.05
    assert reported[-1].step == reported[-1].steps == trainer.schedule.steps < STEPS

    revisions = trainer.schedule.revisions
    assert len(revisions) in (1, 2)
    said = {each.step: each.revision for each in reported if each.revision is not None}
    assert list(said) == [each.step for each in revisions]
    first = revisions[0]
    assert said[first.step] == (
        f"step {first.step}: the machine is slower than planned "
        f"({first.characters_per_second:.0f} instead of "
        f"{first.planned_characters_per_second:.0f} characters/s); training ends at step "
        f"{first.steps} instead of {STEPS} to keep the budget of 20 s"
    )
    lines = [line for line in trainer.run.metrics() if REVISION in line]
    assert [line[REVISION] for line in lines] == [*range(1, len(revisions) + 1)]
    assert lines[0]["steps_before"] == STEPS
    for line, revision in zip(lines, revisions, strict=True):
        assert line.items() >= dataclasses.asdict(revision).items()

    saved = time_budget(trainer.run.last)
    assert saved["plan"] == dataclasses.asdict(BUDGET)
    assert saved["revisions"] == [dataclasses.asdict(each) for each in revisions]
    assert saved["spent_seconds"] == pytest.approx(clock.now, abs=0.01)
    with pytest.raises(Exception, match=f"finished its {trainer.schedule.steps} steps"):
        Trainer.resume(trainer.run)


def test_without_a_budget_nothing_of_it_is_saved(budgeted: MakeTrainer) -> None:
    trainer = budgeted("run", budget=None)
    assert len(list(trainer)) == STEPS
    saved = json.loads((trainer.run.last / TRAINING).read_bytes())
    assert saved.keys() == {"config", "corpus", "position"}
    assert not any(REVISION in line for line in trainer.run.metrics())


def replayed(
    budgeted: MakeTrainer, threads: int, revisions: tuple[Revision, ...]
) -> dict[str, bytes]:
    """What is learned by who makes these revisions without a clock, and is never stopped."""
    trainer = budgeted("replayed", budget=None)
    config = dataclasses.replace(trainer.config, threads=threads)
    trainer.learner.schedule = Schedule(config, revisions)
    list(trainer)
    return learned(trainer.run)


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment_it_ends_with_the_same_bytes(
    seed: int, budgeted: MakeTrainer, clock: FakeClock
) -> None:
    # Ten random moments in each of five trainings. Whoever resumes finds another machine: faster,
    # slower, or as it was. What it decides is new only after what was recorded.
    chance = random.Random(seed)
    threads = 1 + seed % 2  # of two, one is tried as well
    trainer = budgeted("run", budget=dataclasses.replace(BUDGET, most_threads=threads))
    run = trainer.run
    known: tuple[Revision, ...] = ()
    for _ in range(10):
        kill(trainer, trainer.position.step + chance.randint(5, 20))
        if trainer.position.step == trainer.schedule.steps:
            break
        recorded = trainer.schedule.revisions
        clock.slowness = partial(steadily, chance.choice((0.5, 1.0, 1.0, 3.0)))
        clock.now += 1e6  # days later, which no budget covers
        trainer = clock.drive(Trainer.resume(run))
        assert trainer.schedule.revisions == recorded, "the line was there before the step"
        assert trainer.schedule.revisions[: len(known)] == known
        known = recorded
    list(trainer)
    checkpoint = read_checkpoint(run.last)
    assert checkpoint.revisions == trainer.schedule.revisions
    assert len(checkpoint.revisions) >= 1
    assert learned(run) == replayed(budgeted, threads, checkpoint.revisions)


def test_killed_between_a_revision_and_its_checkpoint(
    budgeted: MakeTrainer, clock: FakeClock
) -> None:
    killed, step = killed_after_a_revision(budgeted)
    revisions = killed.schedule.revisions
    assert revisions[-1].step == step
    newest = read_checkpoint(killed.run.last)
    assert newest.position.step < step and newest.revisions == ()
    resumed = Trainer.resume(killed.run)
    assert resumed.position.step < step
    assert resumed.schedule.revisions == revisions
    # Resumed once more before it got there, it still knows.
    kill(clock.drive(resumed), resumed.position.step + 1)
    again = Trainer.resume(killed.run)
    assert again.schedule.revisions == revisions


def test_a_revision_that_was_not_recorded_whole_was_none(
    budgeted: MakeTrainer, clock: FakeClock
) -> None:
    # The power fails while the line is written: no step was taken by it.
    killed, _ = killed_after_a_revision(budgeted)
    path = killed.run.metrics_path
    lines = path.read_bytes().splitlines(keepends=True)
    index = next(number for number, line in enumerate(lines) if b'"revision"' in line)
    path.write_bytes(b"".join(lines[:index]) + lines[index][:40])
    resumed = clock.drive(Trainer.resume(killed.run))
    assert resumed.schedule.revisions == ()
    clock.slowness = lambda number: 3.0
    list(resumed)
    assert resumed.schedule.revisions  # it was measured anew


def test_revisions_that_do_not_fit_are_ignored(budgeted: MakeTrainer, clock: FakeClock) -> None:
    trainer = budgeted("run")
    kill(trainer, 14)
    sound: dict[str, float] = dataclasses.asdict(
        Revision(
            step=30,
            steps=90,
            evaluate_every=4,
            checkpoint_every=4,
            threads=1,
            characters_per_second=1,
            planned_characters_per_second=2,
        )
    )
    sound |= {REVISION: 1, "seconds": 1.0, "steps_before": 80}
    others: list[dict[str, float]] = [
        {"steps": 30},
        {"step": 80.5},
        {"step": 1000},
        {"steps": 1e300},
        {"evaluate_every": 0},
    ]
    for change in [*others, {}]:
        trainer.run.claim()
        trainer.run.log(sound | change)
    trainer.run.log({"step": 40, "revision": 2})
    trainer.run.release()
    resumed = Trainer.resume(trainer.run)
    assert [each.step for each in resumed.schedule.revisions] == [30]


def test_time_that_was_spent_before_counts(budgeted: MakeTrainer, clock: FakeClock) -> None:
    clock.slowness = lambda number: 1.0
    trainer = budgeted("run")
    for progress in trainer:
        if progress.step == 40:
            trainer.request_stop()
    assert time_budget(trainer.run.last)["spent_seconds"] == pytest.approx(10, abs=0.3)
    clock.now += 1e6
    clock.slowness = lambda number: 2.0  # another machine, for the other half of the budget
    began = clock.now
    list(clock.drive(Trainer.resume(trainer.run)))
    assert 10 + clock.now - began == pytest.approx(BUDGET.seconds, rel=0.05)


def test_a_new_run_forgets_the_revisions_of_one_that_never_was(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    run.log({"step": 5, "revision": 1}, durable=True)
    run.release()
    assert Run.create(tmp_path / "run").metrics() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spent_seconds": -1}, "expected plan, spent_seconds and revisions"),
        ({"revisions": {}}, "expected plan, spent_seconds and revisions"),
        ({"more": 1}, "expected plan, spent_seconds and revisions"),
        ({"plan": {}}, "plan: 'evaluation_seconds' is missing"),
        ({"revisions": [{}]}, "revisions: 'characters_per_second' is missing"),
        ({"revisions": [{"step": 10**6, "steps": 10**6 + 1}]}, "no step of the plan"),
        ({"revisions": [{"step": 60, "steps": 70}]}, "a revision after step"),
        ({"revisions": [{"steps": 3}]}, "a step must follow"),
    ],
)
def test_what_a_checkpoint_says_of_its_budget_is_checked(
    change: dict[str, Any], message: str, budgeted: MakeTrainer
) -> None:
    trainer = budgeted("run")
    kill(trainer, 30)
    path = trainer.run.last
    data = json.loads((path / TRAINING).read_bytes())
    (revision,) = data["time_budget"]["revisions"]
    if change.get("revisions") not in (None, {}, [{}]):
        change = {"revisions": [revision | change["revisions"][0]]}
    data["time_budget"] |= change
    (path / TRAINING).write_text(json.dumps(data))
    reseal(path)
    with pytest.raises(ModelError, match=message):
        read_checkpoint(path)


def test_another_number_of_threads_is_tried_recorded_and_not_said(
    budgeted: MakeTrainer, clock: FakeClock
) -> None:
    clock.slowness = lambda number: 1.0 if number < 20 else 4.0 / (3 - torch.get_num_threads())
    trainer = budgeted("run", budget=dataclasses.replace(BUDGET, most_threads=2))
    threads = torch.get_num_threads()
    reported = list(trainer)
    assert torch.get_num_threads() == threads  # as the caller had it
    if usable_threads_each() < 2:
        return
    first = trainer.schedule.revisions[0]
    assert (first.threads, first.steps) == (1, STEPS)
    assert trainer.schedule.threads_at(first.step - 1) == 2
    assert trainer.schedule.threads_at(first.step) == 1
    said = [each.step for each in reported if each.revision is not None]
    assert said and first.step not in said
