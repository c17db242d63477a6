"""What the processes of one training do: one leads, the others follow.

    the leader (Leader, in a Trainer)            each follower (`follow`)
    reads the text, plans, makes the run         waits
    hands out all that a step needs              takes it
    takes its part of each step                  takes its part of each step
    evaluates, saves, displays                   waits in the next step

A training is the same on any number of them, but for rounding. With one process there is nobody to
lead, and nothing here does anything.
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.data.corpus import LARGEST_IN_MEMORY
from charrnn.data.dataloader import Chunk, TBPTTLoader, share
from charrnn.data.excerpt import AnyIds, Excerpt
from charrnn.errors import ConfigError, DivergedError, ModelError
from charrnn.model.config import ModelConfig
from charrnn.model.language_model import CharRNN
from charrnn.model.recurrent import State
from charrnn.storage.files import map_file
from charrnn.storage.json_file import from_json
from charrnn.storage.token_cache import IDS
from charrnn.training.checkpoint import MOMENTS
from charrnn.training.config import TrainingConfig
from charrnn.training.learner import Learner, StepResult, threads
from charrnn.training.malloc import freed_memory_kept
from charrnn.training.parallel.group import Group, Left
from charrnn.training.task import Loader


class Leader:
    """The leader's part of a training.

    Args:
        learner: its own; `learner.group` is None where there are no followers.
        loader: its own.
    """

    def __init__(self, learner: Learner, loader: Loader) -> None:
        self.learner, self.loader = learner, loader
        self.group = learner.group
        self._asked: int | None = None
        self._whole: State | None = None  # of all lanes, while it is known
        self._in_steps = False  # whether followers are on their way to the next sum

    def restore(self, step: int, moments: Mapping[str, Mapping[str, Tensor]], whole: State) -> None:
        """Learner.restore, with the state of all lanes."""
        part = whole if self.group is None else _part(whole, self._lanes())
        self.learner.restore(step, moments, part)
        self._whole = tuple(part.to(self.learner.device) for part in whole)

    def whole_state(self) -> State:
        """The state of all lanes, after the last step.

        At a step at which the followers do not send theirs by themselves, they are stopped for it.
        """
        if self.group is None:
            assert self.learner.state is not None, "a training is saved after its first step"
            return self.learner.state
        if self._whole is None:
            self._leave()
        assert self._whole is not None, "a training is saved after its first step"
        return self._whole

    def step(self, chunk: Any, number: int) -> StepResult:
        """Takes step `number` with the followers. Raises what Learner.step raises."""
        try:
            result = self.learner.step(chunk, number)
        except DivergedError:
            self._in_steps = False  # the followers saw the same
            raise
        if self.group is not None:
            state, self._whole = self.learner.state, None
            assert state is not None
            if _state_due(self.learner, number + 1):
                self._whole = self.group.gather(state, self.loader.batch_size)
            self._in_steps = not _is_last(self.learner, number + 1)
        return result

    def ask_to_stop(self, signal: int = 0) -> None:
        """Has all stop after a step. Safe in a signal handler."""
        self._asked = signal
        if self.group is not None:
            self.group.ask_to_stop(signal)

    @property
    def asked(self) -> int | None:
        """What it, or a follower, was asked to stop by: a signal's number, 0 for anything else;
        None before that."""
        if self._asked is None and self.group is not None:
            return self.group.stopped_by
        return self._asked

    @contextlib.contextmanager
    def leading(self, ids_folder: Path, step: int) -> Iterator[None]:
        """While a training goes on: has the followers begin with it, and end when it ends.

        Args:
            ids_folder: where the followers find them if they are mapped.
            step: steps taken before.
        """
        if self.group is None:
            yield
            return
        try:
            self._hand_out(ids_folder, step)
            yield
        except GeneratorExit:
            self._end()
            raise
        except BaseException as error:
            self.group.fail(error, in_steps=self._in_steps)
            raise
        self._end()

    def say_busy(self) -> None:
        """Has the followers wait on, while the leader takes long over something that it does
        alone."""
        if self.group is not None:
            self.group.say_busy(in_steps=self._in_steps)

    def _end(self) -> None:
        assert self.group is not None
        if self.group.over:
            return
        if self._in_steps:
            self._leave()
        self.group.tell({"asked": self.asked})

    def _leave(self) -> None:
        assert self.group is not None
        if self._in_steps:
            self.group.leave()
            self._in_steps = False
            if self.learner.state is not None:
                self._whole = self.group.gather(self.learner.state, self.loader.batch_size)

    def _lanes(self) -> TBPTTLoader:
        """The loader, whose lanes processes share; a training of another task has but one
        process."""
        assert isinstance(self.loader, TBPTTLoader)
        return self.loader

    def _hand_out(self, ids_folder: Path, step: int) -> None:
        assert self.group is not None
        group, learner, loader = self.group, self.learner, self._lanes()
        ids = loader.ids
        group.check_device(learner.config.device)
        mapped = ids.nbytes > LARGEST_IN_MEMORY and (ids_folder / IDS).exists()
        passages = ids.passages() if mapped and isinstance(ids, Excerpt) else ()
        group.tell(
            {
                "learner": _described(learner),
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
        self._in_steps = True  # a follower says so where it cannot follow
        group.agree()
        _exchange(group, learner, self._whole)
        if not mapped:
            _exchange_array(group, np.array(ids))
        for side in passages:
            _exchange_array(group, side.astype(np.int64))
        group.agree()
        group.expect_gradients(learner.network.parameters())
        # A training that was stopped in its last evaluation has no step left: they listen again.
        self._in_steps = not _is_last(learner, step)


@contextlib.contextmanager
def rehearsing(learner: Learner) -> Iterator[None]:
    """While the leader takes steps to measure them: has the followers take the same, of no text in
    particular, as often as it does."""
    group = learner.group
    if group is None:
        yield
        return
    group.tell({"rehearsal": _described(learner)})
    try:
        group.agree()
        group.expect_gradients(learner.network.parameters())
        yield
        group.leave()
    except BaseException as error:
        group.fail(error, in_steps=True)
        raise


def follow(group: Group) -> int | None:
    """Takes a follower's part in a training.

    Gives what it was stopped by: a signal's number, 0 for anything else; None when nothing did.
    Raises what the leader or another process failed with.
    """
    in_steps = False
    try:
        while "rehearsal" in (told := group.listen()):
            in_steps = True
            _rehearse(_learner(group, told["rehearsal"]))
            in_steps = False
        in_steps = True
        learner = _learner(group, told["learner"])
        whole = _room_for_state(learner, told["step"], told["lanes"])
        group.agree()
        _exchange(group, learner, whole)
        loader = _loader(group, told, learner.config, _ids(group, told["ids"]))
        if whole is not None:
            learner.state = _part(whole, loader)
        group.agree()
        group.expect_gradients(learner.network.parameters())
        with threads(learner.config.threads), freed_memory_kept():
            _take_steps(learner, loader, told["step"])
        in_steps = False
        asked: int | None = group.listen()["asked"]
        return asked
    except BaseException as error:
        if in_steps:
            group.fail(error, in_steps=True)
        raise


def _rehearse(learner: Learner) -> None:
    """Takes steps until the leader leaves."""
    group, config = learner.group, learner.config
    assert group is not None
    lanes = share(config.batch_size, group.rank, group.size)
    ids = np.random.default_rng(0).integers(
        learner.network.config.vocabulary_size,
        size=(lanes.stop - lanes.start, config.sequence_length),
    )
    chunk = Chunk(
        ids,
        ids,
        first=False,
        characters=config.batch_size * config.sequence_length,
        batch_size=config.batch_size,
        lanes=lanes,
    )
    group.agree()
    group.expect_gradients(learner.network.parameters())
    with threads(config.threads), contextlib.suppress(Left):
        for number in itertools.count():
            learner.step(chunk, number)


def _take_steps(learner: Learner, loader: TBPTTLoader, step: int) -> None:
    """Takes its part of each step from that one on, until the leader leaves or all stop."""
    group = learner.group
    assert group is not None
    try:
        while not _is_last(learner, step):
            learner.step(next(loader), step)
            step += 1
            assert learner.state is not None
            if _state_due(learner, step):
                group.gather(learner.state, loader.batch_size)
    except Left:
        if learner.state is not None:
            group.gather(learner.state, loader.batch_size)
    except DivergedError:
        pass  # the leader saw the same, and has words for it


def _is_last(learner: Learner, step: int) -> bool:
    """Whether no step follows, as all processes know."""
    assert learner.group is not None
    return step == learner.config.steps or bool(learner.group.stops)


def _state_due(learner: Learner, step: int) -> bool:
    """Whether the leader may want to save after a step, as all processes know."""
    config = learner.config
    planned = step % config.evaluate_every == 0 or step % config.checkpoint_every == 0
    return planned or _is_last(learner, step)


def _part(state: State, loader: TBPTTLoader) -> State:
    """A process' own lanes of the state of all."""
    lanes = share(loader.batch_size, loader.process, loader.processes)
    return tuple(part[:, lanes].contiguous() for part in state)


