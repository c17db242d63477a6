"""Cells: what single units show of the concepts of CONCEPTS.

The text is cut into blocks. A unit is chosen for a concept on every other block, and scored on the
blocks between. A binary concept is scored by the AUC, the probability that the unit is more active
on a place with the concept than on one without; a graded one by the correlation. Beside the best
unit stands the best of as many random directions (chosen and scored in the same way), since among
hundreds of numbers some always fit; and a sum of up to four units, chosen one after the other by
least squares (orthogonal matching pursuit; Pati et al., 1993).

Legend: M characters, U units of all layers, C concepts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float32Array, Float64Array
from charrnn.explanation.concepts import CONCEPTS, values_of
from charrnn.explanation.network_records import ConceptScore, UnitScore, UnitSum

BLOCK: Final = 100
"""The characters of a block: longer than most of what is to be told apart, so that both halves do
not simply share their words; short enough that both have all parts of a text."""

FEWEST: Final = 20
"""The fewest places with a binary concept, and without, in either half."""

SUMMED: Final = 4
"""The most units of a sum."""

LISTED: Final = 5
"""The units that are listed for a concept."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """The values of concepts that a text has often enough.

    Attributes:
        names: C entries of CONCEPTS.
        values: (M, C); a binary concept has 0 and 1.
        binary: (C,).
        missing: the other entries of CONCEPTS.
    """

    names: tuple[str, ...]
    values: Float64Array
    binary: Mask
    missing: tuple[str, ...]


def measure_concepts(text: str, names: Sequence[str] = tuple(CONCEPTS)) -> Measured:
    """Return the concepts that come and go often enough in both halves of a text."""
    chosen, missing, columns, binary = [], [], [], []
    half = first_half(len(text))
    for name in names:
        values = values_of(name, text)
        is_binary = values.dtype == np.bool_
        if all(_varies(values[part], is_binary=is_binary) for part in (half, ~half)):
            chosen.append(name)
            columns.append(values.astype(np.float64))
            binary.append(is_binary)
        else:
            missing.append(name)
    table = np.stack(columns, axis=1) if columns else np.zeros((len(text), 0))
    return Measured(tuple(chosen), table, np.array(binary, np.bool_), tuple(missing))


def first_half(count: int) -> Mask:
    """Return the characters (M,) of every other block, on which units are chosen."""
    half: Mask = np.arange(count) // BLOCK % 2 == 0
    return half


def _varies(values: npt.NDArray[np.generic], *, is_binary: bool) -> bool:
    if is_binary:
        return FEWEST <= int(values.sum()) <= len(values) - FEWEST
    _, counts = np.unique(values, return_counts=True)
    return bool(len(values)) and len(values) - int(counts.max()) >= FEWEST


def score_concepts(
    activity: Float32Array, measured: Measured, hidden_size: int, *, seed: int = 0
) -> tuple[ConceptScore, ...]:
    """Return what units show of each concept, the best shown first.

    Args:
        activity: (M, U) of the units of all layers, one layer after the other.
        measured: the concepts of the same text.
        hidden_size: the units of a layer.
        seed: draws the random directions.
    """
    if not measured.names:
        return ()
    half = first_half(len(activity))
    chosen = scores(activity[half], measured.values[half], measured.binary)  # (U, C)
    tested = scores(activity[~half], measured.values[~half], measured.binary)
    random = _random_scores(activity, measured, half, seed)
    sums = _sums(activity, measured, half, hidden_size)
    found = []
    for column, name in enumerate(measured.names):
        baseline = 0.5 if measured.binary[column] else 0.0
        strength = chosen[:, column] - baseline
        units = [
            _unit_score(
                int(unit), strength[unit], tested[unit, column], baseline, hidden_size=hidden_size
            )
            for unit in np.argsort(-np.abs(strength), kind="stable")[:LISTED]
        ]
        found.append(
            ConceptScore(
                name=name,
                description=CONCEPTS[name].description,
                kind="binary" if measured.binary[column] else "graded",
                mean=float(measured.values[:, column].mean()),
                units=tuple(units),
                random_direction=float(random[column]),
                sum_of_units=sums[column],
            )
        )
    return tuple(sorted(found, key=lambda each: -_goodness(each)))


def _goodness(found: ConceptScore) -> float:
    """Return a score on one scale for both kinds: 0 by chance, 1 at best."""
    score = found.units[0].score
    return 2 * score - 1 if found.kind == "binary" else score


def _unit_score(
    unit: int, strength: float, tested: float, baseline: float, *, hidden_size: int
) -> UnitScore:
    sign = 1 if strength >= 0 else -1
    layer, number = divmod(unit, hidden_size)
    return UnitScore(
        layer=layer,
        unit=number,
        sign=sign,
        score=float(baseline + sign * (tested - baseline)),
        chosen_score=float(baseline + abs(strength)),
    )


def scores(activity: npt.NDArray[np.floating], values: Float64Array, binary: Mask) -> Float64Array:
    """Return the score (U, C) of activities (M, U) for concepts (M, C): the AUC of the binary ones,
    the correlation with the graded ones. A constant has an AUC of 0.5 and a correlation of 0."""
    found = np.zeros((activity.shape[1], values.shape[1]))
    found[:, ~binary] = _correlations(activity, values[:, ~binary])
    with_it = values[:, binary]
    positive = with_it.sum(axis=0)  # (C,)
    negative = len(values) - positive
    for unit in range(activity.shape[1]) if binary.any() else ():
        ranks = average_ranks(activity[:, unit]) @ with_it
        found[unit, binary] = (ranks - positive * (positive + 1) / 2) / (positive * negative)
    return found


def average_ranks(values: npt.NDArray[np.floating]) -> Float64Array:
    """Return the rank (M,) of each value from 1; equal values have the mean of their ranks."""
    values = np.ascontiguousarray(values)
    order = np.argsort(values)  # in any order of equal ones, for which NumPy has a faster way
    ordered = values[order]
    begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    ends = np.append(begins[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((begins + 1 + ends) / 2, ends - begins)
    return ranks


def _correlations(activity: npt.NDArray[np.floating], values: Float64Array) -> Float64Array:
    """Return Pearson's correlation (U, C)."""
    if not values.shape[1]:
        return np.zeros((activity.shape[1], 0))
    products = _standardized(activity).T @ _standardized(values)
    return products.astype(np.float64) / max(len(values), 1)


