"""A text with gaps: its known parts, and where characters are missing.

Legend: N ids.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.data.tokenizer import Tokenizer
from charrnn.tasks.infill.masked_model import MaskedIds, masked_ids


@dataclass(frozen=True)
class Gap:
    """A run of gap characters.

    Attributes:
        position: the index of the first one in the text.
        length: the number of gap characters.
        start: the index of the first one in the ids, where each is one mask.
    """

    position: int
    length: int
    start: int

    @property
    def end(self) -> int:
        """The index in the ids after the last gap character."""
        return self.start + self.length


@dataclass(frozen=True)
class Passage:
    """A text with gaps.

    Attributes:
        gaps: the gaps, in the order of the text.
        literals: the text before the first gap, between each two, and after the last, unchanged.
        ids: (N,) the whole text, with masks for missing and for unknown characters.
    """

    gaps: tuple[Gap, ...]
    literals: tuple[str, ...]
    ids: MaskedIds

    def filled(self, fills: Sequence[str]) -> str:
        """Return the text with each gap filled."""
        pieces = [self.literals[0]]
        for fill, literal in zip(fills, self.literals[1:], strict=True):
            pieces += [fill, literal]
        return "".join(pieces)


def read_passage(tokenizer: Tokenizer, text: str, gap: str, mask: int) -> Passage:
    """Encode a text in which the character `gap` stands for each missing character."""
    gaps, literals, ids = [], [], []
    position = start = 0
    for match in re.finditer(f"{re.escape(gap)}+", text):
        literal = text[position : match.start()]
        literals.append(literal)
        ids.append(masked_ids(tokenizer, literal, mask))
        length = match.end() - match.start()
        start += len(ids[-1])
        gaps.append(Gap(match.start(), length, start))
        ids.append(np.full(length, mask, dtype=np.int64))
        start += length
        position = match.end()
    literals.append(text[position:])
    ids.append(masked_ids(tokenizer, literals[-1], mask))
    return Passage(tuple(gaps), tuple(literals), np.concatenate(ids))


def group_gaps(gaps: Sequence[Gap], near: int) -> list[list[Gap]]:
    """Group the gaps: neighbours with fewer than `near` ids between them belong together."""
    groups: list[list[Gap]] = []
    for gap in gaps:
        if groups and gap.start - groups[-1][-1].end < near:
            groups[-1].append(gap)
        else:
            groups.append([gap])
    return groups
