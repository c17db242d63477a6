"""Kernel: the interface for computing a layer."""

from torch import Tensor
from torch.nn.functional import embedding as look_up

from charrnn.model.cells import Cell, LayerState, LayerWeights


class Kernel:
    """A way to compute one kind of cell over a whole sequence.

    Legend: T time, B batch, V vocabulary, E embedding, I input, H hidden.
    """

    def layer(
        self, x: Tensor, state: LayerState, weights: LayerWeights
    ) -> tuple[Tensor, LayerState]:
        """Compute x (T, B, I), state before -> outputs (T, B, H), state after."""
        raise NotImplementedError

    def first(
        self, ids: Tensor, embedding: Tensor, state: LayerState, weights: LayerWeights
    ) -> tuple[Tensor, LayerState]:
        """Compute the layer that reads characters: ids (T, B), embedding (V, E)."""
        return self.layer(look_up(ids, embedding), state, weights)


class CellKernel(Kernel):
    """A Kernel that calls a function like those of `cells.py`."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell

    def layer(
        self, x: Tensor, state: LayerState, weights: LayerWeights
    ) -> tuple[Tensor, LayerState]:
        """See Kernel."""
        return self.cell(x, state, weights)
