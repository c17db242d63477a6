"""ScheduledText: a text on its way through the scheduler."""

from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from charrnn.array_types import Int64Array
from charrnn.engines import State
from charrnn.engines.int8_writer import LaneText, Rules
from charrnn.serving.compiled_settings import Settings
from charrnn.serving.prefix_cache import PrefixCache
from charrnn.serving.texts import Deliver, Piece, TextRequest

_LONGEST_KEPT: Final = 8192
"""The most ids of a text for which the state at its end is kept."""

_SHORTEST_KEPT: Final = 32
"""The fewest ids of a prompt and its text for that."""


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
        lane_text: the text as it waits for a lane again; None before it has begun.
        lane: its lane; -1 for none.
        start: the first collected step of its lane that is not delivered (see LaneTexts).
        since: the time at which it was put into its lane.
        count: the number of ids that were made.
        made: these ids, unless they are too many to keep their last state.
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
    lane_text: LaneText | None = None
    lane: int = -1
    start: int = 0
    since: float = 0.0
    count: int = 0
    made: list[int] | None = field(default_factory=list)

    @property
    def rules(self) -> Rules | None:
        """What C obeys; None if only Python can write the text."""
        return self.settings.scored_rules if self.request.scored else self.settings.rules

    def remember(self, ids: Sequence[int]) -> None:
        """Take account of ids that were made."""
        self.count += len(ids)
        if self.made is None:
            return
        if self.count > _LONGEST_KEPT:
            self.made = None
        else:
            self.made += ids

    def keep_end(self, cache: PrefixCache, state: State) -> None:
        """Keep the state after all ids of the text but the last in a cache, so that a prompt that
        begins with it need not be read. Short texts are read again in no time."""
        if self.made and len(self.prompt) + len(self.made) >= _SHORTEST_KEPT:
            prefixes = cache.prefixes(np.append(self.prompt, self.made[:-1]))
            cache.keep(prefixes, len(prefixes), state)
