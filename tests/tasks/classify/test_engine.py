import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.engines.native_engine import available
from charrnn.errors import CorpusError, ModelError
from charrnn.model.cells import CELLS
from charrnn.model.config import POOLINGS, ModelConfig
from charrnn.model.networks import build_network
from charrnn.tasks.classify import engine as module
from charrnn.tasks.classify.engine import ClassifyingEngine
from charrnn.training.plan import arrays

NATIVE = [False, True] if available() else [False]
LENGTHS = (1, 7, 40, 9, 2, 3)


def make(**sizes: Any) -> tuple[Any, dict[str, Any]]:
    """A network with weights large enough that a mistake would show, and its tensors."""
    defaults: dict[str, Any] = {
        "vocabulary_size": 11,
        "cell": "lstm",
        "embedding_size": 5,
        "hidden_size": 6,
        "layers": 2,
        "task": "classify",
        "bidirectional": True,
        "pooling": "last",
        "outputs": 3,
    }
    config = ModelConfig(**(defaults | sizes))
    network = build_network(config, generator=torch.Generator().manual_seed(1)).eval()
    random = np.random.default_rng(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "bias" in name or "pooling" in name:
                parameter.add_(torch.from_numpy(random.normal(0, 0.3, parameter.shape)))
    return network, dict(arrays(network))


def texts(lengths: tuple[int, ...] = LENGTHS) -> list[Any]:
    random = np.random.default_rng(2)
    return [random.integers(11, size=length).astype(np.uint8) for length in lengths]


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 8)
    monkeypatch.setattr(module, "BATCH_SIZE", 4)


@pytest.mark.parametrize(("layers", "native"), list(itertools.product([1, 2, 3], NATIVE)))
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", CELLS)
def test_it_computes_what_the_network_does(
    cell: str, pooling: str, bidirectional: bool, layers: int, native: bool
) -> None:
    """Texts of several chunks, some ending where a chunk does, and one-character texts among
    them."""
    network, tensors = make(cell=cell, pooling=pooling, bidirectional=bidirectional, layers=layers)
    engine = ClassifyingEngine(network.config, tensors, native=native)
    found = engine.logits(texts((*LENGTHS, 8, 16, 17)))
    for ids, ours in zip(texts((*LENGTHS, 8, 16, 17)), found, strict=True):
        with torch.no_grad():
            read = torch.from_numpy(ids.astype(np.int64))[None]
            theirs = network(read, torch.tensor([len(ids)]))[0].numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("layers", "native"), list(itertools.product([1, 2], NATIVE)))
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_text_is_the_same_to_the_last_bit_in_any_company(
    pooling: str, bidirectional: bool, layers: int, native: bool
) -> None:
    network, tensors = make(
        pooling=pooling, bidirectional=bidirectional, layers=layers, hidden_size=33
    )
    engine = ClassifyingEngine(network.config, tensors, native=native)
    together = engine.logits(texts())
    for number, ids in enumerate(texts()):
        assert (engine.logits([ids])[0] == together[number]).all()


def test_long_texts_are_read_fewer_at_a_time_and_come_out_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, tensors = make()[0].config, make()[1]
    whole = ClassifyingEngine(config, tensors).logits(texts())
    monkeypatch.setattr(module, "_MOST_OUTPUTS", 2 * 12 * 9)  # two of nine characters
    assert np.array_equal(ClassifyingEngine(config, tensors).logits(texts()), whole)


def test_a_text_too_long_for_both_directions_is_refused_and_for_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would take all of a machine's memory, or another place on its disk than the user named."""
    monkeypatch.setattr(module, "_MOST_OF_ONE", 12 * 39)
    network, tensors = make()
    with pytest.raises(CorpusError, match=r"40 characters is too long .* pieces of up to 39,"):
        ClassifyingEngine(network.config, tensors).logits(texts())
    network, tensors = make(bidirectional=False)
    ClassifyingEngine(network.config, tensors).logits(texts())


def test_a_long_text_is_read_as_a_stream() -> None:
    """In one direction, memory does not grow with the text."""
    network, tensors = make(bidirectional=False, pooling="attention")
    engine = ClassifyingEngine(network.config, tensors)
    peaks = []
    for chunks in (10, 10, 200):
        (ids,) = texts((8 * chunks,))
        tracemalloc.start()
        engine.logits([ids])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.5 * peaks[1]


def test_no_texts_are_no_logits() -> None:
    network, tensors = make()
    assert ClassifyingEngine(network.config, tensors).logits([]).shape == (0, 3)


def test_weights_that_overflow_are_told() -> None:
    network, tensors = make()
    for name in ("head.weight", "head.bias"):
        tensors[name] = np.full_like(tensors[name], 3.4e38)
    with pytest.raises(ModelError, match="overflow"):
        ClassifyingEngine(network.config, tensors).logits(texts())
