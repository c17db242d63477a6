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
from typing import Final, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from charrnn.data.tokenizer import Tokenizer
from charrnn.engines import Engine, Lanes
from charrnn.generation.constraints import Draft, Rules
from charrnn.generation.draw import (
    EncodedPrompt,
    Sample,
    check_not_endless,
    choose,
    log_probabilities,
)
from charrnn.generation.randomness import sample_keys, uniforms
from charrnn.generation.smc import steered_sample

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
    opening: EncodedPrompt,
    rules: Rules,
    indices: Iterable[int],
    score: bool,
    batch_size: int,
    threads: int | None,
) -> Generator[Sample, None, None]:
    """See Sampler.samples."""
    first_draft = Draft(rules, opening.ids)  # of which each text gets a copy
    if (reason := first_draft.stop_reason) is not None:  # before it has begun
        for index in indices:
            yield Sample(index, "", 0, 0.0 if score else math.nan, (), reason)
        return
    if rules.automaton is not None:
        with _one_blas_thread():
            for index in indices:
                yield steered_sample(engine, tokenizer, opening, first_draft, index, score)
        return
    if threads is None:
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if not engine.parallel:
        threads = 1
    numbered = enumerate(indices)
    first = list(islice(numbered, threads * batch_size))
    if not first:
        return
    threads = min(threads, max(len(first) // _FEWEST_LANES, 1))
    tasks = _Tasks(chain(first, numbered))
    lanes = min(batch_size, math.ceil(len(first) / threads))
    writers = [
        _write(engine, tokenizer, opening, first_draft, tasks, score, lanes) for _ in range(threads)
    ]
    with _one_blas_thread():  # the threads are here already
        if threads == 1:
            yield from _in_order(writers[0], tasks)
        else:
            with contextlib.closing(_side_by_side(writers, tasks.closed)) as results:
                yield from _in_order(results, tasks)


_limited = 0
_limits: threadpool_limits | None = None
_limiting = threading.Lock()


@contextlib.contextmanager
def _one_blas_thread() -> Iterator[None]:
    """BLAS starts no threads, until the last iterator that wants it so is closed."""
    global _limited, _limits
    with _limiting:
        if _limited == 0:
            _limits = threadpool_limits(1, user_api="blas")
        _limited += 1
    try:
        yield
    finally:
        with _limiting:
            _limited -= 1
            if _limited == 0 and _limits is not None:
                _limits.restore_original_limits()


class _Tasks:
    """What is still to be made; several threads take from it.

    Of what is made and cannot be given yet, as a text before it has not ended, there is never much:
    where one goes on for very long, no others are begun meanwhile.

    Attributes:
        closed: nobody wants the rest any more.
        given: how many samples were given.
        exhausted: whether there are no more.
    """

    def __init__(self, tasks: Iterator[_Task]) -> None:
        self._tasks = tasks
        self._lock = threading.Lock()
        self._taken = 0
        self.closed = threading.Event()
        self.given = 0
        self.exhausted = False

    def take(self, count: int) -> list[_Task]:
        """The next so many; fewer when there are no more, or too many wait to be given."""
        with self._lock:
            wanted = min(count, self.given + _MOST_AHEAD - self._taken)
            taken = list(islice(self._tasks, max(wanted, 0)))
            self._taken += len(taken)
            self.exhausted = self.exhausted or len(taken) < wanted
            return taken


def _write(
    engine: Engine,
    tokenizer: Tokenizer,
    opening: EncodedPrompt,
    first_draft: Draft,
    tasks: _Tasks,
    score: bool,
    count: int,
) -> Iterator[list[_Result]]:
    """Makes samples in so many lanes while there are tasks; gives them as they end."""
    rules = first_draft.rules
    length = rules.config.length
    may_end = np.isin(np.arange(rules.vocabulary_size), list(rules.may_end))
    lanes = engine.lanes(count)
    ids, counts, everyone = np.zeros(count, np.intp), np.zeros(count, np.intp), np.arange(count)
    keys, positions = np.zeros((2, count), dtype=np.uint64)
    # Ids wait here until one comes that their draft has to look at; `counts` says how many.
    waiting = np.zeros((count, _BLOCK), dtype=np.intp)
    texts: list[_Text] = []  # in the first lanes
    ended: list[int] = []  # lanes whose text has ended, from the first to the last

    while not tasks.closed.is_set():
        if ended:
            yield [_result(tokenizer, texts[lane], score) for lane in ended]
        room = count - len(texts) + len(ended)
        begun = tasks.take(room) if room and not tasks.exhausted else []
        if len(texts) - len(ended) + len(begun) > len(ids):
            lanes = _resized(engine, lanes, len(texts), count)
            ids, counts, keys, positions, waiting = (
                np.concatenate([each, np.zeros((count - len(each), *each.shape[1:]), each.dtype)])
                for each in (ids, counts, keys, positions, waiting)
            )
            everyone = np.arange(count)
        if begun:
            places = [*ended, *range(len(texts), len(ids))][: len(begun)]
            for lane, task in zip(places, begun, strict=True):
                texts[lane : lane + 1] = [_Text(task, first_draft.copy(), [])]
            lanes.put(places, opening.state)
            ids[places], counts[places], positions[places] = opening.ids[-1], 0, 0
            keys[places] = sample_keys(rules.config.seed, [index for _, index in begun])
        # From the last on, so that what moves to a free lane has not ended itself.
        for lane in reversed(ended[len(begun) :]):
            if lane < len(texts) - 1:
                lanes.put(lane, lanes.get(len(texts) - 1))
                for column in (ids, keys, positions, waiting, counts):
                    column[lane] = column[len(texts) - 1]
                texts[lane] = texts[-1]
            texts.pop()
        active = len(texts)
        if active == 0:
            if tasks.exhausted:
                return
            ended = []
            tasks.closed.wait(_PAUSE)  # another thread writes what the others wait for
            continue
        if active <= len(ids) // 2:
            lanes = _resized(engine, lanes, active, active)
            ids, counts, everyone = ids[:active].copy(), counts[:active], everyone[:active]
            keys, positions, waiting = keys[:active], positions[:active], waiting[:active]
        logits = lanes.step(ids)[:active]
        drafts = [text.draft for text in texts]
        chosen = choose(logits, rules, drafts, uniforms(keys[:active], positions[:active]))
        ids[:active] = chosen
        if score:
            scores = log_probabilities(logits, chosen).tolist()
            for text, likely in zip(texts, scores, strict=True):
                text.log_probabilities.append(likely)
        waiting[everyone[:active], counts[:active]] = chosen
        counts += 1
        positions += np.uint64(1)
        due = may_end[chosen] | (counts[:active] == _BLOCK)
        if length is not None:
            due |= positions[:active] == length
        if rules.changing:
            due[:] = True
        ended = []
        for lane in np.flatnonzero(due).tolist():
            made = waiting[lane, : counts[lane]].tolist()
            counts[lane] = 0
            if drafts[lane].add_all(made) is not None:
                ended.append(lane)
            else:
                check_not_endless(rules, texts[lane].task[1], drafts[lane].made)


def _result(tokenizer: Tokenizer, text: _Text, score: bool) -> _Result:
    (place, index), draft, likely = text
    assert draft.stop_reason is not None
    nats = 0.0 - sum(likely) if score else math.nan
    written = tokenizer.decode(draft.text_ids())
    return place, Sample(index, written, draft.made, nats, tuple(likely), draft.stop_reason)


def _resized(engine: Engine, lanes: Lanes, kept: int, count: int) -> Lanes:
    """So many lanes that go on where the first of others are."""
    others = engine.lanes(count)
    for lane in range(kept):
        others.put(lane, lanes.get(lane))
    return others


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


def _in_order(results: Iterator[list[_Result]], tasks: _Tasks) -> Iterator[Sample]:
    """The samples, each when all before it are there."""
    waiting: dict[int, Sample] = {}
    for some in results:
        waiting |= some
        while tasks.given in waiting:
            sample = waiting.pop(tasks.given)
            tasks.given += 1
            yield sample
