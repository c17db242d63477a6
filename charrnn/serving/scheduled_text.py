"""ScheduledText: a text on its way through the scheduler."""

from collections.abc import Generator, Hashable
from dataclasses import dataclass

from charrnn.array_types import Int64Array
from charrnn.engines import State
from charrnn.serving.compiled_settings import Settings
from charrnn.serving.texts import Deliver, Piece, TextRequest


@dataclass(eq=False, slots=True)
class ScheduledText:
    """A text on its way through the scheduler, whose lock guards what changes here.

    Attributes:
        owner: what was submitted together has one owner.
        place: the place of the text in what was submitted.
        deliver: takes the pieces of the text.
        request: the text to write.
        settings: its compiled settings.
        prompt: (N,) the ids of its prompt.
        is_read: whether the model has read the prompt.
        state: the state after all ids of the prompt but the last.
        is_running: whether a thread writes it now.
        is_paused: whether its reader is too slow, so that nothing is to be written.
        has_ended: whether no more pieces may be delivered.
        steps: the writer of a text that Python writes; None before it has begun.
        has_begun: whether a piece of it has been delivered.
    """

    owner: Hashable
    place: int
    deliver: Deliver
    request: TextRequest
    settings: Settings
    prompt: Int64Array
    is_read: bool = False
    state: State | None = None
    is_running: bool = False
    is_paused: bool = False
    has_ended: bool = False
    steps: Generator[Piece | None, None, None] | None = None
    has_begun: bool = False
