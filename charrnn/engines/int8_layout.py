"""The arrangement of weights that the int8 engine in C reads, on every processor.

Legend: V vocabulary, H hidden, G gates, N rows, I inputs, P panels.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engines.compiled_lanes import aligned
from charrnn.engines.engine import Array
from charrnn.engines.int8_weights import Int8Layer, Rows, Whole

UNITS: Final = 16
"""The units of a block of sums."""

_BLOCKS: Final = 4
"""The blocks of a panel: different gates of the same units or, in the plain RNN and the head, more
units."""

SUMS: Final = _BLOCKS * UNITS
"""The sums of a panel."""


class Arranged(NamedTuple):
    """Weights as int8.c reads them, and what each sum begins with."""

    weight: npt.NDArray[np.int32]  # (P, I / 4, blocks, 16), each four weights
    scale: Array  # (1, P, blocks, 16)
    start: npt.NDArray[np.int32]  # (1, P, blocks, 16)
    rest: npt.NDArray[np.int32] | None  # as `weight`: the remainders of weights of 16 bits
    rest_start: npt.NDArray[np.int32] | None  # as `start`, for the products with remainders


class ArrangedLayer(NamedTuple):
    """A layer, or the head, as int8.c reads it."""

    start: Array  # (V or 1, P, 4, 16)
    input: Arranged | None
    recurrent: Arranged | None


def arrange(layer: Int8Layer, cell: str, offset: int) -> ArrangedLayer:
    """Arrange a layer of a cell, or a head (`cell` does not matter), for a processor whose
    activations have an offset."""
    count, gates, units = layer.start.shape
    start, order = layer.start, np.arange(gates)
    if cell == "gru" and gates > 1:  # blocks n, r, z, and the candidate's recurrent part
        inner = np.broadcast_to(layer.inner, (count, 1, units))
        order = np.array([2, 0, 1])
        start = np.concatenate([start[:, order], inner], axis=1)
    panels = -(-units // (UNITS * _side_by_side(gates)))
    return ArrangedLayer(
        _blocks(start, panels),
        _weights(layer.input, order, panels, offset),
        _weights(layer.recurrent, np.arange(gates), panels, offset),
    )


def _weights(
    rows: Rows | None, order: npt.NDArray[np.intp], panels: int, offset: int
) -> Arranged | None:
    """Arrange weights (G, N, I), the gates in an order."""
    if rows is None:
        return None
    weight = rows.weight[order]
    start = weight.sum(axis=-1, dtype=np.int32) * np.int32(-offset)
    scale, starts = (_blocks(each[None], panels) for each in (rows.scale[order], start))
    if rows.rest is None:
        return Arranged(_fours(weight, panels), scale, starts, None, None)
    rest = rows.rest[order]
    start += rest.sum(axis=-1, dtype=np.int32) * np.int32(-offset)
    return Arranged(
        _fours(weight, panels), scale, starts, _fours(rest, panels), _blocks(start[None], panels)
    )


def _fours(weight: Whole, panels: int) -> npt.NDArray[np.int32]:
    """Arrange weights (G, N, I) as (P, I / 4, blocks, 16), four in each number, padded with
    zeros."""
    gates, count, inputs = weight.shape
    fours = -(-inputs // 4)
    filled = np.zeros((gates, panels * _side_by_side(gates) * UNITS, fours), dtype=np.int32)
    filled.view(np.int8)[:, :count, :inputs] = weight
    split = filled.reshape(gates, panels, -1, UNITS, fours).transpose(1, 4, 0, 2, 3)
    arranged = aligned(split.shape, np.int32)
    arranged[:] = split
    return arranged.reshape(panels, fours, -1, UNITS)


def _side_by_side(gates: int) -> int:
    """Return the number of blocks of the same gate in a panel."""
    return 1 if gates > 1 else _BLOCKS


def _blocks(planes: npt.NDArray[Any], panels: int) -> npt.NDArray[Any]:
    """Arrange planes (N, G, H) as (N, P, blocks, 16), padded with zeros."""
    count, gates, units = planes.shape
    blocks = _side_by_side(gates)
    filled = np.zeros((count, gates, panels * blocks * UNITS), dtype=planes.dtype)
    filled[..., :units] = planes
    split = filled.reshape(count, gates, panels, blocks, UNITS).swapaxes(1, 2)
    arranged = aligned((count, panels, gates * blocks, UNITS), planes.dtype.type)
    arranged.reshape(split.shape)[:] = split
    return arranged
