"""InfillEngine: the masked language model of a model directory, without torch.

Legend: B batch, T time, N characters, V vocabulary, H hidden.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.engines.deterministic_matmul import multiply
from charrnn.engines.engine import Array
from charrnn.engines.stack import stack_engine
from charrnn.errors import ModelError
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors
from charrnn.tasks.infill.windows import lay_out_windows

WINDOW: Final = 256
MARGIN: Final = 32
"""The characters of a text that are read at once, and those at either end that are only context.
More context on both sides adds nothing: on a play, margins of 8 cost 0.0002 bits per character, and
margins of 16 and more cost nothing in four digits."""

_LARGEST_AT_ONCE: Final = 1 << 21
"""The most logits of a batch of windows of a long text."""


class InfillEngine:
    """The masked language model of a model directory in float32, on the CPU.

    Each of the two stacks runs on its own engine, whose head is that stack's half of the join. A
    text's results are the same to the last bit in any batch.

    Args:
        config: a configuration of the task `restore`.
        native: whether to compute in C; None: where C is available.

    Attributes:
        vocabulary_size: V.
        mask: the id of a missing character, V.
    """

    def __init__(
        self, config: ModelConfig, tensors: Tensors, *, native: bool | None = None
    ) -> None:
        self.vocabulary_size = self.mask = config.vocabulary_size
        left, right = np.hsplit(tensors["join.weight"], 2)
        self._forward = stack_engine(config, tensors, head=left, native=native)
        self._backward = stack_engine(config, tensors, head=right, reverse=True, native=native)
        self._join_bias = tensors["join.bias"]
        self._head = np.ascontiguousarray(tensors["head.weight"].T)  # (H, V)
        self._head_bias = tensors["head.bias"]

    @classmethod
    @as_usual
    def of(cls, model: Model) -> "InfillEngine":
        """Return the engine of a model that was read from disk. Raises ModelError when the model is
        not for infilling."""
        model.require("restore")
        return cls(model.config, model.tensors)

    @as_usual
    def log_probabilities(self, ids: npt.ArrayLike) -> Array:
        """Compute the log-probabilities (B, T, V) of the character at each position of texts (B,
        T), which may contain masks, given all other characters of its text and never itself.

        Raises ModelError when the model's numbers overflow.
        """
        ids = np.asarray(ids)
        batch, time = ids.shape
        if ids.size == 0:
            return np.zeros((batch, time, self.vocabulary_size), dtype=np.float32)
        joined = np.zeros((batch, time, len(self._join_bias)), dtype=np.float32)
        joined[:, 1:] = self._forward.advance(ids, None)[0][:, :-1]
        with np.errstate(all="ignore"):  # the result is checked
            joined[:, :-1] += self._backward.advance(ids[:, ::-1], None)[0][:, -2::-1]
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
        """Compute the log-probabilities of one text of any length: ids (N,) -> (N, V).

        The text is read in overlapping windows, so that only the result grows with its length.
        """
        ids = np.asarray(ids)
        result = np.empty((len(ids), self.vocabulary_size), dtype=np.float32)
        for begin, read in self.read_in_pieces(ids):
            result[begin : begin + len(read)] = read
        return result

    def read_in_pieces(self, ids: npt.ArrayLike) -> Iterator[tuple[int, Array]]:
        """Yield the result of `read` in pieces: the position of each piece's first character, and
        its log-probabilities (n, V)."""
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