def _exchange(group: Group, learner: Learner, whole: State | None) -> None:
    """Gives everyone the leader's weights; where the training goes on, its moments and state
    too."""
    for parameter in learner.network.parameters():
        group.hand_out(parameter.data)
    if whole is not None:
        for parameter in learner.network.parameters():
            for moment in MOMENTS:
                group.hand_out(learner.optimizer.state[parameter][moment])
        for part in whole:
            group.hand_out(part)


_PIECE: Final = 1 << 28
"""Bytes that are handed out in one go."""


def _exchange_array(group: Group, array: npt.NDArray[Any]) -> None:
    # As bytes, for torch.distributed does not know every type that ids have.
    data = torch.from_numpy(array.view(np.uint8))
    for start in range(0, len(data), _PIECE):
        group.hand_out(data[start : start + _PIECE])


def _described(learner: Learner) -> dict[str, Any]:
    return {"model": asdict(learner.network.config), "config": asdict(learner.config)}


def _learner(group: Group, told: dict[str, Any]) -> Learner:
    """A learner like the leader's, but for its weights."""
    model = from_json(ModelConfig, told["model"], where="the leader's network")
    config = from_json(TrainingConfig, told["config"], where="the leader's settings")
    group.check_device(config.device)
    return Learner(CharRNN(model, kernel=config.kernel), config, group)


