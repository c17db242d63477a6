"""ModelConfig: the sizes of a network, and the tensors they imply. No torch."""

from dataclasses import asdict, dataclass
from typing import Any

from charrnn.errors import ConfigError

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
"""Rows of a cell's weight matrices, in units of the hidden size H."""

STATES = {"rnn": ("h",), "gru": ("h",), "lstm": ("h", "c")}
"""What each cell carries from one character to the next, each of shape (L, B, H)."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The sizes of a network. Raises ConfigError when one is out of range.

    Attributes:
        vocabulary_size: V.
        cell: `rnn` (Elman's, with tanh), `gru` or `lstm`.
        embedding_size: E.
        hidden_size: H, of every layer.
        layers: L.
        dropout: the share of each layer's output that is dropped while training.
        weight_dropout: the share of each layer's recurrent connections that is.
    """

    vocabulary_size: int
    cell: str = "lstm"
    embedding_size: int = 64
    hidden_size: int = 256
    layers: int = 2
    dropout: float = 0.0
    weight_dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.cell not in GATES:
            raise ConfigError(f"cell {self.cell!r}: choose from {', '.join(GATES)}")
        for name, largest in _LARGEST.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= largest:
                raise ConfigError(f"{name.replace('_', ' ')} {value!r}: choose 1 to {largest:,}")
        if self.parameters > _MOST_PARAMETERS:
            raise ConfigError(
                f"these sizes make {self.parameters:,} weights: choose up to {_MOST_PARAMETERS:,}"
            )
        for name in ("dropout", "weight_dropout"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < 1):
                name = name.replace("_", " ")
                raise ConfigError(f"{name} {value!r}: choose from 0 up to (not including) 1")

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight, as `torch.nn` names and lays them out."""
        embedded, hidden = self.embedding_size, self.hidden_size
        rows = GATES[self.cell] * hidden
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (self.vocabulary_size, embedded)}
        for layer in range(self.layers):
            shapes[f"rnn.weight_ih_l{layer}"] = (rows, hidden if layer else embedded)
            shapes[f"rnn.weight_hh_l{layer}"] = (rows, hidden)
            shapes[f"rnn.bias_ih_l{layer}"] = (rows,)
            shapes[f"rnn.bias_hh_l{layer}"] = (rows,)
        return shapes | {
            "head.weight": (self.vocabulary_size, hidden),
            "head.bias": (self.vocabulary_size,),
        }

    @property
    def parameters(self) -> int:
        """How many numbers the network has to learn."""
        total = 0
        for shape in self.tensor_shapes().values():
            total += shape[0] * (shape[1] if len(shape) > 1 else 1)
        return total

    def to_json(self) -> dict[str, Any]:
        """What `config.json` holds under `model`."""
        return asdict(self)


_MOST_PARAMETERS = 1 << 30

_LARGEST = {
    "vocabulary_size": 1 << 18,
    "hidden_size": 16_384,
    "embedding_size": 16_384,
    "layers": 64,
}
