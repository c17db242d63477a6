import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from charrnn.model.cells import CELLS
from charrnn.model.config import GATES, ModelConfig
from charrnn.model.kernels import KERNELS
from charrnn.model.language_model import CharRNN, detach
from tests.model.invariants import (
    check_a_character_changes_only_what_follows,
    check_chunks_are_one_long_pass,
)

V, E, H = 11, 5, 16


class Plain(nn.Module):
    """The ten lines that anyone can load a model with."""

    def __init__(self, cell: str, V: int, E: int, H: int, L: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(V, E)
        self.rnn = getattr(nn, cell.upper())(E, H, L, batch_first=True)
        self.head = nn.Linear(H, V)

    def forward(self, ids: Tensor) -> Tensor:
        outputs, _ = self.rnn(self.embedding(ids))
        logits: Tensor = self.head(outputs)
        return logits


def network(
    cell: str = "lstm",
    layers: int = 2,
    *,
    dropout: float = 0.0,
    weight_dropout: float = 0.0,
    kernel: str = "fused",
    seed: int = 0,
    hidden: int = H,
) -> CharRNN:
    config = ModelConfig(
        vocabulary_size=V,
        cell=cell,
        embedding_size=E,
        hidden_size=hidden,
        layers=layers,
        dropout=dropout,
        weight_dropout=weight_dropout,
    )
    return CharRNN(config, kernel=kernel, generator=seeded(seed))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_ids(batch: int, time: int, seed: int = 0) -> Tensor:
    return torch.randint(V, (batch, time), generator=seeded(seed))


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_plain_module_loads_the_weights_and_agrees(kernel: str, cell: str, layers: int) -> None:
    mine = network(cell, layers, kernel=kernel).double()
    plain = Plain(cell, V, E, H, layers).double()
    plain.load_state_dict(mine.state_dict(), strict=True)
    ids = some_ids(4, 30)
    inputs, targets = ids[:, :-1], ids[:, 1:]
    logits, expected = mine(inputs)[0], plain(inputs)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-10)

    losses = [cross_entropy(each.flatten(0, 1), targets.flatten()) for each in (logits, expected)]
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-10)
    for loss in losses:
        loss.backward()  # type: ignore[no-untyped-call]
    theirs = dict(plain.named_parameters())
    for name, parameter in mine.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, theirs[name].grad, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "lengths",
    [[40], [1] * 40, [13, 13, 14], [39, 1]],
    ids=["one", "single-steps", "uneven", "a-long-and-a-short"],
)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_chunks_with_carried_state_are_one_long_pass(
    kernel: str, cell: str, layers: int, lengths: list[int]
) -> None:
    check_chunks_are_one_long_pass(
        network(cell, layers, kernel=kernel).double().eval(), some_ids(3, 40), lengths
    )


@pytest.mark.parametrize("cell", CELLS)
def test_shapes(cell: str) -> None:
    logits, state = network(cell, 3)(some_ids(4, 6))
    assert logits.shape == (4, 6, V)
    assert [part.shape for part in state] == [part.shape for part in network(cell, 3).zero_state(4)]
    assert all(part.shape == (3, 4, H) for part in state)


@pytest.mark.parametrize("cell", CELLS)
def test_no_state_is_the_zero_state(cell: str) -> None:
    mine = network(cell).eval()
    ids = some_ids(2, 5)
    assert torch.equal(mine(ids)[0], mine(ids, mine.zero_state(2))[0])


@pytest.mark.parametrize("cell", CELLS)
def test_a_character_changes_nothing_before_it_nor_in_other_lanes(cell: str) -> None:
    check_a_character_changes_only_what_follows(network(cell).eval(), some_ids(2, 10))


def test_a_detached_state_stops_backpropagation_and_keeps_its_values() -> None:
    _, state = network()(some_ids(2, 5))
    assert all(part.requires_grad for part in state)
    assert not any(part.requires_grad for part in detach(state))
    assert all(torch.equal(*parts) for parts in zip(state, detach(state), strict=True))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_state_is_float32_under_bf16_autocast(kernel: str, cell: str) -> None:
    # A state in bf16 would not survive a checkpoint, whose tensors are float32.
    with torch.autocast("cpu", torch.bfloat16):
        _, state = network(cell, kernel=kernel)(some_ids(2, 5))
    assert {part.dtype for part in state} == {torch.float32}


# Initial weights


@pytest.mark.parametrize("cell", CELLS)
def test_each_recurrent_block_starts_orthogonal(cell: str) -> None:
    mine = network(cell, 2)
    for layer in range(2):
        blocks = getattr(mine.rnn, f"weight_hh_l{layer}").detach().chunk(GATES[cell])
        for block in blocks:
            torch.testing.assert_close(block @ block.T, torch.eye(H), rtol=0, atol=1e-5)


def test_the_forget_gate_starts_open_and_all_other_biases_at_zero() -> None:
    mine = network("lstm", 2)
    for layer in range(2):
        # PyTorch adds two biases: one in each would make 2.
        bias = getattr(mine.rnn, f"bias_ih_l{layer}") + getattr(mine.rnn, f"bias_hh_l{layer}")
        assert bias.tolist() == [0.0] * H + [1.0] * H + [0.0] * 2 * H
    assert mine.head.bias.tolist() == [0.0] * V


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("cell", CELLS)
def test_scaling_the_readout_is_to_multiply_what_the_layers_give(cell: str, kernel: str) -> None:
    mine, other = (network(cell, 3, kernel=kernel).double() for _ in range(2))
    mine.scale_readout(2.0)
    with torch.no_grad():
        state = other.zero_state(2)
        ids = some_ids(2, 7)
        x, _ = other._kernel.first(
            ids.T, other.embedding.weight, tuple(part[0] for part in state), other._weights(0)
        )
        for layer in (1, 2):
            before = tuple(part[layer] for part in state)
            x, _ = other._kernel.layer(2 * x, before, other._weights(layer))
        torch.testing.assert_close(mine(ids)[0], other.head(2 * x).transpose(0, 1))


