"""Trainings that are killed with a real SIGKILL, over and over.

`exact` checks that a training that was killed and resumed ends with the same bytes as one that was
not; `sigkill` checks that no checkpoint is lost once it was reported as saved. A life is a process
in which a training is started or resumed (`live`); its parent decides when it ends.
"""

import dataclasses
import itertools
import json
import os
import random
import re
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from charrnn.errors import CharRNNError
from charrnn.model.config import STATES
from charrnn.storage.metrics_file import REVISION
from charrnn.storage.model_directory import TENSORS
from charrnn.storage.run import Run
from charrnn.training.checkpoint import TRAINING, TRAINING_TENSORS
from tests.stress.fork_server import Child, ForkServer, HangError, Pipe
from tests.stress.report import Deadline, Report

MOST_FAILURES = 20
"""Lines of a report; what breaks more often is broken."""

OF_THE_CLOCK = {"seconds", "characters_per_second"}

LIVE = "tests.stress.kills:live"


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is trained, and where. All lives of a run have the same.

    Attributes:
        directory: of the run.
        corpus: the text file.
        kind: of the tokenizer.
        options: of TrainingOptions.
        threads: that it computes on.
    """

    directory: str
    corpus: str
    kind: str
    options: dict[str, Any]
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Life:
    """How one process goes about it; nothing of it may matter to what is learned.

    Attributes:
        clock: what the process believes: seconds that its clock is ahead, and how fast it runs.
        default_threads: of PyTorch, before the training sets its own.
        noise: a seed for the generators that everybody shares; also, samples are drawn on the way.
        stop_at: asks to stop during this step, as a Ctrl-C does.
        stop_in_evaluation: or during the first evaluation before that.
        stand_at: stands still when so many steps are taken, to be killed there at the latest.
        announce: stands still before each change to the disk, until told to go on.
        look_only: ends as soon as the run is loaded.
    """

    clock: tuple[float, float] = (0.0, 1.0)
    default_threads: int = 1
    noise: int | None = None
    stop_at: int | None = None
    stop_in_evaluation: bool = False
    stand_at: int | None = None
    announce: bool = False
    look_only: bool = False


# What happens in the forked process


def live(pipe: Pipe, training_fields: dict[str, Any], life_fields: dict[str, Any]) -> None:
    """Begins a training, or goes on with it, and reports:

    operation NAME PATH DURING  before a change to the disk, if asked to (stands still after it)
    loads STEP, or WHY NOT      whether the run can be used as it was found, where it was found
    begun STATE                 what the run is like when it is loaded (see `_state`)
    step N, evaluating N, logged LINE, saving N, saved N   as they happen
    ended N                     after N steps, by itself
    """
    import numpy as np
    import torch

    from charrnn.data.corpus import open_corpus
    from charrnn.generation.config import SamplingConfig
    from charrnn.generation.sampler import Sampler
    from charrnn.storage.run import is_run
    from charrnn.storage.run_lookup import find_run, load
    from charrnn.training.options import TrainingOptions
    from charrnn.training.plan import make_plan
    from charrnn.training.trainer import Trainer
    from tests.trainings import start

    training, life = Training(**training_fields), Life(**life_fields)
    torch.set_num_threads(life.default_threads)
    if life.noise is not None:
        torch.manual_seed(life.noise)
        np.random.seed(life.noise)
        random.seed(life.noise)
    _set_clock(*life.clock)
    _report_what_happens(pipe, life)

    directory = Path(training.directory)
    if is_run(directory):
        try:
            pipe.send("loads", load(directory).provenance.step)
        except CharRNNError as error:
            pipe.send("loads", f"{type(error).__name__}: {error}")
        trainer = Trainer.resume(find_run(str(directory)))
    else:
        plan = make_plan(
            open_corpus([training.corpus]), TrainingOptions(**training.options), kind=training.kind
        )
        config = dataclasses.replace(plan.config, threads=training.threads)
        trainer = start(dataclasses.replace(plan, config=config), directory)
    pipe.send("begun", _state(trainer.run, trainer.position.step, trainer.position.evaluated))
    if life.look_only:
        return
    _stop_as_asked(trainer, life)
    for progress in trainer:
        writes = trainer.learner.network.config.task == "generate"
        if life.noise is not None and writes and progress.step % 7 == 0:
            sampling = SamplingConfig(length=5, seed=life.noise)
            Sampler(trainer.model()).sample(config=sampling)
    pipe.send("ended", trainer.position.step)


def _set_clock(ahead: float, rate: float) -> None:
    """Lets the process believe in another time."""
    clock = time.perf_counter
    patch.object(time, "perf_counter", lambda: ahead + rate * clock()).start()


def _report_what_happens(pipe: Pipe, life: Life) -> None:
    """Has the library report, and stand still, where `life` says so."""
    from charrnn.data.dataloader import Chunk
    from charrnn.evaluation import protocols
    from charrnn.storage import files
    from charrnn.tasks.generate import task
    from charrnn.training import trainer
    from charrnn.training.learner import Learner, StepResult

    during = "a start"
    take, log, save = Learner.step, Run.log, trainer.Trainer.save
    score_in_steps = protocols.score_in_steps

    def before_change(operation: str, path: Path) -> None:
        pipe.send("operation", operation, str(path), during)
        pipe.stand_still()

    def step(self: Learner, chunk: Chunk, number: int) -> StepResult:
        nonlocal during
        during = "training"
        if life.stand_at is not None and number >= life.stand_at:
            pipe.stand_still()
        result = take(self, chunk, number)
        pipe.send("step", number + 1)
        return result

    def logged(self: Run, measurement: dict[str, float]) -> None:
        log(self, measurement)
        pipe.send("logged", measurement)

    def saved(self: trainer.Trainer) -> Path:
        nonlocal during
        during = "a save"
        pipe.send("saving", self.position.step)
        path = save(self)
        pipe.send("saved", self.position.step)
        during = "training"
        return path

    def scored(*arguments: Any, **options: Any) -> Iterator[tuple[float, int]]:
        pipe.send("evaluating")
        yield from score_in_steps(*arguments, **options)

    patch.object(Learner, "step", step).start()
    patch.object(Run, "log", logged).start()
    patch.object(trainer.Trainer, "save", saved).start()
    patch.object(task, "score_in_steps", scored).start()
    if life.announce:
        patch.object(files, "before_change", before_change).start()


def _stop_as_asked(stopped: Any, life: Life) -> None:
    """Makes a trainer ask itself to stop, where `life` says so."""
    from charrnn.evaluation import protocols
    from charrnn.tasks.generate import task

    take, score_in_steps = stopped.learner.step, protocols.score_in_steps

    def step(chunk: Any, number: int) -> Any:
        if life.stop_at is not None and number + 1 >= life.stop_at:
            stopped.request_stop()
        return take(chunk, number)

    def scored(*arguments: Any, **options: Any) -> Iterator[tuple[float, int]]:
        stopped.request_stop()
        return score_in_steps(*arguments, **options)

    stopped.learner.step = step
    if life.stop_in_evaluation:
        patch.object(task, "score_in_steps", scored).start()


def _state(run: Run, step: int, evaluated: int) -> dict[str, Any]:
    """A run as it is on the disk, and how far its training has come."""
    from charrnn.training.checkpoint import read_checkpoint

    def step_of(link: Path) -> int | str | None:
        if not os.path.lexists(link):
            return None
        try:
            return read_checkpoint(link).position.step
        except CharRNNError as error:
            return str(error)

    content = run.metrics_path.read_text()
    return {
        "step": step,
        "evaluated": evaluated,
        "entries": sorted(os.listdir(run.directory)),
        "lines": [json.loads(line) for line in content.splitlines()],
        "cut_short": bool(content) and not content.endswith("\n"),
        "best": step_of(run.best),
        "last": step_of(run.last),
    }


# exact: a training that was killed is the one that never was


@dataclass
class _Tally:
    """What the lives of a run came to, beside what they learned."""

    kills: int = 0
    at_a_start: int = 0
    stops: int = 0


def exact(
    count: int,
    work: Path,
    *,
    seed: int = 0,
    deadline: Deadline | None = None,
    steps: int = 200,
    kills: int = 50,
) -> Report:
    """Trains in `count` configurations, without a break and killed `kills` times on the way.

    Every logged loss and every bit of what was learned must be the same.
    """
    deadline = deadline or Deadline()
    report = Report(f"{steps} steps, killed {kills} times and resumed: bit for bit the same")
    tally = _Tally()
    with ForkServer() as server:
        for number, (name, straight) in enumerate(_configurations(work, seed)):
            if number == count or deadline.passed:
                break
            whole, parts = Path(straight.directory), f"{straight.directory}-killed"
            killed = dataclasses.replace(straight, directory=parts)
            try:
                _live_on(server, straight, Life(), until="ended")
                _live_and_die(server, killed, random.Random(f"{seed} {number}"), kills, tally)
                found = differences(Run(whole), Run(Path(parts)))
            except (_BrokenError, CharRNNError, HangError, OSError) as error:
                found = [str(error)]
            report.tried += 1
            report.failures += [f"{name}: {difference}" for difference in found][:3]
            if not found:
                shutil.rmtree(whole)
                shutil.rmtree(parts)
            if len(report.failures) >= MOST_FAILURES:
                break
    report.facts = (
        f"{tally.kills} kills, {tally.at_a_start} of them while it was being loaded; "
        f"{tally.stops} stops"
    )
    return report


class _BrokenError(Exception):
    """A life that failed, or that ended where it should not have."""


def _configurations(work: Path, seed: int) -> Iterator[tuple[str, Training]]:
    """All kinds of training, in an order that the seed decides: a name, and the training."""
    chooser = random.Random(f"configurations {seed}")
    plain: dict[str, Any] = {}
    kinds = list(
        itertools.product(
            STATES, (0.0, 0.3), (False, True), ("char", "byte"), ("fp32", "bf16"), (1,), (plain,)
        )
    )
    chooser.shuffle(kinds)
    kinds.insert(1, ("lstm", 0.3, False, "char", "fp32", 1, {"attention": 12}))
    kinds.insert(2, ("gru", 0.3, False, "char", "fp32", 1, {"bidirectional": True}))
    # Two threads share the work of large matrices only, whose steps take longer. Other cells than
    # the LSTM are never trained on two: see `_most_threads`.
    kinds.insert(3, ("lstm", 0.3, False, "char", "fp32", 2, plain))
    kinds.insert(7, ("lstm", 0.0, False, "byte", "bf16", 2, plain))
    for number, (cell, dropout, lines, kind, precision, threads, other) in enumerate(kinds):
        many = threads > 1
        corpus = write_corpus(work / f"corpus-{number}.txt", chooser, 12_000 if many else 700)
        options = {
            "cell": cell,
            "dropout": dropout,
            "lines": lines,
            "precision": precision,
            "layers": chooser.choice((1, 2)),
            "embedding_size": 5,
            "device": "cpu",
            "hidden_size": 128 if many else 8,
            "seed": chooser.randrange(1000),
            "batch_size": 32 if many else 4,
            "sequence_length": 16 if many else 8,
            "learning_rate": 0.01,
            "clip": chooser.choice((0.25, 0.0)),
            "steps": 200,
            "checkpoint_every": chooser.choice((4, 5, 7)),
            "keep": chooser.choice((1, 2, 3)),
            "evaluate_every": chooser.choice((17, 20, 25)),
            "patience": 0,  # all of them are to take all steps
            **other,
        }
        name = f"{cell} dropout {dropout:g} {kind} {precision}{' lines' * lines}, {threads} threads"
        name = " ".join((name, *other))
        yield (
            f"{name}, keep {options['keep']}",
            Training(
                directory=str(work / f"exact-{number}"),
                corpus=str(corpus),
                kind=kind,
                options=options,
                threads=threads,
            ),
        )


def write_corpus(path: Path, chooser: random.Random, characters: int) -> Path:
    """A text of made-up words, in lines of different lengths, not all of it ASCII."""
    words = ["".join(chooser.choices("abcdeéo", k=chooser.randint(1, 6))) for _ in range(30)]
    text = ""
    while len(text) < characters:
        text += chooser.choice(words) + chooser.choice("    .\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _live_on(server: ForkServer, training: Training, life: Life, *, until: str) -> list[Any]:
    """Lets a life go on until it reports something; that report. Raises _BrokenError."""
    with server.fork(LIVE, asdict(training), asdict(life)) as child:
        return _await(child, until)


def _await(child: Child, what: str, at_least: int = 0) -> list[Any]:
    """The first report of that kind, of this step or later. Raises _BrokenError."""
    while (report := child.receive()) is not None:
        if report[0] == "failed":
            raise _BrokenError(_last_line(report[1]))
        if report[0] == what and (not at_least or report[1] >= at_least):
            return report
    raise _BrokenError(f"the process ended before it reported: {what}")


def _last_line(trace: str) -> str:
    """What a traceback ends with, and the line of ours that it comes from."""
    *_, place, message = ["", *(line.strip() for line in trace.splitlines() if line.strip())]
    return f"{message} (at: {place})"


def _live_and_die(
    server: ForkServer, training: Training, chooser: random.Random, kills: int, tally: _Tally
) -> None:
    """Lives until the end of the training, killed on the way. Raises _BrokenError."""
    steps = training.options["steps"]
    load_seconds, step_seconds = [0.1], 0.005
    for kill in range(kills):
        # One kill in each part of the training, so that it comes to its end; those in a start too.
        target = 1 + int((kill + chooser.random()) * (steps - 10) / kills)
        if chooser.random() < 0.15:
            stop = chooser.random() < 0.5
            life = _any_life(chooser, stop_at=target, stop_in_evaluation=stop)
            _live_on(server, training, life, until="ended")
            tally.stops += 1
        life = _any_life(chooser, stand_at=target + 3)
        began = time.monotonic()
        with server.fork(LIVE, asdict(training), asdict(life)) as child:
            if kill and chooser.random() < 0.2:
                time.sleep(chooser.uniform(0, 1.2 * statistics.median(load_seconds)))
                tally.at_a_start += 1
            else:
                at = _await(child, "begun")[1]["step"]
                load_seconds.append(time.monotonic() - began)
                if at < target:
                    began = time.monotonic()
                    first = _await(child, "step")[1]
                    last = _await(child, "step", target)[1] if first < target else first
                    if last > first:
                        step_seconds = (time.monotonic() - began) / (last - first)
                time.sleep(chooser.uniform(0, 3 * step_seconds))
            child.kill()
            tally.kills += 1
    _live_on(server, training, _any_life(chooser), until="ended")


def _any_life(chooser: random.Random, **rest: Any) -> Life:
    """A life in which all that must not matter is somehow."""
    return Life(
        clock=(chooser.choice((0.0, 1e6, -3e4)), chooser.choice((1.0, 0.5, 3.0))),
        default_threads=chooser.choice((1, 1, 2, 3)),
        noise=chooser.choice((None, chooser.randrange(1000))),
        **rest,
    )


def differences(straight: Run, killed: Run) -> list[str]:
    """What two runs do not have in common, and should."""
    found = []
    lines, others = _without_the_clock(straight), _without_the_clock(killed)
    for line, other in itertools.zip_longest(lines, others):
        if line != other:
            found.append(f"metrics.jsonl: {other} instead of {line}")
            break
    for link in ("best", "last"):
        targets = [(run.directory / link).resolve().name for run in (straight, killed)]
        if targets[0] != targets[1]:
            found.append(f"{link} is {targets[1]} instead of {targets[0]}")
    files = [("last", TENSORS), ("last", TRAINING_TENSORS), ("best", TENSORS)]
    for link, name in files:
        one, other = ((run.directory / link / name).read_bytes() for run in (straight, killed))
        if one != other:
            found.append(f"{link}/{name} differs")
    where, other = (
        json.loads((run.last / TRAINING).read_bytes())["position"] for run in (straight, killed)
    )
    found += [
        f"last/{TRAINING}: {key} is {other[key]} instead of {where[key]}"
        for key in where
        if key not in OF_THE_CLOCK and where[key] != other[key]
    ]
    return found


def _without_the_clock(run: Run) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without what was measured by the clock, and what was decided by
    that: the revisions of a plan."""
    lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    return [
        {k: v for k, v in line.items() if k not in OF_THE_CLOCK}
        for line in lines
        if REVISION not in line
    ]


