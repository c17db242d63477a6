"""The activity of units: the outputs of every layer after each id of a text.

Legend: M ids, H units of a layer, L layers, U = L H units.
"""

import numpy as np

from charrnn.array_types import Float32Array, Int64Array
from charrnn.engines import Reader
from charrnn.engines.stack import stack_engine
from charrnn.explanation.texts import read_in_lanes
from charrnn.storage.model_directory import Model


def layer_engines(model: Model) -> list[Reader]:
    """Return an engine for each layer whose outputs (B, T, H) are those of that layer instead of
    logits: its head is the identity. Attention reads the layers, and changes nothing in them."""
    identity = np.eye(model.config.hidden_size, dtype=np.float32)
    return [
        stack_engine(model.config, model.tensors, head=identity, layers=layer + 1)
        for layer in range(model.config.layers)
    ]


def read_activations(model: Model, inputs: Int64Array, lanes: int) -> Float32Array:
    """Return the activity (M, U) of all units after each id; see `read_in_lanes`.

    Raises ModelError when the model's numbers overflow.
    """
    size = model.config.hidden_size
    found = np.empty((len(inputs), model.config.layers * size), dtype=np.float32)
    for layer, engine in enumerate(layer_engines(model)):
        columns = slice(layer * size, (layer + 1) * size)
        for part in read_in_lanes(engine, inputs, lanes):
            found[part.positions[part.valid], columns] = part.outputs[part.valid]
    return found
