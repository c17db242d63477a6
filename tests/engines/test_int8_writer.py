import threading
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from charrnn.engines.int8_engine import Int8Engine
from charrnn.engines.int8_structures import available
from charrnn.engines.int8_writer import (
    LENGTH,
    NOTHING_MAY_COME,
    OVERFLOW,
    Int8Writer,
    LaneText,
    Queue,
    Rules,
    Written,
)
from charrnn.engines.native_choice import Filters
from charrnn.errors import ConfigError
from charrnn.generation.randomness import sample_keys
from tests.engines.int8_models import NETWORKS, drawn_model

pytestmark = pytest.mark.skipif(
    not available(), reason="int8.c was not built: no C compiler, or CHARRNN_NATIVE=0"
)

STEPS = 50


def rules(**changes: object) -> Rules:
    given: dict[str, object] = {
        "filters": Filters(67, temperature=0.8, repetition_penalty=1.2),
        "allowed": None,
        "length": 40,
        "min_length": 0,
        "stops": [(5,), (7, 8)],
        "window": 6,
    }
    return Rules(**(given | changes))  # type: ignore[arg-type]


class Writing:
    """A writer, and how its texts begin."""

    def __init__(self, network: str = "lstm", count: int = 4, **changes: object) -> None:
        self.engine = Int8Engine(*drawn_model(network, hidden_size=20, layers=2))
        state = self.engine.read([[1, 2, 3]], None)
        self.beginning = LaneText(rules(**changes), state, [1, 2, 3, 4])
        self.writer = Int8Writer(self.engine, count=count, room=STEPS)

    def queue(self, keys: npt.NDArray[np.uint64]) -> Queue:
        return Queue(self.engine, self.beginning, keys)

    def write(self, keys: npt.NDArray[np.uint64], steps: int = STEPS) -> Written:
        return self.writer.write(steps, self.queue(keys))


def texts(writing: Writing, queue: Queue, *, size: int = STEPS) -> dict[int, list[int]]:
    """The ids of every text that ends, by its entry in the queue."""
    writer = writing.writer
    entries, ids = [-1] * len(writer), [[] for _ in range(len(writer))]  # type: ignore[var-annotated]
    found: dict[int, list[int]] = {}
    while True:
        written = writer.write(size, queue)
        for lane, row in enumerate(written.ids.tolist()):
            begun, ends = written.begun[lane].tolist(), written.ends[lane].tolist()
            if begun[0] >= 0:
                entries[lane], ids[lane] = begun[0], []
            for step, each in enumerate(row):
                if entries[lane] < 0:
                    break
                ids[lane].append(each)
                if ends[step]:
                    found[entries[lane]] = ids[lane]
                    entries[lane], ids[lane] = begun[step + 1], []
        if queue.empty and (writer.entries < 0).all():
            return found


@pytest.mark.parametrize("network", NETWORKS)
def test_texts_do_not_depend_on_lanes_or_calls(network: str) -> None:
    keys = sample_keys(1, range(30))

    def written(keys: npt.NDArray[np.uint64], count: int, size: int) -> dict[int, list[int]]:
        writing = Writing(network, count)
        return texts(writing, writing.queue(keys), size=size)

    alone = {i: written(keys[i : i + 1], 1, STEPS)[0] for i in range(30)}
    assert len({len(each) for each in alone.values()}) > 3
    for count, size in ((1, 50), (3, 50), (7, 1), (40, 11)):
        assert written(keys, count, size) == alone


@pytest.mark.parametrize("network", NETWORKS)
def test_lanes_that_are_kept_go_on(network: str) -> None:
    whole, cut = (Writing(network, 5, stops=[]) for _ in range(2))
    for each in (whole, cut):
        each.write(sample_keys(3, range(5)), 13)
    fewer = cut.writer.resized([3, 1], 2)
    assert fewer.entries.tolist() == [3, 1]
    assert fewer.made.tolist() == [13, 13]
    assert fewer.write(9).ids.tolist() == whole.writer.write(9).ids[[3, 1]].tolist()


