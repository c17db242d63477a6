"""Prefix beam search: the most probable strings under connectionist temporal classification and a
language model. No torch.

A string has many alignments: each step writes one of its characters or the blank, and of equal
neighbours only the first counts. The search goes through the steps and keeps the most probable
prefixes, each with the sum over its alignments (Graves & Jaitly, 2014; Hannun et al., 2014,
arXiv:1408.2873). Its score is

    log P(string | sequence) + weight * (log P(string) + bonus * characters)

with the probability of the string in the language model (shallow fusion; Gulcehre et al., 2015,
arXiv:1503.03535). The bonus makes up for that the language model lowers the score with each
character.

Legend: N sequences, T steps, K ids (the blank, 0, and C characters), W width of the beam, M
characters that are tried at a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from charrnn.array_types import BoolArray, Float32Array, Float64Array, Int64Array
from charrnn.estimators.transcription.language_prior import Prior
from charrnn.estimators.transcription.strings import BLANK

SURE: Final = 0.999
"""The probability of the blank from which on a step is taken for a blank, which costs nothing. A
string then loses the share of its alignments that write there, of a thousandth at most."""

LEAST: Final = 1e-5
"""The probability below which a character is not tried at a step."""

AT_ONCE: Final = 32
"""The sequences that are searched side by side."""

_NONE: Final = -2
"""The node of a place of the beam that has no prefix, and its parent's."""


@dataclass(frozen=True, kw_only=True)
class BeamConfig:
    """The settings of a search.

    Attributes:
        width: W, the prefixes that are kept.
        weight: the weight of the language model.
        bonus: what is added to its log-probability for each character, in nats.
        sure, least: see SURE and LEAST.
    """

    width: int
    weight: float = 0.0
    bonus: float = 0.0
    sure: float = SURE
    least: float = LEAST


class Hypothesis(NamedTuple):
    """A string that may be right.

    Attributes:
        ids: its characters, from 1 to C.
        nats: its log-probability given the sequence, of the alignments that were searched.
        prior: its log-probability under the language model; 0 without one.
    """

    ids: tuple[int, ...]
    nats: float
    prior: float

    def score(self, weight: float, bonus: float) -> float:
        """Return what the search maximizes."""
        return self.nats + weight * (self.prior + bonus * len(self.ids))


def beam_search(
    log_probabilities: Sequence[Float32Array], prior: Prior | None, config: BeamConfig
) -> list[list[Hypothesis]]:
    """Return at most W hypotheses for each of N sequences, the best first.

    A sequence's hypotheses are the same whatever other sequences there are.

    Args:
        log_probabilities: those (T, K) of the ids at each step.
        prior: the language model; None is none.
    """
    frames = [_Frames.of(each, config.sure) for each in log_probabilities]
    order = sorted(range(len(frames)), key=lambda place: -len(frames[place].scores))
    found: list[list[Hypothesis]] = [[]] * len(frames)
    for begin in range(0, len(order), AT_ONCE):
        places = order[begin : begin + AT_ONCE]
        beams = _Beams([frames[place] for place in places], prior, config)
        for place, hypotheses in zip(places, beams.search(), strict=True):
            found[place] = hypotheses
    return found


class _Frames(NamedTuple):
    """The steps of a sequence that are not surely blank.

    Attributes:
        scores: (T, K), their log-probabilities.
        blank_before: (T,), whether steps that are surely blank come before each of them.
        nats: the log-probability of the blank at those steps.
    """

    scores: Float64Array
    blank_before: BoolArray
    nats: float

    @classmethod
    def of(cls, log_probabilities: Float32Array, sure: float) -> "_Frames":
        scores = log_probabilities.astype(np.float64)
        blank = scores[:, BLANK] > np.log(sure)
        kept = np.flatnonzero(~blank)
        before = np.diff(kept, prepend=-1) > 1
        return cls(scores[kept], before, float(scores[blank, BLANK].sum()))


