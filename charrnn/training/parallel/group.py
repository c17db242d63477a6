"""Several processes that train together: all that knows torch.distributed.

torchrun starts them. Process 0 leads, the others follow (`companions.py` says how). They meet where
the environment says, and tell each other two kinds of things:

- sums, once in each step: the gradients and the loss, and behind them one word of each process,
  such as that it was asked to stop. So all know the same of each other, at the same step.
- messages (JSON) and tensors from one to all, before the first step and after the last.

Legend: B lanes of all processes, b of one, N whatever else a part of the state has.
"""

import atexit
import contextlib
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final, NoReturn

import numpy as np
import torch
import torch.distributed
from torch import Tensor
from torch.nn import Parameter

from charrnn import errors
from charrnn.data.dataloader import share
from charrnn.errors import CharRNNError, ConfigError, TrainingError
from charrnn.model.language_model import State
from charrnn.training.parallel.torchrun import Place, place

MEETING: Final = timedelta(minutes=5)
"""How long processes wait for each other to start."""

PATIENCE: Final = timedelta(minutes=30)
"""How long processes wait for one of which they hear nothing. One that has died is noticed at once,
by its closed connections."""

BUSY_EVERY: Final = 60.0
"""Seconds after which the leader, while it reads or evaluates a large text, says that it is
there."""

GOES_ON: Final = 0
LEAVES: Final = -1
HAS_FAILED: Final = -2
IS_BUSY: Final = -3
"""Words. Above zero: it was asked to stop after the step, by the signal of that number."""

ASKED: Final = 100
"""The word of a process that was asked to stop, but not by a signal."""


class Left(Exception):
    """The leader takes no further step."""


