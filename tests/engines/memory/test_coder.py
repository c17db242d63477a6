"""The coder of ids: each way of computing the memory and the network writes and reads one code."""

import functools
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from charrnn.engines.engine import Lanes
from charrnn.engines.int8_engine import Int8Engine
from charrnn.engines.int8_numpy import Int8NumPyEngine
from charrnn.engines.int8_structures import processors
from charrnn.engines.memory import Memory, MemoryConfig, available
from charrnn.engines.memory.coder import Decoder, Encoder, Ids, NetworkReader
from charrnn.errors import ModelError
from tests.engines.int8_models import NETWORKS, drawn_model

SMALL = MemoryConfig(table_bits=12, history_bits=10)
V, N, BEGINNING = 67, 50, 5

MEMORIES = {
    "numpy": False,
    **({"c": True} if available() else {}),
}
ENGINES: dict[str, Callable[..., Int8NumPyEngine | Int8Engine]] = {"numpy": Int8NumPyEngine}
if available():

    def _engine(processor: str) -> Callable[..., Int8Engine]:
        return lambda *model: Int8Engine(*model, processor=processor)

    ENGINES |= {name: _engine(name) for name in processors()}


def drawn_ids(count: int = N) -> Ids:
    """Ids that repeat, so that there is something to remember."""
    random = np.random.default_rng(1)
    words = random.integers(0, V, (2, 9))
    return np.concatenate([words[i] for i in random.integers(0, 2, count)])[:count].astype(np.int32)


def pieces(ids: Ids) -> Iterator[Ids]:
    for begin in range(0, len(ids), 40):
        yield ids[begin : begin + 40]


def encode(memory: Memory, ids: Ids, lanes: Lanes | None) -> bytes:
    """Encode ids piece by piece, with what the network predicts step by step."""
    encoder, last = Encoder(), BEGINNING
    for piece in pieces(ids):
        logits = None
        if lanes is not None:
            steps = np.concatenate([[last], piece[:-1]])
            logits = np.stack([lanes.step(np.array([each]))[0].copy() for each in steps])
            last = int(piece[-1])
        encoder.encode(memory, piece, logits)
    return encoder.finish()


def decode(memory: Memory, code: bytes, lanes: Lanes | None) -> Ids:
    decoder = Decoder(code)
    reader = None if lanes is None else NetworkReader(lanes, BEGINNING)
    return np.concatenate(
        [decoder.decode(memory, len(each), reader) for each in pieces(drawn_ids())]
    )


@pytest.mark.parametrize("reads", MEMORIES)
@pytest.mark.parametrize("writes", MEMORIES)
def test_a_memory_alone_writes_one_code(writes: str, reads: str) -> None:
    ids = drawn_ids()
    code = encode(Memory(V, SMALL, native=MEMORIES[writes]), ids, None)
    assert code == encode(Memory(V, SMALL, native=False), ids, None)
    np.testing.assert_array_equal(decode(Memory(V, SMALL, native=MEMORIES[reads]), code, None), ids)


@functools.cache
def reference_code(network: str) -> bytes:
    """What the memory and the network in NumPy write."""
    lanes = Int8NumPyEngine(*drawn_model(network, hidden_size=37, layers=2)).lanes(1)
    return encode(Memory(V, SMALL, native=False), drawn_ids(), lanes)


@pytest.mark.parametrize(
    ("kind", "engine"),
    [("numpy", list(ENGINES)[-1]), ("numpy", "numpy")]
    + [(kind, engine) for kind in MEMORIES if kind != "numpy" for engine in ENGINES],
)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_processor_writes_and_reads_one_code(network: str, kind: str, engine: str) -> None:
    model = drawn_model(network, hidden_size=37, layers=2)
    ids = drawn_ids()
    expected = reference_code(network)
    assert encode(
        Memory(V, SMALL, native=MEMORIES[kind]), ids, ENGINES[engine](*model).lanes(1)
    ) == (expected)
    found = decode(
        Memory(V, SMALL, native=MEMORIES[kind]), expected, ENGINES[engine](*model).lanes(1)
    )
    np.testing.assert_array_equal(found, ids)


@pytest.mark.parametrize("native", MEMORIES.values())
def test_a_code_is_as_long_as_the_memory_scores_it(native: bool) -> None:
    ids = drawn_ids(80)
    bits = float(Memory(V, SMALL, native=native).score(ids).sum()) / np.log(2)
    assert len(encode(Memory(V, SMALL, native=native), ids, None)) == pytest.approx(bits / 8, abs=2)


@pytest.mark.parametrize("vocabulary", [2, 3, 64, 65, 256, 300])
@pytest.mark.parametrize("native", MEMORIES.values())
def test_vocabularies_of_any_size(vocabulary: int, native: bool) -> None:
    ids = np.random.default_rng(0).integers(0, vocabulary, 50).astype(np.int32)
    ids[-1] = vocabulary - 1
    encoder = Encoder()
    encoder.encode(Memory(vocabulary, SMALL, native=native), ids)
    decoder = Decoder(encoder.finish())
    found = decoder.decode(Memory(vocabulary, SMALL, native=native), len(ids))
    np.testing.assert_array_equal(found, ids)


@pytest.mark.parametrize("native", MEMORIES.values())
@pytest.mark.parametrize("code", [b"", b"\xff" * 50, b"\x00", bytes(range(256))])
def test_any_bytes_are_the_code_of_ids(native: bool, code: bytes) -> None:
    found = Decoder(code).decode(Memory(V, SMALL, native=native), 100)
    assert 0 <= found.min() <= found.max() < V


@pytest.mark.parametrize("native", MEMORIES.values())
def test_two_memories_share_a_code(native: bool) -> None:
    ids, others = drawn_ids(), np.arange(0, 256, 8, dtype=np.int32)
    encoder = Encoder()
    encoder.encode(Memory(V, SMALL, native=native), ids)
    encoder.encode(Memory(256, SMALL, native=native), others)
    decoder = Decoder(encoder.finish())
    np.testing.assert_array_equal(decoder.decode(Memory(V, SMALL, native=native), N), ids)
    np.testing.assert_array_equal(decoder.decode(Memory(256, SMALL, native=native), 32), others)


@pytest.mark.parametrize("native", MEMORIES.values())
@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_that_overflow_are_refused(engine: str, native: bool) -> None:
    config, tensors = drawn_model("lstm", hidden_size=37, layers=1)
    tensors["head.bias"][3] = np.inf
    memory = Memory(V, SMALL, native=native)
    with pytest.raises(ModelError, match="overflow"):
        encode(memory, drawn_ids(), ENGINES[engine](config, tensors).lanes(1))
    with pytest.raises(ModelError, match="overflow"):
        decode(memory, b"abc", ENGINES[engine](config, tensors).lanes(1))
