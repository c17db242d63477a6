"""Filling gaps: finds the missing characters of a text, by beam search.

Gaps near each other are filled together (see beam.py), gaps far apart independently. For gaps of
unknown length see gap_lengths.py.

Legend: V vocabulary.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.data.tokenizer import Tokenizer, check_text
from charrnn.storage.model_directory import Model
from charrnn.tasks.infill.beam import Fills, Progress, Region, infill, rescore
from charrnn.tasks.infill.config import FillConfig
from charrnn.tasks.infill.engine import InfillEngine
from charrnn.tasks.infill.gap_lengths import infill_any_length
from charrnn.tasks.infill.gaps import Gap, Passage, group_gaps, read_passage
from charrnn.tasks.infill.masked_model import MaskedLM, writable_ids


@dataclass(frozen=True)
class FilledGap:
    """A gap that was filled.

    Attributes:
        position: the index in the given text where the gap begins.
        length: the number of gap characters.
        filled: the text that replaces them.
        probability: the probability of this fill, whatever fills the gaps near it.
    """

    position: int
    length: int
    filled: str
    probability: float


@dataclass(frozen=True)
class Filling:
    """A text whose gaps are filled.

    Attributes:
        text: the whole text.
        probability: the joint probability of all its fills.
        gaps: the gaps with their fills, in the order of the text.
    """

    text: str
    probability: float
    gaps: tuple[FilledGap, ...]


@dataclass(frozen=True)
class _Choice:
    """A fill for each gap of a group, and their log-probability in nats."""

    fills: tuple[str, ...]
    log_probability: float


@as_usual
def fill(
    model: Model,
    text: str,
    config: FillConfig | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Filling]:
    """Fill the gaps of a text with a model of the task `restore`; see `fill_gaps`.

    Also raises ModelError for a model of another task.
    """
    return fill_gaps(InfillEngine.of(model), model.tokenizer, text, config, progress=progress)


@as_usual
def fill_gaps(
    masked_lm: MaskedLM,
    tokenizer: Tokenizer,
    text: str,
    config: FillConfig | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Filling]:
    """Fill the gaps of a text; return different texts, the most probable first.

    There are `config.alternatives` texts, or fewer where fewer were found. A text without gaps is
    returned unchanged. Characters that the model has never seen stay in the text and are read as
    unknown.

    Args:
        progress: called with the number of characters (of gaps, if their length is unknown) that
            were filled so far, and their total number.

    Raises ModelError when the model's numbers overflow, CorpusError when `text` is not a str.
    """
    check_text(text, "the text")
    config = config or FillConfig()
    passage = read_passage(tokenizer, text, config.gap, masked_lm.mask)
    if not passage.gaps:
        return [Filling(text, 1.0, ())]
    choose = _choose if config.longest is None else _choose_any_length
    groups, choices = choose(masked_lm, tokenizer, passage, config, progress)
    texts: dict[str, Filling] = {}
    scores = [[choice.log_probability for choice in each] for each in choices]
    for log_probability, chosen in likeliest_combinations(scores):
        filling = _combine(passage, groups, choices, chosen, log_probability)
        texts.setdefault(filling.text, filling)
        if len(texts) == config.alternatives:
            break
    return list(texts.values())


_Choices = tuple[list[list[Gap]], list[list[_Choice]]]
"""Groups of gaps, and the choices for each group, the most probable first."""


def _choose(
    masked_lm: MaskedLM,
    tokenizer: Tokenizer,
    passage: Passage,
    config: FillConfig,
    progress: Callable[[int, int], None] | None,
) -> _Choices:
    """Fill gaps of known length, those near each other as one group."""
    groups = group_gaps(passage.gaps, config.near)
    regions = [Region(passage.ids, _positions(group)) for group in groups]
    fills = infill(
        masked_lm,
        regions,
        width=max(config.width, config.alternatives),
        context=config.context,
        allowed=writable_ids(tokenizer),
        progress=_add_up(progress, sum(gap.length for gap in passage.gaps)),
    )
    choices = []
    for group, region, each in zip(groups, regions, fills, strict=True):
        best = rescore(masked_lm, region, each, reach=config.reach, context=config.context)
        choices.append(_decode(group, best, tokenizer))
    return groups, choices


def _choose_any_length(
    masked_lm: MaskedLM,
    tokenizer: Tokenizer,
    passage: Passage,
    config: FillConfig,
    progress: Callable[[int, int], None] | None,
) -> _Choices:
    """Fill gaps of unknown length, each as a group of its own."""
    assert config.longest is not None
    found = infill_any_length(
        masked_lm,
        passage,
        longest=config.longest,
        width=max(config.width, config.alternatives),
        context=config.context,
        near=config.near,
        allowed=writable_ids(tokenizer),
        progress=_add_up(progress, len(passage.gaps)),
    )
    choices = [
        [_Choice((tokenizer.decode(values),), score) for values, score in each] for each in found
    ]
    return [[gap] for gap in passage.gaps], [_without_broken_bytes(each) for each in choices]


def _add_up(progress: Callable[[int, int], None] | None, total: int) -> Progress | None:
    """Turn a callback for (done, total) into one for the increments."""
    if progress is None:
        return None
    done = 0

    def add(more: int) -> None:
        nonlocal done
        done += more
        progress(done, total)

    return add


def _positions(gaps: Sequence[Gap]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.arange(gap.start, gap.end) for gap in gaps])


def _decode(gaps: Sequence[Gap], fills: Fills, tokenizer: Tokenizer) -> list[_Choice]:
    """Decode the fills of a region, gap by gap."""
    ends = np.cumsum([gap.length for gap in gaps])[:-1]
    return _without_broken_bytes(
        [
            _Choice(tuple(tokenizer.decode(part) for part in np.split(values, ends)), float(score))
            for values, score in zip(fills.values, fills.log_probabilities, strict=True)
        ]
    )


def _without_broken_bytes(choices: list[_Choice]) -> list[_Choice]:
    """Return the choices of a byte model that are UTF-8, or all choices where none is."""
    return [each for each in choices if _is_text("".join(each.fills))] or choices


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _combine(
    passage: Passage,
    groups: Sequence[Sequence[Gap]],
    choices: Sequence[Sequence[_Choice]],
    chosen: Sequence[int],
    log_probability: float,
) -> Filling:
    """Make the text of one choice for each group."""
    gaps = []
    for group, among, choice in zip(groups, choices, chosen, strict=True):
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
    """Yield the combinations of one entry of each list: sums and indices, the largest sum first.

    Args:
        scores: lists in descending order, none empty.
    """
    first = (0,) * len(scores)
    waiting = [(-math.fsum(each[0] for each in scores), first)]
    seen = {first}
    while waiting:
        negated, chosen = heapq.heappop(waiting)
        yield -negated, chosen
        for number, choice in enumerate(chosen):
            if choice + 1 == len(scores[number]):
                continue
            following = (*chosen[:number], choice + 1, *chosen[number + 1 :])
            if following not in seen:
                seen.add(following)
                worse = scores[number][choice] - scores[number][choice + 1]
                heapq.heappush(waiting, (negated + worse, following))
