"""The probe: measures how fast this machine trains networks of given sizes, and with which kernel,
precision and number of threads it is fastest."""

import dataclasses
import math
import statistics
import time
import warnings
from collections.abc import Iterator
from typing import Final

import torch

from charrnn.data.loader import Loader
from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.forks import THREADS_LOST, forked
from charrnn.model.config import ModelConfig
from charrnn.model.kernels import native
from charrnn.model.networks import build_network
from charrnn.training.learner import Learner, autocast, threads
from charrnn.training.malloc import freed_memory_kept
from charrnn.training.options import TrainingOptions
from charrnn.training.parallel.group import Group
from charrnn.training.parallel.rank import threads_each
from charrnn.training.recipe import DEFAULT_BUDGET, Machine, choose_training
from charrnn.training.task import Task

HANDICAPS: Final = {"fp32": 1.0, "bf16": 1.15}
"""Factors on a step's time: bf16 must be this much faster to be worth its rounding."""

ALL_THREADS: Final = threads_each(torch.get_num_threads())
"""PyTorch's own number of threads, before any training sets it; fewer where several processes share
the machine."""

SLOW: Final = 50e9
"""Operations per second that any machine reaches, for a guess at the time of a step."""

HOPELESS_RATIO: Final = 3
"""A candidate with a step slower than the best so far by this factor is not measured further."""

PROBE_SHARE: Final = 0.05
LONGEST_PROBE: Final = 10.0
"""The share of a budget that may go into measuring a network of the chosen sizes, and seconds at
most."""

LARGEST_PROBE_SHARE: Final = 0.15
"""How much of a budget measuring may have taken before the rest of it is left out."""

ENOUGH_EVALUATED: Final = 20_000
"""Characters that are read to time an evaluation."""

TYPICAL_DROPOUT: Final = 0.1
"""Dropout while measuring, where it is not chosen yet: drawing the masks takes time, the same for
any share."""


