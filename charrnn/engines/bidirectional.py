"""BidirectionalStack: reads whole texts in both directions, without torch.

Legend: B texts, T time, H hidden, F features (2 H).
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from charrnn.array_types import Int64Array
from charrnn.data.tokenizer import Ids
from charrnn.engines.deterministic_matmul import whole_rows
from charrnn.engines.engine import Array, Reader, State
from charrnn.engines.layers import prepared_layer
from charrnn.engines.native_engine import available
from charrnn.engines.numpy_engine import run_layer
from charrnn.engines.stack import stack_engine
from charrnn.model.config import STATES, ModelConfig
from charrnn.storage.tensor_file import Tensors

CHUNK: Final = 256
"""The characters of each text that are read at once. A text's chunks end at the same positions in
any batch, so that its sums are added up in the same order."""


class BidirectionalStack:
    """The layers of a network that reads in both directions, float32, on the CPU.

    The first layer runs on the engines of language models. A text's outputs are the same to the
    last bit in any batch. All outputs of a layer are kept, since each direction of the next layer
    reads both.

    Args:
        config: a configuration with `bidirectional`.
        tensors: the weights, of which those of the layers and the embedding are used.
        native: whether to compute in C; None: where C is available.
        native_above: whether to compute the layers above the first in C too, which is faster and
            rounds differently.
    """

    def __init__(
        self,
        config: ModelConfig,
        tensors: Tensors,
        *,
        native: bool | None = None,
        native_above: bool = False,
    ) -> None:
        self.hidden_size = config.hidden_size
        # The engines of the first layer; their heads return the outputs unchanged.
        self._lower: list[Reader] = [
            stack_engine(
                config,
                tensors,
                head=np.eye(config.hidden_size, dtype=np.float32),
                reverse=reverse,
                layers=1,
                native=native,
            )
            for reverse in (False, True)
        ]
        native_above = native_above and (available() if native is None else native)
        make_layer = _NativeMixedLayer if native_above else _MixedLayer
        self._upper = [
            [make_layer(config, tensors, layer, direction) for direction in ("", "_reverse")]
            for layer in range(1, config.layers)
        ]

    def read(self, texts: Sequence[Ids], *, chunk: int = CHUNK) -> Array:
        """Return the outputs (B, T, F) of the top layer, the forward ones first, for texts of at
        least one id, the longest first. What follows a text's end is undefined.

        Args:
            chunk: the ids of each text that are read at once.
        """
        lengths = np.array([len(text) for text in texts])
        shape = (len(texts), int(lengths[0]), 2 * self.hidden_size)
        read = np.empty(shape, dtype=np.float32)
        for side, engine in enumerate(self._lower):
            ordered = [text[::-1] for text in texts] if side == 1 else texts
            for begin, outputs in stream(engine, ordered, chunk=chunk):
                self._put(read, lengths, side, begin, outputs)
        for layer in self._upper:
            below, read = read, np.empty(shape, dtype=np.float32)
            for side, direction in enumerate(layer):
                for begin, outputs in direction.stream(below, lengths, chunk, backwards=side == 1):
                    self._put(read, lengths, side, begin, outputs)
        return read

    def _put(self, read: Array, lengths: Int64Array, side: int, begin: int, outputs: Array) -> None:
        """Copy a chunk's outputs (b, T, H) of one direction to their steps and columns."""
        columns = slice(side * self.hidden_size, (side + 1) * self.hidden_size)
        for lane, (length, each) in enumerate(zip(lengths, outputs, strict=False)):
            steps = _steps(begin, int(length), len(each), backwards=side == 1)
            read[lane, steps, columns] = each[: len(range(begin, min(begin + len(each), length)))]


