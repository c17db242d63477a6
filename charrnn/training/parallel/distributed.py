"""A group of several processes: everything that uses torch.distributed.

torchrun starts the processes. Process 0 leads and the others follow (see `leader_follower.py`).
They connect at the address in the environment, and exchange two kinds of data:

- sums, by one all-reduce per step: the gradients, the loss, and a word of each process, which says
  for example that it was asked to stop. So all processes know the same at the same step.
- messages (JSON) and tensors, broadcast by one process before the first step and after the last.

Legend: B lanes of all processes, b lanes of one, N the first dimension of a part of the state.
"""

import atexit
import contextlib
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final, NoReturn, Self

import numpy as np
import torch
import torch.distributed
from torch import Tensor
from torch.nn import Parameter

from charrnn import errors
from charrnn.data.dataloader import lane_slice
from charrnn.errors import CharRNNError, ConfigError, TrainingError
from charrnn.model.recurrent import State
from charrnn.storage.json_file import from_json
from charrnn.training.parallel.group import Group
from charrnn.training.parallel.rank import Rank
from charrnn.training.schedule import Revision, Schedule

MEETING_TIMEOUT: Final = timedelta(minutes=5)
"""How long processes wait for each other at the start."""

SILENCE_TIMEOUT: Final = timedelta(minutes=30)
"""How long processes wait for one that sends nothing. The death of a process is noticed at once, by
its closed connections."""

BUSY_EVERY: Final = 60.0
"""Seconds after which the leader, while it reads or evaluates a large text, reports that it is
busy."""

CONTINUES: Final = 0
ENDS_STEPS: Final = -1
HAS_FAILED: Final = -2
IS_BUSY: Final = -3
REVISES: Final = -4
"""Words that go with a sum. A word above zero is the number of the signal that asked the process to
stop after the step."""

STOP_REQUESTED: Final = 100
"""The word of a process that was asked to stop without a signal."""


class GroupStopped(Exception):
    """The leader takes no further step."""


