"""Filters of next-character probabilities: pure functions from logits to logits.

An excluded character has the logit -inf. The filters apply in a fixed order, each to the result of
the one before:

    1. exclusion: banned characters, dead ends of a pattern, the end of a line that is too short
    2. bias: the logit x of an id becomes x + bias
    3. repetition penalty: log-probabilities, those of recent ids times the penalty
    4. presence and frequency penalty: x of an id that was written becomes
       x - (presence + frequency * count)
    5. temperature
    6. top-k
    7. top-p
    8. min-p
    9. typical

Each operation of a formula is one of float64, rounded once. None turns a filter off. Every filter
leaves at least one character, and treats the rows of a batch
independently: a row's result is the same to the last bit in any batch, on every machine, and in
`engines/native/choice.h`.

Legend: B batch, V vocabulary; (..., V) one or many rows.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.generation.elementary import exp, exponents, log, total

Logits = npt.NDArray[np.floating]
Counts = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]

_TINY: Final = 1e-200
"""A temperature below this is tiny: a float32 divided by it might overflow float64."""


def exclude(logits: Logits, allowed: Mask) -> Logits:
    """Exclude all ids that are not allowed; both arrays are (..., V)."""
    return np.where(allowed, logits, -np.inf)


def apply_repetition_penalty(logits: Logits, penalty: float, recent: Mask) -> Logits:
    """Raise the probability p of recent ids, True in (..., V), to p ** penalty.

    This is the penalty of Keskar et al., 2019, arXiv:1909.05858, applied to log-probabilities: the
    sign of a logit has no meaning.
    """
    log_probabilities = log_softmax(logits)  # -inf for excluded ids
    return np.where(recent, log_probabilities * penalty, log_probabilities)


def apply_count_penalties(
    logits: Logits, counts: Counts, *, presence: float, frequency: float
) -> Logits:
    """Subtract penalties from the logits (..., V) of ids that were written, `counts` (..., V) times
    each: one for coming at all, and one for each time. Negative ones make them likelier."""
    penalties = presence + frequency * counts.astype(np.float64)
    return np.where(counts > 0, logits - penalties, logits)


def apply_temperature(logits: Logits, temperature: float) -> Logits:
    """Divide logits (..., V) by the temperature; 0 keeps only the likeliest (greedy)."""
    if temperature == 0:
        return apply_top_k(logits, 1)
    if temperature < _TINY:  # subtract the maximum first, so that no quotient overflows to +inf
        with np.errstate(over="ignore"):
            return (logits - logits.max(axis=-1, keepdims=True)) / temperature  # type: ignore[no-any-return]
    return logits / temperature


def apply_top_k(logits: Logits, k: int) -> Logits:
    """Keep the k likeliest of (..., V), and never more: of equals, those with the smaller ids."""
    if k == 1:
        likeliest = logits.argmax(axis=-1, keepdims=True)
        return exclude(logits, np.arange(logits.shape[-1]) == likeliest)
    return _keep_largest(logits, -np.sort(-logits, axis=-1), min(k, logits.shape[-1]))


def apply_top_p(logits: Logits, p: float) -> Logits:
    """Keep the smallest set of likeliest ids of (..., V) whose probabilities reach p.

    Nucleus sampling: Holtzman et al., 2020, arXiv:1904.09751.
    """
    if p >= 1:  # rounding must not cut the least likely off
        return logits
    ordered = -np.sort(-logits, axis=-1)
    whole = total(exponents(logits))
    return _keep_largest(logits, ordered, _reaching(exponents(ordered), p * whole))


def apply_min_p(logits: Logits, p: float) -> Logits:
    """Keep the ids of (..., V) that are at least p times as likely as the likeliest.

    Nguyen et al., 2024, arXiv:2407.01082.
    """
    return exclude(logits, logits >= logits.max(axis=-1, keepdims=True) + log(p))


def apply_typical(logits: Logits, p: float) -> Logits:
    """Keep the smallest set of most typical ids of (..., V) whose probabilities reach p.

    An id is typical if its surprisal is near the entropy of the distribution. Locally typical
    sampling: Meister et al., 2023, arXiv:2202.00666.
    """
    if p >= 1:
        return logits
    shifted = logits - logits.max(axis=-1, keepdims=True)
    shares = exp(shifted)
    whole = total(shares)
    surprisal = log(whole) - shifted
    weighed = np.multiply(shares, surprisal, where=shares > 0, out=np.zeros_like(shares))
    entropy = total(weighed) / whole
    order = np.argsort(abs(surprisal - entropy), axis=-1, kind="stable")
    count = _reaching(np.take_along_axis(shares, order, axis=-1), p * whole)
    kept = np.zeros(logits.shape, dtype=np.bool_)
    np.put_along_axis(kept, order, np.arange(logits.shape[-1]) < count, axis=-1)
    return exclude(logits, kept)


def apply_filters(
    logits: Logits,
    *,
    allowed: Mask | None = None,
    bias: npt.NDArray[np.float64] | None = None,
    repetition_penalty: float | None = None,
    recent: Mask | None = None,
    presence_penalty: float | None = None,
    frequency_penalty: float | None = None,
    counts: Counts | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    typical: float | None = None,
) -> Logits:
    """Apply all filters to (..., V) in their order. Returns float64."""
    logits = logits.astype(np.float64)
    if allowed is not None:
        logits = exclude(logits, allowed)
    if bias is not None:
        logits = logits + bias
    if repetition_penalty is not None and recent is not None:
        logits = apply_repetition_penalty(logits, repetition_penalty, recent)
    if counts is not None and (presence_penalty or frequency_penalty):
        presence, frequency = presence_penalty or 0.0, frequency_penalty or 0.0
        logits = apply_count_penalties(logits, counts, presence=presence, frequency=frequency)
    logits = apply_temperature(logits, temperature)
    if top_k is not None:
        logits = apply_top_k(logits, top_k)
    if top_p is not None:
        logits = apply_top_p(logits, top_p)
    if min_p is not None:
        logits = apply_min_p(logits, min_p)
    if typical is not None:
        logits = apply_typical(logits, typical)
    return logits


def probabilities(logits: Logits) -> npt.NDArray[np.float64]:
    """Return the softmax (..., V), in float64."""
    each = exponents(logits)
    return each / total(each)


def log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    """Return the log-probabilities (..., V), in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - log(total(exp(shifted)))  # type: ignore[no-any-return]


