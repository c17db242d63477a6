"""Beam search: the likeliest texts, as far as a search that keeps `width` beginnings finds them.

Legend: B lanes (the beginnings), V vocabulary.
"""

import numpy as np

from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.drawing import Opening, Sample, check_finite
from charrnn.generation.filters import Logits, exclude, log_softmax
from charrnn.generation.rules import Draft
from charrnn.generation.sampler import Sampler


def beam_search(
    sampler: Sampler, opening: Opening, config: SamplingConfig, *, width: int
) -> list[Sample]:
    """The `width` likeliest texts that were found, the likeliest first.

    Likely is the whole text with what ends it, under the model itself: of the configuration only
    counts where a text ends and what is excluded (ban, only, min_length, no_repeat_ngram, regex).
    Nothing is drawn, so nothing depends on the seed.

    Raises ConfigError when a text need not end, or nothing may come.
    """
    if config.length is None:
        raise ConfigError("beam: give a length, so that every text ends")
    rules = sampler.rules(config)
    lanes = sampler.engine.lanes(width)
    lanes.put(0, opening.state)
    beams = [Draft(rules, opening.ids)]
    likelihoods = np.zeros(1)  # log-likelihood of each (B,)
    ids = np.full(width, opening.ids[-1], dtype=np.intp)
    ended: list[tuple[float, Draft]] = []
    if beams[0].stop_reason is not None:
        return [_sample(sampler, 0, 0.0, beams[0])]
    while beams:
        logits = lanes.step(ids)[: len(beams)]
        check_finite(logits)
        scores: Logits = log_softmax(logits)
        allowed, _ = rules.masks(beams)
        if allowed is not None:
            scores = exclude(scores, allowed)
        totals = (likelihoods[:, None] + scores).reshape(-1)
        best = np.argsort(-totals, kind="stable")[:width]
        best = best[totals[best] > -np.inf]
        parents, choices = np.divmod(best, sampler.model.tokenizer.vocabulary_size)
        following: list[Draft] = []
        going_on: list[int] = []
        for place, (parent, choice) in enumerate(zip(parents, choices, strict=True)):
            draft = beams[parent].copy()
            if draft.add(int(choice)) is None:
                following.append(draft)
                going_on.append(place)
            else:
                ended.append((float(totals[best[place]]), draft))
        places = np.array(going_on, dtype=np.intp)
        ended = _likeliest(ended)[:width]
        beams, likelihoods = following, totals[best[places]]
        if len(ended) == width and (not beams or likelihoods[0] <= ended[-1][0]):
            break  # a text never becomes likelier
        if beams:
            rows = parents[places]
            lanes.take(np.pad(rows, (0, width - len(rows))))
            ids[: len(places)] = choices[places]
    if not ended:
        raise ConfigError("ban, only, min-length: together they leave nothing that may come next")
    return [_sample(sampler, rank, score, draft) for rank, (score, draft) in enumerate(ended)]


def _likeliest(ended: list[tuple[float, Draft]]) -> list[tuple[float, Draft]]:
    """The likeliest first, and of those that differ only in what ended them only one."""
    found: dict[tuple[int, ...], tuple[float, Draft]] = {}
    for each in sorted(ended, key=lambda each: -each[0]):
        found.setdefault(tuple(each[1].text_ids()), each)
    return list(found.values())


def _sample(sampler: Sampler, rank: int, likelihood: float, draft: Draft) -> Sample:
    assert draft.stop_reason is not None
    text = sampler.model.tokenizer.decode(draft.text_ids())
    return Sample(rank, text, draft.made, 0.0 - likelihood, (), draft.stop_reason)
