"""Models whose weights are the same on every machine, for the tests of the int8 engines."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.engines.engine import Array
from charrnn.model.cells import CELLS
from charrnn.model.config import ModelConfig
from charrnn.storage.tensor_file import Tensors

Ids = npt.NDArray[np.int64]


def floats(values: npt.ArrayLike) -> Array:
    return np.array(values, dtype=np.float32)


NETWORKS = [*CELLS, "attention"]
"""The cells, and an LSTM with attention."""


def drawn_model(network: str, **sizes: Any) -> tuple[ModelConfig, Tensors]:
    """A model of V = 67 with weights between -1/4 and 1/4, from whole numbers only: random normal
    numbers need functions that differ between machines."""
    more = {"attention": 6} if network == "attention" else {"cell": network}
    config = ModelConfig(**{**more, "vocabulary_size": 67, "embedding_size": 11, **sizes})
    random = np.random.default_rng(7)
    return config, {
        name: random.integers(-(2**15), 2**15, shape, dtype=np.int64).astype(np.float32)
        / np.float32(2**17)
        for name, shape in config.tensor_shapes().items()
    }


def drawn_ids(*shape: int) -> Ids:
    return np.random.default_rng(3).integers(67, size=shape, dtype=np.int64)


def digest(logits: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(logits, dtype="<f4").tobytes()).hexdigest()
