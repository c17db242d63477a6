"""KERNELS: ways to compute the equations of `cells.py` for one layer over a whole sequence.

Each takes the name of a cell and returns a Kernel. All are tested against `cells.py` for the same
outputs, states and gradients.
"""

from collections.abc import Callable
from typing import Final

from charrnn.model.cells import CELLS
from charrnn.model.kernels.fused import fused
from charrnn.model.kernels.kernel import CellKernel, Kernel
from charrnn.model.kernels.native import NativeRecurrence
from charrnn.model.kernels.recurrence import PlainRecurrence
from charrnn.model.kernels.sequence import SequenceKernel

KERNELS: Final[dict[str, Callable[[str], Kernel]]] = {
    # The functions of cells.py, one small operation after another.
    "equations": lambda cell: CellKernel(CELLS[cell]),
    # PyTorch's own operators: oneDNN's on the CPU, cuDNN's on a GPU.
    "fused": lambda cell: CellKernel(fused(cell)),
    # One autograd.Function for a layer's whole sequence, with its steps in PyTorch.
    "sequence": lambda cell: SequenceKernel(PlainRecurrence(cell)),
    # The same with its steps in C, or in PyTorch where C could not be built.
    "native": lambda cell: SequenceKernel(NativeRecurrence(cell)),
}
