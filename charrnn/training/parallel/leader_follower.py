"""The roles of the processes of one training: process 0 leads, the others follow.

    the Leader, in a Trainer                     each Follower
    reads the text, plans, makes the run         waits
    broadcasts all that a step needs             receives it
    takes its part of each step                  takes its part of each step
    evaluates, saves, displays                   waits in the next step

A training is the same on any number of processes, but for rounding.
"""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from charrnn.data.dataloader import Chunk, TBPTTLoader, lane_slice
from charrnn.data.excerpt import AnyIds, Excerpt
from charrnn.data.loader import Loader
from charrnn.data.two_pass_reading import LARGEST_IN_MEMORY
from charrnn.errors import ConfigError, DivergedError, ModelError
from charrnn.model.config import ModelConfig
from charrnn.model.language_model import CharRNN
from charrnn.model.recurrent import State
from charrnn.storage.json_file import from_json
from charrnn.storage.token_cache import IDS
from charrnn.storage.untrusted_files import map_file
from charrnn.training.checkpoint import MOMENTS
from charrnn.training.config import TrainingConfig
from charrnn.training.learner import Learner, set_threads, threads
from charrnn.training.malloc import freed_memory_kept
from charrnn.training.parallel.distributed import DistributedGroup, GroupStopped
from charrnn.training.parallel.group import LearnerLike
from charrnn.training.schedule import Revision, Schedule


class Leader(DistributedGroup):
    """Process 0 of the group."""

    _whole: State | None = None  # the state of all lanes, where it is known

    def scatter_state(self, state: State) -> State:
        self._whole = state
        return super().scatter_state(state)

    def gather_state(self, state: State | None) -> State:
        # Followers that do not send their states by themselves are stopped first.
        if self._whole is None:
            self._stop_steps(state)
        assert self._whole is not None, "a training is saved after its first step"
        return self._whole

    def finish_step(self, state: State | None, schedule: Schedule, step: int) -> None:
        assert state is not None
        self._whole = self.gather_lanes(state) if self.is_save_due(schedule, step) else None
        self.in_steps = not self.is_last_step(schedule, step)

    @contextlib.contextmanager
    def mirrored_probe(self, learner: LearnerLike) -> Iterator[None]:
        self.send({"probe": _learner_message(learner)})
        self.in_steps = True
        with self.failures_reported():
            self.start_steps(learner.network.parameters())
            yield
            self.stop_steps()
        self.in_steps = False

    @contextlib.contextmanager
    def lead(
        self, learner: LearnerLike, loader: Loader, ids_folder: Path, step: int
    ) -> Iterator[None]:
        assert isinstance(loader, TBPTTLoader), "several processes share the lanes of a text"
        try:
            with self.failures_reported():
                self._send_training(learner, loader, ids_folder, step)
                yield
        except GeneratorExit:
            self._end(learner)
            raise
        self._end(learner)

    def _end(self, learner: LearnerLike) -> None:
        if not self.is_over:
            self._stop_steps(learner.state)
            self.send({"stopped_by": self.stopped_by})

    def _stop_steps(self, state: State | None) -> None:
        """Stop the followers where they take steps, and collect their states."""
        if self.in_steps:
            self.stop_steps()
            self.in_steps = False
            if state is not None:
                self._whole = self.gather_lanes(state)

    def _send_training(
        self, learner: LearnerLike, loader: TBPTTLoader, ids_folder: Path, step: int
    ) -> None:
        ids = loader.ids
        self._lanes = loader.batch_size
        self.check_device(learner.config.device)
        mapped = ids.nbytes > LARGEST_IN_MEMORY and (ids_folder / IDS).exists()
        passages = ids.passages() if mapped and isinstance(ids, Excerpt) else ()
        self.send(
            {
                "learner": _learner_message(learner),
                "run_directory": str(ids_folder.parent.absolute()),
                "step": step,
                "lanes": loader.batch_size,
                "loader": loader.state_dict(),
                "separator": loader.separator,
                "ids": {
                    "count": len(ids),
                    "dtype": ids.dtype.str,
                    "file": str((ids_folder / IDS).absolute()) if mapped else None,
                    "passages": len(passages[0]) if passages else None,
                    "bytes": (ids_folder / IDS).stat().st_size if mapped else ids.nbytes,
                },
            }
        )
        self.in_steps = True  # a follower that fails says so in the next sum
        self.barrier()
        if self._whole is not None:
            self._whole = tuple(part.to(learner.device) for part in self._whole)
        _broadcast_learner(self, learner, self._whole)
        if not mapped:
            _broadcast_array(self, np.array(ids))
        for side in passages:
            _broadcast_array(self, side.astype(np.int64))
        self.start_steps(learner.network.parameters())
        # A training that was stopped in its last evaluation has no step left.
        self.in_steps = not self.is_last_step(learner.schedule, step)


