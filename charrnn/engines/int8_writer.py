"""Int8Writer: texts in the lanes of the int8 engine, written in C many characters at a call.

A call steps the lanes, applies the filters, draws the ids, and begins the next text of a queue
wherever one has ended. The texts are those that `generation/draw.py` draws character by character.

Legend: B lanes, T steps, L layers, H hidden, V vocabulary, W window, D of a key.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engines.compiled_lanes import aligned
from charrnn.engines.engine import Array, State, check_ids
from charrnn.engines.int8_engine import Int8Engine, Int8Lanes
from charrnn.engines.int8_structures import CQueue, CWriter
from charrnn.engines.native_choice import Filters, Mask

LENGTH: Final = -1
"""The end of a text that has its full length."""


@dataclass(frozen=True, eq=False)
class Rules:
    """The filters, and where a text ends.

    Attributes:
        filters: the settings of the filters.
        allowed: (V,) the ids that are not banned; None if all are allowed.
        length: the number of ids of a text; None if only a stop ends it.
        min_length: the number of ids before a stop.
        stops: the ids that end a text, of which there is at least one each.
        window: the number of last ids to which the repetition penalty applies.
    """

    filters: Filters
    allowed: Mask | None
    length: int | None
    min_length: int
    stops: Sequence[Sequence[int]]
    window: int


class Queue:
    """Texts that wait for a lane. Several threads may take from one queue.

    Args:
        keys: (N,) the keys of their random numbers.
    """

    def __init__(self, keys: npt.NDArray[np.uint64]) -> None:
        self._keys = np.ascontiguousarray(keys)
        self.structure = CQueue(self._keys.ctypes.data, len(keys), 0)

    @property
    def empty(self) -> bool:
        """Whether no text waits."""
        return self.structure.taken >= self.structure.count


class Written(NamedTuple):
    """What a call has written. The next call overwrites the arrays."""

    begun: npt.NDArray[np.int64]  # (B, T + 1) the entry that begins before a step, or -1
    ids: npt.NDArray[np.int32]  # (B, T)
    ends: npt.NDArray[np.int32]  # (B, T) 0, or LENGTH, or the number of ids of the stop
    scores: npt.NDArray[np.float64] | None  # (B, T) log-probabilities


class Overflow(Exception):
    """The numbers of the model overflow."""


class NothingMayCome(Exception):
    """No id is allowed next."""


class Int8Writer:
    """Texts in `count` lanes.

    Args:
        state: the state after all ids of the prompt but the last, with B = 1.
        prompt: the last ids of the prompt, at least one.
        room: the largest number of steps of a call.
        scored: whether to compute log-probabilities.

    Raises as `check_ids` does for an id of the prompt that is not in the vocabulary.

    Attributes:
        room: see Args.
        entries: (B,) the entries of the texts in the lanes, in the queues that they came from; -1
            for a lane without a text.
        made: (B,) how many ids of each text are written.
    """

    def __init__(
        self,
        engine: Int8Engine,
        rules: Rules,
        state: State | None,
        prompt: Sequence[int],
        *,
        count: int,
        room: int,
        scored: bool = False,
    ) -> None:
        self._engine, self._rules, self._state, self.room = engine, rules, state, room
        self._lanes: Int8Lanes = engine.lanes(count)
        stops = [np.array(stop, dtype=np.int64) for stop in rules.stops]
        ring_size = max(1, rules.window, *map(len, stops))
        self._prompt = np.array(prompt[-ring_size:], dtype=np.int64)
        check_ids(self._prompt, engine.vocabulary_size)
        self._stops = np.concatenate([*stops, np.zeros(0, dtype=np.int64)])
        self._stop_ends = np.cumsum([len(stop) for stop in stops], dtype=np.uint64)
        self.entries = np.full(count, -1, dtype=np.int64)
        self._keys = np.zeros(count, dtype=np.uint64)
        self.made = np.zeros(count, dtype=np.uint64)
        self._rings = np.zeros((count, ring_size), dtype=np.int64)
        self._begun = np.empty((count, room + 1), dtype=np.int64)
        self._ids, self._ends = (np.empty((count, room), dtype=np.int32) for _ in range(2))
        self._scores = np.empty((count, room)) if scored else None
        size = engine.vocabulary_size
        self._allowed = None if rules.allowed is None else np.ascontiguousarray(rules.allowed)
        self._masks = np.empty((2, size), dtype=np.uint8)
        self._memory = np.empty(4 * (size + 16))
        self._first = _beginning(self._lanes, state)
        parts = self._first[: engine.states]
        attended = self._first[engine.states :]
        self._structure = CWriter(
            lanes=ctypes.addressof(self._lanes.structure),
            attention=self._lanes.attention_address,
            filters=ctypes.addressof(rules.filters.structure),
            allowed=_address(self._allowed),
            h=_address(parts[0]),
            c=_address(parts[-1]),
            keys=_address(attended[0]) if attended else None,
            values=_address(attended[1]) if attended else None,
            prompt=_address(self._prompt),
            prompt_count=len(self._prompt),
            length=ctypes.c_size_t(-1).value if rules.length is None else rules.length,
            min_length=rules.min_length,
            window=rules.window,
            ring_size=ring_size,
            stop_count=len(stops),
            stops=_address(self._stops),
            stop_ends=_address(self._stop_ends),
            entries=_address(self.entries),
            text_keys=_address(self._keys),
            made=_address(self.made),
            rings=_address(self._rings),
            next=self._lanes.structure.ids,
            room=room,
            begun=_address(self._begun),
            ids=_address(self._ids),
            ends=_address(self._ends),
            scores=_address(self._scores),
            masks=_address(self._masks),
            memory=_address(self._memory),
        )

    def __len__(self) -> int:
        return len(self.entries)

    def write(self, queue: Queue, steps: int) -> Written:
        """Write the next ids of all texts, at most `steps` of each, and begin those of a queue in
        free lanes. There are fewer steps once a lane is free and no text waits.

        Raises Overflow and NothingMayCome.
        """
        self._structure.queue = ctypes.addressof(queue.structure)
        with self._lanes.attending():
            done = self._engine.write(self._structure, min(steps, self.room))
        if done < 0:
            raise Overflow if done == -2 else NothingMayCome
        scores = None if self._scores is None else self._scores[:, :done]
        return Written(
            self._begun[:, : done + 1], self._ids[:, :done], self._ends[:, :done], scores
        )

    def state(self, lane: int) -> State:
        """Return the state of a lane after all ids but the last, as a value."""
        return self._lanes.get(lane)

    def resized(self, lanes: Sequence[int], count: int) -> "Int8Writer":
        """Return a writer with `count` lanes, the first of which have the texts of these lanes."""
        other = Int8Writer(
            self._engine,
            self._rules,
            self._state,
            self._prompt.tolist(),
            count=count,
            room=self.room,
            scored=self._scores is not None,
        )
        for place, lane in enumerate(lanes):
            other._lanes.put(place, self._lanes.get(lane))
        for name in ("entries", "_keys", "made", "_rings"):
            getattr(other, name)[: len(lanes)] = getattr(self, name)[lanes]
        other._lanes.next_ids[: len(lanes)] = self._lanes.next_ids[lanes]
        return other


def _beginning(lanes: Int8Lanes, state: State | None) -> tuple[Array, ...]:
    """Return the parts of a state in the form of the lanes' own: padded, and contiguous."""
    parts = []
    for number, shape in enumerate(lanes.part_shapes):
        part = aligned(shape, np.float32)
        if state is not None:
            given = state[number].reshape(shape[0], -1)
            part[:, : given.shape[1]] = given
        parts.append(part)
    return tuple(parts)


def _address(array: npt.NDArray[Any] | None) -> int | None:
    return None if array is None else array.ctypes.data
