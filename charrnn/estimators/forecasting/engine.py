"""MemberEngine: the networks of a forecaster in NumPy, without torch.

Legend: N lanes, T time, E inputs of a step, H hidden, V variables, F features.
"""

from typing import Final

import numpy as np

from charrnn.array_types import Float32Array
from charrnn.engines.deterministic_matmul import multiply, whole_rows
from charrnn.engines.layers import prepared_layer
from charrnn.engines.numpy_engine import run_layer
from charrnn.errors import ModelError
from charrnn.estimators.engine import padded_inputs, zero_state
from charrnn.estimators.forecasting.network_config import LOG_SCALES, ForecastConfig
from charrnn.storage.tensor_file import Tensors

States = list[tuple[Float32Array, ...]]
"""h, or h and c, of each layer, each (R, H): rows and columns padded."""


LARGEST_LOG_DEGREES: Final = 20.0
"""The largest logarithm of the degrees of freedom: the distribution is then Gaussian."""


class MemberEngine:
    """One network of an ensemble, in float32 on the CPU.

    A lane's numbers are the same to the last bit whatever else is in the batch.

    Args:
        config: the sizes.
        tensors: the weights of the ensemble.
        member: the place of the network in it.
    """

    def __init__(self, config: ForecastConfig, tensors: Tensors, member: int) -> None:
        prefix = f"members.{member}."
        own = {name: tensors[prefix + name] for name in config.member_shapes()}
        self.config = config
        self._layers = [
            prepared_layer(config.cell, own, f"_l{number}") for number in range(config.layers)
        ]
        self._head = np.ascontiguousarray(own["head.weight"].T)  # (F, 2 V)
        self._head_bias = own["head.bias"]
        self._skip = np.ascontiguousarray(own["skip.weight"].T)  # (E, V)
        self.degrees: Float32Array | None = None
        if config.likelihood == "student-t":
            self.degrees = 2 + np.exp(np.minimum(own["log_degrees"], LARGEST_LOG_DEGREES))

    def zero_states(self, lanes: int) -> States:
        """Return the states before the first step."""
        return [zero_state(self.config.cell, layer, lanes) for layer in self._layers]

    def read(self, inputs: Float32Array, states: States) -> tuple[Float32Array, Float32Array]:
        """Read inputs (T, N, E); return the locations and the scales (T, N, V), and change the
        states. Raises ModelError where numbers overflow."""
        steps, lanes, _ = inputs.shape
        with np.errstate(all="ignore"):
            outputs = inputs
            for layer, state in zip(self._layers, states, strict=True):
                read = run_layer(self.config.cell, layer, padded_inputs(layer, outputs), state)
                outputs = read[:, :lanes, : self.config.hidden_size]
            flat = outputs.reshape(steps * lanes, -1)
            headed = multiply(flat, self._head) + self._head_bias
            linear = multiply(inputs.reshape(steps * lanes, -1), self._skip)
            variables = self.config.variables
            location = headed[:, :variables] + linear
            scale = np.exp(np.clip(headed[:, variables:], *LOG_SCALES))
        if not (np.isfinite(location).all() and np.isfinite(scale).all()):
            raise ModelError("the numbers of the network overflow: its weights are too large")
        shape = steps, lanes, variables
        return location.reshape(shape), scale.reshape(shape)


def spread(states: States, lanes: int) -> States:
    """Return the states of the first lane for some lanes."""
    return [
        tuple(np.repeat(part[:1], whole_rows(lanes), axis=0) for part in layer) for layer in states
    ]
