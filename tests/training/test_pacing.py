"""A time budget on fake machines: a clock that goes as fast as the work done on it."""

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import pytest

from charrnn.training import pacing
from charrnn.training.config import TrainingConfig
from charrnn.training.pacing import Pacer
from charrnn.training.schedule import Revision, Schedule
from tests.trainings import make_budget

MakeConfig = Callable[..., TrainingConfig]

CHARACTERS = 1536
"""Characters of a step."""


@dataclasses.dataclass
class FakeMachine:
    """A machine whose clock goes on by what is done on it.

    Attributes:
        slowness: how many times as long as on an idle machine work takes, at a time.
        by_threads: the same, at a time and on a number of threads.
        threads: the number of threads of the training.
        noise: by which share each piece of work takes longer or shorter at most.
        stops: when the process is stopped for ten seconds.
    """

    slowness: Callable[[float], float] = lambda now: 1.0
    by_threads: Callable[[float, int], float] = lambda now, threads: 1.0
    threads: int = 1
    noise: float = 0.1
    stops: tuple[float, ...] = ()
    now: float = 0.0
    chance: random.Random = dataclasses.field(default_factory=lambda: random.Random(0))

    def work(self, seconds: float) -> None:
        left = seconds * (1 + self.noise * self.chance.uniform(-1, 1))
        while left > 1e-9:
            slowness = self.slowness(self.now) * self.by_threads(self.now, self.threads)
            piece = min(left, 0.02)
            left -= piece
            self.now += piece * slowness
            if self.stops and self.now > self.stops[0]:
                self.now += 10.0
                self.stops = self.stops[1:]


@dataclasses.dataclass
class Trained:
    """What became of a training under a budget."""

    seconds: float
    schedule: Schedule
    planned_steps: int
    evaluations: int


