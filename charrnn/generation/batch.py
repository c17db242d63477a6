"""Many samples side by side, in lanes and in threads.

A text that has ended leaves its lane to the next one at once, so that short lines cost what their
characters cost. Each thread has lanes of its own and takes whichever sample is next: as a sample
depends on nothing but its seed and index, the result does not depend on who made it.

Legend: B lanes, V vocabulary.
"""

import contextlib
import math
import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.cores import usable_cores
from charrnn.generation.constraints import Draft
from charrnn.generation.draw import check_not_endless, choose, log_probabilities
from charrnn.generation.randomness import sample_keys, uniforms
from charrnn.generation.request import GenerationRequest, Sample

_WAITING: Final = 256
"""Steps with samples that may wait to be taken; then the threads wait as well."""

_FEWEST_LANES: Final = 8
"""Fewer in a thread are not worth another thread."""

_BLOCK: Final = 64
"""Ids that may wait for their draft."""

_MOST_AHEAD: Final = 1 << 16
"""Samples that may be begun after one that has not ended."""

_PAUSE: Final = 0.02
"""Seconds between two looks whether others may be begun."""

_Numbered = tuple[int, int]  # its place in the order, the sample's index
_Result = tuple[int, Sample]  # its place in the order


def batch_samples(
    request: GenerationRequest, indices: Iterable[int], batch_size: int, threads: int | None
) -> Generator[Sample, None, None]:
    """The samples of these indices, in their order; see Sampler.samples."""
    if threads is None:
        threads = usable_cores()
    if not request.engine.parallel:
        threads = 1
    numbered = enumerate(indices)
    first = list(islice(numbered, threads * batch_size))
    if not first:
        return
    threads = min(threads, max(len(first) // _FEWEST_LANES, 1))
    pending = _Pending(chain(first, numbered))
    lanes = min(batch_size, math.ceil(len(first) / threads))
    writers = [_LaneWriter(request, pending, lanes).results() for _ in range(threads)]
    if threads == 1:
        yield from _in_order(writers[0], pending)
    else:
        with contextlib.closing(_side_by_side(writers, pending.closed)) as results:
            yield from _in_order(results, pending)


class _Pending:
    """The samples that are still to be made; several threads take from it.

    Of what is made and cannot be given yet, as a text before it has not ended, there is never much:
    where one goes on for very long, no others are begun meanwhile.

    Attributes:
        closed: nobody wants the rest any more.
        given: how many samples were given.
        exhausted: whether there are no more.
    """

    def __init__(self, samples: Iterator[_Numbered]) -> None:
        self._samples = samples
        self._lock = threading.Lock()
        self._taken = 0
        self.closed = threading.Event()
        self.given = 0
        self.exhausted = False

    def take(self, count: int) -> list[_Numbered]:
        """The next so many; fewer when there are no more, or too many wait to be given."""
        with self._lock:
            wanted = min(count, self.given + _MOST_AHEAD - self._taken)
            taken = list(islice(self._samples, max(wanted, 0)))
            self._taken += len(taken)
            self.exhausted = self.exhausted or len(taken) < wanted
            return taken


class _Text(NamedTuple):
    """A text in a lane."""

    numbered: _Numbered
    draft: Draft
    log_probabilities: list[float]


class _Rows:
    """The numbers of the texts in the lanes, a row for each lane.

    Attributes:
        ids: (B,) the id that is read next.
        keys, positions: (B,) of its random numbers.
        waiting: (B, _BLOCK) ids that wait until one comes that their draft has to look at.
        counts: (B,) how many of them wait.
    """

    def __init__(self, count: int) -> None:
        self.ids = np.zeros(count, np.intp)
        self.keys = np.zeros(count, np.uint64)
        self.positions = np.zeros(count, np.uint64)
        self.waiting = np.zeros((count, _BLOCK), np.intp)
        self.counts = np.zeros(count, np.intp)

    def __len__(self) -> int:
        return len(self.ids)

    def resized(self, count: int) -> "_Rows":
        """So many rows that begin with the first of these."""
        others, kept = _Rows(count), min(count, len(self))
        for name, column in vars(self).items():
            getattr(others, name)[:kept] = column[:kept]
        return others

    def move(self, source: int, target: int) -> None:
        """Puts a row in the place of another."""
        for column in vars(self).values():
            column[target] = column[source]


class _LaneWriter:
    """Writes samples in the lanes of one thread while there are any to be begun.

    Args:
        request: what the texts are made from.
        pending: the samples that are still to be made.
        count: how many lanes there are at most.
    """

    def __init__(self, request: GenerationRequest, pending: _Pending, count: int) -> None:
        constraints = request.constraints
        self._request, self._pending, self._count = request, pending, count
        self._first_draft = request.empty_draft  # of which each text gets a copy
        self._may_end = np.isin(
            np.arange(constraints.vocabulary_size), list(constraints.may_end)
        )  # (V,)
        self._lanes = request.engine.lanes(count)
        self._rows, self._every_lane = _Rows(count), np.arange(count)
        self._texts: list[_Text] = []  # in the first lanes
        self._ended: list[int] = []  # lanes whose text has ended, from the first to the last

    def results(self) -> Iterator[list[_Result]]:
        """Makes samples, and gives them as they end."""
        while not self._pending.closed.is_set():
            if self._ended:
                yield [self._result(self._texts[lane]) for lane in self._ended]
            self._exchange_texts()
            if self._texts:
                self._step()
            elif self._pending.exhausted:
                return
            else:
                self._pending.closed.wait(_PAUSE)  # another thread writes what the others wait for

    def _result(self, text: _Text) -> _Result:
        (place, index), draft, scores = text
        return place, self._request.to_sample(index, draft, scores)

    def _exchange_texts(self) -> None:
        """Gives the lanes of texts that have ended, and free ones, to those that are next."""
        texts, ended, pending = self._texts, self._ended, self._pending
        room = self._count - len(texts) + len(ended)
        begun = pending.take(room) if room and not pending.exhausted else []
        if len(texts) - len(ended) + len(begun) > len(self._rows):
            self._resize(self._count)
        if begun:
            self._begin([*ended, *range(len(texts), len(self._rows))][: len(begun)], begun)
        # From the last on, so that what moves to a free lane has not ended itself.
        for lane in reversed(ended[len(begun) :]):
            last = len(texts) - 1
            if lane < last:
                self._lanes.put(lane, self._lanes.get(last))
                self._rows.move(last, lane)
                texts[lane] = texts[last]
            texts.pop()
        self._ended = []
        if 0 < len(texts) <= len(self._rows) // 2:
            self._resize(len(texts))

    def _begin(self, lanes: Sequence[int], begun: Sequence[_Numbered]) -> None:
        request, rows = self._request, self._rows
        for lane, numbered in zip(lanes, begun, strict=True):
            self._texts[lane : lane + 1] = [_Text(numbered, self._first_draft.copy(), [])]
        self._lanes.put(lanes, request.prompt.state)
        rows.ids[lanes], rows.counts[lanes], rows.positions[lanes] = request.prompt.ids[-1], 0, 0
        rows.keys[lanes] = sample_keys(
            request.constraints.config.seed, [index for _, index in begun]
        )

    def _resize(self, count: int) -> None:
        """Has so many lanes, of which the first go on with the texts that there are."""
        before, self._lanes = self._lanes, self._request.engine.lanes(count)
        for lane in range(len(self._texts)):
            self._lanes.put(lane, before.get(lane))
        self._rows, self._every_lane = self._rows.resized(count), np.arange(count)

    def _step(self) -> None:
        """Makes the next character of every text, and notes which have ended."""
        request, rows, texts = self._request, self._rows, self._texts
        active = len(texts)
        logits = self._lanes.step(rows.ids)[:active]
        uniform = uniforms(rows.keys[:active], rows.positions[:active])
        chosen = choose(logits, request.constraints, [text.draft for text in texts], uniform)
        rows.ids[:active] = chosen
        if request.score:
            scores = log_probabilities(logits, chosen).tolist()
            for text, score in zip(texts, scores, strict=True):
                text.log_probabilities.append(score)
        rows.waiting[self._every_lane[:active], rows.counts[:active]] = chosen
        rows.counts += 1
        rows.positions += np.uint64(1)
        for lane in self._due(chosen):
            made = rows.waiting[lane, : rows.counts[lane]].tolist()
            rows.counts[lane] = 0
            draft = texts[lane].draft
            if draft.extend(made) is not None:
                self._ended.append(lane)
            else:
                check_not_endless(request.constraints, texts[lane].numbered[1], draft.made)

    def _due(self, chosen: npt.NDArray[np.intp]) -> list[int]:
        """The lanes whose draft has to look at the ids that wait for it, after the choices (B,)."""
        constraints, active = self._request.constraints, len(chosen)
        if constraints.context_dependent:
            return list(range(active))
        due = self._may_end[chosen] | (self._rows.counts[:active] == _BLOCK)
        if (length := constraints.config.length) is not None:
            due |= self._rows.positions[:active] == length
        lanes: list[int] = np.flatnonzero(due).tolist()
        return lanes


def _side_by_side(
    writers: list[Iterator[list[_Result]]], closed: threading.Event
) -> Generator[list[_Result], None, None]:
    """What the writers give, each running in a thread of its own."""
    results: queue.Queue[list[_Result] | BaseException | None] = queue.Queue(_WAITING)

    def put(result: list[_Result] | BaseException | None) -> None:
        while not closed.is_set():
            with contextlib.suppress(queue.Full):
                results.put(result, timeout=0.1)
                return

    def run(writer: Iterator[list[_Result]]) -> None:
        try:
            for some in writer:
                put(some)
                if closed.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    threads = [threading.Thread(target=run, args=(writer,), daemon=True) for writer in writers]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            match results.get():
                case None:
                    running -= 1
                case BaseException() as error:
                    raise error
                case list() as some:
                    yield some
    finally:
        closed.set()
        for thread in threads:
            thread.join()


def _in_order(results: Iterator[list[_Result]], pending: _Pending) -> Iterator[Sample]:
    """The samples, each when all before it are there."""
    waiting: dict[int, Sample] = {}
    for some in results:
        waiting |= some
        while pending.given in waiting:
            sample = waiting.pop(pending.given)
            pending.given += 1
            yield sample
