"""Filters: pure functions from logits to logits that say which characters may come next.

A character that may not come has the logit -inf. The order is always the same, each filter acting
on what the one before left:

    1. what is excluded: banned characters, dead ends of a pattern, a line that is too short to end
    2. repetition penalty
    3. temperature
    4. top-k
    5. top-p
    6. min-p
    7. typical

A filter that is `None` is off. All of them leave at least one character, and treat every row of a
batch by itself: a row's numbers are the same to the last bit in any company.

Legend: B batch, V vocabulary; (..., V) one or many rows.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

_TINY: Final = 1e-200
"""Of a temperature: float32 divided by it might be more than float64 holds."""


def exclude(logits: Logits, allowed: Mask) -> Logits:
    """Leaves only what is allowed, both (..., V)."""
    return np.where(allowed, logits, -np.inf)


def apply_repetition_penalty(logits: Logits, penalty: float, recent: Mask) -> Logits:
    """Makes what came recently, True in (..., V), less likely: p becomes p ** penalty.

    That is the penalty of Keskar et al., 2019, arXiv:1909.05858, on log-probabilities instead of
    logits, whose sign means nothing.
    """
    log_probabilities = log_softmax(logits)  # of what is excluded already, log 0
    return np.where(recent, log_probabilities * penalty, log_probabilities)


def apply_temperature(logits: Logits, temperature: float) -> Logits:
    """Logits (..., V) divided by the temperature; 0 leaves only the likeliest (greedy)."""
    if temperature == 0:
        return apply_top_k(logits, 1)
    if temperature < _TINY:  # so that only differences can be divided
        with np.errstate(over="ignore"):
            return (logits - logits.max(axis=-1, keepdims=True)) / temperature  # type: ignore[no-any-return]
    return logits / temperature


def apply_top_k(logits: Logits, k: int) -> Logits:
    """Keeps the k likeliest of (..., V), and never more: of equals, those with the smaller ids."""
    if k == 1:
        likeliest = logits.argmax(axis=-1, keepdims=True)
        return exclude(logits, np.arange(logits.shape[-1]) == likeliest)
    return _keep_largest(logits, -np.sort(-logits, axis=-1), min(k, logits.shape[-1]))


def apply_top_p(logits: Logits, p: float) -> Logits:
    """Keeps the fewest of (..., V) whose probabilities reach p, the likeliest first, at least one.

    Nucleus sampling: Holtzman et al., 2020, arXiv:1904.09751.
    """
    if p >= 1:  # rounding must not cut the least likely off
        return logits
    ordered = -np.sort(-logits, axis=-1)
    return _keep_largest(logits, ordered, _reaching(probabilities(ordered), p))


def apply_min_p(logits: Logits, p: float) -> Logits:
    """Keeps what is at least p times as likely as the likeliest of (..., V).

    Nguyen et al., 2024, arXiv:2407.01082.
    """
    return exclude(logits, logits >= logits.max(axis=-1, keepdims=True) + np.log(p))


def apply_typical(logits: Logits, p: float) -> Logits:
    """Keeps the fewest of (..., V) whose probabilities reach p, the most typical first.

    Typical is what is about as surprising as the distribution is on average: locally typical
    sampling, Meister et al., 2023, arXiv:2202.00666.
    """
    if p >= 1:
        return logits
    likely = probabilities(logits)
    with np.errstate(divide="ignore", invalid="ignore"):  # where nothing is likely at all
        surprisal = -np.log(likely)
        entropy = np.where(likely > 0, likely * surprisal, 0).sum(axis=-1, keepdims=True)
    order = np.argsort(abs(surprisal - entropy), axis=-1, kind="stable")
    count = _reaching(np.take_along_axis(likely, order, axis=-1), p)
    kept = np.zeros(logits.shape, dtype=np.bool_)
    np.put_along_axis(kept, order, np.arange(logits.shape[-1]) < count, axis=-1)
    return exclude(logits, kept)


def apply_filters(
    logits: Logits,
    *,
    allowed: Mask | None = None,
    repetition_penalty: float | None = None,
    recent: Mask | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    typical: float | None = None,
) -> Logits:
    """All filters on (..., V), in their order; in float64."""
    logits = logits.astype(np.float64)
    if allowed is not None:
        logits = exclude(logits, allowed)
    if repetition_penalty is not None and recent is not None:
        logits = apply_repetition_penalty(logits, repetition_penalty, recent)
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
    """The softmax (..., V), in float64."""
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


def log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    """The log-probabilities (..., V), in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  # type: ignore[no-any-return]


def largest(scores: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.intp]:
    """The places of the largest scores (N,) above -inf, the largest first, so many at most: of
    equals, those with the smaller places, in order."""
    places = np.arange(len(scores))
    if len(scores) > count:
        smallest = np.partition(scores, len(scores) - count)[len(scores) - count]
        above, equal = np.flatnonzero(scores > smallest), np.flatnonzero(scores == smallest)
        places = np.sort(np.concatenate([above, equal[: count - len(above)]]))
    places = places[scores[places] > -np.inf]
    return places[np.argsort(-scores[places], kind="stable")]


def draw(logits: Logits, uniform: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """The ids (B,) that numbers (B,) from [0, 1) pick from (B, V), by the inverse of the
    cumulative distribution; V where a row's numbers are no numbers."""
    exponents = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    np.exp(exponents, out=exponents)
    cumulative = np.add.accumulate(exponents, axis=-1)
    reached = uniform * cumulative[:, -1]  # less than that, as is every number below 1
    if len(reached) == 1:  # the same, but that it takes half the time
        picked: npt.NDArray[np.intp] = cumulative[0].searchsorted(reached, side="right")
        return picked
    passed = ~(cumulative > reached[:, None])
    return np.add.reduce(passed, axis=-1, dtype=np.intp)  # type: ignore[no-any-return]


def _reaching(ordered: npt.NDArray[np.float64], p: float) -> npt.NDArray[np.intp]:
    """How many of probabilities (..., V), from the first on, it takes to reach p: (..., 1)."""
    reached = ordered.cumsum(axis=-1)
    passed = reached[..., :-1] < p * reached[..., -1:]
    return passed.sum(axis=-1, keepdims=True) + 1  # type: ignore[no-any-return]


def _keep_largest(logits: Logits, ordered: Logits, count: int | npt.NDArray[np.intp]) -> Logits:
    """Keeps so many of (..., V), the count (..., 1): of equals, those with the smaller ids.

    `ordered` has the logits from the largest to the smallest.
    """
    places = np.broadcast_to(np.asarray(count) - 1, (*logits.shape[:-1], 1))
    smallest = np.take_along_axis(ordered, places, axis=-1)
    above, equal = logits > smallest, logits == smallest
    missing = count - above.sum(axis=-1, keepdims=True)
    return exclude(logits, above | (equal & (equal.cumsum(axis=-1) <= missing)))
