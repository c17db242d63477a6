"""How many characters stood in a gap, and which.

For each length the likeliest fills are found (see infilling.py). Two fills of unlike lengths
compare by
what both of them explain: the fill itself with the K characters that follow it, from left to right
and each given what is left of it and all that lies beyond, with masks between. (How likely a fill
alone is favours short ones, and its mean favours long ones.) To that comes, as in infilling.py, how
well it fits with what is around it.

Of 64 gaps of 1 to 6 characters in held-out Shakespeare, this told the length of 31 and all
characters of 26; the first score alone 31 and 25, the second 21 and 15, likelihoods of the fill
alone 19 and 18, and means of the second 8 and 6.

Legend: N ids, K characters that follow, V vocabulary.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.tasks.infill.beam import Progress, Region, infill
from charrnn.tasks.infill.gaps import Gap, Passage
from charrnn.tasks.infill.masked_model import (
    MaskedIds,
    MaskedLM,
    masked_log_probabilities,
    pseudo_log_likelihoods,
)

Candidate = tuple[MaskedIds, float]
"""What may stand in a gap, and the logarithm of how probable that is."""

FOLLOWING: Final = 6
"""K."""

_REACH: Final = 8
"""Characters on each side of a fill of which it counts how well they fit with it."""

_FILLS: Final = 4
"""Of each length."""

_CONTEXT: Final = 48


def infill_any_length(
    restorer: MaskedLM,
    passage: Passage,
    *,
    longest: int,
    width: int,
    context: int,
    near: int,
    allowed: npt.NDArray[np.bool_],
    progress: Progress | None = None,
) -> list[list[Candidate]]:
    """What may stand in each gap of a passage if it stands for 1 to `longest` characters.

    The likeliest come first, `width` at most. Where there are other gaps near it, a gap is filled
    twice: first with as many masks in those as they have gap characters, then with what was found
    for them.
    """
    search = _Search(restorer, passage, longest, width, context, allowed)
    fills: list[MaskedIds | None] = [None] * len(passage.gaps)
    found = []
    for number in range(len(passage.gaps)):
        found.append(search.candidates(number, fills))
        if progress is not None:
            progress(1)
    for number in _crowded(passage.gaps, near):
        fills = [each[0][0] for each in found]
        found[number] = search.candidates(number, fills)
    return found


def _crowded(gaps: Sequence[Gap], near: int) -> list[int]:
    """The gaps that have another near them."""
    close = [after.place - before.end < near for before, after in pairwise(gaps)]
    return [
        number
        for number, is_crowded in enumerate(zip([*close, False], [False, *close], strict=True))
        if any(is_crowded)
    ]


class _Search:
    """Looks for what stands in the gaps of a passage."""

    def __init__(
        self,
        restorer: MaskedLM,
        passage: Passage,
        longest: int,
        width: int,
        context: int,
        allowed: npt.NDArray[np.bool_],
    ) -> None:
        self.restorer, self.passage = restorer, passage
        self.longest, self.width, self.context = longest, width, context
        self.allowed = allowed

    def candidates(self, number: int, fills: Sequence[MaskedIds | None]) -> list[Candidate]:
        """What may stand in one gap, where these stand in the others (None: masks)."""
        left, right = self._sides(number, fills)
        regions = []
        for length in range(1, self.longest + 1):
            masks = np.full(length, self.restorer.mask)
            ids = np.concatenate([left, masks, right])
            regions.append(Region(ids, np.arange(len(left), len(left) + length)))
        found = infill(
            self.restorer,
            regions,
            width=max(_FILLS, -(-self.width // self.longest)),
            context=self.context,
            allowed=self.allowed,
        )
        values = [each for fills in found for each in fills.values]
        left, right = left[-_CONTEXT:], right[:_CONTEXT]
        scores = joint_scores(self.restorer, left, values, right)
        scores = (scores + fitting_scores(self.restorer, left, values, right)) / 2
        scores -= np.logaddexp.reduce(scores)
        order = np.argsort(-scores, kind="stable")[: self.width]
        return [(values[each], float(scores[each])) for each in order]

    def _sides(self, number: int, fills: Sequence[MaskedIds | None]) -> tuple[MaskedIds, MaskedIds]:
        """What stands before and after a gap, as far as it is read."""
        before = range(2 * number, -1, -1)
        after = range(2 * number + 2, 2 * len(self.passage.gaps) + 1)
        left = _first((self._part(each, fills)[::-1] for each in before), self.context)
        return left[::-1], _first((self._part(each, fills) for each in after), self.context)

    def _part(self, place: int, fills: Sequence[MaskedIds | None]) -> MaskedIds:
        """Of a passage, whose literals and gaps take turns, one: of a gap what stands there."""
        gaps, ids = self.passage.gaps, self.passage.ids
        number, is_gap = divmod(place, 2)
        if is_gap:
            fill, gap = fills[number], gaps[number]
            return ids[gap.place : gap.end] if fill is None else fill
        begin = gaps[number - 1].end if number else 0
        return ids[begin : gaps[number].place if number < len(gaps) else len(ids)]


def _first(pieces: Iterable[MaskedIds], count: int) -> MaskedIds:
    """The first `count` ids of what comes in pieces."""
    taken = [np.empty(0, dtype=np.int64)]
    for piece in pieces:
        taken.append(piece[:count])
        count -= len(taken[-1])
        if count <= 0:
            break
    return np.concatenate(taken)


def joint_scores(
    restorer: MaskedLM, left: MaskedIds, values: Sequence[MaskedIds], right: MaskedIds
) -> npt.NDArray[np.float64]:
    """How likely each of these (each of any length) is between left and right, together with the
    first
    K of `right`: log-probabilities (one each) that compare across lengths, but for a constant."""
    windows: list[MaskedIds] = []
    places, owners, wanted = [], [], []
    following = min(FOLLOWING, len(right))
    for owner, value in enumerate(values):
        whole = np.concatenate([left, value, right])
        end = len(left) + len(value) + following
        for place in range(len(left), end):
            if whole[place] == restorer.mask:  # nobody knows what is wanted there
                continue
            window = whole.copy()
            window[place:end] = restorer.mask
            windows.append(window)
            places.append(place)
            owners.append(owner)
            wanted.append(int(whole[place]))
    read = masked_log_probabilities(restorer, windows, places)
    scores = np.zeros(len(values))
    np.add.at(scores, owners, read[np.arange(len(wanted)), wanted])
    return scores


def fitting_scores(
    restorer: MaskedLM, left: MaskedIds, values: Sequence[MaskedIds], right: MaskedIds
) -> npt.NDArray[np.float64]:
    """How likely each of these, and what is around it, is given all else (one each), in nats."""
    windows = [np.concatenate([left, value, right]) for value in values]
    first = max(len(left) - _REACH, 0)
    return np.array(
        [
            each[first : len(left) + len(value) + _REACH].sum(dtype=np.float64)
            for each, value in zip(pseudo_log_likelihoods(restorer, windows), values, strict=True)
        ]
    )
