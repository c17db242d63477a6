"""What goes into the scheduler and what comes out: requests of texts, and their pieces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharRNNError
from charrnn.generation.config import SamplingConfig


class Piece(NamedTuple):
    """The next ids of a text.

    The last piece of a text has a stop reason or an error; it may have no ids.

    Attributes:
        ids: the ids, with those of the stop string that ends the text. A text that matches a
            regular expression comes as one piece, without the newline that ended it.
        log_probabilities: of each id, in nats, without temperature and filters; empty unless they
            were requested.
        stop_reason: `length`, `stop` or `match` in the last piece of a text that has ended; None
            before.
        cut: how many of the last ids of the text are no part of it, because they are a stop
            string. Earlier pieces may have brought some of them.
        error: why the text has ended too early: a CharRNNError, such as Closed, ModelError where
            the numbers of the model overflow, or ConfigError where no character may come next.
    """

    ids: list[int]
    log_probabilities: list[float]
    stop_reason: str | None = None
    cut: int = 0
    error: Exception | None = None

    @property
    def is_last(self) -> bool:
        """Whether no more pieces come."""
        return self.stop_reason is not None or self.error is not None


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A text to write.

    Attributes:
        prompt_ids: what the model reads before the first character (see Sampler.prompt_ids); never
            empty.
        config: the sampling settings.
        index: the text's index among those of `config.seed`.
        scored: whether to compute log-probabilities.
    """

    prompt_ids: Sequence[int] | npt.NDArray[np.integer]
    config: SamplingConfig
    index: int = 0
    scored: bool = False


Deliver = Callable[[int, Piece], None]
"""Takes the place of a text in its request, and its next piece."""

Delivery = tuple[Deliver, int, Piece]
"""A function, and what it is to be called with."""

Dispatch = Callable[[list[Delivery]], None]
"""Calls the functions of deliveries, in their order."""


def dispatch_at_once(deliveries: list[Delivery]) -> None:
    """Call the functions of deliveries in the present thread."""
    for deliver, place, piece in deliveries:
        deliver(place, piece)


class Busy(CharRNNError):
    """Too many texts wait already.

    Attributes:
        retry_after: the seconds after which there is probably room.
    """

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(
            f"too many texts are waiting; try again in {max(round(retry_after), 1)} seconds"
        )


CLOSED: Final = "the server is closing; the text ends here"


class Closed(CharRNNError):
    """The scheduler was closed before the text has ended."""

    def __init__(self) -> None:
        super().__init__(CLOSED)
