"""Filters: pure functions from logits to logits that say which characters may come next.

A character that may not come has the logit -inf. The order is always the same: temperature first,
then top-k, then top-p, each on what the one before left. A filter that is `None` is off.

Legend: V vocabulary.
"""

import numpy as np
import numpy.typing as npt

from charrnn.errors import ConfigError

Logits = npt.NDArray[np.floating]


def apply_temperature(logits: Logits, temperature: float) -> Logits:
    """Logits (V,) divided by the temperature; 0 leaves only the likeliest (greedy)."""
    if temperature == 0:
        return apply_top_k(logits, 1)
    with np.errstate(over="ignore"):
        divided: Logits = logits / temperature
        if not np.isfinite(divided.max()):  # so near 0 that only differences can be divided
            divided = (logits - logits.max()) / temperature
    return divided


def apply_top_k(logits: Logits, k: int) -> Logits:
    """Keeps the k likeliest of (V,), and never more: of equals, those with the smaller ids."""
    order = np.argsort(-logits, kind="stable")
    return _keep(logits, order[:k])


def apply_top_p(logits: Logits, p: float) -> Logits:
    """Keeps the fewest of (V,) whose probabilities reach p, the likeliest first, at least one.

    Nucleus sampling: Holtzman et al., 2020, arXiv:1904.09751.
    """
    if p >= 1:  # rounding must not cut the least likely off
        return logits
    order = np.argsort(-logits, kind="stable")
    reached = np.cumsum(probabilities(logits)[order])
    count = int(np.searchsorted(reached, p * reached[-1], side="left")) + 1
    return _keep(logits, order[:count])


def apply_filters(
    logits: Logits,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Logits:
    """All filters on (V,), in their order."""
    logits = apply_temperature(logits.astype(np.float64), temperature)
    if top_k is not None:
        logits = apply_top_k(logits, top_k)
    if top_p is not None:
        logits = apply_top_p(logits, top_p)
    return logits


def check_filters(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Raises ConfigError when a setting is out of range."""
    if not 0 <= temperature < float("inf"):
        raise ConfigError(f"temperature {temperature}: choose 0 (greedy) or above")
    if top_k is not None and top_k < 1:
        raise ConfigError(f"top-k {top_k}: choose 1 or above")
    if top_p is not None and not 0 < top_p <= 1:
        raise ConfigError(f"top-p {top_p}: choose above 0 and up to 1")


def probabilities(logits: Logits) -> npt.NDArray[np.float64]:
    """The softmax (V,), in float64."""
    exponents = np.exp(logits.astype(np.float64) - logits.max())
    return exponents / exponents.sum()  # type: ignore[no-any-return]


def draw(logits: Logits, uniform: float) -> int:
    """The id that a number from [0, 1) picks: the inverse of the cumulative distribution."""
    cumulative = np.cumsum(probabilities(logits))
    index = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return min(index, int(np.flatnonzero(logits > -np.inf)[-1]))


def _keep(logits: Logits, ids: npt.NDArray[np.intp]) -> Logits:
    kept = np.full_like(logits, -np.inf)
    kept[ids] = logits[ids]
    return kept
