"""Which characters stand at the masked places of a text: a beam, from left to right.

By the chain rule, log p(fill) = sum over places of log p(character | both sides), where of the
places themselves those before are filled, and those after are masks.

Legend: N ids, V vocabulary, G places of a region, W fills or beginnings of fills.
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
"""Is told how many more places were filled."""


@dataclass(frozen=True)
class Region:
    """Places of a text that are filled together.

    Attributes:
        ids: the text (N,), or as much of it as is read; masks where it is not known.
        places: (G,) where it is to be filled, ascending.
    """

    ids: MaskedIds
    places: npt.NDArray[np.int64]

    def window(self, step: int, values: MaskedIds, context: int) -> tuple[MaskedIds, int]:
        """What is read to fill place `step`: (W, up to 2 context + 1), and where in it that place
        is.

        Args:
            values: (W, step) what the places before it are filled with.
        """
        place = int(self.places[step])
        begin = max(place - context, 0)
        windows = np.tile(self.ids[begin : place + context + 1], (len(values), 1))
        first = int(np.searchsorted(self.places[:step], begin))
        windows[:, self.places[first:step] - begin] = values[:, first:step]
        return windows, place - begin


@dataclass(frozen=True)
class Fills:
    """What may stand at the places of a region, the likeliest first.

    Attributes:
        values: (W, G) ids, no two rows alike.
        log_probabilities: (W,) of each row, in nats.
    """

    values: MaskedIds
    log_probabilities: npt.NDArray[np.float64]


def infill(
    restorer: MaskedLM,
    regions: Iterable[Region],
    *,
    width: int,
    context: int,
    allowed: npt.NDArray[np.bool_],
    progress: Progress | None = None,
) -> Iterator[Fills]:
    """The likeliest fills of each region that a beam finds; many regions are filled side by side.

    Args:
        width: how many beginnings are kept, and fills given at most.
        context: how many characters on each side of a place are read.
        allowed: (V,) which characters may stand there.
    """
    regions = iter(regions)
    while batch := list(islice(regions, _REGIONS_AT_ONCE)):
        yield from _infill(restorer, batch, width, context, allowed, progress)


def _infill(
    restorer: MaskedLM,
    regions: Sequence[Region],
    width: int,
    context: int,
    allowed: npt.NDArray[np.bool_],
    progress: Progress | None,
) -> list[Fills]:
    found = [Fills(np.zeros((1, 0), dtype=np.int64), np.zeros(1)) for _ in regions]
    forbidden = np.where(allowed, 0.0, -np.inf)  # (V,)
    for step in range(max((len(region.places) for region in regions), default=0)):
        open_ = [each for each, region in enumerate(regions) if step < len(region.places)]
        windows: list[MaskedIds] = []
        places: list[int] = []
        for each in open_:
            beginnings, place = regions[each].window(step, found[each].values, context)
            windows += list(beginnings)
            places += [place] * len(beginnings)
        read = masked_log_probabilities(restorer, windows, places)  # (W of all regions together, V)
        scores = read.astype(np.float64) + forbidden
        begin = 0
        for each in open_:
            end = begin + len(found[each].values)
            found[each] = _likeliest(found[each], scores[begin:end], width)
            begin = end
        if progress is not None:
            progress(len(open_))
    return found


def _likeliest(beginnings: Fills, scores: npt.NDArray[np.float64], width: int) -> Fills:
    """The likeliest of all beginnings (W, G) that one character (W, V) makes longer."""
    totals = (beginnings.log_probabilities[:, None] + scores).reshape(-1)
    best = np.argsort(-totals, kind="stable")[:width]
    best = best[totals[best] > -np.inf]
    parents, characters = np.divmod(best, scores.shape[1])
    values = np.concatenate([beginnings.values[parents], characters[:, None]], axis=1)
    return Fills(values, totals[best])


def rescore(restorer: MaskedLM, region: Region, fills: Fills, *, reach: int, context: int) -> Fills:
    """The fills of a region, weighed anew by how well they and what is around them fit together.

    The chain rule asks each place of a fill once, while places after it are masks. Here each is
    asked given all others, as are `reach` characters on each side, which only a right fill makes
    likely. The mean of both logarithms decides; what all fills together had by the chain rule is
    shared out anew.
    """
    first, last = int(region.places[0]) - reach, int(region.places[-1]) + reach + 1
    begin = max(first - context, 0)
    windows = np.tile(region.ids[begin : last + context], (len(fills.values), 1))
    windows[:, region.places - begin] = fills.values
    part = slice(max(first, 0) - begin, last - begin)
    fitting = [
        each[part].sum(dtype=np.float64) for each in pseudo_log_likelihoods(restorer, list(windows))
    ]
    scores = (fills.log_probabilities + np.array(fitting)) / 2
    scores += np.logaddexp.reduce(fills.log_probabilities) - np.logaddexp.reduce(scores)
    order = np.argsort(-scores, kind="stable")
    return Fills(fills.values[order], scores[order])
