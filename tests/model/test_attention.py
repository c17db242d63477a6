import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from charrnn.model import attention
from charrnn.model.attention import Attention
from charrnn.model.cells import CELLS
from charrnn.model.config import ModelConfig
from charrnn.model.kernels import KERNELS
from charrnn.model.language_model import CharRNN, detach
from tests.model.invariants import (
    check_a_character_changes_only_what_follows,
    check_chunks_are_one_long_pass,
)

V, H = 11, 16

WINDOWS = [1, 3, 8, 50]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(
    cell: str = "lstm", window: int | None = 8, *, dropout: float = 0.0, kernel: str = "fused"
) -> CharRNN:
    """A network whose head has something to say: fresh biases are zero."""
    config = ModelConfig(
        vocabulary_size=V,
        cell=cell,
        embedding_size=5,
        hidden_size=H,
        dropout=dropout,
        attention=window,
    )
    mine = CharRNN(config, kernel=kernel, generator=seeded())
    if mine.attention is not None:
        with torch.no_grad():
            for parameter in mine.attention.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=seeded(1)) / 2)
    return mine


def some_ids(batch: int, time: int) -> Tensor:
    return torch.randint(V, (batch, time), generator=seeded())


def head(window: int = 3) -> Attention:
    mine = Attention(H, 4, window).double()
    mine.reset_parameters(seeded())
    nn.init.normal_(mine.distance.weight, generator=seeded())
    return mine


def by_hand(mine: Attention, h: Tensor, memory: Tensor) -> Tensor:
    """The equations, one query after another: h (T, B, H)."""
    keys, values = (list(memory @ each.weight.T) for each in (mine.key, mine.value))
    found = []
    for h_t in h:
        query = h_t @ mine.query.weight.T + mine.query.bias
        keys.append(h_t @ mine.key.weight.T)
        values.append(h_t @ mine.value.weight.T)
        scores = torch.stack(
            [
                (query * keys[-2 - d]).sum(-1) / math.sqrt(mine.size) + mine.distance.weight[d, 0]
                for d in range(mine.window)
            ]
        )  # (W, B)
        weights = scores.exp() / scores.exp().sum(0)
        looked_up = sum(weights[d][:, None] * values[-1 - d] for d in range(mine.window))
        found.append(looked_up @ mine.output.weight.T)
    return torch.stack(found)


@pytest.mark.parametrize("longest", [4, 128])
@pytest.mark.parametrize("window", WINDOWS)
def test_the_head_is_its_equations(
    window: int, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "_LONGEST", longest)
    mine = head(window)
    h, memory = (
        torch.randn(length, 2, H, generator=seeded(), dtype=torch.float64)
        for length in (30, window)
    )
    found, after = mine(h, memory)
    torch.testing.assert_close(found, by_hand(mine, h, memory), rtol=0, atol=1e-10)
    assert torch.equal(after, torch.cat([memory, h])[-window:])


