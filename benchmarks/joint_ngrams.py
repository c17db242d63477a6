"""Joint n-grams over aligned characters: for benchmarks/transduction.py, the simplest good
alternative to a network that maps strings to strings.

As Phonetisaurus does (Novak, Minematsu and Hirose 2016, "Phonetisaurus: Exploring
grapheme-to-phoneme conversion with joint n-gram models in the WFST framework"), expectation
maximisation finds which few source characters belong to which few target symbols, so that each
pair of strings becomes a sequence of such units; n-grams of units are counted, with interpolated
Kneser-Ney smoothing; and a beam search finds the likely sequences of units that spell a source.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

Symbols = tuple[str, ...]


class Unit(NamedTuple):
    """Source characters and the target symbols that belong to them."""

    source: str
    target: Symbols


class Arc(NamedTuple):
    """A unit in a pair of strings: source positions i to k, target positions j to m."""

    i: int
    j: int
    k: int
    m: int
    unit: Unit


Units = tuple[Unit, ...]

EDGE: Final = Unit("", ())
"""The unit before the first and after the last one of a sequence."""

ROUNDS: Final = 10
"""Rounds of expectation maximisation."""

NEGLIGIBLE: Final = 1e-6
"""The posterior probability below which an arc is left out of later rounds."""

WORST: Final = 1e-5
"""The share of the most probable path's probability below which a path is not followed."""

UNKNOWN: Final = 1e-5
"""The probability of a unit that copies a source character with which no unit begins."""


def arcs(source: str, target: Symbols, longest: int, square: bool) -> list[Arc]:
    """Return the units that a pair of strings may consist of, of 1 to `longest` source characters
    and 0 to `longest` symbols; only if `square` of several characters and several symbols."""
    sizes = [
        (k, m)
        for k in range(1, longest + 1)
        for m in range(longest + 1)
        if (square or min(k, m) < 2) and (m > 0 or k == 1)
    ]
    return [
        Arc(i, j, i + k, j + m, Unit(source[i : i + k], target[j : j + m]))
        for i in range(len(source))
        for j in range(len(target) + 1)
        for k, m in sizes
        if i + k <= len(source) and j + m <= len(target)
    ]


def align(
    pairs: Sequence[tuple[str, Symbols]], *, longest: int = 2, square: bool = False
) -> list[Units]:
    """Return the most likely units of each pair, by expectation maximisation (Jiampojamarn,
    Kondrak and Sherif 2007). A pair which the units cannot make gets longer ones."""
    lattices = []
    for source, target in pairs:
        size = longest
        while not (lattice := _complete(arcs(source, target, size, square), source, target)):
            size += 1
        lattices.append(lattice)
    weights = {arc.unit: 1.0 for lattice in lattices for arc in lattice}
    for _ in range(ROUNDS):
        counts: dict[Unit, float] = defaultdict(float)
        for number, ((source, target), lattice) in enumerate(zip(pairs, lattices, strict=True)):
            posteriors = _posteriors(lattice, weights, (len(source), len(target)))
            for arc, posterior in zip(lattice, posteriors, strict=True):
                counts[arc.unit] += posterior
            lattices[number] = [
                arc for arc, p in zip(lattice, posteriors, strict=True) if p > NEGLIGIBLE
            ]
        weights = _weights(counts)
    return [
        _best(lattice, weights, (len(source), len(target)))
        for (source, target), lattice in zip(pairs, lattices, strict=True)
    ]


def _weights(counts: dict[Unit, float]) -> dict[Unit, float]:
    """Return the share of each unit, to the power of its mean length in source and target:
    otherwise a few long units would always be more likely than many short ones."""
    total = sum(counts.values())
    return {
        unit: (count / total) ** ((len(unit.source) + len(unit.target)) / 2)
        for unit, count in counts.items()
    }


def _complete(lattice: list[Arc], source: str, target: Symbols) -> list[Arc]:
    """Return the arcs that lie on a path from the beginning to the end, in order."""
    reached = {(0, 0)}
    for arc in lattice:
        if (arc.i, arc.j) in reached:
            reached.add((arc.k, arc.m))
    needed = {(len(source), len(target))} & reached
    kept = []
    for arc in reversed(lattice):
        if (arc.k, arc.m) in needed and (arc.i, arc.j) in reached:
            needed.add((arc.i, arc.j))
            kept.append(arc)
    return kept[::-1]


def _posteriors(
    lattice: Sequence[Arc], weights: dict[Unit, float], end: tuple[int, int]
) -> list[float]:
    """Return the probability that each arc is on the path (forward and backward sums)."""
    forward: dict[tuple[int, int], float] = defaultdict(float, {(0, 0): 1.0})
    for i, j, k, m, unit in lattice:
        forward[k, m] += forward[i, j] * weights[unit]
    backward: dict[tuple[int, int], float] = defaultdict(float, {end: 1.0})
    posteriors = []
    for i, j, k, m, unit in reversed(lattice):
        mass = weights[unit] * backward[k, m]
        backward[i, j] += mass
        posteriors.append(forward[i, j] * mass)
    total = forward[end]
    return [each / total for each in reversed(posteriors)]