# sigkill: what was said to be kept is kept


@dataclass
class _Promise:
    """What a run has said of itself, to be held against what is found after a kill.

    Attributes:
        saved: the last checkpoint that was said to be on the disk; None before the first.
        highest: the last step that was taken.
        lines: the lines of metrics.jsonl that were said to be written, by step and kind.
        over: whether there is nothing left to train.
    """

    every: int
    keep: int
    saved: int | None = None
    highest: int = 0
    lines: dict[tuple[int, bool], dict[str, Any]] = field(default_factory=dict)
    over: bool = False

    def hear(self, report: list[Any]) -> None:
        """Takes note of what a life reports."""
        match report:
            case ["step", step]:
                self.highest = step
            case ["saved", step]:
                self.saved = step
            case ["logged", line]:
                self.lines[_key(line)] = line

    def broken(self, state: dict[str, Any]) -> list[str]:
        """What is not as promised in a run that was just loaded; from here on, that counts."""
        step, evaluated, lines = state["step"], state["evaluated"], state["lines"]
        found = []
        if step < (self.saved or 0):
            found.append(f"it goes on after step {step}, but step {self.saved} had been saved")
        if self.highest - step > self.every:
            found.append(f"{self.highest - step} steps are lost, of {self.every} at most")
        if state["last"] != (step or None):
            found.append(f"`last` is {state['last']!r} instead of step {step}")
        # An evaluation that no checkpoint knows of will be made again, and may be there or not.
        evaluations = [line for line in lines if "validation_nats" in line]
        known = [line for line in evaluations if line["step"] <= evaluated]
        best = min(known, key=lambda line: float(line["validation_nats"]), default=None)
        expected = best["step"] if best else step or None
        if state["best"] != expected:
            found.append(f"`best` is {state['best']!r} instead of step {expected}")
        if state["cut_short"]:
            found.append("the last line of metrics.jsonl is cut short")
        for key, times in Counter(map(_key, lines)).items():
            if times > 1:
                found.append(f"metrics.jsonl has {_kind(key)} of step {key[0]} {times} times")
        there = {_key(line): line for line in lines}
        for key, line in self.lines.items():
            if key[0] <= (evaluated if key[1] else step) and there.get(key) != line:
                found.append(f"metrics.jsonl lacks {_kind(key)} of step {key[0]}")
        if any(line["step"] > step for line in lines):
            found.append(f"metrics.jsonl goes on after step {step}")
        entries = state["entries"]
        checkpoints = [name for name in entries if name.startswith("step-")]
        litter = set(entries) - {"best", "last", "metrics.jsonl", *checkpoints}
        if litter:
            found.append(f"litter: {sorted(litter)}")
        if len(checkpoints) > self.keep + 1:
            found.append(f"{len(checkpoints)} checkpoints, of {self.keep + 1} at most")
        self.saved, self.highest = step or None, step
        self.lines = {key: line for key, line in there.items() if key[0] <= step}
        return found


