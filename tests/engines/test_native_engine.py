import dataclasses
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from charrnn import cores
from charrnn.engines import (
    ENGINES,
    Array,
    NativeEngine,
    NumPyEngine,
    best_engine,
    native_engine,
    native_structures,
)
from charrnn.engines import engine as interface
from charrnn.engines.native_engine import NativeLanes, available, processors
from charrnn.errors import ConfigError
from charrnn.model.cells import CELLS
from charrnn.storage.model_directory import Model
from tests.engines.test_engines import NETWORKS, sizes

MakeModel = Callable[..., Model]
Ids = npt.NDArray[np.int64]

needs_library = pytest.mark.skipif(
    not available(), reason="the native engine was not built: no C compiler, or CHARRNN_NATIVE=0"
)
every_processor = pytest.mark.parametrize("processor", processors() or [0])


def some_ids(model: Model, *shape: int) -> Ids:
    return np.random.default_rng(0).integers(model.config.vocabulary_size, size=shape)


def steps(lanes: NativeLanes, ids: Ids) -> Array:
    """The logits (B, T, V) of steps through ids (B, T)."""
    return np.stack([lanes.step(column).copy() for column in ids.T], axis=1)


def tanh(x: npt.ArrayLike, processor: int) -> Array:
    library = native_engine._library()
    assert library is not None
    values = np.atleast_1d(np.array(x, dtype=np.float32))
    filled = np.zeros(len(values) + -len(values) % 16, dtype=np.float32)
    filled[: len(values)] = values
    library.charrnn_tanh(processor, filled.ctypes.data, len(filled))
    return filled[: len(values)]


@needs_library
@every_processor
@pytest.mark.parametrize("size", [5, 16, 100, 128, 300])
@pytest.mark.parametrize("cell", NETWORKS)
def test_bits_are_the_same_in_any_company(
    cell: str, size: int, processor: int, make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell), hidden_size=size)
    engine = NativeEngine(model.config, model.tensors, processor=processor)
    ids = some_ids(model, 40, 6)
    alone = np.concatenate([steps(engine.lanes(1), ids[lane : lane + 1]) for lane in range(40)])
    for count in (*range(2, 14), 17, 25, 31, 40):
        first = 40 - count  # other neighbours, and another place, for most lanes
        together = steps(engine.lanes(count), ids[first:])
        np.testing.assert_array_equal(together, alone[first:], err_msg=f"{count} lanes")


@needs_library
@every_processor
@pytest.mark.parametrize("cell", NETWORKS)
def test_every_processor_computes_what_numpy_does(
    cell: str, processor: int, make_model: MakeModel
) -> None:
    for characters, size in (("\n abcdefgh", 100), (None, 33)):
        model = make_model(characters, **sizes(cell), hidden_size=size, layers=3)
        ids = some_ids(model, 7, 50)
        logits, end = NativeEngine(model.config, model.tensors, processor=processor).advance(
            ids, None
        )
        expected, expected_end = NumPyEngine.of(model).advance(ids, None)
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)
        for part, expected_part in zip(end, expected_end, strict=True):
            np.testing.assert_allclose(part, expected_part, rtol=0, atol=1e-5)


