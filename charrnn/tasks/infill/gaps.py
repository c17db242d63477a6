"""A text with gaps: what is known of it, and where something is missing.

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
        position: of the first in the text.
        length: how many there are.
        place: of the first in the ids, where each is one mask.
    """

    position: int
    length: int
    place: int

    @property
    def end(self) -> int:
        """The place after the last."""
        return self.place + self.length


@dataclass(frozen=True)
class Passage:
    """A text with gaps.

    Attributes:
        gaps: in the order of the text.
        literals: what stands before the first gap, between each two, and after the last; as it was.
        ids: (N,), masks for what is missing and for what the model has never seen.
    """

    gaps: tuple[Gap, ...]
    literals: tuple[str, ...]
    ids: MaskedIds

    def filled(self, fills: Sequence[str]) -> str:
        """The text with these in its gaps."""
        pieces = [self.literals[0]]
        for fill, literal in zip(fills, self.literals[1:], strict=True):
            pieces += [fill, literal]
        return "".join(pieces)


def read_passage(tokenizer: Tokenizer, text: str, gap: str, mask: int) -> Passage:
    """The passage of a text in which `gap`, a character, stands for each that is missing."""
    gaps, literals, ids = [], [], []
    position = place = 0
    for match in re.finditer(f"{re.escape(gap)}+", text):
        literal = text[position : match.start()]
        literals.append(literal)
        ids.append(masked_ids(tokenizer, literal, mask))
        length = match.end() - match.start()
        place += len(ids[-1])
        gaps.append(Gap(match.start(), length, place))
        ids.append(np.full(length, mask, dtype=np.int64))
        place += length
        position = match.end()
    literals.append(text[position:])
    ids.append(masked_ids(tokenizer, literals[-1], mask))
    return Passage(tuple(gaps), tuple(literals), np.concatenate(ids))


def grouped(gaps: Sequence[Gap], near: int) -> list[list[Gap]]:
    """The gaps in groups: those with fewer than `near` ids between them belong together."""
    groups: list[list[Gap]] = []
    for gap in gaps:
        if groups and gap.place - groups[-1][-1].end < near:
            groups[-1].append(gap)
        else:
            groups.append([gap])
    return groups
