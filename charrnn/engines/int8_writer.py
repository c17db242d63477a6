"""Int8Writer: texts in the lanes of the int8 engine, written in C many characters at a call.

A call steps the lanes, applies the filters and draws the ids. Each lane's text has its own rules,
and can be put into a lane, taken out, and put into any other lane later: `put` and `take`. Texts
with the same rules and prompt can wait in a queue, from which C begins the next one wherever a text
has ended. The texts are those that `generation/draw.py` draws character by character.

Legend: B lanes, T steps, L layers, H hidden, V vocabulary, W window, D of a key.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engines.compiled_lanes import aligned
from charrnn.engines.engine import Array, State, check_ids
from charrnn.engines.int8_engine import Int8Engine, Int8Lanes
from charrnn.engines.int8_structures import CQueue, CRules, CText, CWriter
from charrnn.engines.native_choice import Filters, Mask

LENGTH: Final = -1
"""The end of a text that has its full length."""

OVERFLOW: Final = -2
"""The end of a text in which the numbers of the model overflow. The step makes no id."""

NOTHING_MAY_COME: Final = -3
"""The end of a text in which no id is allowed next. The step makes no id."""

_SMALLEST_RING: Final = 64
"""The last ids for which a lane has room at first. There is more once a text needs more."""


@dataclass(frozen=True, eq=False)
class Rules:
    """The filters, and where a text ends. Any number of texts, in any writers, may share them.

    Attributes:
        filters: the settings of the filters.
        allowed: (V,) the ids that are not banned; None if all are allowed.
        length: the number of ids of a text; None if only a stop ends it.
        min_length: the number of ids before a stop.
        stops: the ids that end a text, of which there is at least one each.
        window: the number of last ids to which penalties apply.
        scored: whether to compute log-probabilities.
        lookback: the number of last ids that a text needs, at least one.
        structure: the rules in C.
    """

    filters: Filters
    allowed: Mask | None
    length: int | None
    min_length: int
    stops: Sequence[Sequence[int]]
    window: int
    scored: bool = False
    lookback: int = field(init=False)
    structure: CRules = field(init=False, repr=False)
    _arrays: tuple[Any, ...] = field(init=False, repr=False)  # what the structure points to

    def __post_init__(self) -> None:
        stops = [np.array(stop, dtype=np.int64) for stop in self.stops]
        longest = max(map(len, stops), default=0)
        allowed = None if self.allowed is None else np.array(self.allowed, dtype=np.bool_)
        flat = np.concatenate([*stops, np.zeros(0, dtype=np.int64)])
        ends = np.cumsum([len(stop) for stop in stops], dtype=np.uint64)
        structure = CRules(
            filters=ctypes.addressof(self.filters.structure),
            allowed=_address(allowed),
            length=ctypes.c_size_t(-1).value if self.length is None else self.length,
            min_length=self.min_length,
            window=self.window,
            longest_stop=longest,
            stop_count=len(stops),
            stops=_address(flat),
            stop_ends=_address(ends),
            scored=self.scored,
        )
        object.__setattr__(self, "lookback", max(1, self.window, longest))
        object.__setattr__(self, "structure", structure)
        object.__setattr__(self, "_arrays", (allowed, flat, ends))

    @property
    def address(self) -> int:
        """The address of the rules in C."""
        return ctypes.addressof(self.structure)


@dataclass(frozen=True, eq=False)
class LaneText:
    """A text that is in no lane: it has not begun yet, or it waits to go on.

    Attributes:
        rules: what it obeys.
        state: the state after all of its ids but the last, with B = 1.
        ids: the last ids of the prompt and of the text: the last `rules.lookback` of them, or all.
            There is at least one. More do no harm.
        key: the key of its random numbers.
        made: how many ids are made.
    """

    rules: Rules
    state: State | None
    ids: Sequence[int]
    key: int = 0
    made: int = 0


class Queue:
    """Texts that wait for a lane, with the same rules and prompt. Several threads may take from one
    queue.

    Args:
        text: how each of them begins; its own key is not used.
        keys: (N,) the keys of their random numbers.

    Raises as `check_ids` does for an id of the prompt that is not in the vocabulary.
    """

    def __init__(self, engine: Int8Engine, text: LaneText, keys: npt.NDArray[np.uint64]) -> None:
        assert text.made == 0
        self.rules = text.rules
        ids = np.array(text.ids[-text.rules.lookback :], dtype=np.int64)
        check_ids(ids, engine.vocabulary_size)
        first = _beginning(engine, text.state)
        parts, attended = first[: engine.states], first[engine.states :]
        keys = np.ascontiguousarray(keys, dtype=np.uint64)
        self._arrays = keys, ids, first
        self.structure = CQueue(
            text_keys=_address(keys),
            count=len(keys),
            taken=0,
            rules=self.rules.address,
            h=_address(parts[0]),
            c=_address(parts[-1]),
            keys=_address(attended[0]) if attended else None,
            values=_address(attended[1]) if attended else None,
            ids=_address(ids),
            id_count=len(ids),
        )

    @property
    def empty(self) -> bool:
        """Whether no text waits."""
        return self.structure.taken >= self.structure.count


class Written(NamedTuple):
    """What a call has written. The next call overwrites the arrays.

    A row means something from where the lane has a text to where the text ends. At the step of an
    OVERFLOW or of NOTHING_MAY_COME, the id is -1.
    """

    begun: npt.NDArray[np.int64]  # (B, T + 1) the queue's entry that begins before a step, or -1
    ids: npt.NDArray[np.int32]  # (B, T)
    ends: npt.NDArray[np.int32]  # (B, T) 0, or the number of ids of the stop, or LENGTH and others
    scores: npt.NDArray[np.float64]  # (B, T) log-probabilities, where the rules are `scored`


class Int8Writer:
    """Texts in `count` lanes, each with its own rules.

    One thread at a time may call the methods; only `interrupt` may be called by others meanwhile.
    A lane's text has the same bytes in any lane of any writer of the engine, in any company.

    Args:
        room: the largest number of steps of a call.

    Attributes:
        room: see Args.
    """

    def __init__(self, engine: Int8Engine, *, count: int, room: int) -> None:
        self._engine, self.room = engine, room
        self._lanes: Int8Lanes = engine.lanes(count)
        self._texts: npt.NDArray[Any] = np.zeros(count, dtype=CText)
        self._texts["entry"] = -1
        self._rules: dict[int, Rules] = {}  # by address: those of the lanes' texts, and others
        self._rings = np.zeros((count, _SMALLEST_RING), dtype=np.int32)
        self._begun = np.empty((count, room + 1), dtype=np.int64)
        self._ids, self._ends = (np.empty((count, room), dtype=np.int32) for _ in range(2))
        self._scores = np.empty((count, room))
        size = engine.vocabulary_size
        self._masks = np.empty((2, size), dtype=np.uint8)
        self._counts = np.empty(size, dtype=np.uint32)
        self._memory = np.empty(4 * (size + 16))
        self._structure = CWriter(
            lanes=ctypes.addressof(self._lanes.structure),
            attention=self._lanes.attention_address,
            texts=_address(self._texts),
            next=self._lanes.structure.ids,
            rings=_address(self._rings),
            ring_size=_SMALLEST_RING,
            room=room,
            begun=_address(self._begun),
            ids=_address(self._ids),
            ends=_address(self._ends),
            scores=_address(self._scores),
            masks=_address(self._masks),
            counts=_address(self._counts),
            memory=_address(self._memory),
        )

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def free_lanes(self) -> list[int]:
        """The lanes without a text, in ascending order.

        A step costs as much as the lanes up to the last one with a text, so the first free lane is
        the best one.
        """
        lanes: list[int] = np.flatnonzero(self._texts["rules"] == 0).tolist()
        return lanes

    @property
    def entries(self) -> npt.NDArray[np.int64]:
        """The entries (B,) of the texts in the queues that they came from; -1 for other lanes."""
        return np.where(self._texts["rules"] == 0, -1, self._texts["entry"])

    @property
    def made(self) -> npt.NDArray[np.uint64]:
        """How many ids (B,) are made of the text that each lane has, or had last."""
        made: npt.NDArray[np.uint64] = self._texts["made"].copy()
        return made

    def put(self, lane: int, text: LaneText) -> None:
        """Begin a text, or go on with it, in a free lane.

        Raises as `check_ids` does for an id that is not in the vocabulary.
        """
        assert self._texts["rules"][lane] == 0, "the lane has a text"
        ids = np.array(text.ids[-text.rules.lookback :], dtype=np.int64)
        check_ids(ids, self._engine.vocabulary_size)
        self._keep(text.rules)
        self._lanes.put(lane, text.state)
        before = max(len(ids) - text.made, 0)
        self._texts[lane] = (text.rules.address, -1, text.key, text.made, before)
        self._rings[lane, self._places(lane, len(ids))] = ids[::-1]
        self._lanes.next_ids[lane] = ids[-1]

    def take(self, lane: int) -> LaneText:
        """Take the text out of a lane, which is free then. `put` goes on with the text."""
        address, _, key, made, before = self._texts[lane].item()
        rules = self._rules[address]
        known = min(made + before, rules.lookback)
        ids = self._rings[lane, self._places(lane, known)][::-1].tolist()
        self._texts["rules"][lane] = 0
        return LaneText(rules, self._lanes.get(lane), ids, key, made)

    def write(self, steps: int, queue: Queue | None = None) -> Written:
        """Write the next ids of all texts, at most `steps` of each, and begin those of a queue in
        free lanes. There are fewer steps once a lane becomes free and no text waits, and after
        `interrupt`; there are none without any text.

        An error in a text ends that text only: OVERFLOW, NOTHING_MAY_COME.
        """
        if queue is not None:
            self._keep(queue.rules)
        waiting = None if queue is None else queue.structure
        with self._lanes.attending():
            done = self._engine.write(self._structure, waiting, min(steps, self.room))
        return Written(
            self._begun[:, : done + 1],
            self._ids[:, :done],
            self._ends[:, :done],
            self._scores[:, :done],
        )

    def interrupt(self) -> None:
        """Let `write` return after its present step; if it is not running, the next call after its
        first step. Any thread may call this."""
        self._structure.interrupted = 1

    def state(self, lane: int) -> State:
        """Return the state of a lane after all ids but the last, as a value.

        Of a text that has ended, it is there until the next `write` or `put`.
        """
        return self._lanes.get(lane)

    def resized(self, lanes: Sequence[int], count: int) -> "Int8Writer":
        """Return a writer with `count` lanes, the first of which have the texts of these lanes.
        Their entries stay the same."""
        other = Int8Writer(self._engine, count=count, room=self.room)
        for place, lane in enumerate(lanes):
            entry = self._texts["entry"][lane]
            other.put(place, self.take(lane))
            other._texts["entry"][place] = entry
        return other

    def _places(self, lane: int, count: int) -> npt.NDArray[np.intp]:
        """Return the places (count,) of the lane's last ids in its ring, from the last to the
        first."""
        backwards = int(self._texts["made"][lane]) - np.arange(1, count + 1)
        return backwards & (self._rings.shape[1] - 1)

    def _keep(self, rules: Rules) -> None:
        """Keep rules as long as a lane may obey them, and make room for the ids that they need."""
        if len(self._rules) > 2 * len(self) + 16:  # drop those that no lane obeys
            needed = {*self._texts["rules"].tolist()}
            self._rules = {each: kept for each, kept in self._rules.items() if each in needed}
        self._rules[rules.address] = rules
        before = self._rings.shape[1]
        if rules.lookback <= before:
            return
        ids = [self._rings[lane, self._places(lane, before)] for lane in range(len(self))]
        size = 1 << (rules.lookback - 1).bit_length()
        self._rings = np.zeros((len(self), size), dtype=np.int32)
        for lane, each in enumerate(ids):
            self._rings[lane, self._places(lane, before)] = each
        self._structure.rings, self._structure.ring_size = self._rings.ctypes.data, size


def _beginning(engine: Int8Engine, state: State | None) -> tuple[Array, ...]:
    """Return the parts of a state in the form of the lanes' own: padded, and contiguous."""
    parts = []
    for number, shape in enumerate(engine.part_shapes):
        part = aligned(shape, np.float32)
        if state is not None:
            given = state[number].reshape(shape[0], -1)
            part[:, : given.shape[1]] = given
        parts.append(part)
    return tuple(parts)


def _address(array: npt.NDArray[Any] | None) -> int | None:
    return None if array is None else array.ctypes.data