@pytest.fixture
def train(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trained]:
    """Trains on a fake machine, within a budget, by steps that take so long on an idle one."""

    def run(
        machine: FakeMachine,
        budget: float,
        *,
        step: float = 0.02,
        probed: float = 1.0,
        evaluation: float = 0.15,
        save: float = 0.06,
        slow_evaluation: float = 1.0,
        slow_save: float = 1.0,
        most_steps: int = 10**9,
        evaluate_every: int | None = None,
        most_threads: int = 1,
        usable_threads: int = 1024,
    ) -> Trained:
        monkeypatch.setattr(pacing, "wall_clock", lambda: machine.now)
        monkeypatch.setattr(pacing, "usable_threads_each", lambda: usable_threads)
        steps = min(int((budget - 20 * (evaluation + save)) / (step * probed)), most_steps)
        every = evaluate_every or -(-steps // 20)
        config = make_config(
            steps=steps,
            evaluate_every=every,
            checkpoint_every=every,
            warmup_steps=min(100, steps // 10),
            threads=machine.threads,
        )
        schedule = Schedule(config)
        pacer = Pacer(
            make_budget(
                budget,
                step * probed,
                evaluation_seconds=evaluation,
                save_seconds=save,
                most_steps=most_steps,
                most_threads=most_threads,
                fixed_evaluations=evaluate_every is not None,
            )
        )
        pacer.begin()
        taken = evaluations = 0
        while taken < schedule.steps:
            machine.work(step)
            taken += 1
            revision = pacer.after_step(taken, CHARACTERS * taken, schedule)
            if revision is not None:
                assert revision.step == taken
                schedule = schedule.revised(revision)
                machine.threads = revision.threads
            if schedule.evaluation_due(taken):
                evaluations += 1
                with pacer.evaluating():
                    machine.work(evaluation * slow_evaluation)
            if schedule.evaluation_due(taken) or schedule.save_due(taken):
                with pacer.saving():
                    machine.now += save * slow_save
        return Trained(machine.now, schedule, steps, evaluations)

    return run


def between(begin: float, end: float, slowness: float) -> Callable[[float], float]:
    """A neighbour that comes and goes."""
    return lambda now: slowness if begin <= now < end else 1.0


BUDGETS = (20.0, 60.0, 112.0, 3600.0)


def machines(budget: float) -> dict[str, tuple[FakeMachine, dict[str, Any]]]:
    """What may happen to a training, and how it differs from the plan."""
    forever = 1e9
    return {
        "nothing": (FakeMachine(), {}),
        "noise": (FakeMachine(noise=0.8), {}),
        "a probe that was too fast": (FakeMachine(), {"probed": 0.9}),
        "a probe with a neighbour": (FakeMachine(), {"probed": 3.0}),
        "a neighbour comes": (FakeMachine(between(0.3 * budget, forever, 4.0)), {}),
        "a neighbour comes late": (FakeMachine(between(0.9 * budget, forever, 4.0)), {}),
        "many neighbours come": (FakeMachine(between(0.2 * budget, forever, 20.0)), {}),
        "a neighbour goes": (FakeMachine(between(0, 0.5 * budget, 3.0)), {"probed": 3.0}),
        "a neighbour comes and goes": (
            FakeMachine(between(0.3 * budget, 0.6 * budget, 3.0)),
            {},
        ),
        "a stop of ten seconds": (FakeMachine(stops=(0.4 * budget,)), {}),
        "two stops": (FakeMachine(stops=(0.1 * budget, 0.3 * budget)), {}),
        "slow evaluations": (FakeMachine(), {"slow_evaluation": 8.0}),
        "slow saves": (FakeMachine(), {"slow_save": 10.0}),
        "evaluations as asked for": (
            FakeMachine(between(0.3 * budget, forever, 4.0)),
            {"evaluate_every": 100},
        ),
    }


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("what", machines(1.0))
def test_a_budget_is_kept_whatever_the_machine_does(
    what: str, budget: float, train: Callable[..., Trained]
) -> None:
    if what == "two stops" and budget == 20:
        pytest.skip("all of the budget was slept through")
    machine, plan = machines(budget)[what]
    trained = train(machine, budget, step=max(0.02, budget / 5000), **plan)
    assert 0.95 <= trained.seconds / budget <= 1.05
    assert len(trained.schedule.revisions) <= 3
    last = trained.schedule.steps - 1
    assert trained.schedule.learning_rate_at(last) < 0.03 * 0.01  # it has come down
    if what in ("nothing", "noise"):
        assert trained.schedule.revisions == ()
    if plan.get("evaluate_every"):
        assert trained.evaluations == -(-trained.schedule.steps // 100)
    else:
        assert 1 <= trained.evaluations <= 25


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_neighbour_that_comes_and_goes_all_the_time_makes_few_revisions(
    budget: float, train: Callable[..., Trained]
) -> None:
    machine = FakeMachine(lambda now: 3.0 if int(now / (0.1 * budget)) % 2 else 1.0)
    trained = train(machine, budget, step=max(0.02, budget / 5000))
    assert 0.95 <= trained.seconds / budget <= 1.05
    assert len(trained.schedule.revisions) <= 10


@pytest.mark.parametrize("budget", [20.0, 60.0])
@pytest.mark.parametrize("share", [0.005, 0.02])
def test_neighbours_that_keep_the_core_for_long_are_no_reason_to_end_early(
    budget: float, share: float, train: Callable[..., Trained]
) -> None:
    """A step that waited for its core for most of a second made the training end five seconds
    early, when there were several shortly before the end."""
    for seed in range(6):
        chance = random.Random(seed)

        def slowness(now: float, chance: random.Random = chance) -> float:
            if now < 0.3 * budget:
                return 1.0
            return 40.0 if chance.random() < share else 3.0

        trained = train(FakeMachine(slowness), budget)
        assert 0.95 <= trained.seconds / budget <= 1.05


def test_evaluations_keep_their_share_of_a_slow_machine(train: Callable[..., Trained]) -> None:
    trained = train(FakeMachine(between(20, 1e9, 10.0)), 112.0)
    # Each takes ten times as long as well: of the last 92 s, they get no more than their 6 %.
    assert trained.evaluations <= 20 * 20 / 112 + 0.06 * 92 / 1.5 + 2
    assert trained.evaluations >= 3


def test_more_steps_than_are_of_use_are_not_taken(train: Callable[..., Trained]) -> None:
    trained = train(FakeMachine(), 60.0, probed=3.0, most_steps=1200)
    assert trained.schedule.steps == 1200
    assert trained.seconds < 0.5 * 60


def test_a_budget_that_was_slept_through_ends_at_once(train: Callable[..., Trained]) -> None:
    trained = train(FakeMachine(stops=(18.0, 18.1, 18.2)), 20.0)
    assert trained.seconds < 18 + 3 * 10 + 0.1 * 20
    last = trained.schedule.steps - 1
    assert trained.schedule.learning_rate_at(last) < 0.2 * 0.01  # in what little time is left


def test_the_first_revision_says_what_was_measured(train: Callable[..., Trained]) -> None:
    schedule = train(FakeMachine(between(20, 1e9, 4.0), noise=0.0), 60.0).schedule
    (revision,) = schedule.revisions
    assert revision.planned_characters_per_second == pytest.approx(CHARACTERS / 0.02, rel=0.01)
    assert revision.characters_per_second == pytest.approx(CHARACTERS / 0.08, rel=0.01)
    assert 20 < revision.step * 0.02 + 1.5 < 20 + 5  # soon after the neighbour came


def test_without_a_budget_nothing_is_measured(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> float:
        raise AssertionError("the clock was asked")

    monkeypatch.setattr(pacing, "wall_clock", asked)
    pacer = Pacer(None)
    pacer.begin()
    with pacer.evaluating(), pacer.saving():
        pass
    assert pacer.after_step(1, 100, Schedule(make_config())) is None
    assert pacer.spent_seconds == 0


def test_what_was_recorded_is_not_measured_again(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Resumed from a checkpoint at step 10, with a revision at step 400.
    machine = FakeMachine(lambda now: 5.0)
    monkeypatch.setattr(pacing, "wall_clock", lambda: machine.now)
    budget = make_budget(20.0, 0.02, evaluation_seconds=0.1, save_seconds=0.1)
    recorded = Revision(
        step=400,
        steps=800,
        evaluate_every=50,
        checkpoint_every=50,
        threads=1,
        characters_per_second=1.0,
        planned_characters_per_second=1.0,
    )
    schedule = Schedule(make_config(steps=1000), (recorded,))
    pacer = Pacer(budget, 0.2)
    pacer.begin()
    for step in range(11, 500):
        machine.work(0.02)
        revision = pacer.after_step(step, step, schedule)
        if revision is not None:
            assert revision.step > 400
            return
    raise AssertionError("it was never measured again")


def two_cores(begin: float, end: float) -> Callable[[float, int], float]:
    """Two threads are twice as fast as one; while there is a neighbour, half as fast."""

    def slowness(now: float, threads: int) -> float:
        return {1: 2.0, 2: 4.0 if begin <= now < end else 1.0}[threads]

    return slowness


@pytest.mark.parametrize("budget", BUDGETS)
def test_beside_a_neighbour_one_thread_is_tried_and_kept(
    budget: float, train: Callable[..., Trained]
) -> None:
    machine = FakeMachine(by_threads=two_cores(0.3 * budget, 1e9), threads=2)
    trained = train(machine, budget, step=max(0.02, budget / 5000), most_threads=2)
    assert 0.95 <= trained.seconds / budget <= 1.05
    assert machine.threads == 1
    planned = trained.planned_steps
    assert trained.schedule.steps > (0.3 + 0.85 * 0.7 / 2) * planned  # 0.3 + 0.7 / 4 on two
    assert len(trained.schedule.revisions) <= 14


@pytest.mark.parametrize(("usable", "tried"), [(1, set()), (3, {2, 3}), (1024, {2, 4, 8})])
def test_no_more_threads_are_tried_than_may_be_used(
    usable: int, tried: set[int], train: Callable[..., Trained]
) -> None:
    # It was begun beside busy neighbours, where one thread was faster: a new container may have
    # a smaller quota than the plan knew.
    machine = FakeMachine(by_threads=lambda now, threads: 1 / threads)
    trained = train(machine, 60.0, most_threads=8, usable_threads=usable)
    assert {each.threads for each in trained.schedule.revisions} - {1} == tried


@pytest.mark.parametrize("budget", BUDGETS)
def test_when_the_neighbour_goes_two_threads_are_used_again(
    budget: float, train: Callable[..., Trained]
) -> None:
    machine = FakeMachine(by_threads=two_cores(0.2 * budget, 0.4 * budget), threads=2)
    trained = train(machine, budget, step=max(0.02, budget / 5000), most_threads=2)
    assert 0.95 <= trained.seconds / budget <= 1.05
    assert machine.threads == 2
    assert trained.schedule.steps > 0.75 * trained.planned_steps


@pytest.mark.parametrize("budget", BUDGETS)
def test_on_an_idle_machine_trials_cost_little(
    budget: float, train: Callable[..., Trained]
) -> None:
    machine = FakeMachine(by_threads=two_cores(1e9, 1e9), threads=2)
    trained = train(machine, budget, step=max(0.02, budget / 5000), most_threads=2)
    assert machine.threads == 2
    assert len(trained.schedule.revisions) <= 6
    assert trained.schedule.steps == trained.planned_steps
    assert 0.95 <= trained.seconds / budget <= 1.02


@pytest.mark.parametrize("budget", BUDGETS)
def test_where_one_thread_is_best_trials_of_two_cost_little(
    budget: float, train: Callable[..., Trained]
) -> None:
    machine = FakeMachine(by_threads=lambda now, threads: {1: 1.0, 2: 3.0}[threads])
    trained = train(machine, budget, step=max(0.02, budget / 5000), most_threads=2)
    assert 0.95 <= trained.seconds / budget <= 1.05
    assert machine.threads == 1
    assert trained.schedule.steps > 0.95 * trained.planned_steps


def test_a_machine_that_is_slow_on_any_number_of_threads_is_tried_less_and_less(
    train: Callable[..., Trained],
) -> None:
    machine = FakeMachine(
        between(20, 1e9, 3.0), by_threads=lambda now, threads: {1: 2.0, 2: 1.0}[threads], threads=2
    )
    trained = train(machine, 112.0, most_threads=2)
    assert 0.95 <= trained.seconds / 112 <= 1.05
    assert machine.threads == 2
    assert len(trained.schedule.revisions) < 14
