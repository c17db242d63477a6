import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from charrnn.engines import NumPyEngine, int8_numbers
from charrnn.engines import engine as interface
from charrnn.engines.engine import Array, Lanes
from charrnn.engines.int8_engine import Int8Engine
from charrnn.engines.int8_numpy import Int8NumPyEngine
from charrnn.engines.int8_structures import available, fold, library, processors
from charrnn.errors import ConfigError
from tests.engines.int8_models import NETWORKS, Ids, digest, drawn_ids, drawn_model
from tests.engines.test_int8_numbers import samples
from tests.engines.test_int8_numpy import DIGESTS

needs_library = pytest.mark.skipif(
    not available(), reason="int8.c was not built: no C compiler, or CHARRNN_NATIVE=0"
)
every_processor = pytest.mark.parametrize("processor", list(processors()) or ["none"])
both_engines = pytest.mark.parametrize(
    "engine", [Int8NumPyEngine, pytest.param(Int8Engine, marks=needs_library)]
)


def steps(lanes: Lanes, ids: Ids) -> Array:
    """The logits (B, T, V) of steps through ids (B, T)."""
    return np.stack([lanes.step(column).copy() for column in ids.T], axis=1)


def assert_equal_states(found: tuple[Array, ...], expected: tuple[Array, ...]) -> None:
    for part, each in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part, each)


@needs_library
@every_processor
@pytest.mark.parametrize(("cell", "size"), DIGESTS)
def test_logits_have_the_same_bits_on_every_machine(cell: str, size: int, processor: str) -> None:
    model = drawn_model(cell, hidden_size=size, layers=3)
    logits, _ = Int8Engine(*model, processor=processor).advance(drawn_ids(3, 40), None)
    assert digest(logits) == DIGESTS[cell, size]


@needs_library
@every_processor
@pytest.mark.parametrize("size", [1, 3, 16, 33, 100, 257])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", NETWORKS)
def test_every_processor_has_the_bits_of_numpy(
    cell: str, layers: int, size: int, processor: str
) -> None:
    model = drawn_model(cell, hidden_size=size, layers=layers)
    engine, reference = Int8Engine(*model, processor=processor), Int8NumPyEngine(*model)
    for batch in (1, 2, 5, 13):
        ids = drawn_ids(batch, 20)
        expected, end = reference.advance(ids, None)
        logits, state = engine.advance(ids, None)
        np.testing.assert_array_equal(logits, expected)
        assert_equal_states(state, end)
        lanes = engine.lanes(batch)
        np.testing.assert_array_equal(steps(lanes, ids), expected)
        for lane in range(batch):
            assert_equal_states(lanes.get(lane), tuple(part[:, [lane]] for part in end))


@needs_library
@every_processor
@pytest.mark.parametrize("cell", NETWORKS)
def test_matrices_with_an_outlier_have_the_bits_of_numpy(cell: str, processor: str) -> None:
    config, tensors = drawn_model(cell, hidden_size=530, layers=2)  # exceeds exact float32
    for name in ("rnn.weight_hh_l0", "rnn.weight_ih_l1", "head.weight"):
        tensors[name][7, 9] = -5
    ids = drawn_ids(7, 5)
    expected, _ = Int8NumPyEngine(config, tensors).advance(ids, None)
    logits, _ = Int8Engine(config, tensors, processor=processor).advance(ids, None)
    np.testing.assert_array_equal(logits, expected)


@both_engines
@pytest.mark.parametrize("cell", NETWORKS)
def test_bits_are_the_same_alone_and_in_any_batch(
    cell: str, engine: type[Int8Engine] | type[Int8NumPyEngine]
) -> None:
    running = engine(*drawn_model(cell, hidden_size=50, layers=2))
    ids = drawn_ids(40, 6)
    alone = np.concatenate([steps(running.lanes(1), ids[lane : lane + 1]) for lane in range(40)])
    for count in (*range(2, 14), 17, 25, 40):
        first = 40 - count  # other neighbours, and another place, for most lanes
        together = steps(running.lanes(count), ids[first:])
        np.testing.assert_array_equal(together, alone[first:], err_msg=f"{count} lanes")