class Plain(nn.Module):
    """What anyone can load a model with."""

    def __init__(self, V: int, E: int, H: int, L: int, D: int, W: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(V, E)
        self.rnn = nn.LSTM(E, H, L, batch_first=True)
        self.attention = nn.ModuleDict(
            {
                "query": nn.Linear(H, D),
                "key": nn.Linear(H, D, bias=False),
                "value": nn.Linear(H, D, bias=False),
                "output": nn.Linear(D, H, bias=False),
                "distance": nn.Embedding(W, 1),
                "norm": nn.LayerNorm(H),
            }
        )
        self.head = nn.Linear(H, V)


def test_a_plain_module_loads_the_weights() -> None:
    mine = network()
    plain = Plain(V, 5, H, 2, H, 8)
    plain.load_state_dict(mine.state_dict(), strict=True)
    shapes = {name: tuple(tensor.shape) for name, tensor in mine.state_dict().items()}
    assert shapes == mine.config.tensor_shapes()


def test_logits_are_the_heads_of_what_is_normalized() -> None:
    mine = network().double()
    assert mine.attention is not None
    ids = some_ids(2, 12)
    h, _ = mine._read(ids.T, mine.zero_state(2)[:2])
    y = h + by_hand(mine.attention, h, h.new_zeros(8, 2, H))
    norm = mine.attention.norm
    expected = mine.head(layer_norm(y, (H,), norm.weight, norm.bias))
    torch.testing.assert_close(mine(ids)[0], expected.transpose(0, 1), rtol=0, atol=1e-10)


@pytest.mark.parametrize("lengths", [[40], [1] * 40, [13, 13, 14], [39, 1]], ids=str)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("cell", CELLS)
def test_chunks_with_carried_state_are_one_long_pass(
    cell: str, window: int, lengths: list[int]
) -> None:
    check_chunks_are_one_long_pass(network(cell, window).double().eval(), some_ids(3, 40), lengths)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("window", [None, 3])
def test_the_state_is_what_the_config_says(cell: str, window: int | None) -> None:
    mine = network(cell, window)
    _, state = mine(some_ids(4, 6))
    expected = list(mine.config.state_shapes(4).values())
    assert [part.shape for part in state] == [part.shape for part in mine.zero_state(4)] == expected


def test_a_character_changes_nothing_before_it_nor_in_other_lanes() -> None:
    check_a_character_changes_only_what_follows(network().eval(), some_ids(2, 10))


def test_what_the_window_has_left_behind_is_not_looked_up() -> None:
    mine = network("rnn", 4).double()
    first, memory = mine.zero_state(1)
    memory.requires_grad_()
    logits, _ = mine(some_ids(1, 6), (first, memory))
    for step in range(6):
        gradient = torch.autograd.grad(logits[0, step, 0], memory, retain_graph=True)[0]
        seen = (gradient != 0).any(dim=-1).sum().item()
        assert seen == max(4 - step, 0)  # the last W keys, the query's own state not among them


def test_a_lane_that_is_set_to_zero_begins_anew() -> None:
    mine = network().eval()
    ids = some_ids(2, 20)
    _, state = mine(ids)
    kept = torch.tensor([False, True])[:, None]
    logits, _ = mine(ids, tuple(part * kept for part in state))
    torch.testing.assert_close(logits[0], mine(ids[:1])[0][0])
    assert not torch.allclose(logits[1], mine(ids[1:])[0][0])


def test_the_memory_stops_backpropagation_once_detached() -> None:
    mine = network()
    _, state = mine(some_ids(2, 5))
    assert all(part.requires_grad for part in state)
    logits, _ = mine(some_ids(2, 5), detach(state))
    logits.sum().backward()  # the first chunk's graph is not needed, or this would free it twice
    mine(some_ids(2, 5), detach(state))[0].sum().backward()


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_weight_learns(kernel: str) -> None:
    mine = network(kernel=kernel)
    mine(some_ids(2, 12))[0].square().sum().backward()
    for name, parameter in mine.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_state_is_float32_under_bf16_autocast(kernel: str) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        logits, state = network(kernel=kernel)(some_ids(2, 5))
    assert {part.dtype for part in state} == {torch.float32}
    torch.testing.assert_close(
        logits.float(), network(kernel=kernel)(some_ids(2, 5))[0], rtol=0, atol=0.3
    )


def test_dropout_is_that_of_the_generator_and_off_in_evaluation() -> None:
    mine = network(dropout=0.5).train()
    ids = some_ids(2, 9)
    first, again, other = (mine(ids, generator=seeded(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(mine.eval()(ids)[0], network().eval()(ids)[0])


def test_masks_are_drawn_for_all_lanes_of_all_processes() -> None:
    mine = network(dropout=0.5).train()
    ids = some_ids(4, 9)
    whole, _ = mine(ids, generator=seeded())
    part, _ = mine(ids[1:3], generator=seeded(), batch_size=4, lanes=slice(1, 3))
    torch.testing.assert_close(part, whole[1:3])


def test_readout_weights_are_those_that_read_a_layer() -> None:
    mine = network()
    names = {id(each): name for name, each in mine.named_parameters()}
    assert {names[id(each)] for each in mine.readout_weights()} == {
        "rnn.weight_ih_l1",
        "attention.query.weight",
        "attention.key.weight",
        "attention.value.weight",
    }


def test_fresh_queries_look_for_states_like_their_own() -> None:
    # With keys of their own, a thousand steps went by before anything was found.
    mine = Attention(H, H, 50)
    mine.reset_parameters(seeded())
    assert torch.equal(mine.key.weight, mine.query.weight)
    assert mine.query.weight.abs().max() > 1 / math.sqrt(H)


def test_fresh_weights_are_a_function_of_the_generator_alone() -> None:
    config = dataclasses.replace(network().config, attention=5)
    before = torch.get_rng_state()
    first, second = (CharRNN(config, generator=seeded(3)) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    theirs = dict(second.named_parameters())
    assert all(torch.equal(each, theirs[name]) for name, each in first.named_parameters())
    assert all(each.isfinite().all() for each in theirs.values())
