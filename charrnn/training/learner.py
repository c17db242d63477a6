"""Learner: a network and its optimizer, one step at a time."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from charrnn.errors import DivergedError, TrainingError
from charrnn.forks import THREADS_LOST, forked
from charrnn.model.recurrent import RecurrentNetwork, State
from charrnn.training.adamw import AdamW
from charrnn.training.config import TrainingConfig
from charrnn.training.parallel.group import Group
from charrnn.training.parallel.rank import usable_threads_each
from charrnn.training.schedule import Schedule
from charrnn.training.task import task_definition


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Run PyTorch on this many CPU threads, then restore the number set before. It is limited to
    the cores that this process may use, since more threads would mostly wait for each other.

    The order of sums depends on the number of threads, so a training is reproduced exactly only on
    the number it began with. Raises TrainingError where only one thread is possible.
    """
    if count > 1 and forked():
        raise TrainingError(
            f"{THREADS_LOST}, and {count} threads are needed; start it with multiprocessing's "
            "spawn, or as a separate program"
        )
    before = torch.get_num_threads()
    set_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def set_threads(count: int) -> None:
    """Let PyTorch use so many threads of the CPU from now on, or as many as it may use."""
    if count > 1:
        count = min(count, usable_threads_each())
    if count != torch.get_num_threads():
        torch.set_num_threads(count)


def autocast(device: str, precision: str) -> contextlib.AbstractContextManager[None]:
    """Return a context in which a network computes in a precision; its weights stay float32."""
    if precision == "bf16":
        return torch.autocast(torch.device(device).type, torch.bfloat16)
    return contextlib.nullcontext()


@dataclass(frozen=True)
class StepResult:
    """Measurements of one step: nats per character before the step, the norm of the gradient before
    clipping, the learning rate, and how many characters were predicted."""

    nats: float
    gradient_norm: float
    learning_rate: float
    characters: int


class Learner:
    """Truncated backpropagation through time (Williams & Peng, 1990) with AdamW (Loshchilov &
    Hutter, 2019, arXiv:1711.05101), the gradient's norm clipped (Pascanu et al., 2013).

    Args:
        group: the processes that train together, each on its lanes; None: this one alone.

    Attributes:
        schedule: the learning rates and the last step, which may be revised between two steps.
        network: the network that is trained.
        optimizer: its AdamW.
        state: the hidden state of this process's lanes after the last chunk; empty where steps do
            not follow one another in the text.
    """

    def __init__(
        self, network: RecurrentNetwork, config: TrainingConfig, group: Group | None = None
    ) -> None:
        self.config, self.schedule = config, Schedule(config)
        self.group = group or Group()
        self.device = torch.device(config.device)
        self.network = network.to(self.device).train()
        readout = network.readout_weights()
        others: list[Tensor] = [
            each for each in network.parameters() if all(each is not one for one in readout)
        ]
        definition = task_definition(network.config.task)
        groups = [(others, 1.0), (readout, config.readout_scale)]
        self.optimizer = AdamW(groups, definition.betas)
        self.state: State | None = None
        self._masks = torch.Generator(self.device)
        self._loss, self._hopeless = definition.loss(), definition.hopeless_loss

    def step(self, chunk: Any, number: int) -> StepResult:
        """Take step `number` (0, 1, 2, ...) on a chunk, a batch of the task's loader.

        Raises DivergedError when the loss is hopeless or its gradient is not finite, and the errors
        of Group.sum_gradients; both leave the weights unchanged.
        """
        # All that is random in a step is a function of (seed, step), so no random state is saved.
        random = np.random.default_rng([self.config.seed, number])
        self._masks.manual_seed(int(random.integers(2**63)))
        with autocast(self.config.device, self.config.precision):
            loss, after, unweighted = self._loss(
                self.network, chunk, self.state, random=random, masks=self._masks
            )
        self.network.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        loss = self.group.sum_gradients(self.network.parameters(), loss)
        limit = self.config.clip or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit)

        nats, gradient_norm = loss.item(), norm.item()
        plain = nats if unweighted is None else unweighted.item()
        if not (plain < self._hopeless and math.isfinite(gradient_norm)):
            raise DivergedError(
                f"step {number + 1}: the loss is {plain:.3g} and its gradient {gradient_norm:.3g}"
            )
        learning_rate = self.schedule.learning_rate_at(number)
        self.optimizer.step(learning_rate)
        self.state = after
        return StepResult(nats, gradient_norm, learning_rate, chunk.characters)

    def restore(self, step: int, moments: Mapping[str, Mapping[str, Tensor]], state: State) -> None:
        """Restore the optimizer and the state that another learner had after a step.

        Args:
            moments: the tensors, by AdamW's name and the weight's.
            state: the state of this process's lanes.
        """
        self.state = tuple(part.to(self.device) for part in state)
        for name, parameter in self.network.named_parameters():
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(step), device=self.device),
                **{moment: named[name].to(self.device) for moment, named in moments.items()},
            }
