"""NetworkConfig: the sizes of an estimator's network, and the shapes of its tensors. No torch.

Legend: E numbers of a step, H hidden, L layers, F features (H, or 2 H of both directions), G gates,
K outputs.
"""

from dataclasses import dataclass
from typing import Final

from charrnn.errors import ConfigError
from charrnn.model.config import GATES, POOLINGS

LARGEST_SIZE: Final = 1 << 20
"""The largest size of a network that is read from a file."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The sizes of a network that reads vectors. Raises ConfigError when one is out of range.

    Attributes:
        cell, hidden_size, layers, bidirectional: see ModelConfig.
        input_size: E.
        outputs: K.
        pooling: see POOLINGS; None where there are K outputs for each step.
    """

    cell: str
    input_size: int
    hidden_size: int
    layers: int
    bidirectional: bool
    pooling: str | None
    outputs: int

    def __post_init__(self) -> None:
        if self.cell not in GATES:
            raise ConfigError(f"cell {self.cell!r}: choose from {', '.join(GATES)}")
        if self.pooling is not None and self.pooling not in POOLINGS:
            raise ConfigError(f"pooling {self.pooling!r}: choose from {', '.join(POOLINGS)}")
        for name in ("input_size", "hidden_size", "layers", "outputs"):
            value = getattr(self, name)
            if not 1 <= value <= LARGEST_SIZE:
                raise ConfigError(f"{name} {value}: choose from 1 to {LARGEST_SIZE}")

    @property
    def directions(self) -> tuple[str, ...]:
        """The suffixes of the names of weights, one for each direction."""
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def features(self) -> int:
        """F."""
        return self.hidden_size * len(self.directions)

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each tensor by its name, which is PyTorch's own."""
        rows = GATES[self.cell] * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.layers):
            below = self.input_size if layer == 0 else self.features
            for direction in self.directions:
                suffix = f"_l{layer}{direction}"
                shapes[f"rnn.weight_ih{suffix}"] = (rows, below)
                shapes[f"rnn.weight_hh{suffix}"] = (rows, self.hidden_size)
                shapes[f"rnn.bias_ih{suffix}"] = (rows,)
                shapes[f"rnn.bias_hh{suffix}"] = (rows,)
        if self.pooling == "attention":
            shapes["pooling.weight"] = (1, self.features)
        shapes["head.weight"] = (self.outputs, self.features)
        shapes["head.bias"] = (self.outputs,)
        return shapes
