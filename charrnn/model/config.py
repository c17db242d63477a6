"""ModelConfig: the sizes of a network, and the shapes of its tensors. No torch."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from charrnn.errors import ConfigError
from charrnn.tasks import TASKS, find_task

GATES: Final = {"rnn": 1, "gru": 3, "lstm": 4}
"""The rows of a cell's weight matrices, in units of the hidden size H."""

STATES: Final = {"rnn": ("h",), "gru": ("h",), "lstm": ("h", "c")}
"""The parts of each cell's state, each of shape (L, B, H)."""

POOLINGS: Final = ("last", "mean", "max", "attention")
"""The ways to pool the outputs for all characters of a text into one vector."""

ATTENTION_SIZE: Final = 64
"""The largest D, the size of a key and of a value: a small head finds its place as well."""

LATER: Final[Any] = {"later": True}
"""Fields that were added later: older models lack them, and have the default."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The sizes of a network. Raises ConfigError when one is out of range.

    Attributes:
        task: an entry of charrnn.tasks.TASKS, which decides which of the following a network may
            have.
        vocabulary_size: V.
        cell: `rnn` (Elman's, with tanh), `gru` or `lstm`.
        embedding_size: E.
        hidden_size: H, the units of every layer.
        layers: L, the number of layers.
        dropout: the share of each layer's outputs that is dropped during training.
        weight_dropout: the share of each layer's recurrent weights that is dropped during training.
        bidirectional: whether the text is read in both directions.
        pooling: see POOLINGS; None where there is an output for each character.
        outputs: the number of classes, or 1 for a number; None where each output is for a
            character.
        attention: W, the number of last states that are attended to; None for no attention.
        members: the number of networks of these sizes whose probabilities are averaged.
    """

    vocabulary_size: int
    cell: str = "lstm"
    embedding_size: int = 64
    hidden_size: int = 256
    layers: int = 2
    dropout: float = 0.0
    weight_dropout: float = 0.0
    task: str = field(default="generate", metadata=LATER)
    bidirectional: bool = field(default=False, metadata=LATER)
    pooling: str | None = field(default=None, metadata=LATER)
    outputs: int | None = field(default=None, metadata=LATER)
    attention: int | None = field(default=None, metadata=LATER)
    members: int = field(default=1, metadata=LATER)

    def __post_init__(self) -> None:
        self._check_task()
        if self.cell not in GATES:
            raise ConfigError(f"cell {self.cell!r}: choose from {', '.join(GATES)}")
        for name, largest in _LARGEST.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= largest:
                raise ConfigError(f"{name.replace('_', ' ')} {value!r}: choose 1 to {largest:,}")
        self._check_attention()
        if self.parameters > _MOST_PARAMETERS:
            raise ConfigError(
                f"these sizes make {self.parameters:,} weights: choose up to {_MOST_PARAMETERS:,}"
            )
        for name in ("dropout", "weight_dropout"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < 1):
                name = name.replace("_", " ")
                raise ConfigError(f"{name} {value!r}: choose from 0 up to (not including) 1")

    def _check_task(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(f"task {self.task!r}: choose from {', '.join(TASKS)}")
        if type(self.bidirectional) is not bool:
            raise ConfigError(f"bidirectional {self.bidirectional!r}: choose true or false")
        find_task(self.task).check_model(self)

    def _check_attention(self) -> None:
        window = self.attention
        if window is not None and (type(window) is not int or not 1 <= window <= _LONGEST_WINDOW):
            raise ConfigError(f"attention {window!r}: choose 1 to {_LONGEST_WINDOW:,}")

    @property
    def attention_size(self) -> int:
        """D, the size of a key and of a value."""
        return min(ATTENTION_SIZE, self.hidden_size)

    @property
    def mixed(self) -> bool:
        """Whether a layer reads both directions of the layer below, as `torch.nn.LSTM` does."""
        return self.bidirectional and not find_task(self.task).separate_directions

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every weight, as `torch.nn` names and lays them out."""
        shapes: dict[str, tuple[int, ...]] = find_task(self.task).tensor_shapes(self)
        return shapes

    def layer_shapes(self, *, more_symbols: int = 0) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the embedding's and the stacked cells' weights; `more_symbols`
        besides the characters have an embedding."""
        embedded, hidden = self.embedding_size, self.hidden_size
        rows = GATES[self.cell] * hidden
        symbols = self.vocabulary_size + more_symbols
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (symbols, embedded)}
        mixed = self.mixed
        for layer in range(self.layers):
            below = hidden * (2 if mixed else 1) if layer else embedded
            for direction in ("", "_reverse") if self.bidirectional else ("",):
                shapes[f"rnn.weight_ih_l{layer}{direction}"] = (rows, below)
                shapes[f"rnn.weight_hh_l{layer}{direction}"] = (rows, hidden)
                shapes[f"rnn.bias_ih_l{layer}{direction}"] = (rows,)
                shapes[f"rnn.bias_hh_l{layer}{direction}"] = (rows,)
        return shapes

    def attention_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the attention's weights, where there is one."""
        if self.attention is None:
            return {}
        size, hidden = self.attention_size, self.hidden_size
        return {
            "attention.query.weight": (size, hidden),
            "attention.query.bias": (size,),
            "attention.key.weight": (size, hidden),
            "attention.value.weight": (size, hidden),
            "attention.output.weight": (hidden, size),
            "attention.distance.weight": (self.attention, 1),
            "attention.norm.weight": (hidden,),
            "attention.norm.bias": (hidden,),
        }

    def head_shapes(self, inputs: int | None = None) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the head's weights. The head has `inputs` inputs; None: the outputs
        of the last layer."""
        if inputs is None:
            inputs = self.hidden_size * (2 if self.bidirectional else 1)
        outputs = self.vocabulary_size if self.outputs is None else self.outputs
        return {"head.weight": (outputs, inputs), "head.bias": (outputs,)}

    def state_shapes(self, lanes: int) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every part of the state that lanes carry from one character
        to the next.

        Lanes are always the second axis. The state before the first character is zeros. Networks
        that read each text by itself carry no state.
        """
        if not find_task(self.task).carries_state:
            return {}
        part = (self.layers, lanes, self.hidden_size)
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(STATES[self.cell], part)
        if self.attention is not None:
            shapes["memory"] = (self.attention, lanes, self.hidden_size)
        return shapes

    @property
    def parameters(self) -> int:
        """The number of weights."""
        total = 0
        for shape in self.tensor_shapes().values():
            total += shape[0] * (shape[1] if len(shape) > 1 else 1)
        return total

    def to_json(self) -> dict[str, Any]:
        """Return the entry `model` of `config.json`."""
        return asdict(self)


_MOST_PARAMETERS: Final = 1 << 30

_LONGEST_WINDOW: Final = 1 << 12

_LARGEST: Final = {
    "vocabulary_size": 1 << 18,
    "hidden_size": 16_384,
    "embedding_size": 16_384,
    "layers": 64,
    "members": 64,
}
