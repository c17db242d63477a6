"""The processes of a training, as the rest of `training` sees them.

Trainer, Learner and Probe call a Group and do not know how many processes it has. The class itself
is the plain case, one process. `Leader` and `Follower` (`leader_follower.py`) are the groups for
torchrun.
"""

import contextlib
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Parameter

    from charrnn.data.loader import Loader
    from charrnn.model.recurrent import RecurrentNetwork, State
    from charrnn.training.adamw import AdamW
    from charrnn.training.config import TrainingConfig
    from charrnn.training.schedule import Revision, Schedule


class LearnerLike(Protocol):
    """The attributes of a Learner that are sent to the other processes of a group."""

    config: "TrainingConfig"
    device: "torch.device"
    network: "RecurrentNetwork"
    optimizer: "AdamW"
    schedule: "Schedule"
    state: "State | None"


class Group:
    """One process that trains alone; also the interface of several that train together.

    Attributes:
        rank: the number of this process; process 0 leads.
        size: how many processes there are (the world size).
        run_directory: where the training is saved, in a process that has followed one; else None.
    """

    rank = 0
    size = 1
    run_directory: Path | None = None

    def __init__(self) -> None:
        self._signal: int | None = None

    @property
    def stopped_by(self) -> int | None:
        """The number of the signal that asked this process to stop, or another one, as all know
        since the last step; 0 for a request without a signal; None without a request."""
        return self._signal

    def request_stop(self, signal: int = 0) -> None:
        """Stop all processes after a step. Safe in a signal handler."""
        self._signal = signal

    def check_device(self, device: str) -> None:
        """Raise ConfigError when there is no such device for each process."""

    def failures_reported(self) -> AbstractContextManager[None]:
        """End the other processes with this one's error when it fails in the block."""
        return contextlib.nullcontext()

    def say_busy(self) -> None:
        """Make the other processes wait on while this one takes long alone; call it as often as you
        like. Raises what `sum_gradients` raises."""

    def mirrored_probe(self, learner: LearnerLike) -> AbstractContextManager[None]:
        """Make the other processes take as many steps on random text as this one, so that it can
        measure them."""
        return contextlib.nullcontext()

    def lead(
        self, learner: LearnerLike, loader: "Loader", ids_folder: Path, step: int
    ) -> AbstractContextManager[None]:
        """Make the other processes begin a training, and end it when the block ends.

        Args:
            learner, loader: those of this process.
            ids_folder: where all processes find the ids when they are too large to be sent.
            step: the steps taken before.
        """
        return contextlib.nullcontext()

    def follow(self) -> int | None:
        """Take the part of a process other than 0 in a training, from its start to its end.

        Returns what stopped the training, like `stopped_by`. Raises the error of a process that
        fails.
        """
        return None

    def sum_gradients(self, parameters: "Iterable[Parameter]", loss: "Tensor") -> "Tensor":
        """Replace the gradients by their sums over all processes; return the summed loss ().

        Raises GroupStopped when no step follows, the error of a process that has failed,
        TrainingError when a process is gone.
        """
        return loss

    def finish_step(self, state: "State | None", schedule: "Schedule", step: int) -> None:
        """Collect the states of all lanes where a save may follow.

        Args:
            state: the state of this process's lanes, after the step.
            schedule: the schedule of the training.
            step: the steps taken, including this one.
        """

    def revise(self, revision: "Revision") -> None:
        """Make the other processes revise the plan as well. They are on their way to the next sum.
        Raises what `sum_gradients` raises."""

    def gather_state(self, state: "State | None") -> "State":
        """Return the state of all B lanes, each part (N, B, ...), from each process's own (N, b,
        ...)."""
        assert state is not None, "a training is saved after its first step"
        return state

    def scatter_state(self, state: "State") -> "State":
        """Return this process's lanes (N, b, ...) of the state of all lanes (N, B, ...)."""
        return state
