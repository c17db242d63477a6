"""A language model as the page's own engine reads it (page/local/read_model.js): the numbers of the
int8 engine in one piece of memory, and their description.

Legend: V vocabulary, E embedding, H hidden, G gates, N rows, I inputs.
"""

import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import CharTokenizer, Tokenizer
from charrnn.engines.attention import AttentionWeights
from charrnn.engines.engine import Array
from charrnn.engines.int8_attention import projection_layer
from charrnn.engines.int8_weights import Int8Layer, Rows, int8_layers
from charrnn.export.page_settings import page_settings
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors

_ALIGNMENT: Final = 8


def page_model(model: Model) -> bytes:
    """Return a model as the page reads it; read_model.js says how.

    Raises ModelError when it is no language model.
    """
    model.require("generate")
    config = model.config
    content = bytearray()
    described = []
    for name, tensor in _tensors(config, model.tensors).items():
        content += _padding(content)
        shape, kind = list(tensor.shape), str(tensor.dtype)
        described.append({"name": name, "kind": kind, "shape": shape, "place": len(content)})
        little = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
        content += np.ascontiguousarray(little).tobytes()
    description = {
        "config": config.to_json(),
        "characters": _characters(model.tokenizer),
        "settings": page_settings(),
        "tensors": described,
    }
    text = json.dumps(description, separators=(",", ":")).encode()
    head = len(text).to_bytes(4, "little") + text
    return head + _padding(head) + bytes(content)


def _padding(before: bytes | bytearray) -> bytes:
    return bytes(-len(before) % _ALIGNMENT)


def _characters(tokenizer: Tokenizer) -> list[str] | None:
    return list(tokenizer.characters) if isinstance(tokenizer, CharTokenizer) else None


def page_entry(model: Model) -> dict[str, Any]:
    """Return what the page knows of a model, as the server's list of models says it."""
    config, training = model.config, model.provenance
    nats = training.validation_nats
    characters = _characters(model.tokenizer)
    return {
        "id": training.corpus,
        "task": config.task,
        "tokenizer": model.tokenizer.kind,
        **({} if characters is None else {"characters": "".join(characters)}),
        "vocabulary_size": config.vocabulary_size,
        "lines": training.lines,
        "cell": config.cell,
        "layers": config.layers,
        "hidden_size": config.hidden_size,
        "parameters": config.parameters,
        "corpus": training.corpus,
        "step": training.step,
        "seconds": training.seconds,
        "validation_bits": None if nats is None else nats / float(np.log(2)),
        "default": True,
    }


def _tensors(config: ModelConfig, tensors: Tensors) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors by name. The page computes the table of the first layer by itself."""
    table: list[Array] = []

    def keep(embedding: Array, weight: Array, bias: Array) -> Array:
        """Stand for `fold`: keep the weight (N, E), and return the bias as the only row."""
        table.append(weight.T)
        return bias[None]

    *layers, head = int8_layers(config, tensors, keep)
    found: dict[str, npt.NDArray[Any]] = {
        "embedding": tensors["embedding.weight"],  # (V, E)
        "table": table[0],  # (E, N)
    }
    for number, layer in enumerate(layers):
        found |= _layer(str(number), layer)
    found |= _layer("head", head)
    if config.attention is not None:
        weights = AttentionWeights(config, tensors)
        found |= _layer("projection", projection_layer(weights))
        found |= {
            "attention.output": weights.output[:, : config.hidden_size],  # (D, H)
            "attention.biases": weights.biases,
            "attention.norm_weight": weights.norm_weight,
            "attention.norm_bias": weights.norm_bias,
        }
    return found


def _layer(name: str, layer: Int8Layer) -> dict[str, npt.NDArray[Any]]:
    return {
        f"{name}.start": layer.start[0].reshape(-1),  # (G H,)
        f"{name}.inner": layer.inner,
        **_rows(f"{name}.input", layer.input),
        **_rows(f"{name}.recurrent", layer.recurrent),
    }


def _rows(name: str, rows: Rows | None) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors of a weight (G, N, I) with its gates one after another."""
    if rows is None:
        return {}
    found: dict[str, npt.NDArray[Any]] = {
        f"{name}.weight": rows.weight.reshape(-1, rows.weight.shape[-1]),
        f"{name}.scale": rows.scale.reshape(-1),
    }
    if rows.rest is not None:
        found[f"{name}.rest"] = rows.rest.reshape(-1, rows.rest.shape[-1])
    return found
