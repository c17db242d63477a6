import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from charrnn.model.cells import CELLS
from charrnn.model.config import POOLINGS, ModelConfig
from charrnn.model.kernels import KERNELS
from charrnn.model.networks import build_network
from charrnn.tasks.classify.network import SequenceClassifier

VOCABULARY, CLASSES = 11, 3
LENGTHS = (1, 7, 4, 9, 2)


def make(kernel: str = "fused", dtype: torch.dtype = torch.float32, **sizes: Any) -> Any:
    defaults: dict[str, Any] = {
        "vocabulary_size": VOCABULARY,
        "cell": "lstm",
        "embedding_size": 5,
        "hidden_size": 6,
        "layers": 2,
        "task": "classify",
        "bidirectional": True,
        "pooling": "last",
        "outputs": CLASSES,
    }
    config = ModelConfig(**(defaults | sizes))
    network = build_network(config, kernel=kernel, generator=torch.Generator().manual_seed(1))
    random = np.random.default_rng(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "bias" in name:  # zero at first, where a mistake in them would not show
                parameter.add_(torch.from_numpy(random.normal(0, 0.3, parameter.shape)))
    return network.to(dtype).eval()


def texts(seed: int = 0) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(seed)
    ids = random.integers(VOCABULARY, size=(len(LENGTHS), max(LENGTHS)))
    return torch.from_numpy(ids), torch.tensor(LENGTHS)


def pooled_by_torch(plain: nn.Module, ids: Tensor, lengths: Tensor, network: Any) -> Tensor:
    """What PyTorch's own modules make of texts that are packed, not filled up."""
    packed = nn.utils.rnn.pack_padded_sequence(
        network.embedding(ids), lengths, batch_first=True, enforce_sorted=False
    )
    outputs, state = plain(packed)
    outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    h = state[0] if isinstance(state, tuple) else state
    pooled = []
    for number, length in enumerate(lengths.tolist()):
        one = outputs[number, :length]  # (T, D H)
        if network.config.pooling == "last":
            directions = 2 if network.config.bidirectional else 1
            pooled.append(h[-directions:, number].flatten())
        elif network.config.pooling == "mean":
            pooled.append(one.mean(0))
        elif network.config.pooling == "max":
            pooled.append(one.amax(0))
        else:
            weights = (one @ network.pooling.weight[0]).softmax(0)
            pooled.append(weights @ one)
    return torch.stack(pooled)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_it_computes_what_pytorch_does_of_packed_texts(
    cell: str, bidirectional: bool, pooling: str
) -> None:
    network = make(cell=cell, bidirectional=bidirectional, pooling=pooling, dtype=torch.float64)
    kind = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
    plain = kind(5, 6, 2, batch_first=True, bidirectional=bidirectional, dtype=torch.float64)
    plain.load_state_dict(
        {
            name.removeprefix("rnn."): tensor
            for name, tensor in network.state_dict().items()
            if name.startswith("rnn.")
        },
        strict=True,
    )
    ids, lengths = texts()
    expected = network.head(pooled_by_torch(plain, ids, lengths, network))
    torch.testing.assert_close(network(ids, lengths), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kernel", "pooling"), list(itertools.product(sorted(KERNELS), POOLINGS)))
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_padding_never_changes_an_output(
    cell: str, bidirectional: bool, kernel: str, pooling: str
) -> None:
    """Whatever stands behind the end of a text, and however much of it."""
    network = make(kernel, cell=cell, bidirectional=bidirectional, pooling=pooling)
    ids, lengths = texts()
    together = network(ids, lengths)
    behind = torch.arange(max(LENGTHS)) >= lengths[:, None]
    torch.testing.assert_close(
        network(torch.where(behind, (ids + 3) % VOCABULARY, ids), lengths),
        together,
        rtol=0,
        atol=1e-6,
    )
    longer = torch.cat([ids, torch.full((len(ids), 5), 2)], dim=1)
    torch.testing.assert_close(network(longer, lengths), together, rtol=0, atol=1e-6)
    for number, length in enumerate(LENGTHS):
        alone = network(ids[number : number + 1, :length], lengths[number : number + 1])
        torch.testing.assert_close(alone[0], together[number], rtol=0, atol=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", CELLS)
def test_padding_never_changes_a_gradient(cell: str, pooling: str) -> None:
    network = make(cell=cell, pooling=pooling, dtype=torch.float64)
    ids, lengths = texts()

    def gradients(ids: Tensor) -> list[Tensor]:
        network.zero_grad()
        network(ids, lengths).square().sum().backward()
        return [parameter.grad.clone() for parameter in network.parameters()]

    longer = torch.cat([ids, torch.full((len(ids), 5), 2)], dim=1)
    for ours, padded in zip(gradients(ids), gradients(longer), strict=True):
        assert ours.isfinite().all()
        torch.testing.assert_close(ours, padded, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_its_tensors_are_those_that_the_config_names(bidirectional: bool, pooling: str) -> None:
    network = make(bidirectional=bidirectional, pooling=pooling)
    shapes = {name: tuple(each.shape) for name, each in network.named_parameters()}
    assert shapes == network.config.tensor_shapes()


def test_dropout_is_a_function_of_its_generator_and_off_outside_of_training() -> None:
    network = make(dropout=0.5, weight_dropout=0.5)
    ids, lengths = texts()

    def read(seed: int) -> Tensor:
        with torch.no_grad():
            read: Tensor = network(ids, lengths, generator=torch.Generator().manual_seed(seed))
        return read

    assert torch.equal(read(0), read(1))
    network.train()
    assert torch.equal(read(0), read(0))
    assert not torch.equal(read(0), read(1))


def test_a_number_is_one_output() -> None:
    network = make(task="regress", outputs=1)
    assert isinstance(network, SequenceClassifier)
    ids, lengths = texts()
    assert network(ids, lengths).shape == (len(LENGTHS), 1)
