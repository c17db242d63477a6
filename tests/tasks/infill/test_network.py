import pytest
import torch
from torch import Tensor, nn

from charrnn.model.cells import CELLS
from charrnn.model.config import ModelConfig
from charrnn.model.kernels import KERNELS
from charrnn.model.networks import build_network
from charrnn.tasks.infill.network import InfillNetwork

V, E, H, L = 11, 5, 16, 2


class Plain(nn.Module):
    """InfillNetwork in PyTorch's own modules, one position at a time."""

    def __init__(self, restorer: InfillNetwork) -> None:
        super().__init__()
        weights = restorer.state_dict()
        holder = getattr(nn, restorer.cell.upper())
        self.embedding = nn.Embedding(V + 1, E)
        self.embedding.load_state_dict({"weight": weights["embedding.weight"]})
        self.forth, self.back = holder(E, H, L), holder(E, H, L)
        for stack, ending in ((self.forth, ""), (self.back, "_reverse")):
            names = [name for name, _ in stack.named_parameters()]
            stack.load_state_dict({name: weights[f"rnn.{name}{ending}"] for name in names})
        self.join, self.head = nn.Linear(2 * H, H), nn.Linear(H, V)
        for name, module in (("join", self.join), ("head", self.head)):
            module.load_state_dict({n: weights[f"{name}.{n}"] for n in ("weight", "bias")})

    def forward(self, ids: Tensor) -> Tensor:
        places = []
        nothing = torch.zeros(len(ids), H, dtype=self.head.weight.dtype)
        for t in range(ids.shape[1]):
            before, after = ids[:, :t].T, ids[:, t + 1 :].T.flip(0)
            f = self.forth(self.embedding(before))[0][-1] if len(before) else nothing
            b = self.back(self.embedding(after))[0][-1] if len(after) else nothing
            places.append(self.head(torch.tanh(self.join(torch.cat([f, b], dim=1)))))
        return torch.stack(places, dim=1)


def restorer(cell: str = "lstm", *, kernel: str = "fused", **changes: float) -> InfillNetwork:
    config = ModelConfig(
        task="restore",
        bidirectional=True,
        vocabulary_size=V,
        cell=cell,
        embedding_size=E,
        hidden_size=H,
        layers=L,
        **changes,  # type: ignore[arg-type]
    )
    network = build_network(config, kernel=kernel, generator=torch.Generator().manual_seed(0))
    assert isinstance(network, InfillNetwork)
    with torch.no_grad():  # biases begin at zero, where a mistake in them would not show
        for name, parameter in network.named_parameters():
            if "bias" in name:
                parameter.add_(torch.linspace(-0.3, 0.3, len(parameter)))
    return network


def some_ids(batch: int, time: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(V + 1, (batch, time), generator=generator)


@pytest.mark.parametrize("cell", sorted(CELLS))
@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_modules_of_pytorch_agree_in_logits_and_gradients(kernel: str, cell: str) -> None:
    mine = restorer(cell, kernel=kernel).double()
    plain = Plain(mine).double()
    ids = some_ids(3, 7)
    logits, expected = mine(ids), plain(ids)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-10)
    for each in (logits, expected):
        each.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in mine.named_parameters()}
    theirs = plain.embedding.weight.grad
    torch.testing.assert_close(gradients["embedding.weight"], theirs, rtol=0, atol=1e-9)
    for stack, ending in ((plain.forth, ""), (plain.back, "_reverse")):
        for name, parameter in stack.named_parameters():
            found = gradients[f"rnn.{name}{ending}"]
            torch.testing.assert_close(found, parameter.grad, rtol=0, atol=1e-9)
    torch.testing.assert_close(gradients["join.weight"], plain.join.weight.grad, rtol=0, atol=1e-9)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_no_character_is_seen_where_it_is_predicted(cell: str) -> None:
    network = restorer(cell).double().eval()
    ids = some_ids(1, 12)
    logits = network(ids)
    for t in range(12):
        changed = (ids.repeat(V + 1, 1)).clone()
        changed[:, t] = torch.arange(V + 1)
        others = network(changed)
        torch.testing.assert_close(others[:, t], logits[:, t].expand(V + 1, V), rtol=0, atol=1e-12)
        elsewhere = [place for place in range(12) if place != t]
        differ = (others[:, elsewhere] - others[:1, elsewhere]).abs().amax(dim=(0, 2))
        assert (differ > 1e-9).all(), "every other place reads it"


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_what_a_mask_hides_changes_nothing_anywhere(cell: str) -> None:
    network = restorer(cell).double().eval()
    ids = some_ids(1, 12).repeat(V, 1)
    ids[:, 4], ids[:, 9] = torch.arange(V), torch.arange(V).flip(0)
    masked = ids.clone()
    masked[:, [4, 9]] = network.mask
    logits = network(masked)
    torch.testing.assert_close(logits, logits[:1].expand_as(logits), rtol=0, atol=1e-12)


@pytest.mark.parametrize("time", [1, 2, 3])
def test_texts_of_few_characters_are_predicted_from_nothing_else(time: int) -> None:
    network = restorer().double()
    ids = some_ids(2, time)
    torch.testing.assert_close(network(ids), Plain(network).double()(ids), rtol=0, atol=1e-12)


def test_config_names_every_weight_and_its_shape() -> None:
    network = restorer()
    shapes = {name: tuple(each.shape) for name, each in network.named_parameters()}
    assert shapes == network.config.tensor_shapes()


def test_readout_weights_are_all_that_read_outputs() -> None:
    network = restorer()
    readout = {
        name
        for name, each in network.named_parameters()
        if any(each is one for one in network.readout_weights())
    }
    assert readout == {
        *("rnn.weight_ih_l1", "rnn.weight_ih_l1_reverse"),
        *("join.weight", "head.weight"),
    }


def test_dropout_follows_its_generator_and_ends_with_training() -> None:
    network = restorer(dropout=0.5, weight_dropout=0.5)
    ids = some_ids(2, 6)
    first, again, other = (
        network(ids, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    network.eval()
    assert torch.equal(network(ids), network(ids))