def _key(line: dict[str, Any]) -> tuple[int, bool]:
    return line["step"], "validation_nats" in line


def _kind(key: tuple[int, bool]) -> str:
    return "the evaluation" if key[1] else "the training line"


@dataclass
class _Kills:
    """How the lives of `sigkill` ended.

    Attributes:
        places: how often it was killed at each operation, by what it was part of and its path.
        during: how often during what, as far as it was reported.
        most_lost: steps.
    """

    places: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    during: Counter[str] = field(default_factory=Counter)
    most_lost: int = 0

    def place(self, report: list[Any]) -> tuple[str, str, str]:
        """Where an operation is, whatever the step; counted from its first time on."""
        _, operation, path, during = report
        role = re.sub(r"\d+", "N", Path(path).name)
        place = (during, operation, role)
        self.places.setdefault(place, 0)
        return place

    def is_seldom(self, place: tuple[str, str, str]) -> bool:
        """Whether no other operation of the same undertaking has killed less often."""
        same = (times for other, times in self.places.items() if other[0] == place[0])
        return self.places[place] == min(same)


def sigkill(count: int, work: Path, *, seed: int = 0, deadline: Deadline | None = None) -> Report:
    """Kills trainings `count` times, and looks each time whether what was promised is there.

    A good part dies inside a save, standing still before an operation that no or few lives have
    died at, or just after it was begun.
    """
    deadline = deadline or Deadline()
    report = Report("SIGKILL at a random moment, inside a save too: nothing promised is lost")
    chooser = random.Random(f"sigkill {seed}")
    tally = _Kills()
    with ForkServer() as server:
        for number in itertools.count():
            enough = report.tried >= count or len(report.failures) >= MOST_FAILURES
            if enough or deadline.passed:
                break
            training = _small_training(work / f"sigkill-{number}", chooser)
            failures = _kill_a_run(
                server, training, chooser, tally, report, most=min(30, count - report.tried)
            )
            report.failures += failures
            if not failures:
                shutil.rmtree(work / f"sigkill-{number}")
    del report.failures[MOST_FAILURES:]
    report.facts = _facts(tally)
    return report


