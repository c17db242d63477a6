"""What `charrnn info` shows about the int8 engine of a model."""

from charrnn.engines.attention import AttentionWeights
from charrnn.engines.int8_attention import projection_layer
from charrnn.engines.int8_numbers import fold
from charrnn.engines.int8_structures import available
from charrnn.engines.int8_structures import fold as fold_in_c
from charrnn.engines.int8_weights import int8_layers
from charrnn.storage.model_directory import Model


def int8_bits(model: Model) -> dict[str, int]:
    """Return how many bits the weights and activations of each layer have in the int8 engine.

    A layer with two matrices is counted by the more precise one.
    """
    config, tensors = model.config, model.tensors
    *layers, head = int8_layers(config, tensors, fold_in_c if available() else fold)
    named = {f"layer {number}": layer for number, layer in enumerate(layers, start=1)}
    if config.attention is not None:
        named["attention"] = projection_layer(AttentionWeights(config, tensors))
    named["head"] = head
    return {
        name: 16
        if any(rows and rows.rest is not None for rows in (each.input, each.recurrent))
        else 8
        for name, each in named.items()
    }


def describe_bits(bits: dict[str, int]) -> str:
    """Describe the result of `int8_bits` in a few words."""
    precise = [name for name, count in bits.items() if count == 16]
    if len(precise) in (0, len(bits)):
        return f"weights and activations of {16 if precise else 8} bits"
    return f"weights and activations of 8 bits, of 16 bits in {', '.join(precise)}"