def _standardized(values: npt.NDArray[np.floating]) -> Float32Array:
    """Return columns with mean 0 and standard deviation 1; of constants, with 0 and 0."""
    means = values.mean(axis=0, dtype=np.float64).astype(values.dtype)
    centred: Float32Array = (values - means).astype(np.float32, copy=False)
    squares = np.einsum("mu,mu->u", centred, centred) / max(len(values), 1)
    deviation = np.sqrt(squares, dtype=np.float32)
    centred /= np.where(deviation > 1e-9, deviation, np.float32(np.inf))
    return centred


def _random_scores(
    activity: Float32Array, measured: Measured, half: Mask, seed: int
) -> Float64Array:
    """Return the score (C,) of the best of U random directions in the space of standardized
    activities, chosen and scored as units are."""
    generator = np.random.default_rng(seed)
    standardized = _standardized(activity)
    count = activity.shape[1]
    directions = generator.standard_normal((count, count), dtype=np.float32)
    projected = standardized @ directions
    chosen = scores(projected[half], measured.values[half], measured.binary)
    baseline = np.where(measured.binary, 0.5, 0.0)
    best = np.abs(chosen - baseline).argmax(axis=0)  # (C,)
    tested = np.empty(len(best))
    for column, unit in enumerate(best):
        only = slice(column, column + 1)
        score = scores(
            projected[~half, unit : unit + 1], measured.values[~half, only], measured.binary[only]
        )[0, 0]
        sign = 1 if chosen[unit, column] >= baseline[column] else -1
        tested[column] = baseline[column] + sign * (score - baseline[column])
    return tested


def _sums(
    activity: Float32Array, measured: Measured, half: Mask, hidden_size: int
) -> list[UnitSum]:
    """Return the best sum of SUMMED units for each concept, by orthogonal matching pursuit."""
    standardized = _standardized(activity)
    inputs, targets = standardized[half], _standardized(measured.values[half])
    chosen: list[list[int]] = [[] for _ in measured.names]
    weights: list[Float64Array] = [np.zeros(0) for _ in measured.names]
    residual = targets.astype(np.float32)
    for _ in range(min(SUMMED, activity.shape[1])):
        strength = np.abs(inputs.T @ residual)  # (U, C)
        for column, units in enumerate(chosen):
            strength[units, column] = -1
            units.append(int(strength[:, column].argmax()))
            table = inputs[:, units].astype(np.float64)
            solved = np.linalg.lstsq(table, targets[:, column], rcond=None)[0]
            weights[column] = solved.astype(np.float64)
            rest: Float64Array = targets[:, column] - table @ weights[column]
            residual[:, column] = rest
    found = []
    for column, units in enumerate(chosen):
        only = slice(column, column + 1)
        total = standardized[~half][:, units] @ weights[column][:, None]
        score = scores(total, measured.values[~half, only], measured.binary[only])[0, 0]
        parts = zip(units, weights[column].tolist(), strict=True)
        found.append(
            UnitSum(
                units=tuple((*divmod(unit, hidden_size), weight) for unit, weight in parts),
                score=float(score),
            )
        )
    return found
