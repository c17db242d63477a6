"""Sequential Monte Carlo sampling of texts that match a pattern.

Masking the characters that lead nowhere is not enough: where a name must end in -by, the masked
model never ends the name otherwise, and goes on and on. So several texts (particles) are written
side by side. Each is weighted by the probability that the pattern left it at every character,
copies of heavy particles replace light ones, and one of the finished texts is drawn by weight. With
many particles, the result approaches the model's own distribution, conditional on a match.

Doucet, de Freitas and Gordon, 2001; for language models, Lew et al., 2023, arXiv:2306.03081.

Legend: B particles, V vocabulary.
"""

from collections.abc import Generator, Sequence
from itertools import count
from math import fsum
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.generation.draw import check_not_endless, log_probabilities, pick
from charrnn.generation.elementary import exponents, log, total
from charrnn.generation.filters import apply_temperature, probabilities
from charrnn.generation.randomness import sample_keys, split, uniforms
from charrnn.generation.request import GenerationRequest, Sample

PARTICLES: Final = 128
"""The number of particles for one text."""

_NEGLIGIBLE: Final = 0.01
"""The share of the total weight below which unfinished particles are given up."""

Weights = npt.NDArray[np.float64]

_LEAST: Final = 1e-300
"""The smallest probability whose logarithm is taken."""


_Scores = tuple["_Scores | None", float]
"""The log-probabilities of a text's ids, linked from the last to the first."""


def smc_sample(request: GenerationRequest, index: int) -> Sample:
    """Return sample `index` of a request whose texts must match a pattern."""
    steps = smc_steps(request, index)
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            sample: Sample = ended.value
            return sample


def smc_steps(request: GenerationRequest, index: int) -> Generator[str, None, Sample]:
    """Compute the same in steps. Yields an empty string after each character."""
    particles = _Particles(request, index)
    for position in count():
        uniform = uniforms(particles.keys, np.array([position], dtype=np.uint64))
        active = [i for i, draft in enumerate(particles.drafts) if draft.stop_reason is None]
        weights = _normalized(particles.log_weights)
        if fsum(weights[active]) < _NEGLIGIBLE:  # it can only decrease
            break
        particles.step(active, uniform)
        particles.resample(uniform[-1])
        check_not_endless(request.constraints, index, position + 1)
        yield ""
    weights[active] = 0
    whole = weights.cumsum()
    best = int(whole.searchsorted(uniform[-1] * whole[-1], side="right"))
    return request.to_sample(index, particles.drafts[best], _unlinked(particles.scores[best]))


class _Particles:
    """Texts that are written side by side, each with a weight; one of them becomes the sample.

    Attributes:
        drafts: (B).
        log_weights: (B,) of all drafts, including finished ones.
        scores: (B) the log-probabilities of each draft's ids, if requested.
        keys: (2 B + 1,) keys of random numbers: B for the ids, B for the ends, one for resampling.
    """

    def __init__(self, request: GenerationRequest, index: int) -> None:
        config = request.constraints.config
        size = PARTICLES if config.temperature > 0 else 1  # greedy particles are all equal
        self._request = request
        self._lanes, self._ids = request.start_lanes(size)
        self.drafts = [request.empty_draft.copy() for _ in range(size)]
        self.scores: list[_Scores | None] = [None] * size
        self.log_weights = np.zeros(size)
        self.keys = split(sample_keys(config.seed, [index]), 2 * size + 1)

    def step(self, active: Sequence[int], uniform: npt.NDArray[np.float64]) -> None:
        """Add a character to each active particle, with random numbers (2 B + 1,)."""
        constraints = self._request.constraints
        logits = self._lanes.step(self._ids)[active]
        drafts = [self.drafts[i] for i in active]
        (allowed, recent), counts = constraints.masks(drafts), constraints.counts(drafts)
        assert allowed is not None
        with np.errstate(over="ignore", invalid="ignore"):  # `pick` raises the error
            filtered = constraints.filtered(logits, allowed, recent, counts)
            chosen = pick(logits, filtered, uniform[active])
            scaled = apply_temperature(logits.astype(np.float64), constraints.config.temperature)
            left = total(np.where(allowed, probabilities(scaled), 0))[:, 0]
        # A text that may end ends when the model would go on with a forbidden character.
        complete = np.array([draft.complete() for draft in drafts])
        ends = complete & (uniform[len(self.drafts) : -1][active] >= left)
        self.log_weights[active] += np.where(complete, 0, log(np.maximum(left, _LEAST)))
        self._ids[active] = chosen
        for draft, choice, end in zip(drafts, chosen.tolist(), ends.tolist(), strict=True):
            if end:
                draft.finish()
            else:
                draft.add(choice)
        if self._request.score:
            scores = log_probabilities(logits, chosen).tolist()
            for i, score, end in zip(active, scores, ends.tolist(), strict=True):
                if not end:
                    self.scores[i] = (self.scores[i], score)

    def resample(self, uniform: float) -> None:
        """Replace light particles by copies of heavy ones if the effective sample size is small."""
        weights, size = _normalized(self.log_weights), len(self.drafts)
        if 1 / total(weights * weights)[0] >= size / 2:
            return
        places = (np.arange(size) + uniform) / size
        parents = np.minimum(weights.cumsum().searchsorted(places, side="right"), size - 1)
        self._lanes.take(parents)
        self._ids = self._ids[parents]
        self.drafts = [self.drafts[parent].copy() for parent in parents.tolist()]
        self.scores = [self.scores[parent] for parent in parents]
        self.log_weights[:] = 0


def _unlinked(scores: _Scores | None) -> tuple[float, ...]:
    found: list[float] = []
    while scores is not None:
        scores, last = scores
        found.append(last)
    return tuple(reversed(found))


def _normalized(log_weights: Weights) -> Weights:
    weights: Weights = exponents(log_weights)
    return weights / total(weights)
