"""What all networks share; CharRNN's own tests are the larger part of it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from charrnn.model.cells import CELLS
from charrnn.model.kernels import KERNELS
from charrnn.model.recurrent import REVERSE, RecurrentNetwork, StackConfig

E, H, V = 5, 6, 9


def stack(cell: str) -> StackConfig:
    return StackConfig(cell=cell, input_size=E, symbols=V, hidden_size=H, layers=2)


class Reader(RecurrentNetwork):
    """The layers alone, float64."""

    def __init__(self, stack: StackConfig, kernel: str = "fused") -> None:
        super().__init__(stack, kernel=kernel)
        self.allocate()
        self.reset_layers(torch.Generator().manual_seed(0))
        self.double()

    def read_stack(self, inputs: Tensor, direction: str = "") -> Tensor:
        """(T, B) or (T, B, E) -> (T, B, H), from a cold state."""
        state = self.zero_state(inputs.shape[1])
        outputs, _ = self._read(inputs, state, direction=direction)
        return outputs


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("cell", CELLS)
def test_each_direction_that_is_not_mixed_is_a_stack_of_torch_nn(cell: str, kernel: str) -> None:
    mine = Reader(replace(stack(cell), bidirectional=True, mixed=False), kernel)
    ids = torch.randint(V, (7, 3), generator=torch.Generator().manual_seed(1))
    seen = []
    for direction in ("", REVERSE):
        plain = getattr(nn, cell.upper())(E, H, 2).double()
        named = mine.rnn.state_dict()
        plain.load_state_dict({name: named[name + direction] for name in plain.state_dict()})
        expected = plain(mine.embedding(ids))[0]
        seen.append(mine.read_stack(ids, direction))
        torch.testing.assert_close(seen[-1], expected, rtol=0, atol=1e-12)
    assert not torch.allclose(seen[0], seen[1])


@pytest.mark.parametrize("cell", CELLS)
def test_vectors_are_read_as_they_are(cell: str) -> None:
    mine = Reader(replace(stack(cell), symbols=None))
    assert not hasattr(mine, "embedding")
    vectors = torch.randn(7, 3, E, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = mine.rnn(vectors)[0]
    torch.testing.assert_close(mine.read_stack(vectors), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_both_directions_begin_as_one_does(cell: str, mixed: bool) -> None:
    """The LSTM's forget gate open, recurrent matrices orthogonal: in the reverse direction too."""
    mine = Reader(replace(stack(cell), bidirectional=True, mixed=mixed))
    for layer in range(2):
        for direction in ("", REVERSE):
            weights = mine._weights(layer, direction)
            for matrix in torch.split(weights.weight_hh.detach(), H):
                torch.testing.assert_close(
                    matrix @ matrix.T, torch.eye(H, dtype=torch.float64), rtol=0, atol=1e-6
                )
            biases = torch.zeros(len(weights.bias_ih), dtype=torch.float64)
            if cell == "lstm":
                biases[H : 2 * H] = 1
            assert torch.equal(weights.bias_ih.detach(), biases)
    assert len(mine.between_layers()) == 2
