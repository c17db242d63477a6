"""The recurrent part of each cell in C (`native/recurrence.c`), where C could be built.

Legend: T time, B batch, H hidden, G gates.
"""

import ctypes
import functools
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from charrnn.model.cells import LayerState
from charrnn.model.config import GATES
from charrnn.model.kernels.recurrence import Activations, Gradients, LayerInputs, PlainRecurrence
from charrnn.native_library import open_library, switched_off

_CELLS: Final = ("rnn", "gru", "lstm")
"""The cells, in the order of recurrence.c."""

_KINDS: Final[dict[torch.dtype, tuple[str, ...]]] = {
    torch.float32: ("avx512", "avx2"),
    torch.bfloat16: ("amx", "bf16"),
}
"""The kinds of processors that recurrence.c supports for each type, the best first."""


def available() -> bool:
    """Return whether layers can be computed in C: the library was built, it supports the processor,
    and CHARRNN_NATIVE is not 0."""
    return not switched_off() and bool(kinds())


@functools.cache
def kinds() -> dict[str, int]:
    """Return the names and numbers of the kinds of processors that this processor supports."""
    library = _library()
    found: dict[str, int] = {}
    if library is not None:
        size, number = ctypes.c_size_t(), 0
        while name := library.charrnn_kind(number, ctypes.byref(size)):
            if size.value:
                found[name.decode()] = number
            number += 1
    return found


def kind_for(dtype: torch.dtype) -> str | None:
    """Return the best kind of processor for numbers of a type; None where there is none, or
    CHARRNN_NATIVE is 0."""
    if switched_off():
        return None
    return next((name for name in _KINDS.get(dtype, ()) if name in kinds()), None)


