"""Holding a unit at a value, by changing the weights of a network.

The unit's row of every weight becomes zero, and its biases such that the cell's equations give the
value in every step, whatever is read. So any engine runs the changed network.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from charrnn.errors import ConfigError
from charrnn.model.config import GATES
from charrnn.storage.model_directory import Model

_SATURATED: Final = 30.0
"""A sigmoid of this is 1, and of its negative 0, in float32."""

_LARGEST: Final = 0.96
"""The largest value, either way, at which an LSTM's unit can be held: tanh(2) is above it."""


def hold_unit(model: Model, layer: int, unit: int, value: float) -> Model:
    """Return a model whose unit has the same value (within 0.96, either way) after each character.

    An LSTM's unit approaches it within some twenty characters. Raises ConfigError for a cell that
    has no entry in HELD_BIASES.
    """
    config = model.config
    if config.cell not in HELD_BIASES:
        raise ConfigError(f"cell {config.cell}: no way is known to hold its units at a value")
    biases = HELD_BIASES[config.cell](min(max(value, -_LARGEST), _LARGEST))
    assert len(biases) == GATES[config.cell]
    rows = [gate * config.hidden_size + unit for gate in range(len(biases))]
    tensors = dict(model.tensors)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        changed = tensors[f"rnn.{name}_l{layer}"].copy()
        changed[rows] = 0
        if name == "bias_ih":
            changed[rows] = np.array(biases, dtype=np.float32)
        tensors[f"rnn.{name}_l{layer}"] = changed
    return replace(model, tensors=tensors)


def _rnn(value: float) -> tuple[float, ...]:
    return (math.atanh(value),)


def _gru(value: float) -> tuple[float, ...]:
    """Return the biases of r, z, n: h = n, without memory."""
    return (0.0, -_SATURATED, math.atanh(value))


def _lstm(value: float) -> tuple[float, ...]:
    """Return the biases of i, f, g, o: c = c / 2 + g approaches 2 g, and h = tanh(c)."""
    return (_SATURATED, 0.0, math.atanh(math.atanh(value) / 2), _SATURATED)


HELD_BIASES: Final[dict[str, Callable[[float], tuple[float, ...]]]] = {
    "rnn": _rnn,
    "gru": _gru,
    "lstm": _lstm,
}
"""For each cell, the biases of its gates (in torch.nn's order) that hold a unit at a value."""