def _facts(tally: _Kills) -> str:
    inside = sum(
        times for what, times in tally.during.items() if what in ("a save", "a save, running")
    )
    operations = Counter[str]()
    for (_, operation, _), times in tally.places.items():
        operations[operation] += times
    in_a_save = [times for place, times in tally.places.items() if place[0] == "a save"]
    return (
        f"{inside} inside a save, standing still at {sum(map(bool, in_a_save))} of its "
        f"{len(in_a_save)} places; "
        + ", ".join(f"{operation} {times}" for operation, times in operations.most_common())
        + f" ({sum(map(bool, tally.places.values()))} of {len(tally.places)} places in all); "
        + ", ".join(f"{what} {times}" for what, times in tally.during.most_common())
        + f"; {tally.most_lost} steps lost at most"
    )


def _small_training(work: Path, chooser: random.Random) -> Training:
    """A training of a second or so, which saves and evaluates all the time."""
    options = {
        "cell": chooser.choice(list(STATES)),
        "layers": 1,
        "hidden_size": 6,
        "embedding_size": 4,
        "dropout": 0.0,
        "batch_size": 3,
        "sequence_length": 8,
        "precision": "fp32",
        "device": "cpu",
        "steps": 120,
        "seed": chooser.randrange(1000),
        # So high a rate that some evaluations are worse than the best.
        "learning_rate": chooser.choice((0.01, 0.3)),
        "keep": chooser.choice((1, 1, 2, 3)),
        "evaluate_every": chooser.randint(3, 9),
        "checkpoint_every": chooser.randint(3, 8),
        "patience": chooser.choice((0, 5)),  # some end before their last step
    }
    return Training(
        directory=str(work / "run"),
        corpus=str(write_corpus(work / "corpus.txt", chooser, 400)),
        kind="char",
        options=options,
    )