def _room_for_state(learner: Learner, step: int, lanes: int) -> State | None:
    """The state of all lanes after a step, and in the learner its moments, all of them 0 as yet;
    None where nothing was learned before."""
    if step == 0:
        return None
    whole = learner.network.zero_state(lanes)
    moments = {
        moment: {name: torch.zeros_like(w) for name, w in learner.network.named_parameters()}
        for moment in MOMENTS
    }
    learner.restore(step, moments, whole)
    return whole


def _loader(group: Group, told: dict[str, Any], config: TrainingConfig, ids: AnyIds) -> TBPTTLoader:
    loader = TBPTTLoader(
        ids,
        batch_size=config.batch_size,
        sequence_length=config.sequence_length,
        seed=config.seed,
        separator=told["separator"],
        process=group.rank,
        processes=group.size,
    )
    loader.load_state_dict(told["loader"])
    return loader


def _ids(group: Group, told: dict[str, Any]) -> AnyIds:
    """The training text, as the leader has it."""
    if told["file"] is None:
        ids = np.empty(told["count"], told["dtype"])
        _exchange_array(group, ids)
        return ids
    try:
        file = map_file(Path(told["file"]), told["bytes"])
    except ModelError as error:
        raise ConfigError(
            f"{error}; a text as large as this one is read from that file by all processes: on "
            "several machines, put the run on a file system that they share, with --out FOLDER"
        ) from error
    mapped = np.frombuffer(file, told["dtype"])
    if told["passages"] is None:
        return mapped[: told["count"]]
    starts, ends = (np.empty(told["passages"], np.int64) for _ in range(2))
    for side in (starts, ends):
        _exchange_array(group, side)
    return Excerpt(mapped, starts, ends)
