"""Filling: what stood where characters are missing from a text.

Gaps that lie near each other are filled together (see infilling.py); others do not know of each
other but that something is missing there. Where a gap may stand for any number of characters, see
gap_lengths.py.

Legend: V vocabulary.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.data.tokenizer import Tokenizer, check_text
from charrnn.errors import ConfigError
from charrnn.tasks.infill.beam import Fills, Progress, Region, infill, rescore
from charrnn.tasks.infill.gap_lengths import infill_any_length
from charrnn.tasks.infill.gaps import Gap, Passage, grouped, read_passage
from charrnn.tasks.infill.masked_model import MaskedLM, writable

GAP: Final = "_"

LONGEST: Final = 12
"""Characters that a gap of unknown length stands for at most."""


@dataclass(frozen=True, kw_only=True)
class FillConfig:
    """How gaps are filled. Raises ConfigError when a setting is out of range.

    Attributes:
        gap: the character that stands for a missing one.
        longest: how many characters a gap may stand for at most, however long it looks; None: each
            gap character stands for one.
        alternatives: how many texts are given at most.
        width: how many beginnings of a fill are kept; never fewer than alternatives.
        context: how many characters on each side of a place are read.
        reach: of how many characters on each side of a fill it counts how well they fit.
        near: gaps with fewer characters between them than this are filled together.
    """

    gap: str = GAP
    longest: int | None = None
    alternatives: int = 1
    width: int = 16
    context: int = 96
    reach: int = 8
    near: int = 24

    def __post_init__(self) -> None:
        if len(self.gap) != 1:
            raise ConfigError(f"gap {self.gap!r}: choose a single character")
        for name in ("longest", "alternatives", "width", "context", "reach", "near"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ConfigError(f"{name} {value!r}: choose 1 or above")


@dataclass(frozen=True)
class FilledGap:
    """What stands in a gap now.

    Attributes:
        position: where the gap begins in the text that was given.
        length: how many gap characters there were.
        filled: what stands there now.
        probability: that this is what stood there, whatever stood in the gaps near it.
    """

    position: int
    length: int
    filled: str
    probability: float


@dataclass(frozen=True)
class Filling:
    """A text whose gaps are filled.

    Attributes:
        text: all of it.
        probability: that all its gaps were filled with what stood there.
        gaps: each of them.
    """

    text: str
    probability: float
    gaps: tuple[FilledGap, ...]


@dataclass(frozen=True)
class _Choice:
    """What may stand in all gaps of a group, and how likely it is, in nats."""

    fills: tuple[str, ...]
    log_probability: float


@as_usual
def fill(
    restorer: MaskedLM,
    tokenizer: Tokenizer,
    text: str,
    config: FillConfig | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Filling]:
    """The text with its gaps filled: the most probable first, no two alike.

    There are `config.alternatives` of them, or fewer where fewer were found. A text without gaps
    comes back as it is. What the model has never seen stays in the text, and is read as unknown.

    Args:
        progress: is told how many characters were found so far, and of how many.

    Raises ModelError when the model's numbers overflow, CorpusError for what is no text.
    """
    check_text(text, "the text")
    config = config or FillConfig()
    passage = read_passage(tokenizer, text, config.gap, restorer.mask)
    if not passage.gaps:
        return [Filling(text, 1.0, ())]
    groups, choices = _choose(restorer, tokenizer, passage, config, progress)
    texts: dict[str, Filling] = {}
    scores = [[choice.log_probability for choice in each] for each in choices]
    for log_probability, picked in likeliest_combinations(scores):
        filling = _filling(passage, groups, choices, picked, log_probability)
        texts.setdefault(filling.text, filling)
        if len(texts) == config.alternatives:
            break
    return list(texts.values())


def _choose(
    restorer: MaskedLM,
    tokenizer: Tokenizer,
    passage: Passage,
    config: FillConfig,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[list[Gap]], list[list[_Choice]]]:
    """The groups of gaps, and for each what may stand in it, the likeliest first."""
    allowed = writable(tokenizer)
    width = max(config.width, config.alternatives)
    if config.longest is not None:
        told = _counted(progress, len(passage.gaps))
        found = infill_any_length(
            restorer,
            passage,
            longest=config.longest,
            width=width,
            context=config.context,
            near=config.near,
            allowed=allowed,
            progress=told,
        )
        singles = [
            [_Choice((tokenizer.decode(values),), score) for values, score in each]
            for each in found
        ]
        return [[gap] for gap in passage.gaps], [_readable(each) for each in singles]
    groups = grouped(passage.gaps, config.near)
    regions = [Region(passage.ids, _places(group)) for group in groups]
    fills = infill(
        restorer,
        regions,
        width=width,
        context=config.context,
        allowed=allowed,
        progress=_counted(progress, sum(gap.length for gap in passage.gaps)),
    )
    choices = []
    for group, region, each in zip(groups, regions, fills, strict=True):
        best = rescore(restorer, region, each, reach=config.reach, context=config.context)
        choices.append(_choices(group, best, tokenizer))
    return groups, choices


def _counted(progress: Callable[[int, int], None] | None, total: int) -> Progress | None:
    """Tells of all that was done, where it is told what more is done."""
    if progress is None:
        return None
    done = 0

    def add(more: int) -> None:
        nonlocal done
        done += more
        progress(done, total)

    return add


def _places(gaps: Sequence[Gap]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.arange(gap.place, gap.end) for gap in gaps])


def _choices(gaps: Sequence[Gap], fills: Fills, tokenizer: Tokenizer) -> list[_Choice]:
    """The fills of a region as text, gap by gap."""
    ends = np.cumsum([gap.length for gap in gaps])[:-1]
    return _readable(
        [
            _Choice(tuple(tokenizer.decode(part) for part in np.split(values, ends)), float(score))
            for values, score in zip(fills.values, fills.log_probabilities, strict=True)
        ]
    )


def _readable(choices: list[_Choice]) -> list[_Choice]:
    """Those that are text; all where none is. Bytes need not be."""
    return [each for each in choices if _is_text("".join(each.fills))] or choices


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _filling(
    passage: Passage,
    groups: Sequence[Sequence[Gap]],
    choices: Sequence[Sequence[_Choice]],
    picked: Sequence[int],
    log_probability: float,
) -> Filling:
    """The text of one choice for each group."""
    gaps = []
    for group, among, choice in zip(groups, choices, picked, strict=True):
        for number, gap in enumerate(group):
            filled = among[choice].fills[number]
            alike = [each.log_probability for each in among if each.fills[number] == filled]
            probability = min(math.fsum(map(math.exp, alike)), 1.0)
            gaps.append(FilledGap(gap.position, gap.length, filled, probability))
    text = passage.filled([gap.filled for gap in gaps])
    return Filling(text, math.exp(log_probability), tuple(gaps))


def likeliest_combinations(
    scores: Sequence[Sequence[float]],
) -> Iterator[tuple[float, tuple[int, ...]]]:
    """One of each of several lists, the combination with the largest sum first: sums and places.

    Args:
        scores: lists in descending order, none empty.
    """
    first = (0,) * len(scores)
    waiting = [(-math.fsum(each[0] for each in scores), first)]
    seen = {first}
    while waiting:
        negated, picked = heapq.heappop(waiting)
        yield -negated, picked
        for place, choice in enumerate(picked):
            if choice + 1 == len(scores[place]):
                continue
            following = (*picked[:place], choice + 1, *picked[place + 1 :])
            if following not in seen:
                seen.add(following)
                worse = scores[place][choice] - scores[place][choice + 1]
                heapq.heappush(waiting, (negated + worse, following))