def largest(scores: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.intp]:
    """Return the indices of the `count` largest scores (N,) above -inf, the largest first.

    Of equal scores, those with the smaller indices come first.
    """
    places = np.arange(len(scores))
    if len(scores) > count:
        smallest = np.partition(scores, len(scores) - count)[len(scores) - count]
        above, equal = np.flatnonzero(scores > smallest), np.flatnonzero(scores == smallest)
        places = np.sort(np.concatenate([above, equal[: count - len(above)]]))
    places = places[scores[places] > -np.inf]
    return places[np.argsort(-scores[places], kind="stable")]


def draw(logits: Logits, uniform: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return the ids (B,) that numbers (B,) from [0, 1) draw from logits (B, V).

    The method is inverse transform sampling. The id is V for a row with NaN.
    """
    cumulative = np.add.accumulate(exponents(logits), axis=-1)
    reached = uniform * cumulative[:, -1]  # below the total, as every number is below 1
    if len(reached) == 1:  # the same result in half the time
        picked: npt.NDArray[np.intp] = cumulative[0].searchsorted(reached, side="right")
        return picked
    passed = ~(cumulative > reached[:, None])
    return np.add.reduce(passed, axis=-1, dtype=np.intp)  # type: ignore[no-any-return]


def _reaching(
    ordered: npt.NDArray[np.float64], enough: npt.NDArray[np.float64]
) -> npt.NDArray[np.intp]:
    """Return how many of the first shares (..., V) add up to `enough` (..., 1): (..., 1)."""
    passed = np.add.accumulate(ordered, axis=-1)[..., :-1] < enough
    return passed.sum(axis=-1, keepdims=True) + 1  # type: ignore[no-any-return]


def _keep_largest(logits: Logits, ordered: Logits, count: int | npt.NDArray[np.intp]) -> Logits:
    """Keep the `count` (..., 1) largest logits (..., V): of equals, those with the smaller ids.

    `ordered` has the logits in descending order.
    """
    places = np.broadcast_to(np.asarray(count) - 1, (*logits.shape[:-1], 1))
    smallest = np.take_along_axis(ordered, places, axis=-1)
    above, equal = logits > smallest, logits == smallest
    missing = count - above.sum(axis=-1, keepdims=True)
    return exclude(logits, above | (equal & (equal.cumsum(axis=-1) <= missing)))