def _best(lattice: Sequence[Arc], weights: dict[Unit, float], end: tuple[int, int]) -> Units:
    """Return the units of the most likely path."""
    best: dict[tuple[int, int], tuple[float, Units]] = {(0, 0): (1.0, ())}
    for i, j, k, m, unit in lattice:
        if (i, j) not in best:
            continue
        weight, units = best[i, j]
        weight *= weights[unit]
        if (k, m) not in best or weight > best[k, m][0]:
            best[k, m] = weight, (*units, unit)
    return best[end][1]


class KneserNey:
    """N-grams of units with interpolated Kneser-Ney smoothing and three discounts a length
    (Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling").
    """

    def __init__(self, sequences: Iterable[Units], order: int) -> None:
        counts: list[Counter[Units]] = [Counter() for _ in range(order + 1)]
        for units in sequences:
            padded = (EDGE,) * (order - 1) + (*units, EDGE)
            for end in range(order, len(padded) + 1):
                counts[order][padded[end - order : end]] += 1
        # Shorter n-grams count the different units before them, not how often they occur.
        for size in range(order - 1, 0, -1):
            counts[size] = Counter(gram[1:] for gram in counts[size + 1])
        self.order = order
        self.vocabulary = len(counts[1])
        self._shares: dict[Units, float] = {}  # what a gram has of its own
        self._rests: dict[Units, float] = {}  # what a context leaves to shorter ones
        self._known: dict[Units, float] = {}
        self._contexts: dict[Units, Units] = {}
        for grams in counts[1:]:
            discounts = _discounts(grams)
            totals: dict[Units, float] = defaultdict(float)
            left: dict[Units, float] = defaultdict(float)
            for gram, count in grams.items():
                totals[gram[:-1]] += count
                left[gram[:-1]] += discounts[min(count, 3)]
            for gram, count in grams.items():
                self._shares[gram] = (count - discounts[min(count, 3)]) / totals[gram[:-1]]
            for context, total in totals.items():
                self._rests[context] = left[context] / total

    def probability(self, gram: Units) -> float:
        """Return the probability of the last unit of a gram after the others."""
        if not gram:
            return 1 / self.vocabulary
        known = self._known.get(gram)
        if known is None:
            rest = self._rests.get(gram[:-1], 1.0)
            known = self._shares.get(gram, 0.0) + rest * self.probability(gram[1:])
            self._known[gram] = known
        return known

    def context(self, units: Units) -> Units:
        """Return the longest end of a sequence which has been seen before some unit."""
        units = units[-(self.order - 1) :] if self.order > 1 else ()
        known = self._contexts.get(units)
        if known is None:
            known = units
            while known and known not in self._rests:
                known = known[1:]
            self._contexts[units] = known
        return known


def _discounts(grams: Counter[Units]) -> list[float]:
    """Return what is taken from counts of 0, 1, 2 and more."""
    n = Counter(count for count in grams.values() if count <= 4)
    if not all(n[count] for count in (1, 2, 3, 4)):
        return [0.0, 0.5, 0.5, 0.5]
    y = n[1] / (n[1] + 2 * n[2])
    return [0.0, *(max(0.0, c - (c + 1) * y * n[c + 1] / n[c]) for c in (1, 2, 3))]


class JointNGrams:
    """A model of pairs of strings.

    Args:
        pairs: sources and the symbols of their targets.
        order: the length of n-grams, in units.
        longest: the most characters and the most symbols of a unit.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[str, Symbols]],
        *,
        order: int = 6,
        longest: int = 2,
        square: bool = False,
    ) -> None:
        sequences = align(pairs, longest=longest, square=square)
        self.n_grams = KneserNey(sequences, order)
        self.units: dict[str, list[Unit]] = defaultdict(list)
        for unit in sorted({unit for units in sequences for unit in units}):
            self.units[unit.source].append(unit)
        self.known = {characters[0] for characters in self.units}
        self.longest = max(map(len, self.units), default=1)

    def translate(self, source: str, *, beam: int = 100) -> Symbols:
        """Return the most probable target of a source. Paths that write the same with the same
        context are one; the others are added up at the end."""
        paths: list[dict[tuple[Units, Symbols], float]] = [{} for _ in range(len(source) + 1)]
        paths[0][self.n_grams.context((EDGE,) * self.n_grams.order), ()] = 1.0
        for i in range(len(source)):
            least = WORST * max(paths[i].values(), default=0.0)
            likely = [path for path in paths[i].items() if path[1] >= least]
            kept = sorted(likely, key=lambda path: (-path[1], path[0]))[:beam]
            options = [
                (k, unit)
                for k in range(i + 1, min(i + self.longest, len(source)) + 1)
                for unit in self.units.get(source[i:k], ())
            ]
            unknown = source[i] not in self.known
            if unknown:
                options = [(i + 1, Unit(source[i], (source[i],)))]
            for (context, written), probability in kept:
                for k, unit in options:
                    gram = (*context, unit)
                    chance = UNKNOWN if unknown else self.n_grams.probability(gram)
                    key = self.n_grams.context(gram), written + unit.target
                    paths[k][key] = paths[k].get(key, 0.0) + probability * chance
        totals: dict[Symbols, float] = defaultdict(float)
        for (context, written), probability in paths[-1].items():
            totals[written] += probability * self.n_grams.probability((*context, EDGE))
        return max(sorted(totals), key=lambda written: totals[written], default=())
