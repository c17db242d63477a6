import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from charrnn import cores
from charrnn.engines import Array, Lanes, NumPyEngine, State
from charrnn.errors import CharRNNError, ConfigError
from charrnn.generation import batch, constraints, draw, pending
from charrnn.generation.config import SamplingConfig
from charrnn.generation.ngrams import Followers
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model

MakeModel = Callable[..., Model]

LINES = SamplingConfig(length=200, lines=True, temperature=1.0, seed=1)


class Watched:
    """An engine that counts what its lanes do, and breaks when it is told to."""

    def __init__(self, model: Model, *, parallel: bool = True) -> None:
        self.engine = NumPyEngine.of(model)
        self.vocabulary_size = model.config.vocabulary_size
        self.precision, self.parallel = "float32", parallel
        self.counts: list[int] = []
        """How many lanes were asked for, each time."""
        self.stepped = 0
        """Lanes times steps."""
        self.steps = 0
        self.threads: set[str] = set()
        self.breaks: BaseException | None = None
        self.pause = 0.0
        """Seconds that every step waits, so that other threads have their turn."""

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        return self.engine.advance(ids, state)

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        return self.engine.read(ids, state)

    def lanes(self, count: int) -> "WatchedLanes":
        self.counts.append(count)
        return WatchedLanes(self, count)


class WatchedLanes:
    def __init__(self, watched: Watched, count: int) -> None:
        self.watched, self.count = watched, count
        self.lanes: Lanes = watched.engine.lanes(count)
        self.get, self.put, self.take = self.lanes.get, self.lanes.put, self.lanes.take

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        assert len(ids) == self.count
        self.watched.stepped += self.count
        self.watched.steps += 1
        self.watched.threads.add(threading.current_thread().name)
        if self.watched.breaks is not None and self.watched.stepped > 300:
            raise self.watched.breaks
        time.sleep(self.watched.pause)
        return self.lanes.step(ids)


@pytest.fixture
def watched(make_model: MakeModel) -> Iterator[Watched]:
    """An engine, none of whose threads may be left behind."""
    before = set(threading.enumerate())
    yield Watched(make_model())
    assert set(threading.enumerate()) <= before


@pytest.fixture
def sampler(watched: Watched, make_model: MakeModel) -> Sampler:
    return Sampler(make_model(), watched)


# Order


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_samples_come_in_the_order_of_their_indices(sampler: Sampler, threads: int) -> None:
    # Short ones are there long before the long ones that were begun before them.
    indices = [*range(100, 60, -1), 3, 3, 10**6, *range(60)]
    samples = list(sampler.samples("", LINES, indices=indices, batch_size=16, threads=threads))
    assert [sample.index for sample in samples] == indices
    assert len({sample.characters for sample in samples}) > 10
    assert samples[40] == samples[41]


def test_no_indices_are_no_samples(sampler: Sampler, watched: Watched) -> None:
    assert list(sampler.samples("", LINES, indices=[])) == []
    assert watched.stepped == 0


class Endless:
    """Lanes of a model that never ends the text of its first lane, and others at once: the first
    text that was begun goes on with id 1 for ever, or for so many characters."""

    precision = "float32"

    def __init__(self, ends_after: int | None) -> None:
        self.ends_after, self.parallel, self.vocabulary_size = ends_after, False, 2
        self.slow: object = None

    def lanes(self, count: int) -> "EndlessLanes":
        return EndlessLanes(self, count)


class EndlessLanes:
    def __init__(self, engine: Endless, count: int) -> None:
        self.engine = engine
        self.made: list[int | None] = [None] * count  # characters of the slow text; None: another

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        logits = np.zeros((len(self.made), 2), dtype=np.float32)
        for lane, made in enumerate(self.made):
            slow = made is not None and made != self.engine.ends_after
            logits[lane, 1 if slow else 0] = 1000
            if made is not None:
                self.made[lane] = made + 1
        return logits

    def get(self, lane: int) -> Any:
        return (self.made[lane],)

    def put(self, lanes: int | list[int], state: Any) -> None:
        for lane in [lanes] if isinstance(lanes, int) else lanes:
            begun = state is None and self.engine.slow is None
            if begun:
                self.engine.slow = self
            self.made[lane] = 0 if begun else state[0] if state is not None else None


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_where_one_text_goes_on_for_long_not_all_others_wait_for_it(
    batch_size: int, monkeypatch: pytest.MonkeyPatch, make_model: MakeModel
) -> None:
    monkeypatch.setattr(pending, "_MOST_AHEAD", 50)
    sampler = Sampler(make_model("\na"), Endless(3000))  # type: ignore[arg-type]
    taken = itertools.count()
    samples = sampler.samples(
        "", SamplingConfig(length=None, lines=True), indices=taken, batch_size=batch_size
    )
    with contextlib.closing(samples):
        first = next(samples)
        assert (first.index, first.characters) == (0, 3001)
        assert next(taken) <= 50 + batch_size + 1
        others = list(itertools.islice(samples, 200))
    assert [each.characters for each in others] == [1] * 200