def test_readout_weights_are_those_that_read_a_layer() -> None:
    mine = network("gru", 3)
    names = {id(each): name for name, each in mine.named_parameters()}
    assert {names[id(each)] for each in mine.readout_weights()} == {
        "rnn.weight_ih_l1",
        "rnn.weight_ih_l2",
        "head.weight",
    }


@pytest.mark.parametrize("cell", CELLS)
def test_fresh_weights_are_a_function_of_the_generator_alone(cell: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = network(cell, seed=1)
    assert torch.equal(before, torch.get_rng_state())
    second, third = network(cell, seed=1), network(cell, seed=2)
    weights = [dict(each.named_parameters()) for each in (first, second, third)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["head.weight"], weights[2]["head.weight"])
    assert not torch.equal(weights[0]["rnn.weight_hh_l1"], weights[2]["rnn.weight_hh_l1"])


@pytest.mark.parametrize("cell", CELLS)
def test_a_fresh_network_guesses_about_evenly(cell: str) -> None:
    logits, _ = network(cell)(some_ids(4, 50))
    loss = cross_entropy(logits.flatten(0, 1), some_ids(4, 50, seed=9).flatten())
    assert loss.item() == pytest.approx(math.log(V), abs=0.3)


# Dropout


def head_inputs(mine: CharRNN, ids: Tensor, generator: torch.Generator | None) -> Tensor:
    """What reaches the head, (T, B, H)."""
    caught: list[Tensor] = []
    handle = mine.head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    mine(ids, generator=generator)
    handle.remove()
    return caught[0].detach()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_dropout_is_one_mask_over_time_for_each_lane(kernel: str, cell: str) -> None:
    mine = network(cell, 1, dropout=0.25, kernel=kernel, hidden=64)
    ids = some_ids(6, 20)
    whole = head_inputs(mine.eval(), ids, None)
    dropped = head_inputs(mine.train(), ids, seeded(0))
    mask = dropped / whole  # (T, B, H)
    torch.testing.assert_close(mask, mask[:1].expand_as(mask), rtol=0, atol=1e-4)
    kept = mask[0] > 0.5
    torch.testing.assert_close(mask[0], kept / 0.75, rtol=0, atol=1e-4)
    assert 0.15 < 1 - kept.float().mean().item() < 0.35
    assert len({tuple(lane.tolist()) for lane in kept}) == 6  # each lane has its own


def test_dropout_between_layers_is_one_mask_over_time() -> None:
    # A unit that is dropped at every step of the only lane leaves its column of the next layer's
    # weights without a gradient; with a mask for each step, none would be.
    mine = network("lstm", 2, dropout=0.5)
    logits, _ = mine(some_ids(1, 40), generator=seeded(0))
    logits.square().sum().backward()
    gradient = mine.rnn.weight_ih_l1.grad
    assert isinstance(gradient, Tensor)
    dead = (gradient == 0).all(dim=0)
    assert 0 < dead.sum() < H


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_dropped_weights_are_zero_and_the_others_larger(kernel: str, cell: str) -> None:
    mine = network(cell, 2, weight_dropout=0.25, kernel=kernel)
    ids, generator = some_ids(3, 12), seeded(0)
    masks = [torch.empty(H, H).bernoulli_(0.75, generator=generator) / 0.75 for _ in range(2)]
    logits, _ = mine(ids, generator=seeded(0))
    logits.square().sum().backward()
    by_hand = network(cell, 2, kernel=kernel)
    with torch.no_grad():
        for layer, mask in enumerate(masks):
            getattr(by_hand.rnn, f"weight_hh_l{layer}").mul_(mask.repeat(GATES[cell], 1))
    torch.testing.assert_close(logits, by_hand(ids)[0])
    for layer, mask in enumerate(masks):
        gradient = getattr(mine.rnn, f"weight_hh_l{layer}").grad.view(-1, H, H)
        assert torch.equal(gradient != 0, (mask != 0).expand_as(gradient))


@pytest.mark.parametrize("kernel", KERNELS)
def test_dropout_is_off_in_evaluation(kernel: str) -> None:
    mine = network(dropout=0.5, weight_dropout=0.5, kernel=kernel).eval()
    without = network(dropout=0.0, kernel=kernel).eval()
    ids = some_ids(2, 9)
    assert torch.equal(mine(ids, generator=seeded(0))[0], without(ids)[0])


def test_masks_are_those_of_the_generator() -> None:
    mine = network(dropout=0.5, weight_dropout=0.5).train()
    ids = some_ids(2, 9)
    first, again, other = (mine(ids, generator=seeded(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_dropout_takes_nothing_from_the_generator() -> None:
    generator = seeded(0)
    network(dropout=0.0).train()(some_ids(2, 9), generator=generator)
    assert torch.equal(generator.get_state(), seeded(0).get_state())
