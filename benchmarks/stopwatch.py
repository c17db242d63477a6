"""Profile of a training step: measures the time of each part of the real code as it is called."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

import torch

import charrnn.model.kernels.kernel
import charrnn.model.kernels.sequence
import charrnn.training.learner
from benchmarks.hardware_peaks import synchronize
from benchmarks.training_programs import Program
from charrnn.data.dataloader import TBPTTLoader
from charrnn.model.kernels.kernel import CellKernel
from charrnn.model.kernels.native import NativeRecurrence
from charrnn.model.kernels.recurrence import PlainRecurrence
from charrnn.model.kernels.sequence import SequenceKernel
from charrnn.training.adamw import AdamW

REST: Final = "rest"

CALLS: Final[list[tuple[Any, str, str]]] = [
    (TBPTTLoader, "__next__", "data"),
    (charrnn.model.kernels.kernel, "look_up", "embedding"),
    (torch.nn.Embedding, "forward", "embedding"),
    # In the first layer this is the table, with one row for each character of the vocabulary.
    (charrnn.model.kernels.sequence, "linear", "layers: input products, table"),
    (PlainRecurrence, "forward", "layers: steps"),
    (NativeRecurrence, "forward", "layers: steps"),
    (SequenceKernel, "first", "layers: rest, or all"),
    (SequenceKernel, "layer", "layers: rest, or all"),
    (CellKernel, "layer", "layers: rest, or all"),
    (torch.nn.RNN, "forward", "layers: rest, or all"),
    (torch.nn.GRU, "forward", "layers: rest, or all"),
    (torch.nn.LSTM, "forward", "layers: rest, or all"),
    (torch.nn.Linear, "forward", "head"),
    (charrnn.training.learner, "cross_entropy", "loss"),
    (torch.nn.functional, "cross_entropy", "loss"),
    (PlainRecurrence, "backward", "backward: steps"),
    (NativeRecurrence, "backward", "backward: steps"),
    (PlainRecurrence, "sum_rows", "backward: sums of rows"),
    (NativeRecurrence, "sum_rows", "backward: sums of rows"),
    (torch.Tensor, "backward", "backward: rest, or all"),
    (torch.nn.utils, "clip_grad_norm_", "clipping"),
    (torch.optim.AdamW, "step", "optimizer"),
    (AdamW, "step", "optimizer"),
]
"""The owner and the name of each timed function, and its part of the step."""

PARTS: Final = [*dict.fromkeys(part for _, _, part in CALLS), REST]


class Stopwatch:
    """Adds up the seconds spent in each part, without the parts that it calls, so that all add up
    to the whole."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner: list[float] = []  # seconds of the inner parts of each open part

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time the code in the block."""
        synchronize(self.device)
        began = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            synchronize(self.device)
            took = time.perf_counter() - began
            self.seconds[name] += took - self._inner.pop()
            if self._inner:
                self._inner[-1] += took

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that each call is timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return function(*args, **kwargs)

        return timed


def time_parts(program: Program, device: str, seconds: float) -> dict[str, float]:
    """Measure the mean seconds of each of PARTS in a step of a program."""
    watch, steps = Stopwatch(device), 0
    with ExitStack() as stack:
        for owner, name, part in CALLS:
            timed = watch.around(part, getattr(owner, name))
            stack.enter_context(patch.object(owner, name, timed))
        began = time.perf_counter()
        while steps == 0 or time.perf_counter() - began < seconds:
            with watch.part(REST):
                program.step()
            steps += 1
    return {part: watch.seconds[part] / steps for part in PARTS}