class Probe:
    """Measures the speed of this machine, or of the processes of a group together.

    Under a time budget, throw-away networks are trained for 5 % of it, 10 seconds at most. Without
    one, nothing is measured, so that the same command gives the same bytes twice.

    Args:
        options: the options of the training.
        task: the task to learn.
        batch_size, sequence_length: of a step.
        group: the processes that will train together; None: this one alone.

    Attributes:
        timed: whether there is a time budget.
        notes: remarks on the options for the user.
    """

    def __init__(
        self,
        options: TrainingOptions,
        *,
        task: Task,
        batch_size: int,
        sequence_length: int,
        group: Group | None = None,
    ) -> None:
        self._began = time.perf_counter()
        self._options, self._group = options, group or Group()
        self._task = task
        self._batch_size, self._sequence_length = batch_size, sequence_length
        self._step_characters = task.step_characters(batch_size, sequence_length)
        self._device = choose_device(options.device)
        self.notes = _notes(self._device, options.precision)
        self._group.check_device(self._device)
        self.timed = options.steps is None and options.epochs is None
        self._budget = options.budget or DEFAULT_BUDGET
        # It is beside other programs, and for the smallest networks. While it was for one size, it
        # is tried for the next larger one.
        self._one_thread_is_faster = True

    @property
    def spent_seconds(self) -> float:
        """How long ago measuring began."""
        return time.perf_counter() - self._began

    def characters(self, config: ModelConfig) -> float:
        """Return how many characters such a network would read in the whole training; none where
        measuring has taken too long to go on."""
        step = self._step_characters
        if self._options.steps is not None:
            return self._options.steps * step
        if self._options.epochs is not None:
            return self._options.epochs * self._task.training_characters
        if self._takes_too_long:
            return 0.0  # on a machine as busy as that, a larger network is none to choose
        machine = self._reckoned(config)
        seconds = self._step_seconds(config, machine, 0.0)
        if machine.device == "cpu" and machine.threads > 1 and self._one_thread_is_faster:
            alone = dataclasses.replace(machine, threads=1)
            on_one = self._step_seconds(config, alone, 0.0, patience=seconds)
            self._one_thread_is_faster = on_one < seconds
            seconds = min(on_one, seconds)
        return self._budget / seconds * step

    def measure(self, config: ModelConfig) -> Machine:
        """Return the fastest way to train such a network, and its speeds."""
        reckoned = self._reckoned(config)
        if not self.timed:
            return reckoned
        allowed = min(PROBE_SHARE * self._budget, LONGEST_PROBE)
        candidates = list(_candidates(reckoned, config, self._options.precision))
        best, fewest = reckoned, math.inf

        def try_out(candidate: Machine) -> None:
            nonlocal best, fewest
            handicap = HANDICAPS[candidate.precision]
            share = allowed / 3 / (len(candidates) + 1)
            patience = HOPELESS_RATIO * fewest / handicap
            measured = handicap * self._step_seconds(config, candidate, share, patience)
            if measured < fewest:
                best, fewest = candidate, measured

        for candidate in candidates:
            if best is reckoned or not self._takes_too_long:
                try_out(candidate)
        if best.device == "cpu" and best.threads > 1:
            # Where other programs keep the cores busy, threads lose far more by waiting for each
            # other than they gain.
            try_out(dataclasses.replace(best, threads=1))
        seconds = fewest / HANDICAPS[best.precision]
        if not self._takes_too_long:
            # The fastest of several measurements is a lucky one: the plan is made with a new one.
            seconds = self._step_seconds(config, best, allowed * 2 / 3)
        return dataclasses.replace(
            best,
            step_seconds=seconds,
            evaluation_speed=self._evaluation_speed(config, best),
            probe_seconds=time.perf_counter() - self._began,
        )

    @property
    def _takes_too_long(self) -> bool:
        """Whether measuring has taken so long, on a busy machine, that the rest is left out."""
        return self.spent_seconds > LARGEST_PROBE_SHARE * self._budget

    def _reckoned(self, config: ModelConfig) -> Machine:
        """Return what is usual for such a network, and a guess at its speed."""
        precision = self._options.precision or _usual_precision(
            self._device, config, self._batch_size
        )
        kernel = kernels(self._device, config.cell, precision)[0]
        step = self._step_characters
        return Machine(
            device=self._device,
            precision=precision,
            kernel=kernel,
            threads=usual_threads(self._device, kernel, config.cell, config.hidden_size),
            step_seconds=6 * config.parameters * step / SLOW,
            evaluation_speed=SLOW / (2 * config.parameters),
            save_seconds=0.05 + 16 * config.parameters / 100e6,  # weights, their average, moments
            sample_seconds=0.05 + 1.5e-7 * config.parameters,  # half of it to build an engine
            probe_seconds=0.0,
        )

    def _step_seconds(
        self, config: ModelConfig, machine: Machine, seconds: float, patience: float = math.inf
    ) -> float:
        """Return the time of a step, measured for `seconds`; see `_time_steps`."""
        # Measuring must not diverge, whatever the learning rate of the options.
        trial = dataclasses.replace(
            self._options, steps=1_000_000, epochs=None, budget=None, learning_rate=1e-3
        )
        training = choose_training(
            trial,
            machine,
            batch_size=self._batch_size,
            sequence_length=self._sequence_length,
            hidden_size=config.hidden_size,
            chunks_per_epoch=1,
            validation_characters=1,
        )
        options = self._options
        config = dataclasses.replace(
            config,
            dropout=TYPICAL_DROPOUT if options.dropout is None else options.dropout,
            weight_dropout=TYPICAL_DROPOUT
            if options.weight_dropout is None
            else options.weight_dropout,
        )
        generator = torch.Generator().manual_seed(0)
        network = build_network(config, kernel=machine.kernel, generator=generator)
        loader = self._task.loader(
            batch_size=self._batch_size,
            sequence_length=self._sequence_length,
            seed=0,
            world_size=self._group.size,
        )
        learner = Learner(network, training, self._group)
        with threads(machine.threads), freed_memory_kept(), self._group.mirrored_probe(learner):
            return _time_steps(
                learner, loader, seconds, patience, longest=PROBE_SHARE * self._budget
            )

    def _evaluation_speed(self, config: ModelConfig, machine: Machine) -> float:
        """Return how many characters of the validation text are read per second, measured on a part
        of it."""
        generator = torch.Generator().manual_seed(0)
        network = build_network(config, kernel=machine.kernel, generator=generator)
        network = network.to(machine.device).eval()
        read = 0
        began = time.perf_counter()
        with threads(machine.threads), autocast(machine.device, machine.precision):
            at_once = self._batch_size * self._sequence_length
            for _, read in self._task.evaluate(network, at_most=ENOUGH_EVALUATED, at_once=at_once):
                pass
        return read / (time.perf_counter() - began)


def kernels(device: str, cell: str, precision: str) -> list[str]:
    """Return the entries of KERNELS that may be the fastest, the usual one first.

    On a CPU, that is `native` where C could be built. PyTorch's own kernel comes near with oneDNN's
    LSTM only; its other cells go step by step through autograd, and `sequence` does not.
    """
    if device != "cpu":
        return ["fused"]
    if native.available() and native.kind_for(DTYPES[precision]) is not None:
        return ["native", "fused"]
    return ["fused", "sequence"] if cell == "lstm" else ["sequence", "fused"]


DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16}


def usual_threads(device: str, kernel: str, cell: str, hidden_size: int) -> int:
    """Return the number of CPU threads to use where nothing is measured."""
    # With a network this small, threads wait for each other longer than they compute.
    small = hidden_size < (64 if kernel == "native" else 129)
    return 1 if small else most_threads(device, kernel, cell)


def most_threads(device: str, kernel: str, cell: str) -> int:
    """Return the most CPU threads on which the same training gives the same bits every time.

    An LSTM, which is one operation of oneDNN, does so on any number, and so do our own kernels.
    PyTorch's GRU and RNN are made of small products that on two threads came out one bit off in 2
    of 60 fresh processes (PyTorch 2.13 with MKL).
    """
    exact = kernel == "native" or (kernel == "fused" and cell == "lstm")
    count = ALL_THREADS if exact or device != "cpu" else 1
    if count > 1 and forked():
        message = (
            f"{THREADS_LOST}: it trains on one thread instead of {count}, with other "
            "rounding; start it with multiprocessing's spawn to train on all"
        )
        warnings.warn(message, CharRNNWarning, stacklevel=2)
        return 1
    return count


def _candidates(machine: Machine, config: ModelConfig, precision: str | None) -> Iterator[Machine]:
    """Yield what may be fastest: each precision with each kernel, on as many threads as is
    exact."""
    device = machine.device
    # The usual one first: the others are then given up as soon as they are far slower.
    kinds = [precision] if precision else sorted(_precisions(device), key=machine.precision.__ne__)
    for kind in kinds:
        for kernel in kernels(device, config.cell, kind):
            yield dataclasses.replace(
                machine,
                precision=kind,
                kernel=kernel,
                threads=most_threads(device, kernel, config.cell),
            )


def _usual_precision(device: str, config: ModelConfig, batch_size: int) -> str:
    """Return the precision that is usually faster, where nothing is measured.

    On a CPU with bf16 instructions that is bf16, in our own C from 8 lanes on (1.4 times as fast as
    float32 with 8, 2 to 3 times with 32 and more). Without it, for an LSTM of 16 lanes or more (1.3
    to 2.4 times), for a GRU of those from a hidden size of 256 on, for a plain RNN from 512 on.
    """
    if device != "cpu" or "bf16" not in _precisions(device):
        return "fp32"
    if "native" in kernels(device, config.cell, "bf16"):
        return "bf16" if batch_size >= 8 else "fp32"
    smallest = {"lstm": 1, "gru": 256, "rnn": 512}[config.cell]
    return "bf16" if batch_size >= 16 and config.hidden_size >= smallest else "fp32"


def choose_device(device: str | None) -> str:
    """Return the device asked for, or the best available. Raises ConfigError when it is not
    available."""
    if device in (None, "auto"):
        return "cuda" if torch.cuda.is_available() else "cpu"
    assert device is not None
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {device!r} cannot be used here: {reason}") from error
    return device


def _precisions(device: str) -> Iterator[str]:
    yield "fp32"
    if device.startswith("cuda"):
        if torch.cuda.is_bf16_supported(including_emulation=False):
            yield "bf16"
    elif device == "cpu":
        capabilities = (
            torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        )
        if any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")):
            yield "bf16"


def _notes(device: str, precision: str | None) -> list[str]:
    if precision is None or precision in _precisions(device):
        return []
    slower = "this machine has no instructions for it, and a step takes longer than with fp32"
    return [f"precision {precision}: {slower}"]


def _time_steps(
    learner: Learner, loader: Loader, seconds: float, patience: float, longest: float
) -> float:
    """Return the seconds of one step, including its data. The first three steps allocate memory and
    are not counted. At least three are measured, unless one takes longer than `patience`, which
    ends it. The result is their mean; of only three, their median, so that another program's work
    of a moment does not count. Where steps are so slow that this takes longer than `longest`
    seconds, fewer are taken, two at least."""
    began = time.perf_counter()
    for number in range(3):
        learner.step(next(loader), number)
        if time.perf_counter() - began > longest:
            break
    total, times = 0.0, list[float]()
    while len(times) < 3 or total < seconds:
        began = time.perf_counter()
        learner.step(next(loader), len(times))
        took = time.perf_counter() - began
        if took > patience:
            return took
        total += took
        times.append(took)
        if total > max(seconds, longest):
            break
    return statistics.median(times) if len(times) == 3 else total / len(times)
