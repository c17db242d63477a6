"""RestoringEngine: what stood at each place of a text, without torch.

Legend: B batch, T time, N characters, V vocabulary, H hidden.
"""

import dataclasses
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.engines.deterministic_matmul import multiply
from charrnn.engines.engine import Array, Reader
from charrnn.engines.native_engine import NativeEngine, available
from charrnn.engines.numpy_engine import NumPyEngine
from charrnn.errors import ModelError
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors
from charrnn.tasks.infill.windows import lay_out_windows

WINDOW: Final = 256
MARGIN: Final = 32
"""Characters of a text that are read as one, and those at either end of them that are read for the
others' sake. What stands on both sides at once tells so much that further ones add nothing: of a
play, 8 on each side cost 0.0002 bits per character, 16 and more none that shows in four digits."""

_LARGEST_AT_ONCE: Final = 1 << 21
"""Numbers: windows of a long text are read side by side while no more logits come of them."""


class RestoringEngine:
    """The network of a model directory that restores, float32, on the CPU.

    Each of its two stacks runs on an engine that reads texts, whose head is that stack's half of
    the join. As there, what comes of a text is the same to the last bit alone and in any company.

    Args:
        config: of the task `restore`.
        native: whether to compute in C; None where that can be.

    Attributes:
        vocabulary_size: V.
        mask: the id of a character that is missing, V.
    """

    def __init__(
        self, config: ModelConfig, tensors: Tensors, *, native: bool | None = None
    ) -> None:
        self.vocabulary_size = self.mask = config.vocabulary_size
        native = available() if native is None else native
        engine = NativeEngine if native else NumPyEngine
        # A plain stack of its own is read as any other network's.
        stack = dataclasses.replace(config, task="generate", bidirectional=False)
        self._forth: Reader = engine(stack, _stack(config, tensors, 0))
        self._back: Reader = engine(stack, _stack(config, tensors, 1))
        self._join_bias = tensors["join.bias"]
        self._head = np.ascontiguousarray(tensors["head.weight"].T)  # (H, V)
        self._head_bias = tensors["head.bias"]

    @classmethod
    @as_usual
    def of(cls, model: Model) -> "RestoringEngine":
        """The engine of a model that was read from disk. Raises ModelError when it does not
        restore."""
        model.require("restore")
        return cls(model.config, model.tensors)

    @as_usual
    def log_probabilities(self, ids: npt.ArrayLike) -> Array:
        """Of texts (B, T), masks among them: the log-probabilities (B, T, V) of the character at
        each place, given all others of its text, and never itself. Before and after a text is
        nothing.

        Raises ModelError when the model's numbers overflow.
        """
        ids = np.asarray(ids)
        batch, time = ids.shape
        if ids.size == 0:
            return np.zeros((batch, time, self.vocabulary_size), dtype=np.float32)
        joined = np.zeros((batch, time, len(self._join_bias)), dtype=np.float32)
        joined[:, 1:] = self._forth.advance(ids, None)[0][:, :-1]
        with np.errstate(all="ignore"):  # the result is checked
            joined[:, :-1] += self._back.advance(ids[:, ::-1], None)[0][:, -2::-1]
            joined += self._join_bias
            np.tanh(joined, out=joined)
            logits = multiply(joined.reshape(batch * time, -1), self._head) + self._head_bias
            logits -= logits.max(axis=-1, keepdims=True)
            logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        if not np.isfinite(logits).all():
            raise ModelError("the model's weights are so large that its numbers overflow")
        return logits.reshape(batch, time, self.vocabulary_size)

    @as_usual
    def read(self, ids: npt.ArrayLike) -> Array:
        """The same of one text of any length: ids (N,) -> (N, V).

        It is read in windows that overlap, so that of a long text only the result takes memory.
        """
        ids = np.asarray(ids)
        result = np.empty((len(ids), self.vocabulary_size), dtype=np.float32)
        for begin, read in self.read_in_pieces(ids):
            result[begin : begin + len(read)] = read
        return result

    def read_in_pieces(self, ids: npt.ArrayLike) -> Iterator[tuple[int, Array]]:
        """`read`, piece after piece: where each begins, and its log-probabilities (n, V)."""
        ids = np.asarray(ids)
        if len(ids) == 0:
            return
        windows = lay_out_windows(len(ids), WINDOW, MARGIN)
        largest = windows.length * self.vocabulary_size
        at_once = max(_LARGEST_AT_ONCE // largest, 1)
        for first in range(0, len(windows), at_once):
            chosen = slice(first, first + at_once)
            read = self.log_probabilities(ids[windows.positions(chosen)])
            yield int(windows.keep_begins[first]), read[windows.kept(chosen)]


def _stack(config: ModelConfig, tensors: Tensors, side: int) -> Tensors:
    """One direction's weights under the names of a network of its own, its head the join's half."""
    hidden = config.hidden_size
    direction = "_reverse" if side else ""
    half = tensors["join.weight"][:, side * hidden : (side + 1) * hidden]
    own = {
        "embedding.weight": tensors["embedding.weight"],
        "head.weight": np.ascontiguousarray(half),
        "head.bias": np.zeros(hidden, dtype=np.float32),
    }
    for layer in range(config.layers):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            own[f"rnn.{name}_l{layer}"] = tensors[f"rnn.{name}_l{layer}{direction}"]
    return own
