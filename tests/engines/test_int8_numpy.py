from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits
from torch.nn.functional import cross_entropy

from charrnn.data.tokenizer import CharTokenizer
from charrnn.engines import NumPyEngine
from charrnn.engines.engine import Array
from charrnn.engines.int8_numpy import Int8NumPyEngine
from charrnn.model.language_model import CharRNN
from charrnn.storage.model_directory import Model
from tests.engines.int8_models import NETWORKS, Ids, digest, drawn_ids, drawn_model
from tests.provenance import make_provenance

MakeModel = Callable[..., Model]

DIGESTS: Final = {
    "rnn": "313e860a6db39ee42034a0d795a0d781a3a1326f78d2dfb75e24bb89e0425500",
    "gru": "0db39e5e9e9c2ada1c06c5197c8502edf29851c5dce977117e5229188eb0d85b",
    "lstm": "e67838eb72f168cfb8f3110322a2bc6fc24aec8b643c3d34ba672d3eda09dc5d",
    "attention": "99ae2236919d7bd00852ff9aebac7c9cd1ca65f3dc88aa7902df3c9650728e72",
}
"""The SHA-256 of the logits of three layers of 37 units after 40 ids in 3 lanes."""


@pytest.mark.parametrize("cell", NETWORKS)
def test_logits_have_the_same_bits_on_every_machine(cell: str) -> None:
    model = drawn_model(cell, hidden_size=37, layers=3)
    logits, _ = Int8NumPyEngine(*model).advance(drawn_ids(3, 40), None)
    assert digest(logits) == DIGESTS[cell]


@pytest.mark.parametrize("size", [100, 1100])
def test_bits_depend_neither_on_threads_nor_on_the_order_of_sums(size: int) -> None:
    # 1100 inputs exceed what float32 adds up exactly.
    config, tensors = drawn_model("gru", hidden_size=size, layers=1)
    ids = drawn_ids(5, 3)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(Int8NumPyEngine(config, tensors).advance(ids, None)[0])
    np.testing.assert_array_equal(found[0], found[1])
    for lane in range(5):
        alone, _ = Int8NumPyEngine(config, tensors).advance(ids[lane : lane + 1], None)
        np.testing.assert_array_equal(alone[0], found[0][lane])


def trained(cell: str, text: str) -> tuple[Model, Ids]:
    """A small model of a text, and the text's ids."""
    torch.manual_seed(0)
    tokenizer = CharTokenizer("".join(sorted(set(text))))
    config, _ = drawn_model(
        cell, vocabulary_size=tokenizer.vocabulary_size, hidden_size=48, layers=2
    )
    network = CharRNN(config)
    ids = np.asarray(tokenizer.encode(text), dtype=np.int64)
    lanes = torch.from_numpy(ids[: len(ids) // 8 * 8].reshape(8, -1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
    for _ in range(100):
        logits, _ = network(lanes[:, :-1])
        loss = cross_entropy(logits.flatten(0, 1), lanes[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert (
        loss.item() < 2.4
    )  # it has learned something; one that knows the text by heart is chaotic
    tensors = {name: each.detach().numpy() for name, each in network.named_parameters()}
    return Model(config, tokenizer, tensors, make_provenance(seed=0)), ids


def nats(logits: Array, ids: Ids) -> float:
    exact = torch.from_numpy(logits[0, :-1].astype(np.float64))
    return float(cross_entropy(exact, torch.from_numpy(ids[1:])))


@pytest.mark.parametrize("cell", NETWORKS)
def test_a_trained_model_loses_less_than_two_thousandths_of_a_nat(cell: str, prose: str) -> None:
    model, ids = trained(cell, prose)
    expected = nats(NumPyEngine.of(model).advance(ids[None], None)[0], ids)
    found = nats(Int8NumPyEngine.of(model).advance(ids[None], None)[0], ids)
    assert found - expected < 0.002


def test_a_state_beyond_one_saturates() -> None:
    engine = Int8NumPyEngine(*drawn_model("rnn", hidden_size=20, layers=2))
    ids = drawn_ids(2, 5)
    state = engine.read(ids, None)
    large, one = ((np.sign(state[0]) * size,) for size in (np.float32(7), np.float32(1)))
    np.testing.assert_array_equal(engine.advance(ids, large)[0], engine.advance(ids, one)[0])
