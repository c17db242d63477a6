"""KERNELS: ways to compute the equations of `cells.py` for one layer over a whole sequence.

Each takes the name of a cell and gives a function of the same signature as those in CELLS, and is
tested against them: the same outputs, states and gradients.
"""

from collections.abc import Callable

from charrnn.model.cells import CELLS, Cell
from charrnn.model.kernels.fused import fused

KERNELS: dict[str, Callable[[str], Cell]] = {
    "equations": CELLS.__getitem__,  # as they stand, one small operation after another
    "fused": fused,  # PyTorch's own: oneDNN's on the CPU, cuDNN's on a GPU
}