class _Beams:
    """The beams of N sequences, the longest first, which go through their steps side by side.

    Attributes, each (N, W), of prefixes:
        blank, label: the log-probability of the alignments that end with the blank, and with the
            prefix's last character.
        prior: the log-probability under the language model.
        size: the number of characters.
        last: the last character; 0 for none.
        node, parent: the number of the prefix, and of the one without its last character.
    """

    def __init__(self, frames: list[_Frames], prior: Prior | None, config: BeamConfig) -> None:
        self._frames, self._model, self._config = frames, prior, config
        shape = len(frames), config.width
        self.blank, self.label = np.full(shape, -np.inf), np.full(shape, -np.inf)
        self.prior = np.zeros(shape)
        self.size, self.last = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self.node, self.parent = np.full(shape, _NONE), np.full(shape, _NONE)
        # Every sequence begins with the empty prefix, under a number of its own.
        self.blank[:, 0], self.node[:, 0] = 0.0, np.arange(len(frames))
        self._prefixes: list[tuple[int, ...]] = [()] * len(frames)
        self._numbers: dict[tuple[int, int], int] = {}
        self._reading = (
            None if prior is None else prior.begin().take(np.zeros(self.node.size, np.int64))
        )

    def search(self) -> list[list[Hypothesis]]:
        """Return the hypotheses of each sequence."""
        found: list[list[Hypothesis]] = []
        for step in range(len(self._frames[0].scores) + 1):
            active = sum(len(each.scores) > step for each in self._frames)
            found = [self._hypotheses(row) for row in range(active, len(self.node))] + found
            self._keep(active)
            if active:
                frames = self._frames[:active]
                before = np.array([each.blank_before[step] for each in frames])
                self._step(np.stack([each.scores[step] for each in frames]), before)
        return found

    def _keep(self, count: int) -> None:
        """Keep the beams of the first sequences only."""
        for name in _PARTS:
            setattr(self, name, getattr(self, name)[:count])
        if self._reading is not None and len(self._reading.ends) > self.node.size:
            self._reading = self._reading.take(np.arange(self.node.size))

    def _step(self, scores: Float64Array, blank_before: BoolArray) -> None:
        """Go through one step with the log-probabilities (N, K) of its ids."""
        total = np.logaddexp(self.blank, self.label)  # (N, W)
        self.blank = np.where(blank_before[:, None], total, self.blank)
        self.label = np.where(blank_before[:, None], -np.inf, self.label)
        tried = self._tried(scores)  # (N, M)
        tried_scores = np.take_along_axis(scores, tried, 1)
        tried_scores[tried_scores < np.log(self._config.least)] = -np.inf
        # A character that equals the last one is a new one only after a blank.
        repeats = tried[:, None, :] == self.last[:, :, None]  # (N, W, M)
        longer = np.where(repeats, self.blank[:, :, None], total[:, :, None])
        longer = longer + tried_scores[:, None, :]
        self.label = self.label + np.take_along_axis(scores, self.last, 1)
        self.blank = total + scores[:, BLANK, None]
        self._merge(longer, repeats)
        self._choose(longer, tried)

    def _tried(self, scores: Float64Array) -> Int64Array:
        """Return the characters (N, M) to try: as many as are probable enough for some sequence."""
        probable = (scores[:, BLANK + 1 :] >= np.log(self._config.least)).sum(1)
        order = np.argsort(-scores[:, BLANK + 1 :], axis=1, kind="stable")
        return BLANK + 1 + order[:, : max(int(probable.max()), 1)]

    def _merge(self, longer: Float64Array, repeats: BoolArray) -> None:
        """Add the longer prefixes (N, W, M) that are already in the beam to those there."""
        extends = self.parent[:, None, :] == self.node[:, :, None]  # (N, W, W): j is longer than i
        for row, place, child in zip(*np.nonzero(extends), strict=True):
            if self.parent[row, child] == _NONE:
                continue
            for which in np.flatnonzero(
                repeats[row, child]
            ):  # the character that the child ends on
                gained = longer[row, place, which]
                self.label[row, child] = np.logaddexp(self.label[row, child], gained)
                longer[row, place, which] = -np.inf

    def _choose(self, longer: Float64Array, tried: Int64Array) -> None:
        """Keep the best prefixes of those in the beam and the longer ones (N, W, M)."""
        count, width, choices = longer.shape
        weight, bonus = self._config.weight, self._config.bonus
        priors = np.repeat(self.prior[:, :, None], choices, axis=2)
        if self._reading is not None:
            said = self._reading.scores.reshape(count, width, -1)
            priors = priors + np.take_along_axis(said, tried[:, None, :] - 1, 2)
        stay = np.logaddexp(self.blank, self.label) + weight * (self.prior + bonus * self.size)
        grow = longer + weight * (priors + bonus * (self.size[:, :, None] + 1))
        every = np.concatenate([stay, grow.reshape(count, -1)], axis=1)
        best = np.argsort(-every, axis=1, kind="stable")[:, :width]  # (N, W)
        grows = best >= width
        source = np.where(grows, (best - width) // choices, best)
        which = np.where(grows, (best - width) % choices, 0)
        character = np.take_along_axis(tried, which, 1)
        rows = np.arange(count)[:, None]
        alive = np.isfinite(every[rows, best])
        self.blank = np.where(grows, -np.inf, self.blank[rows, source])
        self.label = np.where(grows, longer[rows, source, which], self.label[rows, source])
        self.prior = np.where(grows, priors[rows, source, which], self.prior[rows, source])
        self.size = self.size[rows, source] + grows
        self.last = np.where(grows, character, self.last[rows, source])
        before = self.node[rows, source]
        self.parent = np.where(alive, np.where(grows, before, self.parent[rows, source]), _NONE)
        self.node = np.where(alive, before, _NONE)
        for row, place in zip(*np.nonzero(grows & alive), strict=True):
            self.node[row, place] = self._number(before[row, place], character[row, place])
        self._read((rows * width + source).reshape(-1), (grows & alive).reshape(-1))

    def _number(self, parent: int, character: int) -> int:
        """Return the number of the prefix that is longer by a character."""
        key = int(parent), int(character)
        number = self._numbers.setdefault(key, len(self._prefixes))
        if number == len(self._prefixes):
            self._prefixes.append((*self._prefixes[key[0]], key[1]))
        return number

    def _read(self, sources: Int64Array, grown: BoolArray) -> None:
        """Order the readings as the beams are now, and let the language model read the new
        characters."""
        if self._reading is None or self._model is None:
            return
        self._reading = self._reading.take(sources)
        new = np.flatnonzero(grown)
        if len(new):
            characters = self.last.reshape(-1)[new] - 1
            self._reading.put(new, self._model.extend(self._reading.take(new), characters))

    def _hypotheses(self, row: int) -> list[Hypothesis]:
        """Return the hypotheses of a sequence that has no more steps, the best first."""
        totals = np.logaddexp(self.blank[row], self.label[row]) + self._frames[row].nats
        width = self._config.width
        found = []
        for place in np.flatnonzero(np.isfinite(totals)).tolist():
            prior = self.prior[row, place]
            if self._reading is not None:
                prior = prior + self._reading.ends[row * width + place]
            ids = self._prefixes[self.node[row, place]]
            found.append(Hypothesis(ids, float(totals[place]), float(prior)))
        weight, bonus = self._config.weight, self._config.bonus
        return sorted(found, key=lambda each: -each.score(weight, bonus))


_PARTS: Final = ("blank", "label", "prior", "size", "last", "node", "parent")
