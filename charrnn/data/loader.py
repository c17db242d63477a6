"""What a training asks of a loader, and what it says of the batches that it wants."""

from typing import Any, NamedTuple, Protocol


class LoaderSettings(NamedTuple):
    """The batches of a training.

    Attributes:
        batch_size, sequence_length, seed: see TrainingConfig.
        rank: of the process that reads them.
        world_size: how many processes train together.
    """

    batch_size: int
    sequence_length: int
    seed: int
    rank: int = 0
    world_size: int = 1


class Loader(Protocol):
    """An endless iterator over batches, epoch after epoch. Its position is its state.

    A batch is for the task's loss alone, and says how many `characters` are learned from.
    """

    batch_size: int
    epoch: int

    def __next__(self) -> Any:
        """The batch of the next step."""
        ...

    def state_dict(self) -> dict[str, int]:
        """The position: `epoch` and `chunk`."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Moves to the position of another loader of the same text and settings. Raises
        ConfigError."""
        ...
