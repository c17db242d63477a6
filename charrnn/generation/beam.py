"""Beam search for the likeliest texts.

Legend: B lanes (the hypotheses), V vocabulary.
"""

import numpy as np
import numpy.typing as npt

from charrnn.errors import ConfigError
from charrnn.generation.constraints import Draft
from charrnn.generation.draw import NOTHING_MAY_COME, check_finite
from charrnn.generation.elementary import exp, log, total
from charrnn.generation.filters import Logits, Mask, exclude, largest, log_softmax
from charrnn.generation.request import GenerationRequest, Sample


def beam_search(request: GenerationRequest, *, width: int) -> list[Sample]:
    """Return the `width` likeliest texts that the search finds, the likeliest first.

    The likelihood is that of the whole text with its end, under the unmodified model. Only settings
    that end the text or exclude characters apply (ban, only, min_length, no_repeat_ngram, regex). A
    text that matches a pattern ends with characters that the pattern forbids. The search draws no
    random numbers, so it does not depend on the seed.

    Raises ConfigError when a text need not end, or no character is allowed.
    """
    constraints = request.constraints
    if constraints.config.length is None:
        raise ConfigError("beam: give a length, so that every text ends")
    beams = [request.empty_draft]
    if beams[0].stop_reason is not None:
        return [request.to_sample(0, beams[0], nats=0.0)]
    lanes, ids = request.start_lanes(width)
    likelihoods = np.zeros(1)  # the log-likelihoods of the beams (B,)
    ended = _Ended(width)
    while beams:
        logits = lanes.step(ids)[: len(beams)]
        check_finite(logits)
        scores: Logits = log_softmax(logits)
        allowed, _ = constraints.masks(beams)
        if allowed is not None:
            if constraints.automaton is not None:
                ended.add_complete(beams, likelihoods + _forbidden(scores, allowed))
            scores = exclude(scores, allowed)
        totals = (likelihoods[:, None] + scores).reshape(-1)
        best = largest(totals, width)
        parents, choices = np.divmod(best, constraints.vocabulary_size)
        longer: list[Draft] = []
        kept: list[int] = []
        for place, (parent, choice) in enumerate(zip(parents, choices, strict=True)):
            draft = beams[parent].copy()
            if draft.add(int(choice)) is None:
                longer.append(draft)
                kept.append(place)
            else:
                ended.add(float(totals[best[place]]), draft)
        places = np.array(kept, dtype=np.intp)
        beams, likelihoods = longer, totals[best[places]]
        if ended.full and (not beams or likelihoods[0] <= ended.least):
            break  # extending a text never makes it likelier
        if beams:
            lanes.take(parents[places])
            ids[: len(places)] = choices[places]
    if not ended.likeliest:
        raise ConfigError(NOTHING_MAY_COME)
    return [
        request.to_sample(rank, draft, nats=0.0 - log_likelihood)
        for rank, (log_likelihood, draft) in enumerate(ended.likeliest)
    ]


class _Ended:
    """The likeliest texts that have ended. Of texts that differ only in their end, one is kept.

    Args:
        most: the largest number of texts.

    Attributes:
        likeliest: (log-likelihood, draft), the likeliest first.
    """

    def __init__(self, most: int) -> None:
        self.likeliest: list[tuple[float, Draft]] = []
        self._most = most
        self._scores: dict[tuple[int, ...], float] = {}

    @property
    def full(self) -> bool:
        """Whether the largest number of texts is reached."""
        return len(self.likeliest) == self._most

    @property
    def least(self) -> float:
        """The log-likelihood of the least likely text."""
        return self.likeliest[-1][0]

    def add_complete(self, drafts: list[Draft], scores: npt.NDArray[np.float64]) -> None:
        """Add the drafts that may end where they are, with their scores (B,)."""
        for draft, score in zip(drafts, scores, strict=True):
            if draft.complete():
                whole = draft.copy()
                whole.finish()
                self.add(float(score), whole)

    def add(self, score: float, draft: Draft) -> None:
        """Add a text, if it is likely enough."""
        if score == -np.inf or (self.full and score <= self.least):
            return
        text = tuple(draft.text_ids())
        if text in self._scores:
            if score <= self._scores[text]:
                return
            self.likeliest = [each for each in self.likeliest if tuple(each[1].text_ids()) != text]
        self._scores[text] = score
        self.likeliest.append((score, draft))
        self.likeliest.sort(key=lambda each: -each[0])
        for _, less_likely in self.likeliest[self._most :]:
            del self._scores[tuple(less_likely.text_ids())]
        del self.likeliest[self._most :]


def _forbidden(scores: Logits, allowed: Mask) -> npt.NDArray[np.float64]:
    """Return the log-probability (B,) of all ids that are not allowed, from scores (B, V)."""
    return log(total(np.where(allowed, 0, exp(scores))))[:, 0]