class Group:
    """The processes of a training, seen from one of them.

    Attributes:
        rank, size: its number among them, and how many they are.
        asked: the word it was asked to stop with, GOES_ON before that.
        stops: the same of one of them, as all know since the last step.
        over: whether there is nothing more to tell: all know of a failure, or one is gone.
    """

    def __init__(self, where: Place, channel: torch.distributed.ProcessGroup) -> None:
        self.rank, self.size = where.rank, where.size
        self._where, self._channel = where, channel
        self.asked = self.stops = GOES_ON
        self.over = False
        self._sums = torch.zeros(0)  # like the numbers of the next sum, but all of them 0
        self._heard = time.monotonic()

    @classmethod
    def join(cls) -> "Group":
        """Meets the others, or those it has met before. Raises TrainingError."""
        where = place()
        if not torch.distributed.is_available():
            raise TrainingError("this PyTorch cannot train in several processes; start only one")
        cuda = torch.cuda.is_available()
        if cuda and where.local_rank < torch.cuda.device_count():
            torch.cuda.set_device(where.local_rank)  # from here on, that is what "cuda" means
        if where.local_size == where.size:
            _stay_on_this_machine()
        backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
        try:
            if not torch.distributed.is_initialized():
                torch.distributed.init_process_group(backend, timeout=MEETING)
                atexit.register(torch.distributed.destroy_process_group)
            channel = torch.distributed.new_group(backend=backend, timeout=PATIENCE)
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(f"the {where.size} processes did not meet: {reason}") from error
        return cls(where, channel)

    def check_device(self, device: str) -> None:
        """Raises ConfigError when there is no such device for each process."""
        if not device.startswith("cuda"):
            return
        if ":" in device:
            raise ConfigError(
                f"device {device}: each of {self.size} processes needs its own; choose cuda"
            )
        count, wanted = torch.cuda.device_count(), self._where.local_size
        if count < wanted:
            raise ConfigError(f"device cuda: there are {count} here, and {wanted} processes")

    def ask_to_stop(self, signal: int = 0) -> None:
        """Has all stop after a step. Safe in a signal handler."""
        self.asked = signal or ASKED

    @property
    def stopped_by(self) -> int | None:
        """What one of them was asked to stop by, as all know since the last step: a signal's
        number, 0 for anything else; None where none was."""
        return None if self.stops == GOES_ON else self.stops % ASKED

    # Sums

    def expect_gradients(self, parameters: Iterable[Parameter]) -> None:
        """From here on, until they `agree` anew, sums are of gradients and the loss."""
        parameters = list(parameters)
        count = sum(parameter.numel() for parameter in parameters)
        self._sums = torch.zeros(count + 1, device=parameters[0].device)

    def sum_gradients(self, parameters: Iterable[Parameter], loss: Tensor) -> Tensor:
        """Puts the sum of all processes' gradients in the place of each's own; the summed loss ().

        Raises Left, the error of a process that has failed, TrainingError when one is gone.
        """
        parameters = list(parameters)
        gradients = [parameter.grad for parameter in parameters]
        assert all(gradient is not None for gradient in gradients)
        numbers = [gradient.flatten() for gradient in gradients if gradient is not None]
        summed = self._sum([*numbers, loss.detach().reshape(1)], self.asked)
        *parts, loss = summed.split_with_sizes([*map(Tensor.numel, parameters), 1])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        return loss.squeeze(0)

    def agree(self) -> None:
        """Waits until all are here. Raises what `sum_gradients` raises."""
        self._sums = torch.zeros(0)
        self._sum([self._sums], GOES_ON)

    def leave(self) -> None:
        """Tells the others, who are about to take a step, that there is none."""
        with contextlib.suppress(Left):
            self._sum([self._sums], LEAVES)

    def fail(self, error: BaseException, *, in_steps: bool) -> None:
        """Ends the others with this process' error: where they sum up, or where they listen."""
        if self.over:
            return
        with contextlib.suppress(TrainingError):  # of one that is gone
            failed = self.rank
            if in_steps:
                _, words = self._add_up([self._sums], HAS_FAILED)
                failed = words.index(HAS_FAILED)
            self.over = True
            self._broadcast(_described(error) if failed == self.rank else None, failed)

    def say_busy(self, *, in_steps: bool) -> None:
        """Has the others, who wait for a step or a message, wait on; from time to time, however
        often it is called. Raises what `sum_gradients` raises."""
        if time.monotonic() - self._heard < BUSY_EVERY:
            return
        if in_steps:
            self._heed(self._add_up([self._sums], IS_BUSY)[1])
        else:
            self.tell({"busy": True})

    def _sum(self, numbers: Sequence[Tensor], word: int) -> Tensor:
        """The sums (N,) over all processes of the numbers, which come in pieces."""
        while True:
            flat, words = self._add_up(numbers, word)
            self._heed(words)
            if IS_BUSY not in words:
                break
        if LEAVES in words:
            raise Left
        self.stops = max(words)
        return flat

    def _heed(self, words: Sequence[int]) -> None:
        """Raises the error of a process that has failed."""
        if HAS_FAILED in words:
            self.over = True
            failed = words.index(HAS_FAILED)
            _raise(self._broadcast(None, failed), failed)

    def _add_up(self, numbers: Sequence[Tensor], word: int) -> tuple[Tensor, list[int]]:
        """The sums (N,), and the word of each process."""
        words = torch.zeros(self.size, device=self._sums.device)
        words[self.rank] = word
        flat = torch.cat([*numbers, words])
        with self._connected():
            torch.distributed.all_reduce(flat, group=self._channel)
        return flat[: -self.size], [round(word) for word in flat[-self.size :].tolist()]

    # From one to all, and from all to one

    def tell(self, message: dict[str, Any]) -> None:
        """Tells all others, who listen. Raises TrainingError when one is gone."""
        self._broadcast(message, self.rank)

    def listen(self) -> dict[str, Any]:
        """What the leader tells. Raises the error that it failed with, or TrainingError."""
        while "busy" in (message := self._broadcast(None, 0)):
            pass
        if "error" in message:
            self.over = True
            _raise(message, 0)
        return message

    def hand_out(self, tensor: Tensor) -> None:
        """Copies the leader's tensor into everyone's. Raises TrainingError when one is gone."""
        with self._connected():
            torch.distributed.broadcast(tensor, 0, group=self._channel)

    def gather(self, state: State, batch_size: int) -> State | None:
        """The state of all B lanes, each part (N, B, ...), from each process' own (N, b, ...).

        The leader has it; None for the others. Raises TrainingError when one is gone.
        """
        counts = [
            lanes.stop - lanes.start
            for lanes in (share(batch_size, rank, self.size) for rank in range(self.size))
        ]
        parts = [self._gather(part, counts) for part in state]
        return tuple(part for part in parts if part is not None) or None

    def _gather(self, mine: Tensor, counts: Sequence[int]) -> Tensor | None:
        """One part of the state (N, B, ...), where each process has as many lanes as `counts`
        says."""
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
        """The message of one process, whose own it is; for the others, it is None."""
        content = b"" if message is None else json.dumps(message).encode()
        size = torch.tensor([len(content)])
        with self._connected():
            torch.distributed.broadcast(size, source, group=self._channel)
            data = torch.zeros(int(size), dtype=torch.uint8)
            if message is not None:
                data = torch.from_numpy(np.frombuffer(content, np.uint8).copy())
            torch.distributed.broadcast(data, source, group=self._channel)
        told: dict[str, Any] = json.loads(data.numpy().tobytes())
        return told

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            self.over = True
            minutes = round(PATIENCE.total_seconds() / 60)
            gone = f"is gone, or nothing was heard of it for {minutes} minutes"
            raise TrainingError(f"another process of this training {gone}") from error
        self._heard = time.monotonic()


def _stay_on_this_machine() -> None:
    """Has gloo talk through the loopback, where no other machine listens or is heard, unless the
    environment already names an interface."""
    loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])


def _described(error: BaseException) -> dict[str, Any]:
    """An error as a message."""
    code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
    known = isinstance(error, CharRNNError | KeyboardInterrupt | SystemExit)
    text = str(error) if known else f"{type(error).__name__}: {error}"
    return {"error": type(error).__name__, "message": text, "code": code}


def _raise(message: dict[str, Any], rank: int) -> NoReturn:
    """Raises the error that a process has told of."""
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
