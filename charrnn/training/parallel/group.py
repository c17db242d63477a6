"""The processes that take part in a training, as the rest of `training` sees them.

Trainer, Learner and Probe call a Group and do not know how many processes it has. By itself it is
the plain case, one process: nobody to send to, nobody to wait for. `Leader` and `Follower`
(`leader_follower.py`) are the groups that torchrun starts.
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
    from charrnn.training.config import TrainingConfig


class LearnerLike(Protocol):
    """What of a Learner the other processes of a group are sent."""

    config: "TrainingConfig"
    device: "torch.device"
    network: "RecurrentNetwork"
    optimizer: "torch.optim.AdamW"
    state: "State | None"


class Group:
    """One process that trains alone, and the interface of several that train together.

    Attributes:
        rank: the number of this process; process 0 leads.
        size: how many processes there are (the world size).
        run_directory: where the training is saved, in a process that has followed it; else None.
    """

    rank = 0
    size = 1
    run_directory: Path | None = None

    def __init__(self) -> None:
        self._signal: int | None = None

    @property
    def stopped_by(self) -> int | None:
        """What this process was asked to stop by, or another one as all know since the last step: a
        signal's number, 0 for anything else; None where none was asked."""
        return self._signal

    def request_stop(self, signal: int = 0) -> None:
        """Stops all processes after a step. Safe in a signal handler."""
        self._signal = signal

    def check_device(self, device: str) -> None:
        """Raises ConfigError when there is no such device for each process."""

    def failures_reported(self) -> AbstractContextManager[None]:
        """Ends the other processes with this one's error when it fails in here."""
        return contextlib.nullcontext()

    def say_busy(self) -> None:
        """Makes the other processes wait on while this one takes long over something alone; call it
        as often as you like. Raises what `sum_gradients` raises."""

    def mirrored_probe(self, learner: LearnerLike) -> AbstractContextManager[None]:
        """Makes the others take as many steps as this process does, on random text, so that it can
        measure them."""
        return contextlib.nullcontext()

    def lead(
        self, learner: LearnerLike, loader: "Loader", ids_folder: Path, step: int
    ) -> AbstractContextManager[None]:
        """Makes the others begin with a training, and end when it ends.

        Args:
            learner, loader: this process' own.
            ids_folder: where all processes find the ids when they are too many to be sent.
            step: steps taken before.
        """
        return contextlib.nullcontext()

    def follow(self) -> int | None:
        """Takes the part of a process other than 0 in a training, from its start to its end.

        Returns what it was stopped by, like `stopped_by`. Raises what another process failed with.
        """
        return None

    def sum_gradients(self, parameters: "Iterable[Parameter]", loss: "Tensor") -> "Tensor":
        """Replaces the gradients by their sums over all processes; returns the summed loss ().

        Raises GroupStopped when no step follows, the error of a process that has failed,
        TrainingError when one is gone.
        """
        return loss

    def finish_step(self, state: "State | None", config: "TrainingConfig", step: int) -> None:
        """Collects the states of all lanes where a save may follow.

        Args:
            state: of this process' lanes, after the step.
            config: how they train.
            step: steps taken, this one included.
        """

    def gather_state(self, state: "State | None") -> "State":
        """The state of all B lanes, each part (N, B, ...), from each process' own (N, b, ...)."""
        assert state is not None, "a training is saved after its first step"
        return state

    def scatter_state(self, state: "State") -> "State":
        """This process' lanes (N, b, ...) of the state of all (N, B, ...)."""
        return state
