"""The names and shapes of a transducer's weights. No torch."""

from typing import TYPE_CHECKING

from charrnn.model.config import GATES
from charrnn.tasks.transduce import FIRST_SYMBOL

if TYPE_CHECKING:
    from charrnn.model.config import ModelConfig


def tensor_shapes(config: "ModelConfig") -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every weight, as `torch.nn` names and lays them out.

    The encoder has the names of other networks; the decoder, which reads the symbols written so
    far, has the same cell and sizes. The first member has these names, the others `others.0.` and
    so on before them.
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
    shapes["join.source.bias"] = (hidden,)
    shapes["join.target.weight"] = (hidden, hidden)
    shapes["attention.query.weight"] = (hidden, hidden)
    shapes["attention.query.bias"] = (hidden,)
    shapes["attention.key.weight"] = (hidden, 2 * hidden)
    shapes["attention.value.weight"] = (hidden, 2 * hidden)
    shapes["head.weight"] = (config.outputs + FIRST_SYMBOL, hidden)
    shapes["head.bias"] = (config.outputs + FIRST_SYMBOL,)
    return shapes | {
        member_prefix(member) + name: shape
        for member in range(1, config.members)
        for name, shape in shapes.items()
    }


def member_prefix(member: int) -> str:
    """Return what the names of the weights of a member begin with."""
    return f"others.{member - 1}." if member else ""