class DistributedGroup(Group):
    """Several processes, seen from one of them; see Group for methods without docstrings.

    Args:
        rank: the rank of this process.
        channel: the connection of the processes.

    Attributes:
        stop_word: the greatest word of all processes in the last sum: above zero where one was
            asked to stop.
        is_over: whether nothing more can be sent: all know of a failure, or a process is gone.
        in_steps: whether the others are on their way to the next sum, and not to a message.
    """

    def __init__(self, rank: Rank, channel: torch.distributed.ProcessGroup) -> None:
        self.rank, self.size = rank.rank, rank.size
        self._local_size, self._channel = rank.local_size, channel
        self._own_word = self.stop_word = CONTINUES
        self.is_over = self.in_steps = False
        self._lanes = 0  # B, during a training
        self._sums = torch.zeros(0)  # zeros in the shape of the next sum
        self._heard = time.monotonic()

    @classmethod
    def join(cls, rank: Rank) -> Self:
        """Connect to the other processes, or return the group joined before. Raises
        TrainingError."""
        if not torch.distributed.is_available():
            raise TrainingError("this PyTorch cannot train in several processes; start only one")
        cuda = torch.cuda.is_available()
        if cuda and rank.local_rank < torch.cuda.device_count():
            torch.cuda.set_device(rank.local_rank)  # what "cuda" means from here on
        if rank.local_size == rank.size:
            _stay_on_this_machine()
        backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
        try:
            if not torch.distributed.is_initialized():
                torch.distributed.init_process_group(backend, timeout=MEETING_TIMEOUT)
                atexit.register(torch.distributed.destroy_process_group)
            channel = torch.distributed.new_group(backend=backend, timeout=SILENCE_TIMEOUT)
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(f"the {rank.size} processes did not meet: {reason}") from error
        return cls(rank, channel)

    @property
    def stopped_by(self) -> int | None:
        word = self._own_word or self.stop_word
        return None if word == CONTINUES else word % STOP_REQUESTED

    def request_stop(self, signal: int = 0) -> None:
        self._own_word = signal or STOP_REQUESTED

    def check_device(self, device: str) -> None:
        if not device.startswith("cuda"):
            return
        if ":" in device:
            raise ConfigError(
                f"device {device}: each of {self.size} processes needs its own; choose cuda"
            )
        count, wanted = torch.cuda.device_count(), self._local_size
        if count < wanted:
            raise ConfigError(f"device cuda: there are {count} here, and {wanted} processes")

    @contextlib.contextmanager
    def failures_reported(self) -> Iterator[None]:
        try:
            yield
        except GeneratorExit:  # a loop over a training was left, which is no failure
            raise
        except BaseException as error:
            self._send_failure(error)
            raise

    def _send_failure(self, error: BaseException) -> None:
        """End the other processes with this one's error: in their next sum, or where they
        receive."""
        if self.is_over:
            return
        with contextlib.suppress(TrainingError):  # raised by a process that is gone
            failed = self.rank
            if self.in_steps:
                _, words = self._all_reduce([self._sums], HAS_FAILED)
                failed = words.index(HAS_FAILED)
            self.is_over = True
            self._broadcast(_error_message(error) if failed == self.rank else None, failed)

    def say_busy(self) -> None:
        if time.monotonic() - self._heard < BUSY_EVERY:
            return
        if self.in_steps:
            self._raise_failure(self._all_reduce([self._sums], IS_BUSY)[1])
        else:
            self.send({"busy": True})

    # Steps

    def barrier(self) -> None:
        """Wait until all processes are here. Raises what `sum_gradients` raises."""
        self._sums = torch.zeros(0)
        self._sum([self._sums], CONTINUES)

    def start_steps(self, parameters: Iterable[Parameter]) -> None:
        """Wait until all processes are here. From now on, until the next `barrier`, sums are of
        gradients and the loss."""
        self.barrier()
        parameters = list(parameters)
        count = sum(parameter.numel() for parameter in parameters)
        self._sums = torch.zeros(count + 1, device=parameters[0].device)

    def sum_gradients(self, parameters: Iterable[Parameter], loss: Tensor) -> Tensor:
        parameters = list(parameters)
        gradients = [parameter.grad for parameter in parameters]
        assert all(gradient is not None for gradient in gradients)
        numbers = [gradient.flatten() for gradient in gradients if gradient is not None]
        summed = self._sum([*numbers, loss.detach().reshape(1)], self._own_word)
        *parts, loss = summed.split_with_sizes([*map(Tensor.numel, parameters), 1])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        return loss.squeeze(0)

    def stop_steps(self) -> None:
        """End the steps of the other processes, which wait in the next sum."""
        with contextlib.suppress(GroupStopped):
            self._sum([self._sums], ENDS_STEPS)

    def wait_for_failure(self) -> None:
        """Raise the error of the process that fails in the next sum."""
        self._sum([self._sums], CONTINUES)

    def is_last_step(self, schedule: Schedule, step: int) -> bool:
        """Return whether no step follows, as all processes know."""
        return step == schedule.steps or self.stop_word > CONTINUES

    def is_save_due(self, schedule: Schedule, step: int) -> bool:
        """Return whether the leader may save after a step, as all processes know."""
        planned = schedule.evaluation_due(step) or schedule.save_due(step)
        return planned or self.is_last_step(schedule, step)

    def revise(self, revision: Revision) -> None:
        self._raise_failure(self._all_reduce([self._sums], REVISES)[1])
        self.send({"revision": asdict(revision)})

    def adopt(self, revision: Revision) -> None:
        """Revise the plan of this process as the leader has revised its own."""

    def _sum(self, numbers: Sequence[Tensor], word: int) -> Tensor:
        """Return the sums (N,) of the numbers, which come in parts, over all processes."""
        while True:
            summed, words = self._all_reduce(numbers, word)
            self._raise_failure(words)
            if REVISES in words:
                self.adopt(from_json(Revision, self.receive()["revision"], where="the leader"))
            elif IS_BUSY not in words:
                break
        if ENDS_STEPS in words:
            self._sums = torch.zeros(0)
            raise GroupStopped
        self.stop_word = max(words)
        return summed

    def _raise_failure(self, words: Sequence[int]) -> None:
        """Raise the error of a process that has failed."""
        if HAS_FAILED in words:
            self.is_over = True
            failed = words.index(HAS_FAILED)
            _raise(self._broadcast(None, failed), failed)

    def _all_reduce(self, numbers: Sequence[Tensor], word: int) -> tuple[Tensor, list[int]]:
        """Return the sums (N,), and the word of each process."""
        words = torch.zeros(self.size, device=self._sums.device)
        words[self.rank] = word
        flat = torch.cat([*numbers, words])
        with self._connected():
            torch.distributed.all_reduce(flat, group=self._channel)
        return flat[: -self.size], [round(word) for word in flat[-self.size :].tolist()]

    # Messages and tensors from one process to all, and from all to one

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to all other processes. Raises TrainingError when one is gone."""
        self._broadcast(message, self.rank)

    def receive(self) -> dict[str, Any]:
        """Return the leader's next message. Raises the error that the leader failed with, or
        TrainingError."""
        while "busy" in (message := self._broadcast(None, 0)):
            pass
        if "error" in message:
            self.is_over = True
            _raise(message, 0)
        return message

    def broadcast(self, tensor: Tensor) -> None:
        """Copy the leader's tensor to all processes. Raises TrainingError when one is gone."""
        with self._connected():
            torch.distributed.broadcast(tensor, 0, group=self._channel)

    def gather_lanes(self, state: State) -> State | None:
        """Return the state of all B lanes, each part (N, B, ...), from each process's own (N, b,
        ...).

        Only the leader gets it, the others None. Raises TrainingError when a process is gone.
        """
        lanes = [lane_slice(self._lanes, rank, self.size) for rank in range(self.size)]
        counts = [each.stop - each.start for each in lanes]
        parts = [self._gather(part, counts) for part in state]
        return tuple(part for part in parts if part is not None) or None

    def scatter_state(self, state: State) -> State:
        return tuple(
            part[:, lane_slice(part.shape[1], self.rank, self.size)].contiguous() for part in state
        )

    def _gather(self, mine: Tensor, counts: Sequence[int]) -> Tensor | None:
        """Return one part of the state (N, B, ...), of which each process has `counts` lanes; None
        except in the leader."""
        missing = max(counts) - mine.shape[1]
        padded = torch.nn.functional.pad(mine, (0, 0, 0, missing)).contiguous()
        all_padded = [torch.empty_like(padded) for _ in counts] if self.rank == 0 else None
        with self._connected():
            torch.distributed.gather(padded, all_padded, dst=0, group=self._channel)
        if all_padded is None:
            return None
        return torch.cat(
            [part[:, :count] for part, count in zip(all_padded, counts, strict=True)], 1
        )

    def _broadcast(self, message: dict[str, Any] | None, source: int) -> dict[str, Any]:
        """Return the message of the process `source`; the others pass None."""
        content = b"" if message is None else json.dumps(message).encode()
        size = torch.tensor([len(content)])
        with self._connected():
            torch.distributed.broadcast(size, source, group=self._channel)
            data = torch.zeros(int(size), dtype=torch.uint8)
            if message is not None:
                data = torch.from_numpy(np.frombuffer(content, np.uint8).copy())
            torch.distributed.broadcast(data, source, group=self._channel)
        received: dict[str, Any] = json.loads(data.numpy().tobytes())
        return received

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            self.is_over = True
            minutes = round(SILENCE_TIMEOUT.total_seconds() / 60)
            gone = f"is gone, or nothing was heard of it for {minutes} minutes"
            raise TrainingError(f"another process of this training {gone}") from error
        self._heard = time.monotonic()


def _stay_on_this_machine() -> None:
    """Make gloo use the loopback interface, which no other machine reaches, unless the environment
    already names an interface."""
    loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])


def _error_message(error: BaseException) -> dict[str, Any]:
    """Return an error as a message."""
    code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
    known = isinstance(error, CharRNNError | KeyboardInterrupt | SystemExit)
    text = str(error) if known else f"{type(error).__name__}: {error}"
    return {"error": type(error).__name__, "message": text, "code": code}


def _raise(message: dict[str, Any], rank: int) -> NoReturn:
    """Raise the error that a process has sent."""
    if message["error"] == "KeyboardInterrupt":
        raise KeyboardInterrupt
    if message["error"] == "SystemExit":
        raise SystemExit(message["code"])
    kind = getattr(errors, message["error"], None)
    if not (isinstance(kind, type) and issubclass(kind, CharRNNError)):
        kind = TrainingError
    elif kind is errors.UnknownCharacterError:
        kind = errors.CorpusError
    where = f"process {rank}: " if rank else ""
    raise kind(f"{where}{message['message']}")
