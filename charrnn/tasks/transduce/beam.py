"""Beam search for the most probable targets of sources, many sources at a time.

It is synchronous in the length of alignments (Saon, Tüske and Audhkhasi, 2020, ICASSP): in each
round, every hypothesis advances to the next source position or writes a symbol. So the hypotheses
of a source that have written the same symbols meet at the same position in the same round, and
their probabilities are added up.

Probabilities are kept as shares of the most probable hypothesis of the same source, whose logarithm
is kept beside them, so that nothing underflows in long sources.

Legend: B sources, P positions of all sources, N hypotheses, M candidates, K outputs of the network.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array, Int64Array
from charrnn.tasks.transduce import ADVANCE, COPY, FIRST_SYMBOL

TINY: Final = 1e-30
"""The least probability of advancing for a hypothesis that may not write any more, so that it
ends."""

_Hashes = npt.NDArray[np.uint64]


class Decoder(Protocol):
    """What computes the nodes of the hypotheses, which it keeps in the order of the last `follow`;
    before that, there is one for each source."""

    def probabilities(self, places: Int64Array) -> npt.NDArray[Any]:
        """Return the probabilities (N, K) of what comes next, which the search may change, given
        the source position (N,) of each hypothesis among all P."""
        ...

    def follow(self, parents: Int64Array, writers: Int64Array, inputs: Int64Array) -> None:
        """Continue with hypotheses that come from `parents` (N,); those at `writers` read a symbol
        each, `inputs` (of their number): 0, or its number + 1."""
        ...


@dataclass(frozen=True)
class Sources:
    """The sources of a search.

    Attributes:
        starts: (B,) the place of the first position of each among all P.
        lengths: (B,) the number of positions of each.
        copies: (P,) the number of the target symbol that equals the character there; -1 for none.
        own: (P,) for a character that equals no symbol but may be copied, a number that differs
            from those of other characters and from all outputs; -1 for all others.
    """

    starts: Int64Array
    lengths: Int64Array
    copies: Int64Array
    own: Int64Array


@dataclass(frozen=True)
class Hypothesis:
    """A target that a search found.

    Attributes:
        symbols: the number of each symbol; -1 is a source character that equals no symbol.
        log_probability: nats, over all alignments that the search kept; 0 or below.
        positions: for each symbol, the source position that wrote it, in the most probable of these
            alignments.
        copied: for each symbol, whether copying was more probable there than writing it.
    """

    symbols: tuple[int, ...]
    log_probability: float
    positions: tuple[int, ...]
    copied: tuple[bool, ...]


def search(
    decoder: Decoder, sources: Sources, *, beam: int, n: int, margin: float | None
) -> list[list[Hypothesis]]:
    """Return up to `n` targets of each source, the most probable first.

    Args:
        beam: the most hypotheses of a source that go on after a round.
        margin: in nats; a candidate that is so much less probable than the best of its source in
            the same round is given up. None keeps all that the beam has room for.

    Raises FloatingPointError where the decoder's numbers are not finite.
    """
    running = _Search(decoder, sources, beam, n, margin)
    while running.goes_on:
        running.take_round()
    return running.results()


class _Candidates(NamedTuple):
    """What the hypotheses may become in a round, in the order of their sources.

    Attributes:
        rows: (M,) the hypotheses they come from.
        outputs: (M,) what these do: an output of the network.
        shares: (M,) probabilities; see the module.
        hashes: (M,) of the symbols written, with this one.
    """

    rows: Int64Array
    outputs: Int64Array
    shares: Float64Array
    hashes: _Hashes

    def at(self, places: npt.NDArray[Any]) -> "_Candidates":
        """Return those at some places."""
        return _Candidates(*(each[places] for each in self))


class _Search:
    """A search that is running.

    Attributes:
        text: (N,) the source of each hypothesis, ascending.
        position: (N,) where in the source it is.
        count: (N,) the number of symbols it has written.
        share: (N,) its probability; see the module.
        hash: (N,) of the symbols it has written.
        before, last: (N,) the hash before its last symbol, and the output that wrote that; -1 where
            there is none.
        node: (N,) the node of its last symbol; -1 before the first.
        copied: (N,) whether it has copied the character at its position, which it may do once: a
            network that has never seen the character does not know when to go on.
        scale: (B,) the logarithm of the probability of which shares are shares.
    """

    def __init__(
        self, decoder: Decoder, sources: Sources, beam: int, n: int, margin: float | None
    ) -> None:
        self._decoder, self._sources = decoder, sources
        self._beam, self._n = beam, n
        self._least = 0.0 if margin is None else float(np.exp(-margin))
        self._most_symbols = 3 * sources.lengths + 20
        batch = len(sources.lengths)
        self.text = np.arange(batch)
        self.position, self.count = (np.zeros(batch, dtype=np.int64) for _ in range(2))
        self.share, self.scale = np.ones(batch), np.zeros(batch)
        self.hash, self.before = (np.zeros(batch, dtype=np.uint64) for _ in range(2))
        self.last = np.full(batch, -1, dtype=np.int64)
        self.node = np.full(batch, -1, dtype=np.int64)
        self.copied = np.zeros(batch, dtype=np.bool_)
        self._nodes = _Nodes()
        self._finished: list[tuple[Int64Array, Float64Array, Int64Array]] = []
        self._best_finished = np.full((batch, n), -np.inf)

    @property
    def goes_on(self) -> bool:
        """Whether there are hypotheses left."""
        return len(self.text) > 0

    def take_round(self) -> None:
        """Take every hypothesis a step further."""
        places = self._sources.starts[self.text] + self.position
        probabilities = self._decoder.probabilities(places)
        symbols = self._sources.copies[places]
        copying = probabilities[:, COPY].copy()
        # A copy of a character that equals a symbol writes that symbol.
        equal = np.flatnonzero(symbols >= 0)
        columns = symbols[equal] + FIRST_SYMBOL
        is_copied = copying[equal] > probabilities[equal, columns]
        probabilities[equal, columns] += copying[equal]
        own = self._sources.own[places]
        probabilities[(own < 0) | self.copied, COPY] = 0
        full = np.flatnonzero(self.count >= self._most_symbols[self.text])
        probabilities[full, COPY:] = 0
        probabilities[full, ADVANCE] = np.maximum(probabilities[full, ADVANCE], TINY)
        copied_output = np.full(len(places), COPY)
        copied_output[equal[is_copied]] = columns[is_copied]

        candidates = _merge(self._candidates(probabilities, own), self.text)
        candidates = self._finish(candidates)
        candidates = self._best(candidates)
        self._go_on(candidates, candidates.outputs == copied_output[candidates.rows])

    def _candidates(self, probabilities: npt.NDArray[Any], own: Int64Array) -> _Candidates:
        """Return what is probable enough of all that the hypotheses may do."""
        shares = self.share[:, None] * probabilities  # (N, K)
        segments = _segments(self.text)
        best = np.maximum.reduceat(shares.max(axis=1), segments)
        if not np.isfinite(best).all():
            raise FloatingPointError
        sizes = np.diff(segments, append=len(self.text))
        least = np.repeat(np.maximum(best * self._least, np.finfo(np.float64).tiny), sizes)
        kept = shares >= least[:, None]
        if self._least == 0:
            kept &= self._may_be_best(shares)
        rows, outputs = np.nonzero(kept)
        hashes = self.hash[rows]
        keys = np.where(outputs == COPY, own[rows], outputs)
        writes = outputs != ADVANCE
        hashes[writes] = _mix(hashes[writes], keys[writes])
        return _Candidates(rows, outputs, shares[rows, outputs], hashes)

    def _may_be_best(self, shares: Float64Array) -> npt.NDArray[np.bool_]:
        """Return which outputs (N, K) may be among the best of their source, so that few are
        sorted: the best of each hypothesis, one more than the beam has room for, since one may end
        there; and those that are added to others."""
        ahead = shares.shape[1] - self._beam - 1
        if ahead <= 0:
            return np.ones(shares.shape, dtype=np.bool_)
        found: npt.NDArray[np.bool_] = shares >= np.partition(shares, ahead, axis=1)[:, ahead, None]
        found[:, ADVANCE] = True
        keys, before = _keys(self.text, self.hash), _keys(self.text, self.before)
        order = np.argsort(keys)
        rows = order[np.minimum(np.searchsorted(keys[order], before), len(keys) - 1)]
        meeting = (keys[rows] == before) & (self.last >= 0)
        found[rows[meeting], self.last[meeting]] = True
        return found

    def _finish(self, candidates: _Candidates) -> _Candidates:
        """Put aside those that are past their last position, and return the others."""
        texts = self.text[candidates.rows]
        past = candidates.outputs == ADVANCE
        past &= self.position[candidates.rows] + 1 == self._sources.lengths[texts]
        if not past.any():
            return candidates
        done = candidates.at(np.flatnonzero(past))
        texts = texts[past]
        logarithms = np.log(done.shares) + self.scale[texts]
        self._finished.append((texts, logarithms, self.node[done.rows]))
        ranks = _ranks(texts)
        for rank in range(int(ranks.max()) + 1):
            these = ranks == rank
            some, found = texts[these], logarithms[these]
            worst = self._best_finished[some].argmin(axis=1)
            self._best_finished[some, worst] = np.maximum(self._best_finished[some, worst], found)
        return candidates.at(np.flatnonzero(~past))

    def _best(self, candidates: _Candidates) -> _Candidates:
        """Return the best of each source, of those sources that may still find something."""
        texts = self.text[candidates.rows]
        if len(texts) == 0:
            return candidates
        order = np.lexsort((-candidates.shares, texts))
        order = order[_ranks(texts) < self._beam]
        candidates, texts = candidates.at(order), texts[order]
        segments = _segments(texts)
        left, first = np.add.reduceat(candidates.shares, segments), candidates.shares[segments]
        some = texts[segments]
        hopeful = np.log(left) + self.scale[some] > self._best_finished[some].min(axis=1)
        self.scale[some] += np.log(first)
        sizes = np.diff(segments, append=len(texts))
        candidates.shares[:] /= np.repeat(first, sizes)
        return candidates.at(np.flatnonzero(np.repeat(hopeful, sizes)))

    def _go_on(self, candidates: _Candidates, copied: npt.NDArray[np.bool_]) -> None:
        """Make hypotheses of candidates, in their order."""
        rows, outputs = candidates.rows, candidates.outputs
        writes = outputs != ADVANCE
        writers = np.flatnonzero(writes)
        numbers = np.maximum(outputs[writers] - FIRST_SYMBOL, -1)
        self._decoder.follow(rows, writers, numbers + 1)
        self.text, self.node = self.text[rows], self.node[rows]
        self.position, self.count = self.position[rows], self.count[rows]
        self.node[writers] = self._nodes.add(
            self.node[writers], numbers, self.position[writers], copied[writers]
        )
        self.before, self.last = self.before[rows], self.last[rows]
        self.before[writers] = self.hash[rows[writers]]
        self.last[writers] = outputs[writers]
        self.copied = writes & (self.copied[rows] | (outputs == COPY))
        self.position += ~writes
        self.count += writes
        self.share, self.hash = candidates.shares, candidates.hashes

    def results(self) -> list[list[Hypothesis]]:
        """Return the best of what was put aside."""
        found: list[list[Hypothesis]] = [[] for _ in range(len(self._sources.lengths))]
        if not self._finished:
            return found
        texts, logarithms, nodes = (
            np.concatenate(each) for each in zip(*self._finished, strict=True)
        )
        order = np.lexsort((-logarithms, texts))
        order = order[_ranks(texts[order]) < self._n]
        trace = self._nodes.tracer()
        for place in order.tolist():
            logarithm = min(float(logarithms[place]), 0.0)  # rounding may exceed 1
            symbols, positions, copied = trace(int(nodes[place]))
            found[texts[place]].append(Hypothesis(symbols, logarithm, positions, copied))
        return found


class _Nodes:
    """The symbols that hypotheses have written, each with what came before it."""

    def __init__(self) -> None:
        self._parts: list[tuple[npt.NDArray[Any], ...]] = []
        self._count = 0

    def add(self, *arrays: npt.NDArray[Any]) -> Int64Array:
        """Add nodes: their parents, symbols, positions, and whether they are copied. Returns their
        numbers."""
        self._parts.append(arrays)
        first, self._count = self._count, self._count + len(arrays[0])
        return np.arange(first, self._count)

    def tracer(self) -> Any:
        """Return a function that returns the symbols, positions and copied of the path to a
        node."""
        parents, symbols, positions, copied = (
            np.concatenate(each).tolist() if each else []
            for each in (zip(*self._parts, strict=True) if self._parts else [()] * 4)
        )

        def trace(node: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[bool, ...]]:
            path = []
            while node >= 0:
                path.append(node)
                node = parents[node]
            path.reverse()
            return (
                tuple(symbols[each] for each in path),
                tuple(positions[each] for each in path),
                tuple(copied[each] for each in path),
            )

        return trace


def _merge(candidates: _Candidates, texts: Int64Array) -> _Candidates:
    """Add up the probabilities of candidates of one source that have written the same; there are at
    most two, of which one advances and one writes. The more probable one stands for both."""
    keys = _keys(texts[candidates.rows], candidates.hashes)
    order = np.argsort(keys, kind="stable")
    candidates, keys = candidates.at(order), keys[order]
    second = np.flatnonzero(keys[1:] == keys[:-1]) + 1
    if len(second) == 0:
        return candidates
    shares = candidates.shares
    kept = second - (shares[second - 1] >= shares[second])
    shares[kept] = shares[second - 1] + shares[second]
    dropped = 2 * second - 1 - kept
    return candidates.at(np.delete(np.arange(len(keys)), dropped))


def _keys(texts: Int64Array, hashes: _Hashes) -> _Hashes:
    """Return numbers that are equal, and next to each other in order, where text and hash are."""
    keys: _Hashes = (texts.astype(np.uint64) << np.uint64(48)) | (hashes >> np.uint64(16))
    return keys


def _mix(hashes: _Hashes, keys: Int64Array) -> _Hashes:
    """Return the hashes of what has one more key, by the finalizer of SplitMix64 (Steele, Lea and
    Flood, 2014)."""
    mixed: _Hashes = hashes ^ (keys.astype(np.uint64) + np.uint64(1)) * np.uint64(
        0x9E3779B97F4A7C15
    )
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _segments(sorted_numbers: Int64Array) -> Int64Array:
    """Return where each number begins in an array that is not empty."""
    changes = np.flatnonzero(sorted_numbers[1:] != sorted_numbers[:-1]) + 1
    return np.concatenate([np.zeros(1, dtype=np.int64), changes])


def _ranks(sorted_numbers: Int64Array) -> Int64Array:
    """Return for each place how many equal numbers come before it."""
    segments = _segments(sorted_numbers)
    sizes = np.diff(segments, append=len(sorted_numbers))
    return np.arange(len(sorted_numbers)) - np.repeat(segments, sizes)