class NativeRecurrence:
    """Computes the steps in C, on PyTorch's own threads.

    PlainRecurrence computes what C does not support: other types (float64), other devices, and
    sequences without lanes or characters.

    Args:
        cell: the name of the cell.
        kind: the kind of processor to compute as; None: the best for each type of numbers.
    """

    def __init__(self, cell: str, kind: str | None = None) -> None:
        self.cell, self.kind, self.plain = cell, kind, PlainRecurrence(cell)

    def forward(self, inputs: LayerInputs, *, keep: bool) -> Activations:
        """See Recurrence."""
        time, batch = inputs.steps
        kind = self._kind(inputs.preactivations, time * batch)
        if kind is None:
            return self.plain.forward(inputs, keep=keep)
        hidden = inputs.weight_hh.shape[1]
        # C reads arrays of these sizes, so the state is copied into tensors of these sizes.
        rows = GATES[self.cell] * hidden
        assert inputs.preactivations.shape[-1] == len(inputs.weight_hh) == rows
        assert len(inputs.inner_bias) == hidden
        x = inputs.preactivations.contiguous()
        index = None if inputs.index is None else inputs.index.contiguous()
        weight = inputs.weight_hh.float().contiguous()
        bias = inputs.inner_bias.float().contiguous()
        h = weight.new_empty(batch, hidden)
        h.copy_(inputs.state[0])
        outputs = x.new_empty(time + 1, batch, hidden)
        gates = x.new_empty(self._gates_size(time, batch, hidden, x) if keep else 0)
        c = h.new_empty(0)
        if self.cell == "lstm":
            c = h.new_empty(time + 1 if keep else 1, batch, hidden)
            c[0] = inputs.state[1]
        layer = self._layer(kind, outputs, weight, h, c)
        layer.c_stride = batch * hidden if keep else 0
        layer.inner_bias, layer.x, layer.index = _at(bias), _at(x), _at(index)
        layer.gates_kept = _at(gates) if len(gates) else None
        _call("charrnn_forward", layer)
        return Activations(outputs, gates, c, (h, c[-1]) if self.cell == "lstm" else (h,))

    def backward(
        self,
        activations: Activations,
        weight_hh: Tensor,
        doutputs: Tensor | None,
        dstate: LayerState,
    ) -> Gradients:
        """See Recurrence."""
        outputs = activations.outputs
        time, (batch, hidden) = len(outputs) - 1, outputs.shape[1:]
        kind = self._kind(outputs, time * batch)
        if kind is None:
            return self.plain.backward(activations, weight_hh, doutputs, dstate)
        weight = weight_hh.float().contiguous()
        dh = dstate[0].float().clone(memory_format=torch.contiguous_format)
        dc = torch.zeros_like(dh)
        if self.cell == "lstm":
            dc.copy_(dstate[1])
        if doutputs is not None:
            doutputs = doutputs.to(outputs.dtype).contiguous()
        layer = self._layer(kind, outputs, weight, dh, activations.c)
        dx = outputs.new_empty(time, batch, len(weight))
        dinner = outputs.new_empty(time, batch, hidden) if self.cell == "gru" else None
        layer.c_stride, layer.dc, layer.doutputs = batch * hidden, _at(dc), _at(doutputs)
        layer.gates_kept = _at(activations.gates)
        layer.dx, layer.dinner = _at(dx), _at(dinner)
        _call("charrnn_backward", layer)
        drecurrent = dx
        if dinner is not None:
            drecurrent = torch.cat([dx[..., : 2 * hidden], dinner], dim=-1)
        return Gradients(dx, drecurrent, (dh, dc) if self.cell == "lstm" else (dh,))

    def sum_rows(self, rows: Tensor, index: Tensor | None, count: int) -> Tensor:
        """See Recurrence."""
        kind = self._kind(rows, rows.numel())
        if kind is None:
            return self.plain.sum_rows(rows, index, count)
        rows = rows.flatten(0, -2).contiguous()
        index = None if index is None else index.contiguous()
        sums = torch.zeros(count, rows.shape[1])
        job = _Sum(_threads(), kinds()[kind], *rows.shape, _at(rows), _at(index), _at(sums))
        library = _library()
        assert library is not None
        library.charrnn_sum_rows(ctypes.byref(job))
        return sums

    def _gates_size(self, time: int, batch: int, hidden: int, sample: Tensor) -> int:
        """Return how many numbers the gates take in recurrence.c, which lays them out in groups of
        64 bytes of units."""
        units = 64 // sample.element_size()
        return 0 if self.cell == "rnn" else time * batch * 4 * -(-hidden // units) * units

    def _kind(self, sample: Tensor, count: int) -> str | None:
        best = kind_for(sample.dtype)
        if best is None or sample.device.type != "cpu" or not count:
            return None
        return self.kind if self.kind in _KINDS[sample.dtype] else best

    def _layer(self, kind: str, outputs: Tensor, weight: Tensor, h: Tensor, c: Tensor) -> "_Layer":
        layer = _Layer(threads=_threads(), kind=kinds()[kind], cell=_CELLS.index(self.cell))
        layer.time, layer.batch = len(outputs) - 1, outputs.shape[1]
        layer.hidden, layer.gates = outputs.shape[2], GATES[self.cell]
        layer.weight, layer.outputs = _at(weight), _at(outputs)
        layer.h, layer.c = _at(h), _at(c)
        return layer


class _Threads(ctypes.Structure):
    _fields_ = [
        ("parallel", ctypes.c_void_p),
        ("number", ctypes.c_void_p),
        ("count", ctypes.c_void_p),
        ("most", ctypes.c_size_t),
    ]


class _Layer(ctypes.Structure):
    _fields_ = [
        ("threads", _Threads),
        ("kind", ctypes.c_size_t),
        ("cell", ctypes.c_size_t),
        ("time", ctypes.c_size_t),
        ("batch", ctypes.c_size_t),
        ("hidden", ctypes.c_size_t),
        ("gates", ctypes.c_size_t),
        ("weight", ctypes.c_void_p),
        ("inner_bias", ctypes.c_void_p),
        ("x", ctypes.c_void_p),
        ("index", ctypes.c_void_p),
        ("outputs", ctypes.c_void_p),
        ("gates_kept", ctypes.c_void_p),
        ("c", ctypes.c_void_p),
        ("c_stride", ctypes.c_size_t),
        ("h", ctypes.c_void_p),
        ("doutputs", ctypes.c_void_p),
        ("dc", ctypes.c_void_p),
        ("dx", ctypes.c_void_p),
        ("dinner", ctypes.c_void_p),
    ]


class _Sum(ctypes.Structure):
    _fields_ = [
        ("threads", _Threads),
        ("kind", ctypes.c_size_t),
        ("count", ctypes.c_size_t),
        ("width", ctypes.c_size_t),
        ("rows", ctypes.c_void_p),
        ("index", ctypes.c_void_p),
        ("sums", ctypes.c_void_p),
    ]


def _at(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _call(name: str, layer: _Layer) -> None:
    library = _library()
    assert library is not None
    if getattr(library, name)(ctypes.byref(layer)):
        raise MemoryError("no memory for a layer's weights")


def _threads() -> _Threads:
    """Return PyTorch's threads, where PyTorch has GNU's OpenMP (or one with the same names), so
    that no second set of threads competes for the same cores; otherwise, this thread alone."""
    count = torch.get_num_threads()
    team = _team()
    if count == 1 or team is None:
        return _Threads(None, None, None, 1)
    return _Threads(*team, count)


@functools.cache
def _team() -> tuple[int, int, int] | None:
    loaded = ctypes.CDLL(None)
    names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
    try:
        parallel, number, count = (
            ctypes.cast(getattr(loaded, name), ctypes.c_void_p).value or 0 for name in names
        )
    except AttributeError:
        return None
    return parallel, number, count


@functools.cache
def _library() -> ctypes.CDLL | None:
    pointer: Any = ctypes.c_void_p
    return open_library(
        Path(__file__).with_name("native"),
        "recurrence",
        structures=(_Threads, _Layer, _Sum),
        functions=[
            ("charrnn_kind", [ctypes.c_size_t, pointer], ctypes.c_char_p),
            ("charrnn_forward", [pointer], ctypes.c_int),
            ("charrnn_backward", [pointer], ctypes.c_int),
            ("charrnn_sum_rows", [pointer], None),
        ],
    )