@needs_library
@pytest.mark.parametrize("cell", NETWORKS)
def test_processors_that_fuse_products_and_sums_give_the_same_bits(
    cell: str, make_model: MakeModel
) -> None:
    # The compiler chose which were fused, for each processor as it liked.
    model = make_model(**sizes(cell), hidden_size=40, layers=2)
    ids = some_ids(model, 9, 30)
    *fused, last = processors()
    if last < 2:
        fused.append(last)  # not the entry for what may have no such instruction
    found = [
        NativeEngine(model.config, model.tensors, processor=each).advance(ids, None)[0]
        for each in fused
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@needs_library
@every_processor
@pytest.mark.parametrize("cell", NETWORKS)
def test_reading_at_once_gives_the_bits_of_single_steps(
    cell: str, processor: int, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interface, "CHARACTERS_AT_ONCE", 96)
    model = make_model(**sizes(cell), hidden_size=50, layers=3)
    engine = NativeEngine(model.config, model.tensors, processor=processor)
    ids = some_ids(model, 3, 150)
    assert ids.size > 3 * interface.CHARACTERS_AT_ONCE  # so that there are several chunks
    lanes = engine.lanes(3)
    expected = steps(lanes, ids)
    whole, end = engine.advance(ids, None)
    np.testing.assert_array_equal(whole, expected)
    _, middle = engine.advance(ids[:, :101], None)
    rest, _ = engine.advance(ids[:, 101:], middle)
    np.testing.assert_array_equal(rest, expected[:, 101:])
    for lane in range(3):
        for part, read in zip(lanes.get(lane), end, strict=True):
            np.testing.assert_array_equal(part, read[:, lane : lane + 1])


@needs_library
@every_processor
@pytest.mark.parametrize("cell", NETWORKS)
def test_a_second_thread_changes_no_bit(cell: str, processor: int, make_model: MakeModel) -> None:
    model = make_model(**sizes(cell), hidden_size=300, layers=3)
    engine = NativeEngine(model.config, model.tensors, processor=processor)
    for count in (1, 3):
        ids = some_ids(model, count, 200)
        alone = steps(engine.lanes(count, threads=1), ids)
        helped = engine.lanes(count, threads=2)
        assert helped._lanes.helper is not None
        np.testing.assert_array_equal(steps(helped, ids[:, :100]), alone[:, :100])
        time.sleep(0.01)  # the helper goes to sleep, and has to be woken
        np.testing.assert_array_equal(steps(helped, ids[:, 100:]), alone[:, 100:])
        read, _ = engine.lanes(count, threads=2).advance(ids, None)
        np.testing.assert_array_equal(read, alone)


@needs_library
@pytest.mark.parametrize(
    ("affinity", "quotas", "variable", "helped"),
    [
        ({0, 1}, (), "", True),
        ({0}, (), "", False),
        ({0, 1}, (1,), "", False),
        ({0, 1}, (), "1", False),
        ({0, 1}, (8,), "8", True),
    ],
)
def test_a_second_thread_computes_only_where_it_may(
    affinity: set[int],
    quotas: tuple[int, ...],
    variable: str,
    helped: bool,
    make_model: MakeModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: affinity, raising=False)
    monkeypatch.setattr(cores, "_quotas", lambda: quotas)
    monkeypatch.setenv(cores.THREADS, variable)
    monkeypatch.setattr(native_engine, "_SHARED_BYTES", 0)
    lanes = NativeEngine.of(make_model()).lanes(1)
    assert (lanes._lanes.helper is not None) is helped


@needs_library
@pytest.mark.parametrize("threads", [1, 2])
def test_lanes_step_at_the_same_time_in_several_threads(
    threads: int, make_model: MakeModel
) -> None:
    model = make_model(hidden_size=200)
    engine = NativeEngine.of(model)
    ids = some_ids(model, 4, 400)
    expected = [steps(engine.lanes(1, threads=1), ids[lane : lane + 1]) for lane in range(4)]
    found: dict[int, Array] = {}

    def work(lane: int) -> None:
        found[lane] = steps(engine.lanes(1, threads=threads), ids[lane : lane + 1])

    workers = [threading.Thread(target=work, args=(lane,)) for lane in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for lane in range(4):
        np.testing.assert_array_equal(found[lane], expected[lane])


def run_python(script: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", LANES + script],
        check=True,
        timeout=120,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


LANES = """
import gc, os, sys, threading, time, numpy as np
from charrnn.engines import NativeEngine
from charrnn.model.config import ModelConfig
config = ModelConfig(vocabulary_size=9, hidden_size=300)
random = np.random.default_rng(0)
tensors = {
    name: random.normal(0, 0.1, shape).astype(np.float32)
    for name, shape in config.tensor_shapes().items()
}
engine = NativeEngine(config, tensors)
def write(steps=10**9):
    lanes = engine.lanes(1, threads=2)
    assert lanes._lanes.helper
    logits = None
    for i in range(steps):
        logits = lanes.step([i % 9]).copy()
    return logits
"""


@needs_library
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_lanes_go_on_after_a_fork() -> None:
    # The child has the lanes and not their second thread: it must neither wait for it nor join it.
    script = """
lanes, alone = engine.lanes(1, threads=2), engine.lanes(1, threads=1)
def same():
    return all((lanes.step([i % 9]) == alone.step([i % 9])).all() for i in range(200))
assert same()
child = os.fork()
assert same()
if child == 0:
    del lanes
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    run_python(script)


@needs_library
def test_a_program_may_end_while_a_thread_computes_with_a_helper() -> None:
    # The helper's memory was freed at exit while a daemon thread was still using it: about every
    # third such program ended in a segmentation fault.
    script = """
for _ in range(3):
    threading.Thread(target=write, daemon=True).start()
time.sleep(0.05)
print("the end")
"""
    for _ in range(6):
        assert run_python(script) == "the end\n"


@needs_library
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_may_be_forked_while_a_thread_computes_with_a_helper() -> None:
    script = """
expected = write(100)
threading.Thread(target=write, daemon=True).start()
for _ in range(5):
    time.sleep(0.01)
    child = os.fork()
    if child == 0:  # which has none of its parent's threads, and may have ones of its own
        gc.collect()
        same = (write(100) == expected).all()
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(0 if (write(100) == expected).all() else 1)
        os._exit(0 if same and os.waitpid(grandchild, 0)[1] == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
assert (write(100) == expected).all()
print("the end")
"""
    assert run_python(script) == "the end\n"


@needs_library
@every_processor
def test_tanh_is_near_enough_everywhere(processor: int) -> None:
    x = np.concatenate([np.linspace(-12, 12, 1_000_001), np.logspace(-38, 38, 100_001)])
    x = np.concatenate([x, -x]).astype(np.float32)
    found = tanh(x, processor)
    assert np.abs(found - np.tanh(x.astype(np.float64))).max() < 2e-7
    assert np.abs(found).max() == 1
    np.testing.assert_array_equal(tanh(-x, processor), -found)


@needs_library
@every_processor
def test_tanh_at_its_ends(processor: int) -> None:
    most = float(np.finfo(np.float32).max)
    np.testing.assert_array_equal(
        tanh([0, 9.02, 100, most, np.inf, -9.02, -most, -np.inf], processor),
        [0, 1, 1, 1, 1, -1, -1, -1],
    )
    assert np.isnan(tanh([np.nan, -np.nan], processor)).all()
    assert np.signbit(tanh([-0.0], processor)).all()


@needs_library
@pytest.mark.parametrize("cell", CELLS)
def test_put_get_and_take(cell: str, make_model: MakeModel) -> None:
    model = make_model(cell=cell, hidden_size=20)
    engine = NativeEngine.of(model)
    ids = some_ids(model, 3, 30)
    lanes = engine.lanes(3)
    steps(lanes, ids)
    kept = [lanes.get(lane) for lane in range(3)]
    assert kept[0][0].shape == (2, 1, 20)
    goes_on = steps(lanes, ids)
    assert not np.array_equal(lanes.get(0)[0], kept[0][0])  # a value does not change
    for lane, state in enumerate(kept):
        lanes.put(lane, state)
    np.testing.assert_array_equal(steps(lanes, ids), goes_on)
    for lane, state in enumerate(kept):
        lanes.put(lane, state)
    lanes.take(np.array([2, 0, 0]))
    np.testing.assert_array_equal(steps(lanes, ids[[2, 0, 0]]), goes_on[[2, 0, 0]])
    lanes.put(1, None)
    fresh = steps(engine.lanes(1), ids[:1])
    np.testing.assert_array_equal(steps(lanes, ids[[0, 0, 0]])[1:2], fresh)


@needs_library
def test_states_pass_from_engine_to_engine(make_model: MakeModel) -> None:
    model = make_model()
    ids = some_ids(model, 1, 40)
    _, state = NumPyEngine.of(model).advance(ids, None)
    expected, _ = NumPyEngine.of(model).advance(ids, state)
    np.testing.assert_allclose(
        NativeEngine.of(model).advance(ids, state)[0], expected, rtol=0, atol=1e-5
    )


@needs_library
def test_no_lanes_and_no_characters(make_model: MakeModel) -> None:
    engine = NativeEngine.of(make_model())
    assert engine.lanes(0).step(np.zeros(0, dtype=np.intp)).shape == (0, 10)
    assert engine.advance(np.zeros((0, 5), dtype=int), None)[0].shape == (0, 5, 10)
    logits, state = engine.advance(np.zeros((2, 0), dtype=int), None)
    assert logits.shape == (2, 0, 10)
    assert not any(part.any() for part in state)


@needs_library
@pytest.mark.parametrize("weight", [1e38, np.inf, np.nan])
@pytest.mark.parametrize("cell", CELLS)
def test_weights_that_overflow_show_as_they_do_in_numpy(
    cell: str, weight: float, make_model: MakeModel
) -> None:
    model = make_model(cell=cell)
    tensors = dict(model.tensors)
    tensors["head.weight"] = np.full_like(tensors["head.weight"], weight)
    tensors["rnn.weight_hh_l1"] = np.full_like(tensors["rnn.weight_hh_l1"], weight)
    broken = dataclasses.replace(model, tensors=tensors)
    ids = some_ids(model, 2, 20)
    logits, _ = NativeEngine.of(broken).advance(ids, None)
    expected, _ = NumPyEngine.of(broken).advance(ids, None)
    np.testing.assert_array_equal(np.isfinite(logits), np.isfinite(expected))


@needs_library
def test_lanes_outlive_the_name_of_their_engine(make_model: MakeModel) -> None:
    model = make_model(hidden_size=300)
    ids = some_ids(model, 1, 50)
    expected = steps(NativeEngine.of(model).lanes(1), ids)
    lanes = NativeEngine.of(model).lanes(1, threads=2)
    np.testing.assert_array_equal(steps(lanes, ids), expected)


@needs_library
def test_it_keeps_no_weights_that_it_does_not_read(make_model: MakeModel) -> None:
    # It kept NumPyEngine's as well as its own: 5.9 times the parameters.
    model = make_model("".join(map(chr, range(32, 112))), hidden_size=128, embedding_size=32)
    tracemalloc.start()
    try:
        engine = NativeEngine.of(model)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    table = model.config.vocabulary_size * 4 * 128 * 4
    weights = 4 * model.config.parameters - model.tensors["rnn.weight_ih_l0"].nbytes
    assert engine.weight_bytes <= kept < 1.3 * (weights + table)


@needs_library
@pytest.mark.parametrize("cell", CELLS)
def test_its_table_is_the_input_product_of_every_character(
    cell: str, make_model: MakeModel
) -> None:
    # Over several layers of panels and an embedding that fills no vector.
    model = make_model(None, cell=cell, hidden_size=70, embedding_size=37, layers=1)
    ids = np.arange(256)[:, None]
    logits, _ = NativeEngine.of(model).advance(ids, None)
    expected, _ = NumPyEngine.of(model).advance(ids, None)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


@needs_library
def test_it_is_the_best_engine_and_an_entry(make_model: MakeModel) -> None:
    assert ENGINES["native"] == NativeEngine.of
    assert isinstance(best_engine(make_model()), NativeEngine)


def test_it_can_be_switched_off(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_NATIVE", "0")
    assert not available()
    assert isinstance(best_engine(make_model()), NumPyEngine)
    with pytest.raises(ConfigError, match="native engine"):
        NativeEngine.of(make_model())
    code = "from charrnn.engines import ENGINES; assert 'numpy' in ENGINES; "
    subprocess.run([sys.executable, "-c", code + "assert 'native' not in ENGINES"], check=True)


@pytest.mark.parametrize("content", [None, b"", b"\x7fELF, and then nothing of it"])
def test_without_a_library_it_falls_back(
    content: bytes | None,
    tmp_path: Path,
    make_model: MakeModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if content is not None:
        (tmp_path / "native").mkdir()
        for suffix in EXTENSION_SUFFIXES:
            (tmp_path / "native" / f"step{suffix}").write_bytes(content)
    monkeypatch.setattr(native_engine, "__file__", str(tmp_path / "native_engine.py"))
    native_engine._library.cache_clear()
    try:
        assert not available()
        assert processors() == []
        assert isinstance(best_engine(make_model()), NumPyEngine)
        with pytest.raises(ConfigError, match="native engine"):
            NativeEngine.of(make_model())
    finally:
        monkeypatch.undo()
        native_engine._library.cache_clear()


@needs_library
def test_a_library_of_another_layout_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_engine, "STRUCTURES", native_structures.STRUCTURES[:-1])
    native_engine._library.cache_clear()
    try:
        assert not available()
    finally:
        monkeypatch.undo()
        native_engine._library.cache_clear()


@needs_library
def test_a_processor_that_this_one_is_not_is_refused(make_model: MakeModel) -> None:
    model = make_model()
    with pytest.raises(ConfigError, match="99"):
        NativeEngine(model.config, model.tensors, processor=99)