@both_engines
@pytest.mark.parametrize("cell", NETWORKS)
def test_reading_at_once_gives_the_bits_of_single_steps(
    cell: str,
    engine: type[Int8Engine] | type[Int8NumPyEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interface, "CHARACTERS_AT_ONCE", 96)
    running = engine(*drawn_model(cell, hidden_size=50, layers=3))
    ids = drawn_ids(3, 150)
    assert ids.size > 3 * interface.CHARACTERS_AT_ONCE  # so that there are several chunks
    lanes = running.lanes(3)
    expected = steps(lanes, ids)
    whole, end = running.advance(ids, None)
    np.testing.assert_array_equal(whole, expected)
    middle = running.read(ids[:, :101], None)
    kept = tuple(part.copy() for part in middle)
    rest, last = running.advance(ids[:, 101:], middle)
    assert_equal_states(middle, kept)
    np.testing.assert_array_equal(rest, expected[:, 101:])
    assert_equal_states(last, end)
    assert_equal_states(running.read(ids[:, 101:], middle), end)
    for lane in range(3):
        assert_equal_states(lanes.get(lane), tuple(part[:, [lane]] for part in end))


@both_engines
@pytest.mark.parametrize("cell", NETWORKS)
def test_lanes_are_put_and_taken(
    cell: str, engine: type[Int8Engine] | type[Int8NumPyEngine]
) -> None:
    running = engine(*drawn_model(cell, hidden_size=21, layers=2))
    ids = drawn_ids(4, 8)
    lanes = running.lanes(4)
    steps(lanes, ids)
    states = [lanes.get(lane) for lane in range(4)]
    lanes.take(np.array([2, 0, 1]))
    for lane, source in enumerate([2, 0, 1, 3]):
        assert_equal_states(lanes.get(lane), states[source])
    lanes.put([0, 3], states[1])
    lanes.put(1, None)
    again = steps(lanes, ids)
    for lane, state in enumerate([states[1], None, states[1], states[1]]):  # lane 2 took lane 1
        expected, _ = running.advance(ids[lane : lane + 1], state)
        np.testing.assert_array_equal(again[lane], expected[0])


@both_engines
@pytest.mark.parametrize("cell", NETWORKS)
def test_no_characters_change_no_state(
    cell: str, engine: type[Int8Engine] | type[Int8NumPyEngine]
) -> None:
    running = engine(*drawn_model(cell, hidden_size=9, layers=2))
    nothing = np.zeros((2, 0), dtype=np.int64)
    state = running.read(drawn_ids(2, 4), None)
    logits, after = running.advance(nothing, state)
    assert logits.shape == (2, 0, 67)
    assert_equal_states(after, state)
    assert_equal_states(running.read(nothing, state), state)


@both_engines
@pytest.mark.parametrize("wrong", [-1, 67, 2**62])
def test_unknown_ids_are_refused(
    wrong: int, engine: type[Int8Engine] | type[Int8NumPyEngine]
) -> None:
    running = engine(*drawn_model("lstm", hidden_size=9, layers=2))
    for function in (running.advance, running.read):
        with pytest.raises(ConfigError, match=f"id {wrong}: .* 0 to 66"):
            function([[1, 2], [wrong, 3]], None)
    lanes, undisturbed = running.lanes(2), running.lanes(2)
    with pytest.raises(ConfigError, match=f"id {wrong}: .* 0 to 66"):
        lanes.step(np.array([1, wrong]))
    ids = np.array([1, 2])
    np.testing.assert_array_equal(lanes.step(ids), undisturbed.step(ids))  # nothing was read


@both_engines
def test_a_long_text_takes_no_more_memory_than_a_short_one(
    engine: type[Int8Engine] | type[Int8NumPyEngine],
) -> None:
    running = engine(*drawn_model("lstm", hidden_size=64, layers=2))

    def peak(time: int) -> int:
        ids = drawn_ids(1, time).astype(np.uint8)
        tracemalloc.start()
        try:
            running.read(ids, None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1800)  # four chunks
    assert peak(6000) < peak(1800) + 5000


@needs_library
def test_lanes_step_at_the_same_time_in_several_threads() -> None:
    engine = Int8Engine(*drawn_model("lstm", hidden_size=100, layers=2))
    ids = drawn_ids(4, 400)
    expected = steps(engine.lanes(4), ids)
    found: dict[int, Array] = {}

    def work(lane: int) -> None:
        found[lane] = steps(engine.lanes(1), ids[lane : lane + 1])[0]

    workers = [threading.Thread(target=work, args=(lane,)) for lane in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for lane in range(4):
        np.testing.assert_array_equal(found[lane], expected[lane])


@both_engines
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("cell", NETWORKS)
def test_what_is_no_number_shows_as_in_float32(
    cell: str, value: float, engine: type[Int8Engine] | type[Int8NumPyEngine]
) -> None:
    config, tensors = drawn_model(cell, hidden_size=20, layers=2)
    ids = drawn_ids(2, 8)
    for name in tensors:
        broken = {each: array.copy() for each, array in tensors.items()}
        broken[name].flat[0] = value
        shown = [
            np.isfinite(each(config, broken).advance(ids, None)[0]).all(axis=-1)
            for each in (engine, NumPyEngine)
        ]
        if np.isinf(value):  # a state that rounds to zero, times infinity, is NaN
            assert (shown[0] <= shown[1]).all(), name
        else:
            np.testing.assert_array_equal(shown[0], shown[1], err_msg=name)
        stepped = np.isfinite(steps(engine(config, broken).lanes(2), ids)).all(axis=-1)
        np.testing.assert_array_equal(stepped, shown[0], err_msg=name)


@both_engines
@pytest.mark.parametrize("cell", NETWORKS)
def test_a_lane_that_is_lost_leaves_the_others_and_begins_anew(
    cell: str, engine: type[Int8Engine] | type[Int8NumPyEngine]
) -> None:
    running = engine(*drawn_model(cell, hidden_size=21, layers=2))
    ids = drawn_ids(3, 6)
    expected, _ = running.advance(ids, None)
    lanes = running.lanes(3)
    lost = tuple(np.full_like(part, np.nan) for part in lanes.get(1))
    lanes.put(1, lost)
    found = steps(lanes, ids)
    np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])
    assert np.isnan(found[1]).all()
    lanes.put([0, 1, 2], None)
    np.testing.assert_array_equal(steps(lanes, ids), expected)


