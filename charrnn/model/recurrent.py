"""RecurrentNetwork: stacked cells, the common part of all networks.

Legend: B batch, T time, V vocabulary, E embedding, H hidden, L layers, G gates.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from charrnn.model.cells import LayerState, LayerWeights
from charrnn.model.config import GATES, STATES, ModelConfig
from charrnn.model.kernels import KERNELS
from charrnn.model.pooling import reversed_within

State = tuple[Tensor, ...]
"""The state that the network carries from one chunk to the next: (h,) or (h, c), each (L, B, H),
with the weights' type."""

REVERSE: Final = "_reverse"
"""PyTorch's suffix of the names of weights that read from the last step to the first."""

_HOLDERS: Final[dict[str, Callable[..., nn.RNNBase]]] = {
    "rnn": nn.RNN,
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """The sizes of stacked cells, without the layers above them.

    Attributes:
        cell, hidden_size, layers, dropout, weight_dropout, bidirectional: see ModelConfig.
        input_size: E, the size of the embeddings, or of the input vectors.
        symbols: how many ids have an embedding; None where the input is vectors.
        mixed: whether a layer reads both directions of the layer below, as `torch.nn.LSTM` does.
            Otherwise each direction is a separate stack.
    """

    cell: str
    input_size: int
    hidden_size: int
    symbols: int | None = None
    layers: int = 1
    dropout: float = 0.0
    weight_dropout: float = 0.0
    bidirectional: bool = False
    mixed: bool = True

    @classmethod
    def of(cls, config: ModelConfig) -> "StackConfig":
        """Return the stack of the network that a ModelConfig describes."""
        symbols, input_size = config.tensor_shapes()["embedding.weight"]
        return cls(
            cell=config.cell,
            input_size=input_size,
            hidden_size=config.hidden_size,
            symbols=symbols,
            layers=config.layers,
            dropout=config.dropout,
            weight_dropout=config.weight_dropout,
            bidirectional=config.bidirectional,
            mixed=config.mixed,
        )


class RecurrentNetwork(nn.Module):
    """Stacked cells of one direction or of both, with their initialisation and dropout.

    Subclasses add a head, and initialise all weights.

    Attributes:
        unit: the unit of the head's outputs in training: a model of numbers is saved with a head
            that is multiplied by the unit. It is a power of two, so that this is exact.

    Args:
        stack: the sizes of the stacked cells.
        kernel: the entry of KERNELS that computes the layers.
    """

    config: ModelConfig
    embedding: nn.Embedding
    head: nn.Linear
    unit: float = 1.0

    def __init__(self, stack: StackConfig, *, kernel: str = "fused") -> None:
        super().__init__()
        self.cell, self.hidden_size, self.layers = stack.cell, stack.hidden_size, stack.layers
        self.dropout, self.weight_dropout = stack.dropout, stack.weight_dropout
        self.directions = ("", REVERSE) if stack.bidirectional else ("",)
        self._kernel = KERNELS[kernel](stack.cell)
        self._looks_up = stack.symbols is not None
        sizes = stack.input_size, stack.hidden_size, stack.layers
        # PyTorch's modules hold the parameters under PyTorch's names; on `meta` they cost nothing.
        with torch.device("meta"):
            if stack.symbols is not None:
                self.embedding = empty_embedding(stack.symbols, stack.input_size)
            self.rnn: nn.Module
            if stack.mixed or not stack.bidirectional:
                self.rnn = _HOLDERS[stack.cell](*sizes, bidirectional=stack.bidirectional)
            else:
                self.rnn = nn.Module()
                one = _HOLDERS[stack.cell](*sizes)
                for direction in self.directions:
                    for name, parameter in one.named_parameters():
                        copied = nn.Parameter(torch.empty(parameter.shape))
                        self.rnn.register_parameter(name + direction, copied)

    def allocate(self) -> None:
        """Move the parameters from `meta` to memory on the CPU, without values.

        `to_empty` does so too, and imports PyTorch's compiler for it, which takes half a second.
        """
        for module in self.modules():
            for name, parameter in module.named_parameters(recurse=False):
                empty = torch.empty(parameter.shape, dtype=parameter.dtype, device="cpu")
                setattr(module, name, nn.Parameter(empty))

    @torch.no_grad()
    def reset_layers(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh embeddings, normal, and weights: inputs scaled to their fan-in (Glorot &
        Bengio, 2010), each gate's recurrent matrix orthogonal (Saxe et al., 2014, arXiv:1312.6120),
        biases zero except the LSTM's forget gate, which starts open at 1 (Jozefowicz et al.,
        2015)."""
        if self._looks_up:
            nn.init.normal_(self.embedding.weight, generator=generator)
        hidden = self.hidden_size
        for layer in range(self.layers):
            for direction in self.directions:
                weights = self._weights(layer, direction)
                for gate in range(GATES[self.cell]):
                    rows = slice(gate * hidden, (gate + 1) * hidden)
                    nn.init.xavier_uniform_(weights.weight_ih[rows], generator=generator)
                    nn.init.orthogonal_(weights.weight_hh[rows], generator=generator)
                nn.init.zeros_(weights.bias_ih)
                nn.init.zeros_(weights.bias_hh)
                if self.cell == "lstm":
                    weights.bias_ih[hidden : 2 * hidden] = 1

    def between_layers(self) -> list[Tensor]:
        """Return the weights that read the outputs of the layer below."""
        return [
            self._weights(layer, direction).weight_ih
            for layer in range(1, self.layers)
            for direction in self.directions
        ]

    def readout_weights(self) -> list[Tensor]:
        """Return the weights that read a layer's outputs: between layers (G H, H), and the
        head's."""
        raise NotImplementedError

    @torch.no_grad()
    def scale_readout(self, scale: float) -> None:
        """Multiply the readout weights by `scale`.

        Outputs lie between -1 and 1, most of them near 0, so the weights that read them learn
        slowly. With readout weights that begin larger and learn faster by the same factor, the
        network learns as if each layer's outputs were multiplied, and remains a plain network of
        torch.nn.
        """
        for weight in self.readout_weights():
            weight.mul_(scale)

    def zero_state(self, batch_size: int) -> State:
        """Return the state before the first step, for one direction: zeros (L, B, H)."""
        like = self._weights(0).bias_hh
        shape = (self.layers, batch_size, self.hidden_size)
        return tuple(like.new_zeros(shape) for _ in STATES[self.cell])

    def _weights(self, layer: int, direction: str = "") -> LayerWeights:
        return LayerWeights(
            *(
                getattr(self.rnn, f"{name}_l{layer}{direction}")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
        )

    def read(
        self,
        inputs: Tensor,
        lengths: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Compute the outputs (T, B, H) of the top layer from a zero state, or (T, B, 2 H) in both
        directions; padding changes nothing.

        Args:
            inputs: ids (T, B), or vectors (T, B, E), each sequence from step 0 on.
            lengths: (B,), int64; None where all have T steps.
            generator: draws the dropout masks during training.
        """
        before = self.zero_state(inputs.shape[1])
        if REVERSE not in self.directions:
            return self._read(inputs, before, generator=generator)[0]
        x = inputs
        for layer in range(self.layers):
            x = self._both_directions(layer, x, lengths, before, generator)
            x = self._drop(x, generator)
        return x

    def _both_directions(
        self,
        layer: int,
        x: Tensor,
        lengths: Tensor | None,
        state: State,
        generator: torch.Generator | None,
    ) -> Tensor:
        """Run one layer in both directions: x (T, B, I), or ids (T, B) -> outputs (T, B, 2 H)."""
        before = tuple(part[layer] for part in state)  # each (B, H)
        forward, _ = self._layer(layer, x, before, direction="", generator=generator)
        # Each sequence is reversed within its own length: padding must not be read first.
        backward, _ = self._layer(
            layer, reversed_within(x, lengths), before, direction=REVERSE, generator=generator
        )
        return torch.cat([forward, reversed_within(backward, lengths)], dim=2)

    def _read(
        self,
        inputs: Tensor,
        state: State,
        *,
        direction: str = "",
        generator: torch.Generator | None = None,
        batch_size: int | None = None,
        lanes: slice = slice(None),
    ) -> tuple[Tensor, State]:
        """Run a stack of one direction; return its top layer's outputs (T, B, H), and its state.

        Args:
            inputs: ids (T, B), or vectors (T, B, E).
            state: the state before the first step.
            direction: the entry of `directions` whose weights are used. The caller orders the
                inputs.
            generator, batch_size, lanes: see CharRNN.forward.
        """
        # Time comes first inside, so that each step's batch is contiguous in memory.
        states: list[LayerState] = []
        x = inputs
        for layer in range(self.layers):
            before = tuple(part[layer] for part in state)  # each (B, H)
            x, after = self._layer(layer, x, before, direction=direction, generator=generator)
            x = self._drop(x, generator, batch_size, lanes)
            states.append(after)
        kept = self._weights(0).bias_hh.dtype  # autocast may compute in another
        return x, tuple(torch.stack(parts).to(kept) for parts in zip(*states, strict=True))

    def _layer(
        self,
        layer: int,
        x: Tensor,
        before: LayerState,
        *,
        direction: str,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, LayerState]:
        """Run one layer in one direction: x (T, B, I), or ids (T, B) -> outputs (T, B, H)."""
        weights = self._drop_weights(self._weights(layer, direction), generator)
        if layer == 0 and self._looks_up:
            return self._kernel.first(x, self.embedding.weight, before, weights)
        return self._kernel.layer(x, before, weights)

    def _drop_weights(
        self, weights: LayerWeights, generator: torch.Generator | None
    ) -> LayerWeights:
        """Apply DropConnect to the recurrent weights (Merity et al., 2018, arXiv:1708.02182): one
        mask for all of T and B. All gates share the mask, which regularizes as well and is drawn in
        a quarter of the time."""
        share, hidden = self.weight_dropout, self.hidden_size
        if not self.training or share == 0:
            return weights
        mask = torch.empty((hidden, hidden), device=weights.weight_hh.device)
        mask.bernoulli_(1 - share, generator=generator).div_(1 - share)
        kept = weights.weight_hh.view(-1, hidden, hidden) * mask  # (G, H, H)
        return weights._replace(weight_hh=kept.flatten(0, 1))

    def _drop(
        self,
        x: Tensor,
        generator: torch.Generator | None,
        batch_size: int | None = None,
        lanes: slice = slice(None),
    ) -> Tensor:
        """Apply variational dropout (Gal & Ghahramani, 2016, arXiv:1512.05287): one mask for all of
        T."""
        if not self.training or self.dropout == 0:
            return x
        keep = 1 - self.dropout
        shape = (batch_size or x.shape[1], x.shape[2])
        mask = torch.empty(shape, device=x.device)  # (B, H), float32 under autocast too
        return x * (mask.bernoulli_(keep, generator=generator)[lanes] / keep).to(x.dtype)


def empty_embedding(symbols: int, size: int) -> nn.Embedding:
    """Return an embedding without values. `nn.Embedding` draws them, and imports PyTorch's compiler
    for it where they are on `meta`."""
    embedding: nn.Embedding = nn.Embedding.from_pretrained(  # type: ignore[no-untyped-call]
        torch.empty(symbols, size), freeze=False
    )
    return embedding


@torch.no_grad()
def reset_linear(
    weight: Tensor, bias: Tensor | None = None, *, generator: torch.Generator | None = None
) -> None:
    """Draw fresh weights (N, I) of a linear layer: uniform within 1 / sqrt(I), biases zero."""
    bound = 1 / math.sqrt(weight.shape[1])
    nn.init.uniform_(weight, -bound, bound, generator=generator)
    if bias is not None:
        nn.init.zeros_(bias)


def detach(state: State) -> State:
    """Return the state as values, so that backpropagation stops at the start of the chunk."""
    return tuple(part.detach() for part in state)