def _kill_a_run(
    server: ForkServer,
    training: Training,
    chooser: random.Random,
    tally: _Kills,
    report: Report,
    *,
    most: int,
) -> list[str]:
    """Kills one training `most` times, or until it has come to its end; what was broken."""
    options = training.options
    promise = _Promise(options["checkpoint_every"], options["keep"])
    evaluate_every = options["evaluate_every"]
    how = "at the first start"
    kills = 0
    while kills < most:
        stops = chooser.random() < 0.15
        if stops:
            # Stopped where an evaluation is due, a checkpoint is written again, in its own place.
            due = (promise.highest // evaluate_every + 1) * evaluate_every
            inside = chooser.random() < 0.5
            life = Life(stop_at=due, stop_in_evaluation=inside)
        else:
            life = Life(announce=chooser.random() < (0.9 if how == "stopped" else 0.6))
        before, highest = how, promise.highest
        try:
            with server.fork(LIVE, asdict(training), asdict(life)) as child:
                listener = _Listener(child, promise)
                if stops:
                    how = "stopped"
                    listener.listen_until("ended")
                elif life.announce:
                    how = _kill_at_an_operation(listener, chooser, tally)
                else:
                    how = _kill_at_a_moment(listener, chooser, tally)
                child.kill()
                listener.listen_until(None)
        except (_BrokenError, HangError) as error:
            return [f"after {before}: {error} ({training.directory})"]
        if listener.state is not None:
            tally.most_lost = max(tally.most_lost, highest - listener.state["step"])
        if listener.broken:
            return [f"after {before}: {each} ({training.directory})" for each in listener.broken]
        if not stops:
            kills += 1
            report.tried += 1
        if promise.over or promise.saved == options["steps"]:
            return []
    try:
        with server.fork(LIVE, asdict(training), asdict(Life(look_only=True))) as child:
            highest = promise.highest
            listener = _Listener(child, promise)
            listener.listen_until(None)
    except (_BrokenError, HangError) as error:
        return [f"after {how}: {error} ({training.directory})"]
    if listener.state is not None:
        tally.most_lost = max(tally.most_lost, highest - listener.state["step"])
    return [f"after {how}: {each} ({training.directory})" for each in listener.broken]


def is_over(trace: str) -> bool:
    """Whether a training failed to go on because it has come to its end: all steps are taken, or
    its validation has turned."""
    return "has finished its" in trace or "its validation loss had risen" in trace


class _Listener:
    """Hears what a life reports, and holds it against the promise.

    Attributes:
        state: what the run was like when it was loaded; None if it never was.
        broken: what was not as promised.
        during: what it was doing when it was last heard of.
    """

    def __init__(self, child: Child, promise: _Promise) -> None:
        self.child, self.promise = child, promise
        self.state: dict[str, Any] | None = None
        self.broken: list[str] = []
        self.during = "a start"

    def listen(self) -> list[Any] | None:
        """The next report. Raises _BrokenError when it is one of failure."""
        report = self.child.receive()
        match report:
            case ["failed", trace] if is_over(trace):
                # Killed between its last save and its end; a person is told that it is complete.
                self.promise.saved, self.promise.over = self.promise.highest, True
                return ["ended", self.promise.highest]
            case ["failed", trace]:
                raise _BrokenError(_last_line(trace))
            case ["loads", why] if isinstance(why, str) and self.promise.saved:
                self.broken.append(f"before it is resumed, it cannot be loaded: {why}")
            case ["begun", state]:
                self.state = state
                self.broken += self.promise.broken(state)
                self.during = "training"
            case ["evaluating", *_]:
                self.during = "an evaluation"
            case ["saving", _]:
                self.during = "a save, running"
            case ["saved", _] | ["step", _]:
                self.during = "training"
        if report is not None:
            self.promise.hear(report)
        return report

    def listen_until(self, what: str | None) -> list[Any] | None:
        """Listens to a report of that kind, or to the end. Raises _BrokenError without it."""
        while (report := self.listen()) is not None:
            if report[0] == what:
                return report
        if what is not None:
            raise _BrokenError(f"the process ended before it reported: {what}")
        return None


def _kill_at_an_operation(listener: _Listener, chooser: random.Random, tally: _Kills) -> str:
    """Kills a life that stands still before a change to the disk, or has just begun it.

    Mostly in a save, and rather where few have died; where, in words.
    """
    saves, inside = 0, chooser.random() < 0.75
    patience = chooser.randint(1, 90)
    while (report := listener.listen()) is not None and report[0] != "ended":
        if report[0] == "saved":
            saves += 1
        if report[0] != "operation":
            continue
        place = tally.place(report)
        patience -= 1
        seldom = tally.is_seldom(place) and chooser.random() < 0.5
        here = (place[0] == "a save") == inside or saves > 3
        if here and (seldom or patience <= 0):
            running = chooser.random() < 0.3
            if running:
                listener.child.go_on()
                time.sleep(chooser.uniform(0, 0.0005))
            tally.places[place] += 1
            tally.during[place[0]] += 1
            what = "just after it began to" if running else "before it would"
            return f"SIGKILL in {place[0]}, {what} {place[1]} {place[2]}"
        listener.child.go_on()
    tally.during["the end"] += 1
    return "its end"


def _kill_at_a_moment(listener: _Listener, chooser: random.Random, tally: _Kills) -> str:
    """Kills a life at any moment; what it was doing, in words."""
    awaited = chooser.choice((None, "begun", "step", "evaluating", "saving"))
    times = chooser.randint(1, 6) if awaited in ("step", "saving") else 1
    for _ in range(times if awaited else 0):
        while (report := listener.listen()) is not None and report[0] != awaited:
            pass
    time.sleep(chooser.uniform(0, {None: 0.12, "evaluating": 0.004}.get(awaited, 0.01)))
    listener.child.kill()
    listener.listen_until(None)
    tally.during[listener.during] += 1
    return f"SIGKILL in {listener.during}"
