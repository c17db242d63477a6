"""Beam search for the characters at the masked positions of a text, from left to right.

By the chain rule, log p(fill) = sum over positions of log p(character | both sides), where the
positions before this one are filled, and the positions after it are masks.

Legend: N ids, V vocabulary, G positions of a region, W width of the beam (partial or whole fills).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.tasks.infill.masked_model import (
    MaskedIds,
    MaskedLM,
    masked_log_probabilities,
    pseudo_log_likelihoods,
)

_REGIONS_AT_ONCE: Final = 256

Progress = Callable[[int], None]
"""A function that is called with the number of positions filled since the last call."""


@dataclass(frozen=True)
class Region:
    """Positions of a text that are filled together.

    Attributes:
        ids: the text (N,), or the part of it that is read, with masks where it is not known.
        positions: (G,) the positions to fill, ascending.
    """

    ids: MaskedIds
    positions: npt.NDArray[np.int64]

    def window(self, step: int, values: MaskedIds, context: int) -> tuple[MaskedIds, int]:
        """Return the windows (W, up to 2 context + 1) that are read to fill position number `step`,
        and the position in them.

        Args:
            values: (W, step) the ids that fill the positions before this one.
        """
        position = int(self.positions[step])
        begin = max(position - context, 0)
        windows = np.tile(self.ids[begin : position + context + 1], (len(values), 1))
        first = int(np.searchsorted(self.positions[:step], begin))
        windows[:, self.positions[first:step] - begin] = values[:, first:step]
        return windows, position - begin


@dataclass(frozen=True)
class Fills:
    """Candidate fills of a region, the most probable first.

    Attributes:
        values: (W, G) ids, no two rows alike.
        log_probabilities: (W,) the log-probability of each row, in nats.
    """

    values: MaskedIds
    log_probabilities: npt.NDArray[np.float64]


def infill(
    masked_lm: MaskedLM,
    regions: Iterable[Region],
    *,
    width: int,
    context: int,
    allowed: npt.NDArray[np.bool_],
    progress: Progress | None = None,
) -> Iterator[Fills]:
    """Yield the most probable fills of each region that a beam search finds.

    Args:
        width: the width of the beam, and the most fills of a region.
        context: how many characters on each side of a position are read.
        allowed: (V,) which characters may be written.
    """
    regions = iter(regions)
    while batch := list(islice(regions, _REGIONS_AT_ONCE)):
        yield from _search(masked_lm, batch, width, context, allowed, progress)


def _search(
    masked_lm: MaskedLM,
    regions: Sequence[Region],
    width: int,
    context: int,
    allowed: npt.NDArray[np.bool_],
    progress: Progress | None,
) -> list[Fills]:
    """Fill regions in one beam search, a position of each region per step."""
    found = [Fills(np.zeros((1, 0), dtype=np.int64), np.zeros(1)) for _ in regions]
    forbidden = np.where(allowed, 0.0, -np.inf)  # (V,)
    for step in range(max((len(region.positions) for region in regions), default=0)):
        unfinished = [i for i, region in enumerate(regions) if step < len(region.positions)]
        windows: list[MaskedIds] = []
        positions: list[int] = []
        for i in unfinished:
            beam, position = regions[i].window(step, found[i].values, context)
            windows += list(beam)
            positions += [position] * len(beam)
        read = masked_log_probabilities(masked_lm, windows, positions)  # (W of all regions, V)
        scores = read.astype(np.float64) + forbidden
        begin = 0
        for i in unfinished:
            end = begin + len(found[i].values)
            found[i] = _extend(found[i], scores[begin:end], width)
            begin = end
        if progress is not None:
            progress(len(unfinished))
    return found


def _extend(beam: Fills, scores: npt.NDArray[np.float64], width: int) -> Fills:
    """Extend partial fills (W, G) by one character with scores (W, V); keep the best."""
    totals = (beam.log_probabilities[:, None] + scores).reshape(-1)
    best = np.argsort(-totals, kind="stable")[:width]
    best = best[totals[best] > -np.inf]
    parents, characters = np.divmod(best, scores.shape[1])
    values = np.concatenate([beam.values[parents], characters[:, None]], axis=1)
    return Fills(values, totals[best])


def rescore(
    masked_lm: MaskedLM, region: Region, fills: Fills, *, reach: int, context: int
) -> Fills:
    """Score the fills of a region again, now with the characters around it, and sort them.

    The chain rule scores each position of a fill once, while the positions after it are masks. Here
    each position is scored given all others, and so are `reach` characters on each side, which only
    the right fill makes probable (a pseudo-log-likelihood). The new score is the mean of both
    logarithms, normalized so that the probabilities of all fills keep their sum.
    """
    first, last = int(region.positions[0]) - reach, int(region.positions[-1]) + reach + 1
    begin = max(first - context, 0)
    windows = np.tile(region.ids[begin : last + context], (len(fills.values), 1))
    windows[:, region.positions - begin] = fills.values
    part = slice(max(first, 0) - begin, last - begin)
    pseudo = [
        each[part].sum(dtype=np.float64)
        for each in pseudo_log_likelihoods(masked_lm, list(windows))
    ]
    scores = (fills.log_probabilities + np.array(pseudo)) / 2
    scores += np.logaddexp.reduce(fills.log_probabilities) - np.logaddexp.reduce(scores)
    order = np.argsort(-scores, kind="stable")
    return Fills(fills.values[order], scores[order])
