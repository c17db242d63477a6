"""The same seed is the same text: an engine's bits depend on no number of threads of BLAS, and
those of the native engine not on which processor BLAS takes this one for."""

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from charrnn.engines import ENGINES, Array, NumPyEngine, native_engine
from charrnn.engines.deterministic_matmul import product
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model

MakeModel = Callable[..., Model]

THREADS = (1, 2, 3)

exact_engines = pytest.mark.parametrize("engine", [name for name in ENGINES if name != "torch"])


@pytest.mark.parametrize("network", ["lstm", "gru", "attention"])
@pytest.mark.parametrize("size", [300, 512, 768])
@exact_engines
def test_bits_depend_on_no_number_of_threads(
    engine: str, size: int, network: str, make_model: MakeModel
) -> None:
    # OpenBLAS divides products from H 304 on among its threads, and rounds at their borders in
    # other ways; of a large window, products with the keys too.
    model = make_model(
        "".join(map(chr, range(32, 112))),
        cell="gru" if network == "gru" else "lstm",
        attention=301 if network == "attention" else None,
        layers=1,
        hidden_size=size,
        embedding_size=size,
    )
    ids = np.random.default_rng(0).integers(80, size=(5, 3))
    found = []
    for threads in THREADS:
        with threadpool_limits(threads, user_api="blas"):
            running = ENGINES[engine](model)
            logits, _ = running.advance(ids, None)
            lanes = running.lanes(1)
            alone = np.stack([lanes.step(ids[2:3, t]).copy() for t in range(3)], axis=1)
        np.testing.assert_array_equal(alone[0], logits[2])
        found.append(logits)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize("columns", [16, 256, 272, 496, 512, 528, 768, 1008, 1024])
def test_products_are_right_whatever_their_width(columns: int) -> None:
    random = np.random.default_rng(0)
    for sums in (16, 256, 528):
        x = random.normal(size=(8, sums)).astype(np.float32)
        weight = random.normal(size=(3, sums, columns)).astype(np.float32)
        out, part = (np.full((3, 8, columns), np.nan, dtype=np.float32) for _ in range(2))
        expected = x.astype(np.float64) @ weight.astype(np.float64)
        np.testing.assert_allclose(product(x, weight), expected, rtol=0, atol=1e-4)
        assert product(x, weight, out, part) is out
        np.testing.assert_array_equal(out, product(x, weight))
        np.testing.assert_array_equal(out[1], product(x, weight[1]))


@pytest.mark.parametrize("window", [1, 7, 143, 144, 145, 300, 1024])
def test_looking_up_in_pieces_is_looking_up_at_once(window: int, make_model: MakeModel) -> None:
    model = make_model(attention=window, layers=1, hidden_size=16)
    running = NumPyEngine.of(model)
    memory = running.memory(3)
    assert memory is not None
    random = np.random.default_rng(0)
    memory.keys[:] = random.normal(size=memory.keys.shape)
    memory.values[:] = random.normal(size=memory.values.shape)
    memory._queries[:] = random.normal(size=memory._queries.shape)
    memory._attend()
    keys, values = (part.astype(np.float64) for part in (memory.keys, memory.values))
    scores = (memory._queries @ keys[:, :window].swapaxes(1, 2))[:, 0] + memory.weights.biases
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(memory.attended, shares, rtol=0, atol=1e-5)
    expected = (shares[:, None] @ values[:, 1 : window + 1])[:, 0]
    np.testing.assert_allclose(memory._found[:3], expected, rtol=0, atol=1e-5)


@exact_engines
def test_samples_beside_a_stream_do_not_change_it(engine: str, make_model: MakeModel) -> None:
    # While samples are open, BLAS has one thread.
    model = make_model(hidden_size=512, layers=1)
    sampler = Sampler(model, engine)
    config = SamplingConfig(length=12, seed=3)

    def written() -> tuple[str, list[float]]:
        stream = sampler.stream("", config, log_probabilities=True)
        return "".join(stream), stream.log_probabilities

    with threadpool_limits(2, user_api="blas"):
        before = written()
        samples = sampler.samples("", config, indices=range(3), score=True)
        first = next(samples)
        assert written() == before
        assert (first.text, list(first.log_probabilities)) == before
        samples.close()


SCRIPT = """
import hashlib, numpy as np
from threadpoolctl import threadpool_limits
from charrnn.engines import ENGINES, NumPyEngine
from charrnn.model.config import ModelConfig
random = np.random.default_rng(0)
def make(**sizes):
    config = ModelConfig(vocabulary_size=99, **sizes)
    return config, {
        name: random.normal(0, 0.1, shape).astype(np.float32)
        for name, shape in config.tensor_shapes().items()
    }
def digests(engine, model):
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            running = engine(*model)
            logits, _ = running.advance(np.arange(99)[None], None)
            lanes = running.lanes(1)
            for place in range(3):
                assert (lanes.step([place]) == logits[:, place]).all()
            yield hashlib.sha256(logits.tobytes()).hexdigest()
if "native" in ENGINES:
    from charrnn.engines import NativeEngine
    model = make(hidden_size=128, embedding_size=300, attention=200)
    print("native", *digests(NativeEngine, model))
for size in (512, 768):
    print("numpy", *digests(NumPyEngine, make(hidden_size=size, layers=1)))
"""


def test_whatever_processor_blas_takes_this_one_for() -> None:
    # The native engine's table was folded with BLAS: other threads or another kind of processor,
    # another text. Of NumPy's, only the threads are promised to make no difference.
    native = set()
    for processor in ("", "Prescott", "Nehalem", *(["Haswell"] if _has_avx2() else [])):
        environment = {**os.environ, "OPENBLAS_CORETYPE": processor}
        printed = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=environment,
            check=True,
            timeout=100,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        for line in printed.splitlines():
            engine, *digests = line.split()
            assert len(digests) == 2
            assert len(set(digests)) == 1, f"{engine} as {processor or 'what it is'}"
            if engine == "native":
                native |= set(digests)
    assert len(native) == native_engine.available()


def _has_avx2() -> bool:
    library = native_engine._library()
    return library is not None and library.charrnn_floats(1) == 8


# What is not a number


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("network", ["rnn", "gru", "lstm", "attention"])
@exact_engines
def test_what_is_no_number_shows_in_every_engine_or_in_none(
    engine: str, network: str, value: float, make_model: MakeModel
) -> None:
    model = make_model(
        cell="lstm" if network == "attention" else network,
        attention=5 if network == "attention" else None,
        sharpness=1.0,
    )
    ids = np.random.default_rng(0).integers(10, size=(2, 8))
    for name in model.tensors:
        broken = {each: array.copy() for each, array in model.tensors.items()}
        broken[name].flat[0] = value
        changed = Model(model.config, model.tokenizer, broken, model.provenance)
        # PyTorch's attention looks back over a whole text, and later characters spoil earlier ones.
        reference = "numpy" if network == "attention" else "torch"
        expected = _finite(ENGINES[reference](changed).advance(ids, None)[0])
        found = _finite(ENGINES[engine](changed).advance(ids, None)[0])
        np.testing.assert_array_equal(found, expected, err_msg=name)
        running = ENGINES[engine](changed)
        lanes = running.lanes(2)
        stepped = np.stack([lanes.step(column).copy() for column in ids.T], axis=1)
        np.testing.assert_array_equal(_finite(stepped), expected, err_msg=name)


def _finite(logits: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which logits (B, T, V) come with no other that is no number: what sampling asks."""
    return np.asarray(np.isfinite(logits).all(axis=-1))
