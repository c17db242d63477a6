import itertools
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.engines.bidirectional import BidirectionalStack
from charrnn.engines.native_engine import available
from charrnn.model.cells import CELLS
from charrnn.model.config import ModelConfig
from charrnn.model.networks import build_network
from charrnn.training.plan import arrays

HOW = [(False, False), (True, False), (True, True)] if available() else [(False, False)]
LENGTHS = (40, 17, 16, 9, 8, 7, 1, 1)


def make(**sizes: Any) -> tuple[Any, dict[str, Any]]:
    config = ModelConfig(
        vocabulary_size=11,
        embedding_size=5,
        bidirectional=True,
        task="classify",
        pooling="mean",
        outputs=3,
        **sizes,
    )
    network = build_network(config, generator=torch.Generator().manual_seed(1)).eval()
    return network, dict(arrays(network))


def texts() -> list[Any]:
    random = np.random.default_rng(2)
    return [random.integers(11, size=length).astype(np.uint8) for length in LENGTHS]


@pytest.mark.parametrize(("layers", "how"), list(itertools.product([1, 2, 3], HOW)))
@pytest.mark.parametrize("cell", CELLS)
def test_it_reads_what_the_network_does(cell: str, layers: int, how: tuple[bool, bool]) -> None:
    """Texts of several chunks, some ending where a chunk does."""
    network, tensors = make(cell=cell, layers=layers, hidden_size=6)
    stack = BidirectionalStack(network.config, tensors, native=how[0], native_above=how[1])
    found = stack.read(texts(), chunk=8)
    assert found.shape == (len(LENGTHS), LENGTHS[0], 12)
    for ids, ours in zip(texts(), found, strict=True):
        read = torch.from_numpy(ids.astype(np.int64))[:, None]
        with torch.no_grad():
            theirs = network.read(read, torch.tensor([len(ids)]))[:, 0].numpy()
        np.testing.assert_allclose(ours[: len(ids)], theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("how", HOW)
def test_a_text_is_the_same_to_the_last_bit_in_any_batch(how: tuple[bool, bool]) -> None:
    network, tensors = make(cell="lstm", layers=3, hidden_size=33)
    stack = BidirectionalStack(network.config, tensors, native=how[0], native_above=how[1])
    together = stack.read(texts(), chunk=8)
    for number, ids in enumerate(texts()):
        alone = stack.read([ids], chunk=8)[0]
        assert alone.tobytes() == together[number, : len(ids)].tobytes()
