"""Many samples side by side, in lanes and in threads.

A text that has ended leaves its lane to the next one at once, so that short lines cost what their
characters cost. Each thread has lanes of its own and takes whichever sample is next: as a sample
depends on nothing but its seed and index, the result does not depend on who made it.

Legend: B lanes, V vocabulary.
"""

import contextlib
import math
import os
import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from charrnn.data.tokenizer import Tokenizer
from charrnn.generation.config import SamplingConfig
from charrnn.generation.drawing import Opening, Sample, choose, log_probabilities
from charrnn.generation.engines import Engine, Lanes
from charrnn.generation.randomness import key, uniforms
from charrnn.generation.rules import Draft, Rules
from charrnn.generation.steering import steered_sample

_WAITING = 4096
"""Samples that may wait to be taken; then the threads wait as well."""

_FEWEST_LANES = 8
"""Fewer in a thread are not worth another thread."""

_Task = tuple[int, int]  # its place in the order, the sample's index
_Result = tuple[int, Sample]  # its place in the order


class _Text(NamedTuple):
    """What is being made in a lane."""

    task: _Task
    draft: Draft
    log_probabilities: list[float]


def make_samples(
    engine: Engine,
    tokenizer: Tokenizer,
    opening: Opening,
    config: SamplingConfig,
    indices: Iterable[int],
    score: bool,
    batch_size: int,
    threads: int | None,
) -> Generator[Sample, None, None]:
    """See Sampler.samples."""
    rules = Rules(config, tokenizer)  # what is wrong is said before a thread starts
    if rules.steered:
        with threadpool_limits(1, user_api="blas"):
            for index in indices:
                yield steered_sample(engine, tokenizer, opening, rules, index, score)
        return
    if threads is None:
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if not engine.parallel:
        threads = 1
    numbered = enumerate(indices)
    first = list(islice(numbered, threads * batch_size))
    threads = min(threads, max(len(first) // _FEWEST_LANES, 1))
    tasks = _Tasks(chain(first, numbered))
    lanes = min(batch_size, math.ceil(len(first) / threads))
    writers = [
        _write(engine, tokenizer, opening, rules, tasks, score, lanes) for _ in range(threads)
    ]
    with threadpool_limits(1, user_api="blas"):  # the threads are here already
        if threads == 1:
            yield from _in_order(writers[0])
        else:
            with contextlib.closing(_side_by_side(writers, tasks.closed)) as results:
                yield from _in_order(results)


class _Tasks:
    """What is still to be made; several threads take from it.

    Attributes:
        closed: nobody wants the rest any more.
    """

    def __init__(self, tasks: Iterator[_Task]) -> None:
        self._tasks = tasks
        self._lock = threading.Lock()
        self.closed = threading.Event()

    def take(self) -> _Task | None:
        """The next; None when there is none."""
        with self._lock:
            return next(self._tasks, None)


def _write(
    engine: Engine,
    tokenizer: Tokenizer,
    opening: Opening,
    rules: Rules,
    tasks: _Tasks,
    score: bool,
    count: int,
) -> Iterator[_Result]:
    """Makes samples in so many lanes while there are tasks; each as soon as it has ended."""
    seed = rules.config.seed
    lanes = engine.lanes(count)
    ids = np.zeros(count, dtype=np.intp)
    keys, positions = np.zeros((2, count), dtype=np.uint64)
    texts: list[_Text] = []  # those being made are in the first lanes

    def begin(lane: int, task: _Task) -> None:
        texts[lane : lane + 1] = [_Text(task, Draft(rules, opening.ids), [])]
        ids[lane], keys[lane], positions[lane] = opening.ids[-1], key(seed, task[1]), 0
        lanes.put(lane, opening.state)

    def end(lane: int) -> _Result:
        (place, index), draft, likely = texts[lane]
        assert draft.stop_reason is not None
        text = tokenizer.decode(draft.text_ids())
        nats = -sum(likely) if score else math.nan
        return place, Sample(index, text, draft.made, nats, tuple(likely), draft.stop_reason)

    while len(texts) < count and (task := tasks.take()) is not None:
        begin(len(texts), task)
    ended = [lane for lane, text in enumerate(texts) if text.draft.stop_reason is not None]
    while texts and not tasks.closed.is_set():
        # From the last on, so that what moves to a free lane has not ended itself.
        for lane in reversed(ended):
            yield end(lane)
            while (task := tasks.take()) is not None:
                begin(lane, task)
                if texts[lane].draft.stop_reason is None:
                    break
                yield end(lane)
            else:
                last = len(texts) - 1
                lanes.put(lane, lanes.get(last))
                for column in (ids, keys, positions):
                    column[lane] = column[last]
                texts[lane] = texts[last]
                texts.pop()
        active = len(texts)
        if active == 0:
            return
        if active <= len(ids) // 2:
            lanes = _fewer(engine, lanes, active)
            ids, keys, positions = ids[:active].copy(), keys[:active], positions[:active]
        logits = lanes.step(ids)[:active]
        drafts = [text.draft for text in texts]
        chosen = choose(logits, rules, drafts, uniforms(keys[:active], positions[:active]))
        ids[:active] = chosen
        positions += np.uint64(1)
        if score:
            scores = log_probabilities(logits, chosen).tolist()
            for text, likely in zip(texts, scores, strict=True):
                text.log_probabilities.append(likely)
        ended = [
            lane
            for lane, (draft, choice) in enumerate(zip(drafts, chosen.tolist(), strict=True))
            if draft.add(choice) is not None
        ]


def _fewer(engine: Engine, lanes: Lanes, count: int) -> Lanes:
    """The first so many lanes alone: the others have nothing to do any more."""
    fewer = engine.lanes(count)
    for lane in range(count):
        fewer.put(lane, lanes.get(lane))
    return fewer


def _side_by_side(
    writers: list[Iterator[_Result]], closed: threading.Event
) -> Generator[_Result, None, None]:
    """What the writers give, each running in a thread of its own."""
    results: queue.Queue[_Result | BaseException | None] = queue.Queue(_WAITING)

    def put(result: _Result | BaseException | None) -> None:
        while not closed.is_set():
            with contextlib.suppress(queue.Full):
                results.put(result, timeout=0.1)
                return

    def run(writer: Iterator[_Result]) -> None:
        try:
            for result in writer:
                put(result)
                if closed.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 -- it is raised where the results are taken
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
                case result:
                    yield result
    finally:
        closed.set()
        for thread in threads:
            thread.join()


def _in_order(results: Iterator[_Result]) -> Iterator[Sample]:
    """The samples, each when all before it are there."""
    waiting: dict[int, Sample] = {}
    due = 0
    for place, sample in results:
        waiting[place] = sample
        while due in waiting:
            yield waiting.pop(due)
            due += 1
