"""TransducerEngine: translates with a recurrent neural transducer, without torch.

Legend: B sources, S positions of a source, U symbols of a target, P positions of all sources, N
hypotheses, H hidden, K outputs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from charrnn.array_types import Float64Array, Int64Array
from charrnn.data.tokenizer import Ids
from charrnn.errors import ModelError
from charrnn.storage.model_directory import Model
from charrnn.tasks.transduce import ADVANCE, COPY, FIRST_SYMBOL
from charrnn.tasks.transduce.beam import TINY, Hypothesis, Sources, search
from charrnn.tasks.transduce.engine_members import HypothesisStates, Member, member_tensors
from charrnn.tasks.transduce.lattice import align, symbol_nats
from charrnn.tasks.transduce.tokenizer import SPECIAL, UNKNOWN, PairTokenizer

MARGIN: Final = 7.0
"""The nats by which a hypothesis may be less probable than the best, where a single translation is
wanted. So a word of which the network is sure costs one hypothesis."""

_MOST_SOURCES: Final = 256
_MOST_CANDIDATES: Final = 1 << 22
"""The most sources that are searched together, and the most candidates in a round."""

_MOST_NODES: Final = 1 << 14
"""The most nodes (source position, hypothesis) that are computed together, except those of a single
source."""

__all__ = ["Hypothesis", "TransducerEngine", "Written"]


class Written(NamedTuple):
    """How a target is written.

    Attributes:
        nats: (U + 1,) what each symbol costs, given the source and the symbols before it; of
            members that read from the end, those after it. The last is what it costs that the
            target ends. Their sum is that of the target.
        shares: (U, S) the probability that a symbol is written at a position of the source, given
            source and target.
    """

    nats: Float64Array
    shares: Float64Array


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
        members: list[list[Member]] = [[], []]
        for model in models:
            for member in range(model.config.members):
                tensors = member_tensors(model.tensors, member)
                members[member % 2].append(Member(model.config, tensors, native=native))
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

    def written(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Hypothesis]
    ) -> list[Written]:
        """Return how a target of each source is written: the mean of both directions, where some
        members read from the end.

        Args:
            sources: the ids of each, see `translate_batch`.
            targets: one of each. Where a position is NOWHERE, the character that is copied from
                there (the symbol -1) cannot be written.

        Raises ModelError when the model's numbers overflow.
        """
        order = sorted(range(len(sources)), key=lambda number: -len(sources[number]))
        texts = [sources[number] for number in order]
        found: list[Written | None] = [None] * len(sources)
        some = [(place, [targets[number]]) for place, number in enumerate(order)]
        for group in _of_few_nodes(some, texts):
            batch = [texts[place] for place, _ in group], [each[0] for _, each in group]
            with np.errstate(all="ignore"):  # the results are checked
                sides = [side.written(*batch) for side in self._sides]
            for (place, _), *each in zip(group, *sides, strict=True):
                mean = Written(*(np.mean(parts, axis=0) for parts in zip(*each, strict=True)))
                if not np.isfinite(mean.nats).all():
                    raise _overflow()
                found[order[place]] = mean
        return [each for each in found if each is not None]

    def _translate(self, sources: list[Sequence[int]], beam: int, n: int) -> list[list[Hypothesis]]:
        """Translate sources, the longest first."""
        with np.errstate(all="ignore"):  # the results are checked
            try:
                each = [side.search(sources, beam, n) for side in self._sides]
                return each[0] if len(each) == 1 else self._compare(sources, each, n)
            except FloatingPointError:
                raise _overflow() from None

    def _compare(
        self, sources: list[Sequence[int]], each: list[list[list[Hypothesis]]], n: int
    ) -> list[list[Hypothesis]]:
        """Return the best of what both directions have found for sources, the longest first.

        Where a single target is wanted and it is the same in both, it is not compared.
        """
        results: list[list[Hypothesis]] = []
        compared: list[tuple[int, list[Hypothesis]]] = []
        for number, (forwards, backwards) in enumerate(zip(*each, strict=True)):
            found = {_written(one): one for one in (*backwards, *forwards)}
            if n == 1 and len(found) == 1 and forwards and backwards:
                mean = (forwards[0].log_probability + backwards[0].log_probability) / 2
                results.append([replace(forwards[0], log_probability=mean)])
                continue
            results.append([])
            if found:
                compared.append((number, list(found.values())))
        for some in _of_few_nodes(compared, sources):
            texts, targets = [sources[number] for number, _ in some], [each for _, each in some]
            sides = [side.log_probabilities(texts, targets) for side in self._sides]
            for (number, hypotheses), *logs in zip(some, *sides, strict=True):
                mean = np.mean(logs, axis=0)
                results[number] = [
                    replace(hypotheses[place], log_probability=min(float(mean[place]), 0.0))
                    for place in np.argsort(-mean, kind="stable")[:n]
                ]
        return results


class _Side:
    """The members that read in one direction.

    Args:
        backwards: whether they read sources and write targets from the end.
    """

    def __init__(
        self,
        members: list[Member],
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
        found = search(
            HypothesisStates(self._members, texts), places, beam=beam, n=n, margin=margin
        )
        if not self._backwards:
            return found
        return [
            [_turned(each, int(length)) for each in some]
            for some, length in zip(found, lengths, strict=True)
        ]

    def log_probabilities(
        self, sources: list[Sequence[int]], targets: list[list[Hypothesis]]
    ) -> list[Float64Array]:
        """Return the logarithm of the probability of each target of each source, over all
        alignments; the longest source comes first."""
        nats = align(*self._lattice(sources, targets)).nats
        return np.split(-nats, np.cumsum([len(each) for each in targets])[:-1])

    def written(self, sources: list[Sequence[int]], targets: list[Hypothesis]) -> list[Written]:
        """Return how a target of each source is written, by these members; the longest source comes
        first."""
        lattice = self._lattice(sources, [[each] for each in targets])
        nats, shares = symbol_nats(*lattice), align(*lattice).write
        found = []
        for number, (span, length) in enumerate(zip(*lattice[2:], strict=True)):
            costs, where = nats[: length + 1, number], shares[:span, :length, number].T
            if self._backwards:  # what ends the target stays last
                costs, where = np.append(costs[:-1][::-1], costs[-1:]), where[::-1, ::-1]
            found.append(Written(costs, where))
        return found

    def _lattice(
        self, sources: list[Sequence[int]], targets: list[list[Hypothesis]]
    ) -> tuple[Float64Array, Float64Array, Int64Array, Int64Array]:
        """Return the arguments of `align` for each target (N) of each source, the longest source
        first."""
        texts = [self._ordered(source) for source in sources]
        sizes = np.array([len(text) for text in texts])
        counts = np.array([len(each) for each in targets])
        ids, of_source = np.concatenate(texts), np.repeat(np.arange(len(texts)), counts)
        spans, starts = sizes[of_source], (np.cumsum(sizes) - sizes)[of_source]  # (N,)
        copies, own = self._copies[ids], self._own_at(ids)
        rows = [
            _turned(each, int(span)) if self._backwards else each
            for each, span in zip(chain.from_iterable(targets), spans, strict=True)
        ]
        lengths = np.array([len(each.symbols) for each in rows])
        symbols = np.full((len(rows), int(lengths.max()) + 1), NOTHING)
        characters = np.full(symbols.shape, NOTHING)
        for number, each in enumerate(rows):
            positions = np.array(each.positions, dtype=np.int64)
            symbols[number, : lengths[number]] = each.symbols
            characters[number, : lengths[number]] = np.where(
                positions == NOWHERE, NOTHING, own[starts[number] + positions]
            )
        decoder = HypothesisStates(self._members, texts)
        decoder.follow(of_source, *_NO_WRITERS)
        edges = np.zeros((2, int(sizes[0]), symbols.shape[1], len(rows)))
        for written in range(symbols.shape[1]):
            some = np.flatnonzero(lengths >= written)
            row = np.repeat(some, spans[some])
            position = np.arange(len(row)) - np.repeat(
                np.cumsum(spans[some]) - spans[some], spans[some]
            )
            place, following = starts[row] + position, symbols[row, written]
            nodes = decoder.probabilities(place, row)
            own_number = characters[row, written]
            is_symbol = following >= 0
            equal = np.where(is_symbol, copies[place] == following, own[place] == own_number)
            chosen = nodes[np.arange(len(row)), np.maximum(following, 0) + FIRST_SYMBOL]
            edges[0, position, written, row] = nodes[:, ADVANCE]
            edges[1, position, written, row] = chosen * is_symbol + nodes[:, COPY] * equal
            writers = np.flatnonzero(lengths > written)
            inputs = np.maximum(symbols[writers, written], -1) + 1
            decoder.follow(np.arange(len(rows)), writers, inputs)
        np.log(np.maximum(edges, TINY, out=edges), out=edges)
        return edges[0], edges[1], spans, lengths

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


def _of_few_nodes(
    compared: list[tuple[int, list[Hypothesis]]], sources: list[Sequence[int]]
) -> Iterator[list[tuple[int, list[Hypothesis]]]]:
    """Divide sources that are compared, so that a target position has few nodes in all of them."""
    some: list[tuple[int, list[Hypothesis]]] = []
    nodes = 0
    for number, hypotheses in compared:
        more = len(sources[number]) * len(hypotheses)
        if some and nodes + more > _MOST_NODES:
            yield some
            some, nodes = [], 0
        some.append((number, hypotheses))
        nodes += more
    if some:
        yield some


def _overflow() -> ModelError:
    return ModelError("the model's weights are so large that its numbers overflow")


NOWHERE: Final = -1
"""The position of a target's symbol that is none of its source."""

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
        tuple(
            position if position == NOWHERE else length - 1 - position
            for position in reversed(hypothesis.positions)
        ),
        hypothesis.copied[::-1],
    )


def _own_numbers(tokenizer: PairTokenizer) -> Int64Array:
    """Return for each id (V,) a number of its own for copying where it is a character that equals
    no symbol; -1 for the begin, the end, features, and characters that equal one."""
    numbers = np.full(tokenizer.vocabulary_size, -1, dtype=np.int64)
    characters = np.arange(UNKNOWN, SPECIAL + len(tokenizer.source))
    numbers[characters] = tokenizer.outputs + 2 + characters
    numbers[tokenizer.copies() >= 0] = -1
    return numbers
