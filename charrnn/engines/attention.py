"""Attention on the CPU: the equations of `model/attention.py`, a character at a time.

Each state's key and value are computed once and kept. Each lane's products are computed separately,
in arrays of one shape and order, so that a lane's numbers are the same to the last bit in any
batch.

Legend: B lanes, R rows (B padded), W window, H hidden, D of a key, both padded, P states in a
piece.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.engines.deterministic_matmul import padded, product
from charrnn.engines.engine import Array, State
from charrnn.model.config import ModelConfig
from charrnn.storage.tensor_file import Tensors

EPSILON: Final = np.float32(1e-5)
"""The epsilon of torch.nn.LayerNorm."""

_LARGEST_PIECE: Final = 9215
"""The most numbers of keys or values in one product: OpenBLAS divides larger products among its
threads, which changes the rounding."""


class AttentionWeights:
    """The weights of attention, transposed for row vectors. The scale of the scores is part of the
    queries' weights.

    Attributes:
        window, size, hidden_size: W, D, H, none of them padded.
        projection: (H, 3 D): query, key and value side by side.
        bias: (3 D), zero for keys and values.
        output: (D, H).
        biases: (W,) the score biases by distance, the oldest state first.
    """

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        assert config.attention is not None
        self.window, self.size = config.attention, config.attention_size
        self.hidden_size = config.hidden_size
        hidden, size = padded(self.hidden_size), padded(self.size)
        scale = np.float32(1 / math.sqrt(self.size))
        with np.errstate(all="ignore"):  # an overflow shows in the logits
            query, query_bias = (
                tensors[f"attention.query.{name}"] * scale for name in ("weight", "bias")
            )

        def tensor(name: str) -> Array:
            return tensors[f"attention.{name}"]

        def fill(array: Array, rows: int, columns: int) -> Array:
            filled = np.zeros((rows, columns), dtype=np.float32)
            filled[: array.shape[0], : array.shape[1]] = array
            return filled

        projections = query, tensor("key.weight"), tensor("value.weight")
        self.projection = np.hstack([fill(each.T, hidden, size) for each in projections])
        self.bias = np.zeros(3 * size, dtype=np.float32)
        self.bias[: self.size] = query_bias
        self.output = fill(tensor("output.weight").T, size, hidden)
        self.biases = tensor("distance.weight")[::-1, 0].copy()
        self.norm_weight, self.norm_bias = tensor("norm.weight"), tensor("norm.bias")


class AttentionLanes:
    """The attention memory of B lanes. A step allocates none of its arrays.

    Args:
        weights: the weights of the attention.
        count: B.
        rows: R.

    Attributes:
        weights: the weights of the attention.
        keys, values: (B, 2 W, D), of which the W from `start` on are in the window.
        attended: (B, W), the attention weights of the last step, from the oldest state to the
            newest; each row adds up to 1.
    """

    def __init__(self, weights: AttentionWeights, count: int, rows: int) -> None:
        self.weights, self._count = weights, count
        window, size = weights.window, len(weights.output)
        # The window slides along twice its length, and jumps back once at the end.
        self.keys, self.values = (
            np.zeros((count, 2 * window, size), dtype=np.float32) for _ in range(2)
        )
        self.start = 0
        self._queries = np.zeros((count, 1, size), dtype=np.float32)
        self._scores = np.zeros((count, 1, window), dtype=np.float32)
        shape = (rows, len(weights.bias))
        self._projected, self._part = (np.zeros(shape, dtype=np.float32) for _ in range(2))
        self._found = np.zeros((rows, size), dtype=np.float32)
        self._joined = np.zeros((rows, weights.output.shape[1]), dtype=np.float32)
        self._scratch = np.zeros((rows, weights.hidden_size), dtype=np.float32)
        self._pieces = [
            _Piece(*piece, self._scores, np.zeros((count, piece[1], 1, size), dtype=np.float32))
            for piece in _pieces(window, size)
        ]
        self.attended = self._scores[:, 0]

    def read(self, h: Array) -> Array:
        """Attend from states h (R, H) of the layers. Returns the input (R, H) of the head.

        The result is the lanes' own memory: the next step overwrites it.
        """
        self._project(h)
        self.append(self._projected)
        self._attend()
        self.slide()
        product(self._found, self.weights.output, self._joined)
        hidden = self.weights.hidden_size
        self._joined[: self._count, :hidden] += h[: self._count, :hidden]
        self._normalize()
        return self._joined

    def remember(self, h: Array) -> None:
        """Add states h (R, H) to the memory as `read` does, without attending."""
        self._project(h)
        self.remember_projected(self._projected)

    def remember_projected(self, projected: Array) -> None:
        """Add states to the memory, given their projections (B or more, 3 D)."""
        self.append(projected)
        self.slide()

    def _project(self, h: Array) -> None:
        product(h, self.weights.projection, self._projected, self._part)
        self._projected += self.weights.bias

    def append(self, projected: Array) -> None:
        """Store the keys and values of new states after the window."""
        count, size = self._count, self._queries.shape[2]
        end = self.start + self.weights.window
        self._queries[:, 0] = projected[:count, :size]
        self.keys[:, end] = projected[:count, size : 2 * size]
        self.values[:, end] = projected[:count, 2 * size : 3 * size]

    def _attend(self) -> None:
        """Compute the attention weights in the window, and the weighted sums of its values."""
        found = self._found[: self._count, None]  # (B, 1, D)
        for piece in self._pieces:
            keys = piece.of(self.keys, self.start)
            np.matmul(self._queries[:, None], keys.swapaxes(2, 3), out=piece.scores)
        self._scores += self.weights.biases
        _softmax(self._scores)
        for number, piece in enumerate(self._pieces):
            values = piece.of(
                self.values, self.start + 1
            )  # a value is one state newer than the key of the same place
            np.matmul(piece.scores, values, out=piece.found)
            if number == 0:
                np.add.reduce(piece.found, axis=1, out=found)
            else:
                found += piece.found[:, 0]

    def get(self, lanes: slice = slice(None)) -> State:
        """Return the keys and values (W, b, D) of lanes, as a value."""
        window = slice(self.start, self.start + self.weights.window)
        size = self.weights.size
        return tuple(
            part[lanes, window, :size].swapaxes(0, 1).copy() for part in (self.keys, self.values)
        )

    def put(self, lanes: npt.NDArray[np.intp] | slice, state: State | None) -> None:
        """Set lanes to keys and values; None is the state before the first character."""
        window = slice(self.start, self.start + self.weights.window)
        size = self.weights.size
        for number, part in enumerate((self.keys, self.values)):
            part[lanes, window] = 0  # also the padding, which is NaN after an overflow
            if state is not None:
                part[lanes, window, :size] = state[number].swapaxes(0, 1)

    def take(self, lanes: npt.NDArray[np.intp]) -> None:
        """Set lane i to the previous state of lane `lanes[i]`. Lanes that stay are not copied."""
        moved = np.flatnonzero(lanes != np.arange(len(lanes)))
        window = slice(self.start, self.start + self.weights.window)
        for part in (self.keys, self.values):
            part[moved, window] = part[lanes[moved], window]

    def slide(self) -> None:
        """Move the window by one state, to include the newest key and value."""
        window = self.weights.window
        self.start += 1
        if self.start == window:
            for part in (self.keys, self.values):
                for lane in part:  # one by one, as NumPy would make a copy of all lanes at once
                    lane[:window] = lane[window:]
            self.start = 0

    def _normalize(self) -> None:
        """Apply layer normalization (Ba et al., 2016, arXiv:1607.06450) in place."""
        size, scratch = np.float32(self.weights.hidden_size), self._scratch
        x = self._joined[:, : self.weights.hidden_size]
        x -= x.sum(axis=1, keepdims=True) / size
        np.multiply(x, x, out=scratch)
        x /= np.sqrt(scratch.sum(axis=1, keepdims=True) / size + EPSILON)
        x *= self.weights.norm_weight
        x += self.weights.norm_bias


class _Piece:
    """Consecutive pieces of equal length in a window.

    Attributes:
        scores: (B, n, 1, P), a view of the scores (B, 1, W) of all states.
        found: (B, n, 1, D), the weighted sum of the values of each piece.
    """

    def __init__(self, first: int, count: int, length: int, scores: Array, found: Array) -> None:
        self._first, self._count, self._length = first, count, length
        these = scores[:, 0, first : first + count * length]
        self.scores = these.reshape(-1, count, 1, length)
        self.found = found

    def of(self, part: Array, start: int) -> Array:
        """Return a view of the pieces (B, n, P, D) of keys or values in the window from `start`
        on."""
        begin = start + self._first
        chosen = part[:, begin : begin + self._count * self._length]
        return chosen.reshape(-1, self._count, self._length, part.shape[2])


def _pieces(window: int, size: int) -> list[tuple[int, int, int]]:
    """Divide a window into pieces of equal length and a rest.

    Returns the first state, the number of pieces and their length, for both.
    """
    most = max(_LARGEST_PIECE // size, 1)
    most = min(most - most % 16 or most, window)
    # Prefer equal pieces without a rest, if they are at least half as long.
    length = next((n for n in range(most, most // 2, -1) if window % n == 0 == n % 16), most)
    whole = window - window % length
    pieces = [(0, whole // length, length)]
    return pieces if whole == window else [*pieces, (whole, 1, window - whole)]


def _softmax(scores: Array) -> None:
    """Apply softmax over the last axis, in place."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
