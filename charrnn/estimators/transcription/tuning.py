"""Chooses the weight of the language model, and the bonus for each character, on sequences whose
strings are known. No torch.

A search keeps the best hypotheses of each sequence. Weights that order these otherwise are tried
without another search (Och, 2003). The best of them search again, and the hypotheses of all
searches together decide.

Legend: N sequences, T steps, K ids, H hypotheses of a sequence.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from charrnn.array_types import Float32Array, Float64Array
from charrnn.estimators.transcription.beam import BeamConfig, Hypothesis, beam_search
from charrnn.estimators.transcription.language_prior import Prior
from charrnn.evaluation.edit_distance import edit_distance

WEIGHTS: Final = tuple(number / 20 for number in range(41))
BONUSES: Final = tuple(number / 2 for number in range(17))
"""The weights, and the bonuses in nats, that are tried."""

FIRST: Final = 0.5, 1.0
"""The weight and the bonus of the first search."""

SEARCHES: Final = 2

LEAST_WIDTH: Final = 16
"""The least width of these searches."""


class Tuned(NamedTuple):
    """The weight and the bonus that were chosen, and the errors that they make per character."""

    weight: float
    bonus: float
    error_rate: float


def tune(
    log_probabilities: Sequence[Float32Array],
    references: Sequence[str],
    prior: Prior,
    *,
    characters: str,
    width: int,
    weight: float | None = None,
) -> Tuned:
    """Return the weight and the bonus that make the fewest errors.

    Of equal ones, those are taken whose hypotheses, by their probabilities, make the fewest errors
    on average.

    Args:
        log_probabilities: those (T, K) of N sequences.
        references: their strings, N of them.
        prior: the language model.
        characters: those of the ids, from 1 on.
        width: the width of the beam.
        weight: the weight, where only the bonus is chosen.
    """
    lists: list[dict[Hypothesis, int]] = [{} for _ in references]
    weights = WEIGHTS if weight is None else (weight,)
    chosen = Tuned(FIRST[0] if weight is None else weight, FIRST[1], 0.0)
    config = BeamConfig(width=max(width, LEAST_WIDTH))
    for _ in range(SEARCHES):
        config = replace(config, weight=chosen.weight, bonus=chosen.bonus)
        found = beam_search(log_probabilities, prior, config)
        for known, hypotheses, reference in zip(lists, found, references, strict=True):
            for each in hypotheses:
                text = "".join(characters[number - 1] for number in each.ids)
                known[each] = edit_distance(reference, text)
        chosen = _best(lists, weights, sum(map(len, references)))
    return chosen


def _best(
    lists: Sequence[dict[Hypothesis, int]], weights: Sequence[float], characters: int
) -> Tuned:
    """Return the weight and the bonus with the fewest errors for these hypotheses."""
    nats, priors, sizes, errors = _columns(lists)  # (N, H)
    rows = np.arange(len(lists))
    tried = []
    for weight in weights:
        for bonus in BONUSES if weight else (0.0,):
            scores = nats + weight * (priors + bonus * sizes)
            scores -= scores.max(1, keepdims=True)
            shares = np.exp(scores)
            expected = (shares * errors).sum(1) / shares.sum(1)
            wrong = errors[rows, scores.argmax(1)].sum()
            tried.append((wrong, expected.sum(), weight, bonus))
    wrong, _, weight, bonus = min(tried)
    return Tuned(weight, bonus, float(wrong / max(characters, 1)))


def _columns(lists: Sequence[dict[Hypothesis, int]]) -> tuple[Float64Array, ...]:
    """Return the nats, priors, sizes and errors (N, H) of hypotheses; a missing one has -inf
    nats."""
    longest = max(map(len, lists))
    columns = tuple(np.zeros((len(lists), longest)) for _ in range(4))
    columns[0][:] = -np.inf
    for row, known in enumerate(lists):
        for place, (each, wrong) in enumerate(known.items()):
            values = each.nats, each.prior, len(each.ids), wrong
            for column, value in zip(columns, values, strict=True):
                column[row, place] = value
    return columns
