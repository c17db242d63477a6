"""What a training asks of a task: the batches it takes steps on, how good the network is at it, and
something to show."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from charrnn.model.recurrent import RecurrentNetwork, State
from charrnn.storage.model_directory import Model


class Loader(Protocol):
    """Batches for ever, epoch after epoch. Its position is its state.

    What it gives is for the task's loss alone, and says how many `characters` are learned from.
    """

    batch_size: int
    epoch: int

    def __next__(self) -> Any:
        """The batch of the next step."""
        ...

    def state_dict(self) -> dict[str, int]:
        """Where it is: `epoch` and `chunk`."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where another loader of the same text and settings was. Raises ConfigError."""
        ...


class Task(Protocol):
    """A text, and what a network is to learn from it.

    Attributes:
        training_characters, validation_characters: how much it is learned from, and held out.
    """

    @property
    def training_characters(self) -> int: ...

    @property
    def validation_characters(self) -> int: ...

    def loader(
        self,
        *,
        batch_size: int,
        sequence_length: int,
        seed: int,
        process: int = 0,
        processes: int = 1,
    ) -> Loader:
        """The batches of a training, from the first."""
        ...

    def steps_per_epoch(self, batch_size: int, sequence_length: int) -> int:
        """How many steps read all of the training text once."""
        ...

    def evaluate(
        self, network: RecurrentNetwork, *, at_most: float, at_once: int | None = None
    ) -> Iterator[tuple[float, int]]:
        """The loss on what was held out, and of how many characters, after each part of it; the
        last is the result.

        Args:
            at_most: it may end early once so many characters were read, which lie all over the
                text, or are of documents drawn by chance, always the same.
            at_once: characters that are read side by side, at most, as far as a single document
                allows: what a step reads, so that who has the memory to train can evaluate; None:
                as many as is quick.
        """
        ...

    def sample(self, model: Model, seed: int) -> str:
        """Something the network makes, for a person to see how far it is. Raises ModelError."""
        ...


class Learned(NamedTuple):
    """What a network learns by from a batch.

    Attributes:
        loss: its mean.
        state: what the next step begins with.
        judged: what tells whether the network has diverged, where the loss does not: it may be
            weighted.
    """

    loss: Tensor
    state: State
    judged: Tensor | None = None


Loss = Callable[..., Learned]
"""What a network of a task learns by: `loss(network, batch, state, random=..., masks=...)`. `state`
is what the last step gave, None at the first; `random` (NumPy's) and `masks` (PyTorch's) are
generators for all that is random, both a function of (seed, step)."""
