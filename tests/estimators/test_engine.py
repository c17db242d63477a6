from typing import Any

import numpy as np
import pytest
import torch

from charrnn.errors import ModelError
from charrnn.estimators import engine
from charrnn.estimators.engine import VectorEngine
from charrnn.estimators.fitting import as_batch, make_network, tensors_of
from charrnn.estimators.network_config import NetworkConfig
from charrnn.estimators.sequences import Sequences, read_sequences
from charrnn.model.config import GATES, POOLINGS

LENGTHS = (5, 1, 9, 3, 9, 2, 7)


def ragged() -> Sequences:
    random = np.random.default_rng(0)
    return read_sequences([random.normal(size=(length, 3)) for length in LENGTHS])


def config(**sizes: Any) -> NetworkConfig:
    return NetworkConfig(
        **{
            "cell": "lstm",
            "input_size": 3,
            "hidden_size": 5,
            "layers": 2,
            "bidirectional": True,
            "pooling": "last",
            "outputs": 4,
            **sizes,
        }
    )


def network(sizes: NetworkConfig) -> Any:
    made: Any = make_network(sizes, generator=torch.Generator().manual_seed(0))
    if sizes.pooling == "attention":
        torch.nn.init.ones_(made.pooling.weight)
    return made.eval()


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_engine_agrees_with_pytorch(cell: str, pooling: str, bidirectional: bool) -> None:
    sizes = config(cell=cell, pooling=pooling, bidirectional=bidirectional)
    made, sequences = network(sizes), ragged()
    assert {name: array.shape for name, array in tensors_of(made).items()} == sizes.tensor_shapes()
    with torch.no_grad():
        batch = as_batch(sequences, np.arange(len(sequences)), torch.device("cpu"))
        expected = made(*batch).numpy()
    answers = VectorEngine(sizes, tensors_of(made)).answers(sequences)
    np.testing.assert_allclose(answers, expected, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_sequence_has_the_same_bits_in_any_batch(
    pooling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, sequences = config(pooling=pooling), ragged()
    made = VectorEngine(sizes, tensors_of(network(sizes)))
    together = made.answers(sequences)
    for number, vectors in enumerate(sequences.vectors):
        assert (made.answers(read_sequences([vectors]))[0] == together[number]).all()
    monkeypatch.setattr(engine, "MOST_OUTPUTS", 150)  # two sequences, or one that is long
    assert (made.answers(sequences) == together).all()


@pytest.mark.parametrize("bidirectional", [False, True])
def test_outputs_of_steps_agree_with_pytorch_and_have_the_same_bits_in_any_batch(
    bidirectional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, sequences = config(pooling=None, bidirectional=bidirectional), ragged()
    made = network(sizes)
    engine_ = VectorEngine(sizes, tensors_of(made))
    together = engine_.answers_of_steps(sequences)
    with torch.no_grad():
        batch = as_batch(sequences, np.arange(len(sequences)), torch.device("cpu"))
        expected = made(*batch).numpy()
    for number, vectors in enumerate(sequences.vectors):
        assert together[number].shape == (len(vectors), 4)
        np.testing.assert_allclose(together[number], expected[: len(vectors), number], atol=1e-5)
        alone = engine_.answers_of_steps(read_sequences([vectors]))[0]
        assert (alone == together[number]).all()
    monkeypatch.setattr(engine, "MOST_OUTPUTS", 150)
    again = engine_.answers_of_steps(sequences)
    assert all((one == other).all() for one, other in zip(again, together, strict=True))


def test_numbers_that_overflow_are_an_error() -> None:
    tensors = tensors_of(network(config()))
    tensors["head.bias"][:] = np.inf
    with pytest.raises(ModelError, match="the numbers of the network overflow"):
        VectorEngine(config(), tensors).answers(ragged())
