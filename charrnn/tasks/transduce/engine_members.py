"""The networks of a TransducerEngine, and what they compute for the hypotheses of a search.

Legend: B sources, S positions of a source, P positions of all sources, N hypotheses, H hidden,
K outputs.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float32Array, Int64Array
from charrnn.data.tokenizer import Ids
from charrnn.engines.bidirectional import BidirectionalStack
from charrnn.engines.deterministic_matmul import padded, product, whole_rows
from charrnn.engines.engine import State
from charrnn.engines.stack import stack_engine
from charrnn.model.config import ModelConfig
from charrnn.storage.tensor_file import Tensors
from charrnn.tasks.transduce.shapes import member_prefix


class Member:
    """A network of the sizes of a configuration."""

    def __init__(self, config: ModelConfig, tensors: Tensors, *, native: bool | None) -> None:
        self.hidden_size = config.hidden_size
        self._encoder = BidirectionalStack(config, tensors, native=native, native_above=True)
        prefix = "decoder."
        own = {
            name.removeprefix(prefix): weight
            for name, weight in tensors.items()
            if name.startswith(prefix)
        }
        # Its head is the target's half of the join, and the attention's query.
        read = np.concatenate([tensors["join.target.weight"], tensors["attention.query.weight"]])
        self.decoder = stack_engine(config, own, head=read, native=native)
        self._query_bias = tensors["attention.query.bias"]
        # All that reads the encoder's outputs.
        names = "join.source.weight", "attention.key.weight", "attention.value.weight"
        bias = np.zeros(3 * config.hidden_size, dtype=np.float32)
        bias[: config.hidden_size] = tensors["join.source.bias"]
        self._of_source = _Linear(np.concatenate([tensors[name] for name in names]), bias)
        self._head = _Linear(tensors["head.weight"], tensors["head.bias"])

    def encode(self, texts: Sequence[Ids]) -> "_Encoded":
        """Read texts, the longest first."""
        read = self._encoder.read(texts)  # (B, S, 2 H)
        kept = np.arange(read.shape[1]) < np.array([len(text) for text in texts])[:, None]
        source, *others = np.split(self._of_source(read[kept]), 3, axis=1)
        key, value = (np.zeros((*kept.shape, self.hidden_size), dtype=np.float32) for _ in others)
        key[kept], value[kept] = others
        return _Encoded(np.ascontiguousarray(source), key, value, ~kept)

    def target(self, read: Float32Array, encoded: "_Encoded", texts: Int64Array) -> Float32Array:
        """Return B d_j + c_j (N, H) of hypotheses, given what the decoder's head read (N, 2 H), and
        the number of the text (N,) of each.

        Sums over positions are taken in their order, so that those of a shorter text are the same
        to the last bit beside a longer one.
        """
        hidden = self.hidden_size
        query = read[:, hidden:] + self._query_bias
        products = np.multiply(encoded.key[texts], query[:, None])  # (N, S, H)
        scores = np.ascontiguousarray(np.add.reduce(products, axis=2).T)  # (S, N)
        scores *= np.float32(hidden**-0.5)
        scores[encoded.padding[texts].T] = -np.inf
        scores -= scores.max(axis=0)
        weights = np.exp(scores, out=scores)
        weights /= np.cumsum(weights, axis=0)[-1]
        values = np.ascontiguousarray(encoded.value[texts].swapaxes(0, 1))  # (S, N, H)
        values *= weights[:, :, None]
        found: Float32Array = np.add.reduce(values, axis=0)
        found += read[:, :hidden]
        return found

    def probabilities(self, source: Float32Array, target: Float32Array) -> Float32Array:
        """Return (N, K), given both halves of the join (N, H)."""
        joined = source + target
        np.tanh(joined, out=joined)
        logits = self._head(joined)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits


class _Encoded(NamedTuple):
    """What a member has read of B texts.

    Attributes:
        source: A e_i + b (P, H) at all positions.
        key, value: (B, S, H) of the attention; 0 after the end of a text.
        padding: (B, S) where that is.
    """

    source: Float32Array
    key: Float32Array
    value: Float32Array
    padding: npt.NDArray[np.bool_]


class _Linear:
    """A product with a weight (K, N), plus a bias (K,), the same bits for any number of rows."""

    def __init__(self, weight: Float32Array, bias: Float32Array) -> None:
        self._outputs, self._inputs = weight.shape
        self._bias = bias
        self._weight = np.zeros((padded(self._inputs), padded(self._outputs)), dtype=np.float32)
        self._weight[: self._inputs, : self._outputs] = weight.T

    def __call__(self, x: Float32Array) -> Float32Array:
        """Return (R, K) of x (R, N)."""
        filled = np.zeros((whole_rows(len(x)), len(self._weight)), dtype=np.float32)
        filled[: len(x), : self._inputs] = x
        result: Float32Array = product(filled, self._weight)[: len(x), : self._outputs] + self._bias
        return result


class HypothesisStates:
    """The members' outputs for sources, and the states of hypotheses; see `beam.Decoder`."""

    def __init__(self, members: Sequence[Member], texts: Sequence[Ids]) -> None:
        self._members = members
        self._sources = [member.encode(texts) for member in members]
        nothing = np.zeros((len(texts), 1), dtype=np.int64)
        self._texts = np.arange(len(texts))
        self._targets: list[Float32Array] = []
        self._states: list[State] = []
        for member, encoded in zip(members, self._sources, strict=True):
            read, state = member.decoder.advance(nothing, None)
            self._targets.append(member.target(read[:, 0], encoded, self._texts))
            self._states.append(state)

    def probabilities(self, places: Int64Array, rows: Int64Array | None = None) -> npt.NDArray[Any]:
        """See `beam.Decoder`; `rows` (N,) are the hypotheses, None: each once."""
        found = [
            member.probabilities(encoded.source[places], target if rows is None else target[rows])
            for member, encoded, target in zip(
                self._members, self._sources, self._targets, strict=True
            )
        ]
        total = found[0]
        for other in found[1:]:
            total += other
        total /= np.float32(len(found))
        return total

    def follow(self, parents: Int64Array, writers: Int64Array, inputs: Int64Array) -> None:
        """See `beam.Decoder`."""
        self._texts = self._texts[parents]
        for number, member in enumerate(self._members):
            target = self._targets[number][parents]
            state = tuple(part[:, parents] for part in self._states[number])
            if len(writers):
                before = tuple(part[:, writers] for part in state)
                read, after = member.decoder.advance(inputs[:, None], before)
                some = self._texts[writers]
                target[writers] = member.target(read[:, 0], self._sources[number], some)
                for part, each in zip(state, after, strict=True):
                    part[:, writers] = each
            self._targets[number], self._states[number] = target, state


def member_tensors(tensors: Tensors, member: int) -> Tensors:
    """Return the weights of one member, with the names of the first."""
    prefix = member_prefix(member)
    others = member_prefix(1).split(".")[0] + "."
    return {
        name.removeprefix(prefix): weight
        for name, weight in tensors.items()
        if (name.startswith(prefix) if prefix else not name.startswith(others))
    }
