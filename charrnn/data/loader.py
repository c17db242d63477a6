"""The interface of loaders, and the settings of their batches."""

from typing import Any, NamedTuple, Protocol


class LoaderSettings(NamedTuple):
    """Settings of the batches of a training.

    Attributes:
        batch_size, sequence_length, seed: see TrainingConfig.
        rank: the rank of the process that reads them.
        world_size: how many processes train together.
    """

    batch_size: int
    sequence_length: int
    seed: int
    rank: int = 0
    world_size: int = 1


class Loader(Protocol):
    """An endless iterator over batches, epoch after epoch. Its position is its state.

    A batch is only for the task's loss, and has the number of its `characters`.
    """

    batch_size: int
    epoch: int

    def __next__(self) -> Any:
        """Return the batch of the next step."""
        ...

    def state_dict(self) -> dict[str, int]:
        """Return the position: `epoch` and `chunk`."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the position of another loader of the same text and settings. Raises
        ConfigError."""
        ...
