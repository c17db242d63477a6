"""The names and shapes of a transducer's weights. No torch."""

from typing import TYPE_CHECKING

from charrnn.model.config import GATES

if TYPE_CHECKING:
    from charrnn.model.config import ModelConfig


def tensor_shapes(config: "ModelConfig") -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every weight, as `torch.nn` names and lays them out.

    The encoder has the names of other networks; the decoder, which reads the symbols written so
    far, has the same cell and sizes.
    """
    assert config.outputs is not None
    hidden, rows = config.hidden_size, GATES[config.cell] * config.hidden_size
    shapes = config.layer_shapes()
    shapes["decoder.embedding.weight"] = (config.outputs + 1, config.embedding_size)
    for layer in range(config.layers):
        below = hidden if layer else config.embedding_size
        shapes[f"decoder.rnn.weight_ih_l{layer}"] = (rows, below)
        shapes[f"decoder.rnn.weight_hh_l{layer}"] = (rows, hidden)
        shapes[f"decoder.rnn.bias_ih_l{layer}"] = (rows,)
        shapes[f"decoder.rnn.bias_hh_l{layer}"] = (rows,)
    shapes["join.source.weight"] = (hidden, 2 * hidden)
    shapes["join.target.weight"] = (hidden, hidden)
    shapes["join.bias"] = (hidden,)
    return shapes | {
        "head.weight": (config.outputs + 2, hidden),
        "head.bias": (config.outputs + 2,),
    }