@needs_library
@every_processor
@pytest.mark.parametrize("name", ["tanh", "exp"])
def test_functions_have_the_bits_of_numpy(name: str, processor: str) -> None:
    opened = library()
    assert opened is not None
    with np.errstate(all="ignore"):
        x = samples()
        expected = getattr(int8_numbers, name)(x)
    found = np.zeros(len(x) + -len(x) % 16, dtype=np.float32)
    found[: len(x)] = x
    function = getattr(opened, f"charrnn_int8_{name}")
    function(processors()[processor], found.ctypes.data, len(found))
    known = ~np.isnan(x)
    assert np.isnan(found[: len(x)][~known]).all()
    np.testing.assert_array_equal(
        found[: len(x)][known].view(np.uint32), expected[known].view(np.uint32)
    )


@needs_library
@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 33, 1000])
def test_sums_have_the_bits_of_numpy(count: int) -> None:
    opened = library()
    assert opened is not None
    x = np.random.default_rng(count).normal(size=count).astype(np.float32)
    found = opened.charrnn_int8_total(x.ctypes.data, count)
    assert np.float32(found) == int8_numbers.total(x)


@needs_library
@pytest.mark.parametrize("columns", [1, 16, 37])
def test_tables_have_the_bits_of_numpy(columns: int) -> None:
    random = np.random.default_rng(0)
    sizes = (5, 7), (columns, 7), (columns,)
    embedding, weight, bias = (random.normal(size=size).astype(np.float32) for size in sizes)
    expected = int8_numbers.fold(embedding, weight, bias)
    np.testing.assert_array_equal(fold(embedding, weight, bias), expected)


@needs_library
def test_attention_weights_have_the_bits_of_numpy() -> None:
    model = drawn_model("attention", hidden_size=21, layers=2)
    ids = drawn_ids(3, 9)
    found = []
    for engine in (Int8Engine, Int8NumPyEngine):
        lanes = engine(*model).lanes(3)
        steps(lanes, ids)
        attended = lanes.attended
        assert attended is not None
        np.testing.assert_allclose(attended.sum(axis=1), 1, rtol=1e-6)
        found.append(attended)
    np.testing.assert_array_equal(found[0], found[1])


@needs_library
def test_an_unknown_processor_is_refused() -> None:
    with pytest.raises(ConfigError, match="processor 'abacus': this one supports .*plain"):
        Int8Engine(*drawn_model("rnn", hidden_size=4, layers=1), processor="abacus")


def test_without_the_library_the_engine_says_so() -> None:
    script = (
        "from tests.engines.int8_models import drawn_model\n"
        "from charrnn.engines.int8_engine import Int8Engine\n"
        "Int8Engine(*drawn_model('rnn', hidden_size=4, layers=1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        env={"CHARRNN_NATIVE": "0"},
        capture_output=True,
        text=True,
    )
    assert "ConfigError: the int8 engine in C is switched off or not compiled" in done.stderr