class Follower(DistributedGroup):
    """A process of the group other than 0."""

    _learner: Learner | None = None  # while a training goes on

    def follow(self) -> int | None:
        with self.failures_reported():
            while "probe" in (message := self.receive()):
                self._take_probe_steps(message["probe"])
            self._take_steps(message)
        stopped_by: int | None = self.receive()["stopped_by"]
        return stopped_by

    def _take_probe_steps(self, message: dict[str, Any]) -> None:
        """Take steps on random text until the leader stops."""
        self.in_steps = True
        learner = self._make_learner(message)
        config = learner.config
        lanes = lane_slice(config.batch_size, self.rank, self.size)
        ids = np.random.default_rng(0).integers(
            learner.network.config.vocabulary_size,
            size=(lanes.stop - lanes.start, config.sequence_length),
        )
        chunk = Chunk(
            ids,
            ids,
            starts_epoch=False,
            characters=config.batch_size * config.sequence_length,
            batch_size=config.batch_size,
            lanes=lanes,
        )
        self.start_steps(learner.network.parameters())
        with threads(config.threads), contextlib.suppress(GroupStopped):
            for number in itertools.count():
                learner.step(chunk, number)
        self.in_steps = False

    def _take_steps(self, message: dict[str, Any]) -> None:
        """Take this process's part of each step, until the last one or until the leader stops."""
        self.in_steps = True
        self.run_directory = Path(message["run_directory"])
        self._lanes = message["lanes"]
        step = message["step"]
        learner = self._learner = self._make_learner(message["learner"])
        whole = _allocate_state(learner, step, self._lanes)
        self.barrier()
        _broadcast_learner(self, learner, whole)
        loader = self._loader(message, learner.config)
        if whole is not None:
            learner.state = self.scatter_state(whole)
        self.start_steps(learner.network.parameters())
        with threads(learner.schedule.threads_at(step)), freed_memory_kept():
            try:
                while not self.is_last_step(learner.schedule, step):
                    learner.step(next(loader), step)
                    step += 1
                    self.finish_step(learner.state, learner.schedule, step)
                    set_threads(learner.schedule.threads_at(step))
            except GroupStopped:
                if learner.state is not None:
                    self.gather_lanes(learner.state)
            except DivergedError:  # the leader raises the same, and its message says what to do
                self.wait_for_failure()
        self.in_steps = False

    def finish_step(self, state: State | None, schedule: Schedule, step: int) -> None:
        assert state is not None
        if self.is_save_due(schedule, step):
            self.gather_lanes(state)

    def adopt(self, revision: Revision) -> None:
        assert self._learner is not None
        self._learner.schedule = self._learner.schedule.revised(revision)
        set_threads(revision.threads)

    def _send_failure(self, error: BaseException) -> None:
        if self.in_steps:  # otherwise the others wait for the leader's message
            super()._send_failure(error)

    def _make_learner(self, message: dict[str, Any]) -> Learner:
        """Return a learner like the leader's, except for its weights."""
        model = from_json(ModelConfig, message["model"], where="the leader's network")
        config = from_json(TrainingConfig, message["config"], where="the leader's settings")
        self.check_device(config.device)
        learner = Learner(CharRNN(model, kernel=config.kernel), config, self)
        revisions = message["revisions"]
        learner.schedule = Schedule(
            config,
            tuple(from_json(Revision, each, where="the leader's plan") for each in revisions),
        )
        return learner

    def _loader(self, message: dict[str, Any], config: TrainingConfig) -> TBPTTLoader:
        """Return a loader of this process's lanes of the leader's text, at the leader's
        position."""
        loader = TBPTTLoader(
            _receive_ids(self, message["ids"]),
            batch_size=config.batch_size,
            sequence_length=config.sequence_length,
            seed=config.seed,
            separator=message["separator"],
            rank=self.rank,
            world_size=self.size,
        )
        loader.load_state_dict(message["loader"])
        return loader


def _learner_message(learner: LearnerLike) -> dict[str, Any]:
    """Return the settings from which another process makes a learner like this one."""
    return {
        "model": asdict(learner.network.config),
        "config": asdict(learner.config),
        "revisions": [asdict(each) for each in learner.schedule.revisions],
    }


def _broadcast_learner(group: DistributedGroup, learner: LearnerLike, whole: State | None) -> None:
    """Copy the leader's weights to all processes; where a training is resumed, also the optimizer's
    moments and the state of all lanes."""
    for parameter in learner.network.parameters():
        group.broadcast(parameter.data)
    if whole is not None:
        for parameter in learner.network.parameters():
            for moment in MOMENTS:
                group.broadcast(learner.optimizer.state[parameter][moment])
        for part in whole:
            group.broadcast(part)


def _allocate_state(learner: Learner, step: int, lanes: int) -> State | None:
    """Allocate the state of all lanes after a step, and the learner's optimizer moments, all 0;
    return the state, None where no step was taken."""
    if step == 0:
        return None
    whole = learner.network.zero_state(lanes)
    moments = {
        moment: {name: torch.zeros_like(w) for name, w in learner.network.named_parameters()}
        for moment in MOMENTS
    }
    learner.restore(step, moments, whole)
    return whole


BROADCAST_BYTES: Final = 1 << 28
"""The most bytes of an array that are broadcast at once."""


def _broadcast_array(group: DistributedGroup, array: npt.NDArray[Any]) -> None:
    """Copy the leader's array to all processes."""
    # As bytes, since torch.distributed does not know every type of ids.
    data = torch.from_numpy(array.view(np.uint8))
    for start in range(0, len(data), BROADCAST_BYTES):
        group.broadcast(data[start : start + BROADCAST_BYTES])


def _receive_ids(group: DistributedGroup, message: dict[str, Any]) -> AnyIds:
    """Return the ids (N,) of the training text, as the leader has them.

    Raises ConfigError when they are in a file that this process does not see.
    """
    if message["file"] is None:
        ids = np.empty(message["count"], message["dtype"])
        _broadcast_array(group, ids)
        return ids
    try:
        file = map_file(Path(message["file"]), message["bytes"])
    except ModelError as error:
        raise ConfigError(
            f"{error}; a text as large as this one is read from that file by all processes: on "
            "several machines, put the run on a file system that they share, with --out FOLDER"
        ) from error
    mapped = np.frombuffer(file, message["dtype"])
    if message["passages"] is None:
        return mapped[: message["count"]]
    starts, ends = (np.empty(message["passages"], np.int64) for _ in range(2))
    for side in (starts, ends):
        _broadcast_array(group, side)
    return Excerpt(mapped, starts, ends)
