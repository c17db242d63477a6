import pytest
import torch
from torch import Tensor, nn

from charrnn.model.cells import CELLS
from charrnn.model.config import POOLINGS
from charrnn.model.kernels import KERNELS
from charrnn.model.many_to_one import ManyToOne
from charrnn.model.recurrent import StackConfig

HOLDERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def make(
    cell: str = "gru",
    *,
    bidirectional: bool = True,
    pooling: str = "last",
    kernel: str = "equations",
    symbols: int | None = None,
    dropout: float = 0.0,
    seed: int = 0,
) -> ManyToOne:
    generator = torch.Generator().manual_seed(seed)
    stack = StackConfig(
        cell=cell,
        input_size=3,
        symbols=symbols,
        hidden_size=5,
        layers=2,
        dropout=dropout,
        bidirectional=bidirectional,
    )
    network = ManyToOne(
        stack,
        outputs=2,
        pooling=pooling,
        kernel=kernel,
        generator=generator,
    ).double()
    for (
        name,
        parameter,
    ) in network.named_parameters():  # biases begin as zeros, and would hide errors
        if "bias" in name or name.startswith("pooling"):
            nn.init.normal_(parameter, generator=generator)
    return network


def vectors(steps: int = 7, batch: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(steps, batch, 3, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("cell", sorted(CELLS))
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_layers_are_those_of_torch(cell: str, bidirectional: bool) -> None:
    network = make(cell, bidirectional=bidirectional)
    plain = HOLDERS[cell](3, 5, 2, bidirectional=bidirectional).double()
    plain.load_state_dict(network.rnn.state_dict(), strict=True)
    x = vectors()
    outputs, state = plain(x)
    torch.testing.assert_close(network.read(x), outputs, rtol=1e-10, atol=1e-10)
    h = state[0] if cell == "lstm" else state
    final = torch.cat([h[-2], h[-1]], dim=1) if bidirectional else h[-1]
    torch.testing.assert_close(network(x), network.head(final), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cell", sorted(CELLS))
@pytest.mark.parametrize("pooling", sorted(POOLINGS))
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_no_output(cell: str, pooling: str, bidirectional: bool) -> None:
    network = make(cell, bidirectional=bidirectional, pooling=pooling)
    x, lengths = vectors(), torch.tensor([7, 1, 4, 6])
    alone = [network(x[:length, [i]])[0] for i, length in enumerate(lengths.tolist())]
    padding = (torch.arange(7)[:, None] >= lengths)[:, :, None]
    for filled in (0.0, 50.0):
        answers = network(x.masked_fill(padding, filled), lengths)
        torch.testing.assert_close(answers, torch.stack(alone), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kernel", sorted(KERNELS))
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_every_kernel_answers_and_learns_the_same(kernel: str, cell: str) -> None:
    x, lengths = vectors(), torch.tensor([7, 2, 4, 6])
    answers, gradients = [], []
    for name in ("equations", kernel):
        network = make(cell, kernel=name)
        answer = network(x, lengths)
        answer.square().sum().backward()
        answers.append(answer)
        gradients.append({name: weight.grad for name, weight in network.named_parameters()})
    torch.testing.assert_close(answers[1], answers[0], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-8, atol=1e-8)


def test_it_reads_ids_as_their_embeddings() -> None:
    network = make(symbols=9)
    ids = torch.randint(9, (7, 4), generator=torch.Generator().manual_seed(2))
    lengths = torch.tensor([3, 7, 1, 5])
    read = make()
    read.load_state_dict({k: v for k, v in network.state_dict().items() if "embedding" not in k})
    expected = read(network.embedding(ids), lengths)
    torch.testing.assert_close(network(ids, lengths), expected, rtol=1e-10, atol=1e-10)


def test_dropout_is_a_function_of_its_generator_and_off_when_not_training() -> None:
    network, x = make(dropout=0.5), vectors()
    first, second, other = (
        network(x, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert first.equal(second) and not first.equal(other)
    assert network.eval()(x).equal(network(x))


def test_fresh_weights_are_a_function_of_the_seed() -> None:
    same, again, other = (make(seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(same[name].equal(again[name]) for name in same)
    assert not same["head.weight"].equal(other["head.weight"])


def test_readout_weights_are_those_between_layers_and_the_heads() -> None:
    network = make()
    shapes = [tuple(weight.shape) for weight in network.readout_weights()]
    assert shapes == [(15, 10), (15, 10), (2, 10)]
