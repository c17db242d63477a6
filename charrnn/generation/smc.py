"""Steering: texts that match a pattern, as the model itself would write them.

To close the ways that lead nowhere is not enough: where a name must end in -by, the model, never
allowed to end it otherwise, goes on and on. So several beginnings are written side by side, each
weighed by how much of the model's probability the pattern left it at every character; the light
ones give way to copies of the heavy ones, and of the texts that come out one is drawn by weight.
With many particles that is the model's own distribution over the texts that match.

Sequential Monte Carlo: Doucet, de Freitas and Gordon, 2001; of language models, Lew et al., 2023,
arXiv:2306.03081.

Legend: B particles, V vocabulary.
"""

import math
from collections.abc import Generator
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import Tokenizer
from charrnn.engines import Engine
from charrnn.generation.constraints import Draft
from charrnn.generation.draw import (
    EncodedPrompt,
    Sample,
    check_not_endless,
    log_probabilities,
    pick,
)
from charrnn.generation.filters import apply_temperature, probabilities
from charrnn.generation.randomness import sample_keys, split, uniforms

PARTICLES: Final = 128
"""Beginnings that are written side by side for one text."""

_NEGLIGIBLE: Final = 0.01
"""The share of those that have not ended, when they are not waited for any more."""

Weights = npt.NDArray[np.float64]

_LEAST: Final = 1e-300
"""Of a probability, so that it has a logarithm."""


_Scores = tuple["_Scores | None", float]
"""The log-probabilities of a text's ids, linked from the last to the first."""


def steered_sample(
    engine: Engine,
    tokenizer: Tokenizer,
    opening: EncodedPrompt,
    first: Draft,
    index: int,
    score: bool,
) -> Sample:
    """Sample `index`, where `first` is the draft after the opening; see Sampler.samples."""
    steps = steered_steps(engine, tokenizer, opening, first, index, score)
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            sample: Sample = ended.value
            return sample


def steered_steps(
    engine: Engine,
    tokenizer: Tokenizer,
    opening: EncodedPrompt,
    first: Draft,
    index: int,
    score: bool,
) -> Generator[None, None, Sample]:
    """The same in steps of a character, so that it can be left."""
    rules = first.rules
    count = PARTICLES if rules.config.temperature > 0 else 1  # greedy ones would all be the same
    lanes = engine.lanes(count)
    lanes.put(range(count), opening.state)
    ids = np.full(count, opening.ids[-1], dtype=np.intp)
    drafts = [first.copy() for _ in range(count)]
    scores: list[_Scores | None] = [None] * count
    log_weights = np.zeros(count)
    keys = split(sample_keys(rules.config.seed, [index]), 2 * count + 1)
    position = 0
    while True:
        active = [i for i, draft in enumerate(drafts) if draft.stop_reason is None]
        uniform = uniforms(keys, np.array([position], dtype=np.uint64))
        weights = _normalized(log_weights)
        if weights[active].sum() < _NEGLIGIBLE:  # and it can only become less
            break
        logits = lanes.step(ids)[active]
        going_on = [drafts[i] for i in active]
        allowed, recent = rules.masks(going_on)
        assert allowed is not None
        with np.errstate(over="ignore", invalid="ignore"):  # `pick` says it
            chosen = pick(logits, rules.filtered(logits, allowed, recent), uniform[active])
            scaled = apply_temperature(logits.astype(np.float64), rules.config.temperature)
            left = np.where(allowed, probabilities(scaled), 0).sum(axis=-1)
        # Where a text may end, it does when the model would go on with what the pattern forbids.
        complete = np.array([draft.complete() for draft in going_on])
        ends = complete & (uniform[count:-1][active] >= left)
        log_weights[active] += np.where(complete, 0, np.log(np.maximum(left, _LEAST)))
        ids[active] = chosen
        likely = log_probabilities(logits, chosen).tolist() if score else []
        for i, choice, end in zip(active, chosen.tolist(), ends.tolist(), strict=True):
            if end:
                drafts[i].finish()
            else:
                drafts[i].add(choice)
        for i, each, end in zip(active, likely, ends.tolist(), strict=False):
            if not end:
                scores[i] = (scores[i], each)
        weights = _normalized(log_weights)
        if 1 / np.square(weights).sum() < count / 2:  # too few of them matter
            places = (np.arange(count) + uniform[-1]) / count
            parents = np.minimum(weights.cumsum().searchsorted(places, side="right"), count - 1)
            lanes.take(parents)
            ids = ids[parents]
            drafts = [drafts[parent].copy() for parent in parents.tolist()]
            scores = [scores[parent] for parent in parents]
            log_weights[:] = 0
        position += 1
        check_not_endless(rules, index, position)
        yield
    weights[active] = 0
    whole = weights.cumsum()
    best = int(whole.searchsorted(uniform[-1] * whole[-1], side="right"))
    draft = drafts[best]
    assert draft.stop_reason is not None
    text = tokenizer.decode(draft.text_ids())
    likely_ones = _unlinked(scores[best])
    nats = 0.0 - sum(likely_ones) if score else math.nan
    return Sample(index, text, draft.made, nats, likely_ones, draft.stop_reason)


def _unlinked(scores: _Scores | None) -> tuple[float, ...]:
    found: list[float] = []
    while scores is not None:
        scores, last = scores
        found.append(last)
    return tuple(reversed(found))


def _normalized(log_weights: Weights) -> Weights:
    weights: Weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    return weights
