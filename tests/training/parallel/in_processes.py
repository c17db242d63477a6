"""One of several processes that train together: what torchrun would start.

    python -m tests.training.parallel.in_processes JOBS RESULTS

JOBS is a JSON file: a list of keyword arguments of `charrnn.train`, and beside those

    stop        the step after which to break off
    fault       the entry of FAULTS to suffer from
    large       more bytes of ids than this go into a file
    busy        seconds after which the leader says that it is busy
    revise      pairs of numbers: after the first, the plan is revised to end at the second
    ask         which process is asked to stop during the last step, and at which of PLACES

RESULTS is written: for each job `nats` (of each step) and `run` (the run's directory, where the
training was not broken off), or `error` and `message`.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import charrnn
from charrnn.errors import ModelError, StorageError
from charrnn.training.pacing import Pacer
from charrnn.training.schedule import Revision, Schedule
from tests.trainings import make_budget

RANK = int(os.environ.get("RANK", "0"))


def _full_disk(*_: object, **__: object) -> None:
    raise StorageError("the disk is full")


def _breaks(*_: object, **__: object) -> None:
    raise MemoryError("no room")


def _not_there(path: Path, *_: object) -> None:
    raise ModelError(f"{path}: No such file or directory")


FAULTS = {
    "disk": (0, "charrnn.storage.run.Run.save", _full_disk),
    "leader": (0, "charrnn.training.learner.Learner.step", _breaks),
    "follower": (1, "charrnn.training.learner.Learner.step", _breaks),
    "no shared folder": (1, "charrnn.training.parallel.leader_follower.map_file", _not_there),
    "begin": (1, "charrnn.training.parallel.leader_follower.CharRNN", _breaks),
}
"""In which process, what, and what happens instead."""


@contextmanager
def _suffering(fault: str | None) -> Iterator[None]:
    if fault is None or FAULTS[fault][0] != RANK:
        yield
        return
    _, target, happens = FAULTS[fault]
    with mock.patch(target, happens):
        yield


PLACES = {
    "before its step": "charrnn.training.learner.Learner.step",
    "after its step": "charrnn.training.learner.Learner.step",
    "before its evaluation": "charrnn.training.trainer.Trainer._evaluate",
    "after its evaluation": "charrnn.training.trainer.Trainer._evaluate",
    "before its save": "charrnn.training.trainer.Trainer.save",
    "after its save": "charrnn.training.trainer.Trainer.save",
}
"""Before or after which method. A follower has but a Learner."""


@contextmanager
def _asked(process: int, place: str, steps: int) -> Iterator[None]:
    """Has a process be asked to stop at a place of the last step, as by a signal."""
    if process != RANK:
        yield
        return
    target = PLACES[place]
    module, kind, method = target.rsplit(".", 2)
    real = getattr(getattr(importlib.import_module(module), kind), method)

    def asks(self: Any, *arguments: Any) -> Any:
        # The number of the step is an argument, or the trainer knows how many were taken.
        last = arguments[-1] + 1 == steps if arguments else self.position.step == steps
        stop = self.group.request_stop if arguments else self.request_stop
        if last and place.startswith("before"):
            stop()
        result = real(self, *arguments)
        if last and place.startswith("after"):
            stop()
        return result

    with mock.patch(target, asks):
        yield


class _ScriptedPacer(Pacer):
    """A Pacer that asks no clock when to revise the plan.

    Attributes:
        script: the new end, by the step after which it is decided.
    """

    script: ClassVar[dict[int, int]] = {}

    def __init__(self, *_: object) -> None:
        super().__init__(make_budget(1e6, 1.0, evaluation_seconds=1.0, save_seconds=1.0))

    def after_step(self, step: int, characters: int, schedule: Schedule) -> Revision | None:
        known = [each.step for each in schedule.revisions]
        if step not in self.script or step in known:
            return None
        return Revision(
            step=step,
            steps=self.script[step],
            evaluate_every=7,
            checkpoint_every=5,
            threads=1,
            characters_per_second=2000.0,
            planned_characters_per_second=1000.0,
        )


@contextmanager
def _revised(script: list[tuple[int, int]]) -> Iterator[None]:
    with (
        mock.patch("charrnn.training.trainer.Pacer", _ScriptedPacer),
        mock.patch.object(_ScriptedPacer, "script", dict(script)),
    ):
        yield


def run(job: dict[str, Any]) -> dict[str, Any]:
    """What came of a job."""
    stop, fault, large = job.pop("stop", None), job.pop("fault", None), job.pop("large", 1 << 20)
    ask, busy, script = job.pop("ask", None), job.pop("busy", 60.0), job.pop("revise", None)
    nats = []
    try:
        with (
            _suffering(fault),
            _asked(ask[0], ask[1], job["steps"]) if ask else nullcontext(),
            _revised(script) if script else nullcontext(),
            mock.patch("charrnn.training.parallel.distributed.BUSY_EVERY", busy),
            mock.patch("charrnn.data.two_pass_reading.LARGEST_IN_MEMORY", large),
            mock.patch("charrnn.training.parallel.leader_follower.LARGEST_IN_MEMORY", large),
            closing(charrnn.stream_train(progress_bar=False, **job)) as steps,
        ):
            while True:
                progress = next(steps)
                nats.append(progress.train_nats)
                if progress.step == stop:
                    return {"nats": nats}
    except StopIteration as end:
        return {"nats": nats, "run": str(end.value.directory.absolute())}
    except (charrnn.CharRNNError, MemoryError) as error:
        return {"error": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    jobs, results = map(Path, sys.argv[1:])
    done = [run(job) for job in json.loads(jobs.read_text())]
    results.write_text(json.dumps(done))
