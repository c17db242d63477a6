"""Many samples side by side, in lanes and in threads.

When a text ends, the next one takes its lane at once, so that short lines cost no more than their
characters. Each thread has its own lanes and takes the next sample from a common queue. A sample
depends only on its seed and index, so the result does not depend on the thread that made it.

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

from charrnn.cores import usable_threads
from charrnn.generation.constraints import Draft
from charrnn.generation.draw import check_not_endless, choose, log_probabilities
from charrnn.generation.native_writers import LaneWriter as NativeLaneWriter
from charrnn.generation.native_writers import Queues, native_rules
from charrnn.generation.pending import PAUSE, Numbered, Pending, Result
from charrnn.generation.randomness import sample_keys, uniforms
from charrnn.generation.request import GenerationRequest, Sample

_WAITING: Final = 256
"""The size of the queue of finished samples, in steps; the threads wait when it is full."""

_FEWEST_LANES: Final = 8
"""The fewest lanes for which another thread pays."""

_BLOCK: Final = 64
"""The number of ids that are collected before a draft is updated."""


def batch_samples(
    request: GenerationRequest, indices: Iterable[int], batch_size: int, threads: int | None
) -> Generator[Sample, None, None]:
    """Yield the samples of these indices, in their order; see Sampler.samples."""
    if threads is None:
        threads = usable_threads()
    if not request.engine.parallel:
        threads = 1
    numbered = enumerate(indices)
    first = list(islice(numbered, threads * batch_size))
    if not first:
        return
    threads = min(threads, max(len(first) // _FEWEST_LANES, 1))
    pending = Pending(chain(first, numbered))
    lanes = min(batch_size, math.ceil(len(first) / threads))
    rules = native_rules(request)
    if rules is not None:
        queues = Queues(request, rules, pending, threads * lanes)
        writers = [NativeLaneWriter(request, queues, lanes).results() for _ in range(threads)]
    else:
        writers = [_LaneWriter(request, pending, lanes).results() for _ in range(threads)]
    if threads == 1:
        yield from _in_order(writers[0], pending)
    else:
        with contextlib.closing(_side_by_side(writers, pending.closed)) as results:
            yield from _in_order(results, pending)


class _Text(NamedTuple):
    """A text in a lane: its sample, its draft, its log-probabilities."""

    numbered: Numbered
    draft: Draft
    log_probabilities: list[float]


class _Rows:
    """The arrays of the texts in the lanes, a row for each lane.

    Attributes:
        ids: (B,) the id that is read next.
        keys, positions: (B,) the key and position of the next random number.
        waiting: (B, _BLOCK) ids that were drawn and are not in the draft yet.
        counts: (B,) the number of waiting ids.
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
        """Return `count` rows, the first of which are copies of these."""
        others, kept = _Rows(count), min(count, len(self))
        for name, column in vars(self).items():
            getattr(others, name)[:kept] = column[:kept]
        return others

    def move(self, source: int, target: int) -> None:
        """Copy a row to the place of another."""
        for column in vars(self).values():
            column[target] = column[source]


class _LaneWriter:
    """A writer of samples in the lanes of one thread.

    Args:
        request: the model, prompt and constraints.
        pending: the queue of samples to be made.
        count: the largest number of lanes.
    """

    def __init__(self, request: GenerationRequest, pending: Pending, count: int) -> None:
        constraints = request.constraints
        self._request, self._pending, self._count = request, pending, count
        self._first_draft = request.empty_draft  # copied for each text
        self._may_end = np.isin(
            np.arange(constraints.vocabulary_size), list(constraints.may_end)
        )  # (V,)
        self._lanes = request.engine.lanes(count)
        self._rows, self._every_lane = _Rows(count), np.arange(count)
        self._texts: list[_Text] = []  # in the first lanes
        self._ended: list[int] = []  # lanes whose text has ended, in ascending order

    def results(self) -> Iterator[list[Result]]:
        """Yield samples as they end, those of a step together."""
        while not self._pending.closed.is_set():
            if self._ended:
                yield [self._result(self._texts[lane]) for lane in self._ended]
            self._exchange_texts()
            if self._texts:
                self._step()
            elif self._pending.exhausted:
                return
            else:
                self._pending.closed.wait(PAUSE)  # another thread writes a long text

    def _result(self, text: _Text) -> Result:
        (place, index), draft, scores = text
        return place, self._request.to_sample(index, draft, scores)

    def _exchange_texts(self) -> None:
        """Begin new texts in free lanes and in lanes whose text has ended."""
        texts, ended, pending = self._texts, self._ended, self._pending
        room = self._count - len(texts) + len(ended)
        begun = pending.take(room) if room and not pending.exhausted else []
        if len(texts) - len(ended) + len(begun) > len(self._rows):
            self._resize(self._count)
        if begun:
            self._begin([*ended, *range(len(texts), len(self._rows))][: len(begun)], begun)
        # In descending order, so that the text that moves to a free lane has not ended itself.
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

    def _begin(self, lanes: Sequence[int], begun: Sequence[Numbered]) -> None:
        request, rows = self._request, self._rows
        for lane, numbered in zip(lanes, begun, strict=True):
            self._texts[lane : lane + 1] = [_Text(numbered, self._first_draft.copy(), [])]
        self._lanes.put(lanes, request.prompt.state)
        rows.ids[lanes], rows.counts[lanes], rows.positions[lanes] = request.prompt.ids[-1], 0, 0
        rows.keys[lanes] = sample_keys(
            request.constraints.config.seed, [index for _, index in begun]
        )

    def _resize(self, count: int) -> None:
        """Change the number of lanes, and keep the texts in the first ones."""
        before, self._lanes = self._lanes, self._request.engine.lanes(count)
        for lane in range(len(self._texts)):
            self._lanes.put(lane, before.get(lane))
        self._rows, self._every_lane = self._rows.resized(count), np.arange(count)

    def _step(self) -> None:
        """Draw the next character of every text, and note the texts that end."""
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
        """Return the lanes whose draft must be updated after the choices (B,)."""
        constraints, active = self._request.constraints, len(chosen)
        if constraints.context_dependent:
            return list(range(active))
        due = self._may_end[chosen] | (self._rows.counts[:active] == _BLOCK)
        if (length := constraints.config.length) is not None:
            due |= self._rows.positions[:active] == length
        lanes: list[int] = np.flatnonzero(due).tolist()
        return lanes


def _side_by_side(
    writers: list[Iterator[list[Result]]], closed: threading.Event
) -> Generator[list[Result], None, None]:
    """Yield the results of the writers, each of which runs in a thread of its own."""
    results: queue.Queue[list[Result] | BaseException | None] = queue.Queue(_WAITING)

    def put(result: list[Result] | BaseException | None) -> None:
        while not closed.is_set():
            with contextlib.suppress(queue.Full):
                results.put(result, timeout=0.1)
                return

    def run(writer: Iterator[list[Result]]) -> None:
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


def _in_order(results: Iterator[list[Result]], pending: Pending) -> Iterator[Sample]:
    """Yield the samples in order, each as soon as all before it are there."""
    waiting: dict[int, Sample] = {}
    for some in results:
        waiting |= some
        while pending.given in waiting:
            sample = waiting.pop(pending.given)
            pending.given += 1
            yield sample