class _MixedLayer:
    """One direction of a layer that reads both directions of the layer below."""

    def __init__(self, config: ModelConfig, tensors: Tensors, layer: int, direction: str) -> None:
        self._cell, self._hidden_size = config.cell, config.hidden_size
        self._layer = prepared_layer(config.cell, tensors, f"_l{layer}{direction}")

    def stream(
        self, below: Array, lengths: Int64Array, chunk: int, *, backwards: bool
    ) -> Iterator[tuple[int, Array]]:
        """Yield the start and the outputs (b, T, H) of each chunk of inputs (B, T, 2 H), read from
        their ends where `backwards`."""
        layer, features = self._layer, below.shape[2]
        states = tuple(
            np.zeros((whole_rows(len(lengths)), layer.weight_hh.shape[1]), dtype=np.float32)
            for _ in STATES[self._cell]
        )
        for begin in range(0, int(lengths[0]), chunk):
            active = lengths[lengths > begin]
            time, rows = min(chunk, int(active[0]) - begin), whole_rows(len(active))
            inputs = np.zeros((time, rows, layer.weight_ih.shape[1]), dtype=np.float32)
            for lane, length in enumerate(active):
                steps = _steps(begin, int(length), time, backwards=backwards)
                found = below[lane, steps]
                inputs[: len(found), lane, :features] = found
            states = tuple(part[:rows] for part in states)
            outputs = run_layer(self._cell, layer, inputs, states)
            yield begin, outputs.swapaxes(0, 1)[: len(active), :, : self._hidden_size]


class _NativeMixedLayer:
    """The same in C: each input has an id of its own, whose embedding it is, so that a network of
    one layer reads the ids."""

    def __init__(self, config: ModelConfig, tensors: Tensors, layer: int, direction: str) -> None:
        self._config = config
        self._tensors = {
            f"rnn.{name}_l0": tensors[f"rnn.{name}_l{layer}{direction}"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        self._unchanged = np.eye(config.hidden_size, dtype=np.float32)

    def stream(
        self, below: Array, lengths: Int64Array, chunk: int, *, backwards: bool
    ) -> Iterator[tuple[int, Array]]:
        """See _MixedLayer."""
        state: State | None = None
        for begin in range(0, int(lengths[0]), chunk):
            active = lengths[lengths > begin]
            time = min(chunk, int(active[0]) - begin)
            ids = np.zeros((len(active), time), dtype=np.int64)
            inputs, count = [], 0
            for lane, length in enumerate(active):
                steps = _steps(begin, int(length), time, backwards=backwards)
                found = below[lane, steps]
                ids[lane, : len(found)] = np.arange(count, count + len(found))
                inputs.append(found)
                count += len(found)
            own = {**self._tensors, "embedding.weight": np.concatenate(inputs)}
            engine = stack_engine(self._config, own, head=self._unchanged, layers=1, native=True)
            if state is not None:
                state = tuple(part[:, : len(active)] for part in state)
            outputs, state = engine.advance(ids, state)
            yield begin, outputs


def stream(
    engine: Reader, texts: Sequence[Ids], *, chunk: int = CHUNK
) -> Iterator[tuple[int, Array]]:
    """Yield the start of each chunk, and the outputs (b, T, H) of the texts that reach it, the
    longest first."""
    state: State | None = None
    lengths = np.array([len(text) for text in texts])
    for begin in range(0, int(lengths[0]), chunk):
        active = int((lengths > begin).sum())
        ids = np.zeros((active, min(chunk, int(lengths[0]) - begin)), dtype=np.int64)
        for lane in range(active):
            piece = texts[lane][begin : begin + chunk]
            ids[lane, : len(piece)] = piece
        if state is not None:
            state = tuple(part[:, :active] for part in state)
        outputs, state = engine.advance(ids, state)
        yield begin, outputs


def _steps(begin: int, length: int, time: int, *, backwards: bool) -> slice:
    """Return the steps of a text in a chunk that begins `begin` steps from one of the text's
    ends."""
    end = min(begin + time, length)
    if not backwards:
        return slice(begin, end)
    return slice(length - 1 - begin, length - 1 - end if end < length else None, -1)
