import math

import pytest
import torch
from torch import Tensor, nn

from charrnn.model.cells import CELLS, LayerWeights
from charrnn.model.config import GATES, STATES


def weights_of(module: nn.RNNBase) -> LayerWeights:
    return LayerWeights(*module.all_weights[0])


def peer(cell: str, inputs: int, hidden: int) -> nn.RNNBase:
    """PyTorch's module for a cell, in float64."""
    torch.manual_seed(0)
    module: nn.RNNBase = getattr(nn, cell.upper())(inputs, hidden)
    return module.double()


def zeros(cell: str, batch: int, hidden: int) -> tuple[Tensor, ...]:
    return tuple(torch.zeros(batch, hidden, dtype=torch.float64) for _ in STATES[cell])


def test_every_cell_has_its_gates_and_states_in_the_config() -> None:
    assert CELLS.keys() == GATES.keys() == STATES.keys()


@pytest.mark.parametrize("cell", CELLS)
def test_the_equations_are_those_of_pytorch(cell: str) -> None:
    module = peer(cell, 5, 6)
    x = torch.randn(9, 3, 5, dtype=torch.float64)
    expected, _ = module(x)
    outputs, state = CELLS[cell](x, zeros(cell, 3, 6), weights_of(module))
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(state[0], outputs[-1], rtol=0, atol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_a_weight_matrix_has_a_block_of_rows_for_each_gate(cell: str) -> None:
    assert peer(cell, 5, 6).weight_ih_l0.shape == (GATES[cell] * 6, 5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_state_that_is_passed_in_does_not_change(cell: str) -> None:
    before = tuple(part + 0.5 for part in zeros(cell, 3, 6))
    copies = tuple(part.clone() for part in before)
    with torch.no_grad():
        CELLS[cell](torch.randn(4, 3, 5, dtype=torch.float64), before, weights_of(peer(cell, 5, 6)))
    for part, copy in zip(before, copies, strict=True):
        assert torch.equal(part, copy)


def scalar_weights(gates: list[tuple[float, float, float, float]]) -> LayerWeights:
    """The weights of one unit with one input: W_i, W_h, b_i and b_h of each gate."""
    w_i, w_h, b_i, b_h = (torch.tensor(column) for column in zip(*gates, strict=True))
    return LayerWeights(w_i[:, None], w_h[:, None], b_i, b_h)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_one_step_of_rnn_by_hand() -> None:
    outputs, _ = CELLS["rnn"](
        torch.tensor([[[2.0]]]),
        (torch.tensor([[0.5]]),),
        scalar_weights([(0.1, 0.2, 0.3, 0.4)]),
    )
    assert outputs.item() == pytest.approx(math.tanh(0.1 * 2 + 0.3 + 0.2 * 0.5 + 0.4))


def test_one_step_of_gru_by_hand() -> None:
    gates = [(0.1, 0.2, 0.3, 0.4), (-0.5, 0.6, 0.7, -0.8), (0.9, -1.0, 1.1, 1.2)]
    outputs, _ = CELLS["gru"](
        torch.tensor([[[2.0]]]), (torch.tensor([[0.5]]),), scalar_weights(gates)
    )
    r = sigmoid(0.1 * 2 + 0.3 + 0.2 * 0.5 + 0.4)
    z = sigmoid(-0.5 * 2 + 0.7 + 0.6 * 0.5 - 0.8)
    n = math.tanh(0.9 * 2 + 1.1 + r * (-1.0 * 0.5 + 1.2))  # r multiplies the bias too
    assert outputs.item() == pytest.approx((1 - z) * n + z * 0.5)


def test_one_step_of_lstm_by_hand() -> None:
    gates = [
        (0.1, 0.2, 0.3, 0.4),
        (-0.5, 0.6, 0.7, -0.8),
        (0.9, -1.0, 1.1, 1.2),
        (1.3, 1.4, -1.5, 0.2),
    ]
    outputs, (h, c) = CELLS["lstm"](
        torch.tensor([[[2.0]]]),
        (torch.tensor([[0.5]]), torch.tensor([[-0.25]])),
        scalar_weights(gates),
    )
    i, f, g, o = (w_i * 2 + b_i + w_h * 0.5 + b_h for w_i, w_h, b_i, b_h in gates)
    cell = sigmoid(f) * -0.25 + sigmoid(i) * math.tanh(g)
    assert c.item() == pytest.approx(cell)
    assert h.item() == outputs.item() == pytest.approx(sigmoid(o) * math.tanh(cell))
