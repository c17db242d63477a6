"""TransducerEngine: translates with a recurrent neural transducer, without torch.

Legend: B sources, S positions of a source, P positions of all sources, N hypotheses, H hidden,
K outputs.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float32Array, Float64Array, Int64Array
from charrnn.data.tokenizer import Ids
from charrnn.engines.bidirectional import BidirectionalStack
from charrnn.engines.deterministic_matmul import padded, product, whole_rows
from charrnn.engines.engine import State
from charrnn.engines.stack import stack_engine
from charrnn.errors import ModelError
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors
from charrnn.tasks.transduce.beam import ADVANCE, COPY, TINY, Hypothesis, Sources, search
from charrnn.tasks.transduce.lattice import align
from charrnn.tasks.transduce.shapes import member_prefix
from charrnn.tasks.transduce.tokenizer import SPECIAL, UNKNOWN, PairTokenizer

MARGIN: Final = 7.0
"""The nats by which a hypothesis may be less probable than the best, where a single translation is
wanted. So a word of which the network is sure costs one hypothesis."""

_MOST_SOURCES: Final = 256
_MOST_CANDIDATES: Final = 1 << 22
"""The most sources that are searched together, and the most candidates in a round."""

__all__ = ["Hypothesis", "TransducerEngine"]


class TransducerEngine:
    """Transducers of one tokenizer, float32, on the CPU.

    The members that read in the same direction are averaged in each step of a search. Where some
    read from the end, each direction has a search of its own, and the targets that either finds are
    compared by the geometric mean of both directions' probabilities. A source's translations are
    the same to the last bit in any batch.

    Args:
        models: models of the task `transduce`.
        native: whether to compute in C; None: where C is available.
        margin: see `search`; None keeps all that the beam has room for.

    Raises ModelError for models of another task, or of different tokenizers.
    """

    def __init__(
        self,
        models: Sequence[Model],
        *,
        native: bool | None = None,
        margin: float | None = MARGIN,
    ) -> None:
        tokenizer = models[0].tokenizer
        for model in models:
            model.require("transduce")
            if model.tokenizer.to_json() != tokenizer.to_json():
                raise ModelError("the models have different tokenizers, so they cannot be averaged")
        assert isinstance(tokenizer, PairTokenizer)
        self._outputs = tokenizer.outputs
        members: list[list[_Member]] = [[], []]
        for model in models:
            for member in range(model.config.members):
                tensors = _member_tensors(model.tensors, member)
                members[member % 2].append(_Member(model.config, tensors, native=native))
        self._sides = [
            _Side(some, tokenizer, backwards=bool(side), margin=margin)
            for side, some in enumerate(members)
            if some
        ]

    def translate_batch(
        self, sources: Sequence[Sequence[int]], *, beam: int, n: int
    ) -> list[list[Hypothesis]]:
        """Return up to `n` translations of each source, the most probable first.

        Args:
            sources: the ids of each, as `PairTokenizer.encode_source` returns them.
            beam: the most hypotheses of a source in a round of the search.
            n: where it is more than 1, the search gives up nothing that the beam has room for.

        Raises ModelError when the model's numbers overflow.
        """
        at_once = _MOST_CANDIDATES // (beam * (self._outputs + 2))
        at_once = min(max(at_once, 1), _MOST_SOURCES)
        order = sorted(range(len(sources)), key=lambda number: -len(sources[number]))
        found: list[list[Hypothesis]] = [[] for _ in sources]
        for start in range(0, len(order), at_once):
            numbers = order[start : start + at_once]
            batch = self._translate([sources[number] for number in numbers], beam, n)
            for number, hypotheses in zip(numbers, batch, strict=True):
                found[number] = hypotheses
        return found

    def _translate(self, sources: list[Sequence[int]], beam: int, n: int) -> list[list[Hypothesis]]:
        """Translate sources, the longest first."""
        with np.errstate(all="ignore"):  # the results are checked
            try:
                each = [side.search(sources, beam, n) for side in self._sides]
                if len(each) == 1:
                    return each[0]
                return [
                    self._compare(source, forwards, backwards, n)
                    for source, forwards, backwards in zip(sources, *each, strict=True)
                ]
            except FloatingPointError:
                raise ModelError(
                    "the model's weights are so large that its numbers overflow"
                ) from None

    def _compare(
        self,
        source: Sequence[int],
        forwards: list[Hypothesis],
        backwards: list[Hypothesis],
        n: int,
    ) -> list[Hypothesis]:
        """Return the best of what both directions have found.

        Where a single target is wanted and it is the same in both, it is not compared.
        """
        found = {_written(each): each for each in (*backwards, *forwards)}
        if n == 1 and len(found) == 1 and forwards and backwards:
            mean = (forwards[0].log_probability + backwards[0].log_probability) / 2
            return [replace(forwards[0], log_probability=mean)]
        hypotheses = list(found.values())
        if not hypotheses:
            return []
        logs = np.mean([side.log_probabilities(source, hypotheses) for side in self._sides], axis=0)
        best = np.argsort(-logs, kind="stable")[:n]
        return [
            replace(hypotheses[place], log_probability=min(float(logs[place]), 0.0))
            for place in best
        ]


class _Side:
    """The members that read in one direction.

    Args:
        backwards: whether they read sources and write targets from the end.
    """

    def __init__(
        self,
        members: "list[_Member]",
        tokenizer: PairTokenizer,
        *,
        backwards: bool,
        margin: float | None,
    ) -> None:
        self._members, self._backwards, self._margin = members, backwards, margin
        self._copies = tokenizer.copies()
        self._own = _own_numbers(tokenizer)

    def search(self, sources: list[Sequence[int]], beam: int, n: int) -> list[list[Hypothesis]]:
        """Return up to `n` translations of each source by these members, the longest source
        first."""
        texts = [self._ordered(source) for source in sources]
        lengths = np.array([len(text) for text in texts])
        ids = np.concatenate(texts)
        places = Sources(
            np.cumsum(lengths) - lengths, lengths, self._copies[ids], self._own_at(ids)
        )
        margin = self._margin if n == 1 else None
        found = search(_Decoder(self._members, texts), places, beam=beam, n=n, margin=margin)
        if not self._backwards:
            return found
        return [
            [_turned(each, int(length)) for each in some]
            for some, length in zip(found, lengths, strict=True)
        ]

    def log_probabilities(
        self, source: Sequence[int], hypotheses: Sequence[Hypothesis]
    ) -> Float64Array:
        """Return the logarithm of the probability of each target (N,), over all alignments."""
        text = self._ordered(source)
        if self._backwards:
            hypotheses = [_turned(each, len(text)) for each in hypotheses]
        copies, own = self._copies[text], self._own_at(text)
        advance, write = [], []
        decoder = _Decoder(self._members, [text])
        lengths = np.array([len(each.symbols) for each in hypotheses])
        symbols = np.full((len(hypotheses), int(lengths.max()) + 1), NOTHING)
        characters = np.full(symbols.shape, NOTHING)
        for row, each in enumerate(hypotheses):
            symbols[row, : lengths[row]] = each.symbols
            characters[row, : lengths[row]] = own[list(each.positions)]
        decoder.follow(np.zeros(len(hypotheses), dtype=np.int64), *_NO_WRITERS)
        places = np.arange(len(text))
        for written in range(symbols.shape[1]):
            nodes = decoder.all_probabilities(places)  # (S, N, K)
            following = symbols[:, written]
            advance.append(nodes[..., ADVANCE])
            chosen = np.take_along_axis(nodes, np.maximum(following, 0)[None, :, None] + 2, axis=2)
            copied = np.where(
                following >= 0,
                copies[:, None] == following,
                own[:, None] == characters[:, written],
            )
            write.append(np.where(following >= 0, chosen[..., 0], 0) + nodes[..., COPY] * copied)
            going_on = np.flatnonzero(written < lengths)
            every = np.arange(len(hypotheses))
            decoder.follow(every, going_on, np.maximum(following[going_on], -1) + 1)
        edges = np.log(np.maximum(np.stack([advance, write]).astype(np.float64), TINY))
        edges = edges.swapaxes(1, 2)  # (S, U + 1, N)
        found = align(edges[0], edges[1], np.full(len(lengths), len(text)), lengths)
        return -found.nats

    def _ordered(self, source: Sequence[int]) -> Ids:
        ids = np.asarray(source, dtype=np.uint32)
        if self._backwards:
            ids = np.concatenate([ids[:1], ids[-2:0:-1], ids[-1:]])
        return ids

    def _own_at(self, ids: Ids) -> Int64Array:
        """Return what each id copies where it equals no symbol; see Sources."""
        own = self._own[ids]
        # Unknown characters may differ although their ids do not.
        own[ids == UNKNOWN] = own.max(initial=0) + 1 + np.arange((ids == UNKNOWN).sum())
        return own


NOTHING: Final = -2
"""What is written after the end of a target."""

_NO_WRITERS: Final = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def _written(hypothesis: Hypothesis) -> tuple[tuple[int, int], ...]:
    """Return the symbols of a target; for those that are characters of the source, with their
    positions, since they may differ."""
    return tuple(
        (symbol, position if symbol < 0 else 0)
        for symbol, position in zip(hypothesis.symbols, hypothesis.positions, strict=True)
    )


def _turned(hypothesis: Hypothesis, length: int) -> Hypothesis:
    """Return what was found in a source of this length that was read from its end, or the other way
    round."""
    return Hypothesis(
        hypothesis.symbols[::-1],
        hypothesis.log_probability,
        tuple(length - 1 - position for position in reversed(hypothesis.positions)),
        hypothesis.copied[::-1],
    )


class _Member:
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
        # Its head is the target's half of the join.
        self.decoder = stack_engine(config, own, head=tensors["join.target.weight"], native=native)
        self._source = _Linear(tensors["join.source.weight"], tensors["join.source.bias"])
        self._head = _Linear(tensors["head.weight"], tensors["head.bias"])

    def encode(self, texts: Sequence[Ids]) -> Float32Array:
        """Return A e_i + b (P, H) for all positions of texts, the longest first."""
        read = self._encoder.read(texts)  # (B, S, 2 H)
        kept = np.arange(read.shape[1]) < np.array([len(text) for text in texts])[:, None]
        return self._source(read[kept])

    def probabilities(self, source: Float32Array, target: Float32Array) -> Float32Array:
        """Return (N, K), given both halves of the join (N, H)."""
        joined = source + target
        np.tanh(joined, out=joined)
        logits = self._head(joined)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits


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


class _Decoder:
    """The members' outputs for sources, and the states of hypotheses; see `beam.Decoder`."""

    def __init__(self, members: Sequence[_Member], texts: Sequence[Ids]) -> None:
        self._members = members
        self._sources = [member.encode(texts) for member in members]
        nothing = np.zeros((len(texts), 1), dtype=np.int64)
        self._targets: list[Float32Array] = []
        self._states: list[State] = []
        for member in members:
            target, state = member.decoder.advance(nothing, None)
            self._targets.append(target[:, 0])
            self._states.append(state)

    def probabilities(self, places: Int64Array) -> npt.NDArray[Any]:
        """See `beam.Decoder`."""
        found = [
            member.probabilities(source[places], target)
            for member, source, target in zip(
                self._members, self._sources, self._targets, strict=True
            )
        ]
        total = found[0]
        for other in found[1:]:
            total += other
        total /= np.float32(len(found))
        return total

    def all_probabilities(self, places: Int64Array) -> npt.NDArray[Any]:
        """Return the probabilities (P, N, K) of each hypothesis at each of some positions (P,)."""
        count = len(self._targets[0])
        kept = self._targets
        self._targets = [np.tile(target, (len(places), 1)) for target in kept]
        found = self.probabilities(np.repeat(places, count))
        self._targets = kept
        return found.reshape(len(places), count, -1)

    def follow(self, parents: Int64Array, writers: Int64Array, inputs: Int64Array) -> None:
        """See `beam.Decoder`."""
        for number, member in enumerate(self._members):
            target = self._targets[number][parents]
            state = tuple(part[:, parents] for part in self._states[number])
            if len(writers):
                before = tuple(part[:, writers] for part in state)
                read, after = member.decoder.advance(inputs[:, None], before)
                target[writers] = read[:, 0]
                for part, each in zip(state, after, strict=True):
                    part[:, writers] = each
            self._targets[number], self._states[number] = target, state


def _own_numbers(tokenizer: PairTokenizer) -> Int64Array:
    """Return for each id (V,) a number of its own for copying where it is a character that equals
    no symbol; -1 for the begin, the end, features, and characters that equal one."""
    numbers = np.full(tokenizer.vocabulary_size, -1, dtype=np.int64)
    characters = np.arange(UNKNOWN, SPECIAL + len(tokenizer.source))
    numbers[characters] = tokenizer.outputs + 2 + characters
    numbers[tokenizer.copies() >= 0] = -1
    return numbers


def _member_tensors(tensors: Tensors, member: int) -> Tensors:
    """Return the weights of one member, with the names of the first."""
    prefix = member_prefix(member)
    others = member_prefix(1).split(".")[0] + "."
    return {
        name.removeprefix(prefix): weight
        for name, weight in tensors.items()
        if (name.startswith(prefix) if prefix else not name.startswith(others))
    }