def test_a_text_that_never_ends_is_said(
    monkeypatch: pytest.MonkeyPatch, make_model: MakeModel
) -> None:
    monkeypatch.setattr(draw, "LONGEST", 5000)
    config = SamplingConfig(length=None, lines=True)
    sampler = Sampler(make_model("\na"), Endless(None))  # type: ignore[arg-type]
    with pytest.raises(
        CharRNNError, match=r"text 7 has no end after 5,\d+ characters; give a length"
    ):
        list(sampler.samples("", config, indices=range(7, 9)))
    sampler = Sampler(make_model("\na"), Endless(None))  # type: ignore[arg-type]
    with pytest.raises(CharRNNError, match="text 0 has no end after 5,000 characters"):
        sampler.sample("", config)
    sampler = Sampler(make_model("\na"), Endless(None))  # type: ignore[arg-type]
    assert len(list(itertools.islice(sampler.stream("", config), 6000))) == 6000  # this may


@pytest.mark.parametrize("config", [{}, {"regex": "[a-c ]*"}], ids=["plain", "regex"])
def test_a_prompt_is_looked_through_once_for_all_texts(
    config: dict[str, str], sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    if config:
        pytest.importorskip("outlines_core")
    looked: list[int] = []

    class Counted(Followers):
        def __init__(self, size: int, ids: Any = ()) -> None:
            looked.append(len(ids))
            super().__init__(size, ids)

    monkeypatch.setattr(constraints, "Followers", Counted)
    settings = SamplingConfig(length=5, no_repeat_ngram=3, **config)  # type: ignore[arg-type]
    assert len(list(sampler.samples("ab c" * 100, settings, indices=range(5)))) == 5
    assert looked == [400]


def test_indices_are_taken_as_they_are_needed(sampler: Sampler) -> None:
    taken = itertools.count()
    samples = sampler.samples("", LINES, indices=taken, batch_size=4, threads=1)
    with contextlib.closing(samples):
        first = [sample.index for sample in itertools.islice(samples, 10)]
    assert first == list(range(10))
    # Those that are given, those begun, and some that were there before the one they wait for.
    assert next(taken) < 100


# Lanes


@pytest.mark.parametrize("batch_size", [1, 16, 64])
def test_a_text_that_has_ended_leaves_its_lane_to_the_next(
    batch_size: int, sampler: Sampler, watched: Watched
) -> None:
    # Waiting for the longest of a batch would cost several times as much, in numbers computed or,
    # where lanes that have nothing to do are left out, in steps of few lanes.
    samples = list(
        sampler.samples("", LINES, indices=range(1000), batch_size=batch_size, threads=1)
    )
    made = sum(sample.characters for sample in samples)
    assert made <= watched.stepped < 1.06 * made
    longest = max(sample.characters for sample in samples)
    assert watched.steps <= made / batch_size + longest
    assert longest > 4 * made / 1000  # or else there is nothing to wait for


def test_towards_the_end_there_are_fewer_and_fewer_lanes(
    sampler: Sampler, watched: Watched
) -> None:
    list(sampler.samples("", LINES, indices=range(64), batch_size=64, threads=1))
    assert watched.counts[0] == 64
    assert watched.counts[-1] == 1
    assert all(fewer <= more / 2 for more, fewer in itertools.pairwise(watched.counts))


@pytest.mark.parametrize(("count", "batch_size", "expected"), [(3, 128, 3), (128, 5, 5)])
def test_there_are_no_more_lanes_than_texts(
    count: int, batch_size: int, expected: int, sampler: Sampler, watched: Watched
) -> None:
    samples = list(
        sampler.samples("ab", LINES, indices=range(count), batch_size=batch_size, threads=1)
    )
    assert len(samples) == count
    assert max(watched.counts) == expected


def test_texts_of_no_length_take_no_step(sampler: Sampler, watched: Watched) -> None:
    config = SamplingConfig(length=0)
    samples = list(sampler.samples("ab", config, indices=range(300), batch_size=7, score=True))
    assert [(each.index, each.text, each.characters, each.nats) for each in samples] == [
        (index, "", 0, 0.0) for index in range(300)
    ]
    assert watched.stepped == 0


# Threads


def test_many_samples_are_made_in_several_threads(sampler: Sampler, watched: Watched) -> None:
    watched.pause = 1e-3  # on a fast machine, the first was done before the second had begun
    for _ in sampler.samples("", LINES, indices=range(300), batch_size=32, threads=3):
        pass
    assert watched.counts[:1] == [32]
    assert threading.current_thread().name not in watched.threads
    assert len(watched.threads) > 1


@pytest.mark.parametrize("parallel", [True, False])
def test_few_samples_or_an_engine_that_cannot_are_made_in_this_thread(
    parallel: bool, sampler: Sampler, watched: Watched
) -> None:
    watched.parallel = parallel
    count = 15 if parallel else 300
    samples = sampler.samples("", LINES, indices=range(count), batch_size=32, threads=4)
    assert len(list(samples)) == count
    assert watched.threads == {threading.current_thread().name}


@pytest.mark.parametrize("limit", ["affinity", "quota", "variable", "none"])
def test_without_a_number_there_are_as_many_threads_as_may_be_used(
    limit: str, sampler: Sampler, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.pause = 1e-3
    affinity = {0} if limit == "affinity" else {0, 1, 2}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: affinity, raising=False)
    monkeypatch.setattr(cores, "_quotas", lambda: (1,) if limit == "quota" else ())
    monkeypatch.setenv(cores.THREADS, "1" if limit == "variable" else "3")
    list(sampler.samples("", LINES, indices=range(300), batch_size=32))
    alone = watched.threads == {threading.current_thread().name}
    assert alone is (limit != "none")


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("taken", [0, 1, 50])
def test_an_endless_iterator_that_is_closed_leaves_no_thread(
    taken: int, threads: int, sampler: Sampler, watched: Watched
) -> None:
    before = set(threading.enumerate())
    samples = sampler.samples("", LINES, indices=itertools.count(), batch_size=16, threads=threads)
    assert [each.index for each in itertools.islice(samples, taken)] == list(range(taken))
    begun = set(threading.enumerate()) - before
    assert bool(begun) is (taken > 0 and threads > 1)
    samples.close()
    assert not any(thread.is_alive() for thread in begun)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_that_wait_for_the_consumer_end_with_the_iterator(
    threads: int, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_WAITING", 1)
    config = SamplingConfig(length=1)
    samples = sampler.samples("", config, indices=itertools.count(), batch_size=16, threads=threads)
    assert [each.index for each in itertools.islice(samples, 20)] == list(range(20))
    samples.close()


class Nonsense(Exception):
    """What an engine raises."""


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("error", [Nonsense("broken"), KeyboardInterrupt()], ids=repr)
def test_an_error_in_a_thread_is_raised_where_the_samples_are_taken(
    error: BaseException, threads: int, sampler: Sampler, watched: Watched
) -> None:
    watched.breaks = error
    samples = sampler.samples("", LINES, indices=itertools.count(), batch_size=8, threads=threads)
    with pytest.raises(type(error)) as caught:
        for _ in samples:
            pass
    assert caught.value is error


def test_an_error_of_the_indices_is_raised_where_the_samples_are_taken(sampler: Sampler) -> None:
    def indices() -> Iterator[int]:
        yield from range(100)
        raise Nonsense

    samples = sampler.samples("", LINES, indices=indices(), batch_size=8, threads=3)
    with pytest.raises(Nonsense):
        list(samples)


@pytest.mark.parametrize("threads", [1, 3])
def test_what_stops_the_consumer_stops_the_threads(threads: int, sampler: Sampler) -> None:
    samples = sampler.samples("", LINES, indices=itertools.count(), batch_size=8, threads=threads)
    with pytest.raises(KeyboardInterrupt), contextlib.closing(samples):
        for sample in samples:
            if sample.index == 20:
                raise KeyboardInterrupt


@pytest.mark.parametrize("settings", [{"ban": "\n abcdefgh"}, {"only": "Z"}], ids=str)
def test_what_is_wrong_with_the_settings_is_said_before_a_thread_starts(
    settings: dict[str, Any], sampler: Sampler, watched: Watched
) -> None:
    with pytest.raises(ConfigError):
        list(sampler.samples("", SamplingConfig(**settings), indices=range(300), threads=3))
    assert watched.counts == []


def test_what_leaves_nothing_in_one_lane_is_an_error_of_all(sampler: Sampler) -> None:
    config = SamplingConfig(only="a", stop=("a",), min_length=1)
    with pytest.raises(ConfigError, match="min-length"):
        list(sampler.samples("", config, indices=range(300), batch_size=16, threads=3))
