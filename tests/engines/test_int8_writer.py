import threading

import numpy as np
import pytest

from charrnn.engines.int8_engine import Int8Engine
from charrnn.engines.int8_structures import available
from charrnn.engines.int8_writer import LENGTH, Int8Writer, NothingMayCome, Queue, Rules
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


def writer(network: str = "lstm", count: int = 4, **changes: object) -> Int8Writer:
    engine = Int8Engine(*drawn_model(network, hidden_size=20, layers=2))
    state = engine.read([[1, 2, 3]], None)
    return Int8Writer(engine, rules(**changes), state, [1, 2, 3, 4], count=count, room=STEPS)


def texts(writing: Int8Writer, queue: Queue, *, size: int = STEPS) -> dict[int, list[int]]:
    """The ids of every text that ends, by its entry in the queue."""
    entries, ids = [-1] * len(writing), [[] for _ in range(len(writing))]  # type: ignore[var-annotated]
    found: dict[int, list[int]] = {}
    while True:
        written = writing.write(queue, size)
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
        if not written.ids.shape[1]:
            return found


@pytest.mark.parametrize("network", NETWORKS)
def test_texts_do_not_depend_on_lanes_or_calls(network: str) -> None:
    keys = sample_keys(1, range(30))
    alone = {i: texts(writer(network, 1), Queue(keys[i : i + 1]))[0] for i in range(30)}
    assert len({len(each) for each in alone.values()}) > 3
    for count, size in ((1, 50), (3, 50), (7, 1), (40, 11)):
        assert texts(writer(network, count), Queue(keys), size=size) == alone


@pytest.mark.parametrize("network", NETWORKS)
def test_lanes_that_are_kept_go_on(network: str) -> None:
    def ids(writing: Int8Writer, lanes: list[int]) -> list[list[int]]:
        return writing.write(Queue(sample_keys(0, [])), 9).ids[lanes].tolist()  # type: ignore[no-any-return]

    whole, cut = (writer(network, 5, stops=[]) for _ in range(2))
    for each in (whole, cut):
        each.write(Queue(sample_keys(3, range(5))), 13)
    fewer = cut.resized([3, 1], 2)
    assert fewer.entries.tolist() == [3, 1]
    assert fewer.made.tolist() == [13, 13]
    assert ids(fewer, [0, 1]) == ids(whole, [3, 1])


def test_threads_share_a_queue() -> None:
    queue = Queue(sample_keys(1, range(2000)))
    found: list[dict[int, list[int]]] = []
    threads = [
        threading.Thread(target=lambda: found.append(texts(writer(count=8), queue)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.empty
    assert sorted(entry for each in found for entry in each) == list(range(2000))


def test_a_text_ends_by_its_length_or_by_the_longest_stop() -> None:
    written = writer(count=1, stops=[], length=7).write(Queue(sample_keys(0, [0])), STEPS)
    assert written.ends[0].tolist() == [0] * 6 + [LENGTH]
    *_, before, last = written.ids[0].tolist()
    both = writer(count=1, stops=[(last,), (before, last)], length=40)
    assert both.write(Queue(sample_keys(0, [0])), STEPS).ends[0, -1] == 2


def test_nothing_is_written_where_nothing_may_come() -> None:
    allowed = np.zeros(67, dtype=np.bool_)
    with pytest.raises(NothingMayCome):
        writer(allowed=allowed).write(Queue(sample_keys(0, [0])), STEPS)


@pytest.mark.parametrize("wrong", [-1, 67, 1 << 40])
def test_ids_of_a_prompt_are_checked(wrong: int) -> None:
    engine = Int8Engine(*drawn_model("lstm", hidden_size=20, layers=2))
    with pytest.raises(ConfigError, match=f"id {wrong}: the model's ids go from 0 to 66"):
        Int8Writer(engine, rules(), None, [wrong, 4], count=1, room=STEPS)
