"""Corrections of a text: edits of its ids, grouped into findings and applied.

Legend: N ids.
"""

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import Tokenizer
from charrnn.tasks.infill.masked_model import MaskedIds, masked_ids

SUBSTITUTE: Final = "substitute"
DELETE: Final = "delete"
INSERT: Final = "insert"
SWAP: Final = "swap"

KINDS: Final = (SUBSTITUTE, DELETE, INSERT, SWAP)
"""The kinds of edit: replace a character, delete one, insert one, or swap two neighbours."""

_APART: Final = 4
"""Edits with fewer positions than this between them belong to the same mistake."""

_MOST_OTHERS: Final = 3


@dataclass(frozen=True)
class Correction:
    """A change of a text.

    Attributes:
        begin, end: the range of the characters that are replaced; it is empty for an insertion.
        replacement: the text that replaces them.
        kind: an entry of KINDS.
        gain: the gain in pseudo-log-likelihood of the characters around it, in nats, minus the cost
            of its kind (see proofread.COSTS).
    """

    begin: int
    end: int
    replacement: str
    kind: str
    gain: float


@dataclass(frozen=True)
class Finding:
    """A probable mistake in a text.

    Attributes:
        line, column: its position, both counted from 1.
        original: the characters that the correction replaces.
        correction: the correction with the largest gain.
        surprise: the negative log-probability of the most surprising character, in nats.
        others: other corrections of the same mistake, those with larger gains first.
    """

    line: int
    column: int
    original: str
    correction: Correction
    surprise: float
    others: tuple[Correction, ...]


@dataclass(frozen=True, order=True)
class Edit:
    """A change of the ids: those from `begin` to `end` are replaced."""

    begin: int
    end: int
    replacement: tuple[int, ...]
    kind: str


@dataclass(frozen=True)
class ScoredEdit:
    """An edit, its gain, and the surprise of the character that it was tried for, in nats."""

    edit: Edit
    gain: float
    surprise: float


def apply_corrections(text: str, corrections: Iterable[Correction]) -> str:
    """Apply corrections that do not touch each other to a text."""
    pieces, end = [], 0
    for correction in sorted(corrections, key=lambda each: (each.begin, each.end)):
        pieces += [text[end : correction.begin], correction.replacement]
        end = correction.end
    return "".join([*pieces, text[end:]])


def find_corrections(
    tokenizer: Tokenizer, text: str, ids: MaskedIds, scored: Sequence[ScoredEdit], threshold: float
) -> list[Finding]:
    """Make a finding of each group of neighbouring edits whose largest gain reaches a threshold.

    The findings come in the order of the text; no two of their corrections touch each other.
    """
    best: dict[Edit, ScoredEdit] = {}
    for each in scored:
        if each.edit not in best or each.gain > best[each.edit].gain:
            best[each.edit] = each
    groups: list[list[ScoredEdit]] = []
    # The group of each position, and which positions are too near a group to begin another: both (N
    # + 1,).
    group_of = np.full(len(ids) + 1, -1)
    is_near = np.zeros(len(ids) + 1, dtype=np.bool_)
    for each in sorted(best.values(), key=lambda each: (-each.gain, each.edit)):
        begin, end = each.edit.begin, max(each.edit.end, each.edit.begin + 1)
        if is_near[begin:end].any():
            group = int(group_of[begin:end].max())
            if group >= 0:
                groups[group].append(each)
        elif each.gain >= threshold:
            is_near[max(begin - _APART, 0) : end + _APART] = True
            group_of[max(begin - 1, 0) : end + 1] = len(groups)
            groups.append([each])
    starts = _character_of_each_id(tokenizer, text, ids)
    newlines = [-1, *(index for index, character in enumerate(text) if character == "\n")]
    findings = [_make_finding(tokenizer, text, starts, newlines, group) for group in groups]
    return sorted(findings, key=lambda each: each.correction.begin)


def _make_finding(
    tokenizer: Tokenizer,
    text: str,
    starts: npt.NDArray[np.intp],
    newlines: Sequence[int],
    group: Sequence[ScoredEdit],
) -> Finding:
    """Make a finding of edits, of which the first has the largest gain."""
    corrections: dict[str, Correction] = {}
    first = max(int(starts[group[0].edit.begin]) - 2 * _APART, 0)
    last = int(starts[group[0].edit.end]) + 2 * _APART
    for each in group:
        begin, end = int(starts[each.edit.begin]), int(starts[each.edit.end])
        replacement = tokenizer.decode(np.array(each.edit.replacement, dtype=np.intp))
        correction = Correction(begin, end, replacement, each.edit.kind, each.gain)
        # Deleting either of two equal letters gives the same text: it is one correction.
        around = text[first:begin] + replacement + text[end:last]
        corrections.setdefault(around, correction)
    correction, *others = corrections.values()
    line = bisect.bisect_left(newlines, correction.begin)
    return Finding(
        line=line,
        column=correction.begin - newlines[line - 1],
        original=text[correction.begin : correction.end],
        correction=correction,
        surprise=max(each.surprise for each in group),
        others=tuple(others[:_MOST_OTHERS]),
    )


def _character_of_each_id(tokenizer: Tokenizer, text: str, ids: MaskedIds) -> npt.NDArray[np.intp]:
    """Return the index in the text of the character of each id, and the text's length: (N + 1,)."""
    if len(ids) == len(text):
        return np.arange(len(text) + 1)
    lengths = {one: len(masked_ids(tokenizer, one, 0)) for one in set(text)}
    starts = np.repeat(np.arange(len(text)), [lengths[one] for one in text])
    return np.append(starts, len(text))