def test_threads_share_a_queue() -> None:
    queue = Writing().queue(sample_keys(1, range(2000)))
    found: list[dict[int, list[int]]] = []
    threads = [
        threading.Thread(target=lambda: found.append(texts(Writing(count=8), queue)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.empty
    assert sorted(entry for each in found for entry in each) == list(range(2000))


def test_a_text_ends_by_its_length_or_by_the_longest_stop() -> None:
    written = Writing(count=1, stops=[], length=7).write(sample_keys(0, [0]))
    assert written.ends[0].tolist() == [0] * 6 + [LENGTH]
    *_, before, last = written.ids[0].tolist()
    both = Writing(count=1, stops=[(last,), (before, last)], length=40)
    assert both.write(sample_keys(0, [0])).ends[0, -1] == 2


@pytest.mark.parametrize("wrong", [-1, 67, 1 << 40])
def test_ids_of_a_prompt_are_checked(wrong: int) -> None:
    writing = Writing()
    text = replace(writing.beginning, ids=[wrong, 4])
    for read in (
        lambda: writing.writer.put(0, text),
        lambda: Queue(writing.engine, text, sample_keys(0, [0])),
    ):
        with pytest.raises(ConfigError, match=f"id {wrong}: the model's ids go from 0 to 66"):
            read()
    assert writing.writer.free_lanes == [0, 1, 2, 3]


def random_rules(random: np.random.Generator) -> Rules:
    """Rules that differ in everything, and in how many last ids they need."""
    window = int(random.choice([1, 5, 64, 65, 300]))
    penalty = float(random.choice([0.7, 1.3]))
    filters = Filters(
        67,
        temperature=float(random.choice([0.0, 0.5, 1.0, 1.5])),
        repetition_penalty=penalty if random.random() < 0.7 else None,
        top_k=int(random.integers(2, 40)) if random.random() < 0.3 else None,
        top_p=0.9 if random.random() < 0.3 else None,
    )
    allowed = random.random(67) < 0.8 if random.random() < 0.3 else None
    stops = [
        tuple(random.integers(67, size=size).tolist())
        for size in random.integers(1, 4, size=random.integers(0, 9))
    ]
    length, least = int(random.integers(1, 400)), int(random.choice([0, 3, 30]))
    return Rules(filters, allowed, length, least, stops, window, scored=random.random() < 0.5)


class Found(NamedTuple):
    """What is written of a text."""

    ids: list[int]
    scores: list[float]
    ends: list[int]

    def add(self, written: Written, lane: int, *, scored: bool) -> bool:
        """Add a lane's row. Returns whether the text has ended."""
        ends = written.ends[lane].tolist()
        count = next((step for step, end in enumerate(ends, 1) if end), len(ends))
        self.ids.extend(written.ids[lane, :count].tolist())
        self.scores.extend(written.scores[lane, : count * scored].tolist())
        self.ends.extend(ends[:count])
        return bool(self.ends and self.ends[-1])


def random_texts(engine: Int8Engine, seed: int, count: int) -> list[LaneText]:
    random = np.random.default_rng(seed)
    given = []
    for key in sample_keys(seed, range(count)).tolist():
        prompt = random.integers(67, size=random.choice([1, 3, 80])).tolist()
        state = engine.read([prompt[:-1]], None) if len(prompt) > 1 else None
        given.append(LaneText(random_rules(random), state, prompt, key))
    return given


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("seed", range(3))
def test_texts_are_parked_and_go_on_in_any_writer_and_company(network: str, seed: int) -> None:
    engine = Int8Engine(*drawn_model(network, hidden_size=20, layers=2))
    given = random_texts(engine, seed, 25)
    alone = [Found([], [], []) for _ in given]
    for text, found in zip(given, alone, strict=True):
        writer = Int8Writer(engine, count=1, room=STEPS)
        writer.put(0, text)
        while not found.add(writer.write(STEPS), 0, scored=text.rules.scored):
            pass
    random = np.random.default_rng(seed + 100)
    writers = [Int8Writer(engine, count=count, room=STEPS) for count in (1, 4, 9)]
    lanes: list[dict[int, int]] = [{}, {}, {}]  # the text in each lane with one
    waiting, parked = set(range(25)), dict(enumerate(given))
    together = [Found([], [], []) for _ in given]
    while waiting or any(lanes):
        number = int(random.integers(3))
        writer, places = writers[number], lanes[number]
        for lane in list(places):
            if random.random() < 0.3:
                which = places.pop(lane)
                waiting.add(which)
                parked[which] = writer.take(lane)
        for lane in writer.free_lanes:
            if waiting and random.random() < 0.7:
                places[lane] = which = int(random.choice(sorted(waiting)))
                waiting.remove(which)
                writer.put(lane, parked.pop(which))
        written = writer.write(int(random.integers(1, 30)))
        for lane, which in list(places.items()):
            if together[which].add(written, lane, scored=given[which].rules.scored):
                del places[lane]
        assert writer.free_lanes == [lane for lane in range(len(writer)) if lane not in places]
    assert together == alone
    assert len({found.ends[-1] for found in alone}) > 1


def test_a_queue_goes_on_beside_texts_of_other_rules() -> None:
    alone, both = Writing(count=4), Writing(count=4)
    keys = sample_keys(1, range(50))
    expected = texts(alone, alone.queue(keys))
    (other,) = random_texts(both.engine, 5, 1)
    longer = replace(other, rules=rules(length=None, stops=[], window=500))
    both.writer.put(2, longer)
    assert texts(both, both.queue(keys)) == expected
    assert both.writer.take(2).made > 100
    assert both.writer.free_lanes == [0, 1, 2, 3]


def test_an_error_ends_one_text_only() -> None:
    writing, nothing = Writing(stops=[], length=20), np.zeros(67, dtype=np.bool_)
    keys = sample_keys(2, range(3)).tolist()
    alone = []
    for key in keys:
        writing.writer.put(0, replace(writing.beginning, key=key))
        alone.append(writing.writer.write(STEPS).ids[0].tolist())
    lost = tuple(np.full_like(part, np.nan) for part in writing.beginning.state or ())
    writer = writing.writer
    for lane, key in zip((0, 2), keys[:2], strict=True):
        writer.put(lane, replace(writing.beginning, key=key))
    writer.put(1, replace(writing.beginning, rules=rules(allowed=nothing)))
    writer.put(3, replace(writing.beginning, state=lost))
    written = writer.write(STEPS)
    assert written.ends.tolist() == [[0], [NOTHING_MAY_COME], [0], [OVERFLOW]]
    assert written.ids[[1, 3]].tolist() == [[-1], [-1]]
    assert writer.free_lanes == [1, 3]
    first = written.ids[[0, 2]].tolist()
    writer.put(3, replace(writing.beginning, key=keys[2]))  # where the numbers had overflowed
    written = writer.write(STEPS)
    assert [
        ids + more for ids, more in zip(first, written.ids[[0, 2]].tolist(), strict=True)
    ] == alone[:2]
    assert written.ids[3].tolist() + writer.write(STEPS).ids[3].tolist() == alone[2]


def test_a_queue_goes_on_after_an_error() -> None:
    # Only id 9 is allowed, and may not come at once: every text of the queue ends with an error.
    allowed = np.arange(67) == 9
    changes = {"allowed": allowed, "stops": [(9,)], "min_length": 1, "length": 5}
    writing = Writing(count=2, **changes)
    queue = writing.queue(sample_keys(0, range(5)))
    assert texts(writing, queue, size=1) == {i: [-1] for i in range(5)}


def test_the_scores_are_those_of_texts_whose_rules_want_them() -> None:
    writing = Writing(count=2, stops=[], length=9)
    writing.writer._scores[:] = 7
    writing.writer.put(0, replace(writing.beginning, rules=rules(stops=[], scored=True)))
    writing.writer.put(1, writing.beginning)
    scores = writing.writer.write(5).scores
    assert (scores[0] < 0).all()
    assert (scores[1] == 7).all()


@pytest.mark.parametrize("network", NETWORKS)
def test_another_thread_interrupts_after_the_present_step(network: str) -> None:
    engine = Int8Engine(*drawn_model(network, hidden_size=20, layers=2))
    writer = Int8Writer(engine, count=2, room=10**6)
    endless = LaneText(rules(length=None, stops=[]), None, [3], 5)
    writer.put(0, endless)
    thread = threading.Timer(0.05, writer.interrupt)
    thread.start()
    ids = writer.write(10**6).ids[0].tolist()
    thread.join()
    assert 0 < len(ids) < 10**6
    writer.interrupt()  # before the call: it takes one step, so texts always get on
    one = writer.write(100).ids[0].tolist()
    assert len(one) == 1
    ids += one + writer.write(20).ids[0].tolist()
    other = Int8Writer(engine, count=2, room=10**6)
    other.put(1, endless)
    assert other.write(len(ids)).ids[1].tolist() == ids


def test_a_writer_without_texts_writes_nothing() -> None:
    writer = Writing().writer
    assert writer.write(STEPS).ids.shape == (4, 0)
    assert writer.entries.tolist() == [-1] * 4


def test_rules_that_no_lane_obeys_are_dropped() -> None:
    writing = Writing(count=2)
    for number in range(100):
        writing.writer.put(1, replace(writing.beginning, rules=rules(length=number + 1)))
        assert writing.writer.take(1).rules.length == number + 1
    assert len(writing.writer._rules) < 30
