"""Engines for a part of a network: the layers of one direction, with another head.

Legend: H hidden, N outputs.
"""

import numpy as np

from charrnn.engines.engine import Array
from charrnn.engines.native_engine import NativeEngine, available
from charrnn.engines.numpy_engine import NumPyEngine
from charrnn.model.config import ModelConfig
from charrnn.storage.tensor_file import Tensors


def stack_engine(
    config: ModelConfig,
    tensors: Tensors,
    *,
    head: Array,
    reverse: bool = False,
    layers: int | None = None,
    native: bool | None = None,
) -> NativeEngine | NumPyEngine:
    """Return an engine of the layers of one direction.

    Args:
        config: the configuration of the whole network.
        tensors: its weights.
        head: (N, H), the weight that multiplies the outputs of the top layer.
        reverse: whether to take the reverse direction, for which the caller reverses the texts.
        layers: the number of layers, from the lowest; None takes all.
        native: whether to compute in C; None does so if available.
    """
    layers = config.layers if layers is None else layers
    native = available() if native is None else native
    stack = ModelConfig(
        vocabulary_size=config.vocabulary_size,
        cell=config.cell,
        embedding_size=config.embedding_size,
        hidden_size=config.hidden_size,
        layers=layers,
    )
    own = {
        "embedding.weight": tensors["embedding.weight"],
        "head.weight": np.ascontiguousarray(head),
        "head.bias": np.zeros(len(head), dtype=np.float32),
    }
    for layer in range(layers):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            suffix = "_reverse" if reverse else ""
            own[f"rnn.{name}_l{layer}"] = tensors[f"rnn.{name}_l{layer}{suffix}"]
    return (NativeEngine if native else NumPyEngine)(stack, own)
