"""Proofreading: characters that their surroundings on both sides do not expect, and what may have
been meant.

Where a character is surprising, given all others, edits of it and of its neighbours are tried:
another character in its place, none, one more, two that change places. An edit's gain is by how
much likelier it makes each of the characters around it, given all others (a pseudo-log-likelihood:
Besag, 1975), all together, in nats, less what an edit of its kind costs. What gains more than a
threshold is found.

Legend: N ids, B batch, T time, V vocabulary.
"""

import bisect
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.data.tokenizer import Tokenizer, check_text
from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.generation.draw import check_finite
from charrnn.tasks.infill.masked_model import (
    MaskedIds,
    MaskedLM,
    gather_log_probabilities,
    masked_ids,
    masked_log_probabilities,
    pseudo_log_likelihoods,
    writable,
)

SUBSTITUTE: Final = "substitute"
DELETE: Final = "delete"
INSERT: Final = "insert"
SWAP: Final = "swap"

KINDS: Final = (SUBSTITUTE, DELETE, INSERT, SWAP)
"""What an edit does: another character in the place of one, one less, one more, or two that change
places."""

COSTS: Final = {SUBSTITUTE: 8.0, DELETE: 4.0, INSERT: 6.0, SWAP: 0.0}
"""Nats that an edit must gain before it counts at all. Of the many characters that may be put in
the place of another, one often fits better by chance; what deletes a character is spared its
surprise; what inserts one fits as often. (Measured on typos in held-out text, with a model of five
minutes.)"""

_APART: Final = 4
"""Places; what is nearer to a correction than this is of the same mistake."""

_MOST_OTHERS: Final = 3

MOST_UNKNOWN: Final = 0.5
"""The share of a text's characters that the model may not know, at most, for it to be judged."""

_BLOCK: Final = 1 << 14
_SUSPECTS_AT_ONCE: Final = 512


@dataclass(frozen=True, kw_only=True)
class ProofreadConfig:
    """What is found. Raises ConfigError when a setting is out of range.

    Attributes:
        threshold: the least gain, in nats, of an edit that is worth telling.
        surprise: how surprising a character must be, in nats, for edits to be tried on it.
        scored: how many characters on each side of it an edit may make likelier.
        context: how many more on each side are read.
        tried: how many characters are tried in the place of one, or before or after it.
    """

    threshold: float = 8.0
    surprise: float = 4.0
    scored: int = 5
    context: int = 16
    tried: int = 3

    def __post_init__(self) -> None:
        for name in ("threshold", "surprise"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < float("inf")):
                raise ConfigError(f"{name} {value!r}: choose 0 or above")
        for name in ("scored", "context", "tried"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name} {value!r}: choose 1 or above")


@dataclass(frozen=True)
class Correction:
    """A change of a text.

    Attributes:
        begin, end: the characters that are replaced; none, where they are equal.
        replacement: what stands there then.
        kind: an entry of KINDS.
        gain: by how much likelier it makes its surroundings, in nats, less its cost (see COSTS).
    """

    begin: int
    end: int
    replacement: str
    kind: str
    gain: float


@dataclass(frozen=True)
class Finding:
    """A place of a text where something seems to be wrong.

    Attributes:
        line, column: where it is, both counted from 1.
        original: the characters that would be replaced.
        correction: what gains most.
        surprise: of the most surprising character there, in nats.
        others: other corrections of the same place, those that gain more first.
    """

    line: int
    column: int
    original: str
    correction: Correction
    surprise: float
    others: tuple[Correction, ...]


@dataclass(frozen=True, order=True)
class _Edit:
    """A change of the ids: those from `begin` to `end` are replaced."""

    begin: int
    end: int
    replacement: tuple[int, ...]
    kind: str


@dataclass(frozen=True)
class _Scored:
    edit: _Edit
    gain: float
    surprise: float


@as_usual
def proofread(
    restorer: MaskedLM,
    tokenizer: Tokenizer,
    text: str,
    config: ProofreadConfig | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """What seems to be wrong in a text, in its order; no two corrections touch each other.

    Characters that the model has never seen are left alone; a CharRNNWarning says so where most
    are.

    Args:
        progress: is told how many surprising characters were looked at, and of how many.

    Raises ModelError when the model's numbers overflow, CorpusError for what is no text.
    """
    check_text(text, "the text")
    config = config or ProofreadConfig()
    if (count := unknown_characters(tokenizer, text)) > MOST_UNKNOWN * len(text):
        warnings.warn(
            f"the model has never seen {count:,} of the {len(text):,} characters of the text, "
            "and finds "
            "nothing among them",
            CharRNNWarning,
            stacklevel=2,
        )
    ids = masked_ids(tokenizer, text, restorer.mask)
    proof = _Proof(restorer, tokenizer, ids, config)
    scored = []
    for done, each in proof.scored_edits():
        scored += each
        if progress is not None:
            progress(*done)
    return _findings(tokenizer, text, ids, scored, config)


def unknown_characters(tokenizer: Tokenizer, text: str) -> int:
    """How many characters of a text the model has never seen."""
    return sum(map(text.count, tokenizer.unknown(text)))


def apply_corrections(text: str, corrections: Iterable[Correction]) -> str:
    """The text with these corrections, none of which touches another."""
    pieces, end = [], 0
    for correction in sorted(corrections, key=lambda each: (each.begin, each.end)):
        pieces += [text[end : correction.begin], correction.replacement]
        end = correction.end
    return "".join([*pieces, text[end:]])


class _Proof:
    """A text that is read for what surprises."""

    def __init__(
        self, restorer: MaskedLM, tokenizer: Tokenizer, ids: MaskedIds, config: ProofreadConfig
    ) -> None:
        self.restorer, self.ids, self.config = restorer, ids, config
        self.allowed = _single(tokenizer)  # (V,)
        known = np.append(self.allowed, False)  # what the model does not know is left alone
        self.touchable = known[ids]  # (N,)

    def scored_edits(self) -> Iterator[tuple[tuple[int, int], list[_Scored]]]:
        """The edits that gain something, and how many suspects were looked at, of how many."""
        suspects, surprises, substitutes = self._suspects()
        for begin in range(0, len(suspects), _SUSPECTS_AT_ONCE):
            part = slice(begin, begin + _SUSPECTS_AT_ONCE)
            scored = self._score(suspects[part], surprises[part], substitutes[part])
            yield (min(begin + _SUSPECTS_AT_ONCE, len(suspects)), len(suspects)), scored

    def _suspects(
        self,
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32], npt.NDArray[np.intp]]:
        """The places (B,) of surprising characters, their surprise (B,), and what is likeliest to
        stand there (B, tried + 1)."""
        reach = self.config.scored + self.config.context
        suspects, surprises = [np.empty(0, np.intp)], [np.empty(0, np.float32)]
        substitutes = [np.empty((0, self.config.tried + 1), np.intp)]
        for begin in range(0, len(self.ids), _BLOCK):
            ids = self.ids[begin : begin + _BLOCK]
            first = max(begin - reach, 0)
            read = self.restorer.read(self.ids[first : begin + len(ids) + reach])
            check_finite(read)
            read = read[begin - first : begin - first + len(ids)]  # (T, V)
            surprise = -gather_log_probabilities(read, ids)
            found = np.flatnonzero(
                (surprise > self.config.surprise) & self.touchable[begin : begin + len(ids)]
            )
            suspects.append(begin + found)
            surprises.append(surprise[found])
            substitutes.append(self._likeliest(read[found], self.config.tried + 1))
        return np.concatenate(suspects), np.concatenate(surprises), np.concatenate(substitutes)

    def _likeliest(self, read: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.intp]:
        """The likeliest characters (B, up to count) that may be written, of (B, V)."""
        scores = np.where(self.allowed, read, -np.inf)
        return np.argsort(-scores, axis=-1, kind="stable")[:, :count]

    def _score(
        self,
        suspects: npt.NDArray[np.intp],
        surprises: npt.NDArray[np.float32],
        substitutes: npt.NDArray[np.intp],
    ) -> list[_Scored]:
        """The edits of some suspects that gain something."""
        edits = self._edits(suspects, substitutes)
        scored = range(len(suspects))
        windows = [self._window(suspects[each], None) for each in scored]
        owners = list(scored)
        for each in scored:
            windows += [self._window(suspects[each], edit) for edit in edits[each]]
            owners += [each] * len(edits[each])
        likely = pseudo_log_likelihoods(self.restorer, [window for window, _ in windows])
        sums = np.array(
            [
                each[part].sum(dtype=np.float64)
                for each, (_, part) in zip(likely, windows, strict=True)
            ]
        )
        gains = (sums - sums[owners])[len(suspects) :]
        gains -= np.array([COSTS[edit.kind] for each in edits for edit in each])
        flat = [edit for each in edits for edit in each]
        return [
            _Scored(edit, float(gain), float(surprises[owner]))
            for edit, gain, owner in zip(flat, gains, owners[len(suspects) :], strict=True)
            if gain > 0
        ]

    def _edits(
        self, suspects: npt.NDArray[np.intp], substitutes: npt.NDArray[np.intp]
    ) -> list[list[_Edit]]:
        """What is tried for each suspect."""
        inserted = self._inserted(suspects)  # (B, 2, tried)
        edits = []
        for suspect, others, more in zip(suspects, substitutes, inserted, strict=True):
            at, here = int(suspect), int(self.ids[suspect])
            each = [
                _Edit(at, at + 1, (int(other),), SUBSTITUTE)
                for other in [other for other in others if other != here][: self.config.tried]
            ]
            each.append(_Edit(at, at + 1, (), DELETE))
            for place, characters in zip((at, at + 1), more, strict=True):
                each += [_Edit(place, place, (int(one),), INSERT) for one in characters]
            for place in range(max(at - 3, 0), min(at + 3, len(self.ids) - 1)):
                if self.touchable[place : place + 2].all():
                    first, second = (int(one) for one in self.ids[place : place + 2])
                    if first != second:
                        each.append(_Edit(place, place + 2, (second, first), SWAP))
            edits.append(each)
        return edits

    def _inserted(self, suspects: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """What is likeliest to be missing before and after each suspect: (B, 2, tried)."""
        mask = (self.restorer.mask,)
        windows, places = [], []
        for suspect in suspects:
            for place in (int(suspect), int(suspect) + 1):
                window, _ = self._window(suspect, _Edit(place, place, mask, INSERT))
                windows.append(window)
                places.append(place - self._first(suspect))
        read = masked_log_probabilities(self.restorer, windows, places)
        return self._likeliest(read, self.config.tried).reshape(len(suspects), 2, -1)

    def _first(self, suspect: int) -> int:
        return max(int(suspect) - self.config.scored - self.config.context, 0)

    def _window(self, suspect: int, edit: _Edit | None) -> tuple[MaskedIds, slice]:
        """What is read around a suspect, edited, and which part of it is scored."""
        scored, at, first = self.config.scored, int(suspect), self._first(suspect)
        last = at + scored + self.config.context + 1
        end = min(at + scored + 1, len(self.ids)) - first
        part = slice(max(at - scored, 0) - first, end)
        if edit is None:
            return self.ids[first:last], part
        window = np.concatenate(
            [self.ids[first : edit.begin], edit.replacement, self.ids[edit.end : last]]
        ).astype(np.int64)
        return window, slice(part.start, end + len(edit.replacement) - (edit.end - edit.begin))


def _single(tokenizer: Tokenizer) -> npt.NDArray[np.bool_]:
    """Which ids (V,) are a character of their own that may be written."""
    allowed = writable(tokenizer)
    for each in np.flatnonzero(allowed):
        allowed[each] = not "\ud800" <= tokenizer.decode(np.array([each])) <= "\udfff"
    return allowed


def _findings(
    tokenizer: Tokenizer,
    text: str,
    ids: MaskedIds,
    scored: Sequence[_Scored],
    config: ProofreadConfig,
) -> list[Finding]:
    """What gains most, wherever something gains enough; and what else was tried there."""
    best: dict[_Edit, _Scored] = {}
    for each in scored:
        if each.edit not in best or each.gain > best[each.edit].gain:
            best[each.edit] = each
    groups: list[list[_Scored]] = []
    # Which group a place belongs to, and which are too near to one for another: (N + 1,).
    group_of = np.full(len(ids) + 1, -1)
    is_near = np.zeros(len(ids) + 1, dtype=np.bool_)
    for each in sorted(best.values(), key=lambda each: (-each.gain, each.edit)):
        begin, end = each.edit.begin, max(each.edit.end, each.edit.begin + 1)
        if is_near[begin:end].any():
            group = int(group_of[begin:end].max())
            if group >= 0:
                groups[group].append(each)
        elif each.gain >= config.threshold:
            is_near[max(begin - _APART, 0) : end + _APART] = True
            group_of[max(begin - 1, 0) : end + 1] = len(groups)
            groups.append([each])
    starts = _starts(tokenizer, text, ids)
    newlines = [-1, *(place for place, character in enumerate(text) if character == "\n")]
    findings = [_finding(tokenizer, text, starts, newlines, group) for group in groups]
    return sorted(findings, key=lambda each: each.correction.begin)


def _finding(
    tokenizer: Tokenizer,
    text: str,
    starts: npt.NDArray[np.intp],
    newlines: Sequence[int],
    group: Sequence[_Scored],
) -> Finding:
    corrections: dict[str, Correction] = {}
    first = max(int(starts[group[0].edit.begin]) - 2 * _APART, 0)
    last = int(starts[group[0].edit.end]) + 2 * _APART
    for each in group:
        begin, end = int(starts[each.edit.begin]), int(starts[each.edit.end])
        replacement = tokenizer.decode(np.array(each.edit.replacement, dtype=np.intp))
        correction = Correction(begin, end, replacement, each.edit.kind, each.gain)
        # Which of two like letters is one too many is no difference.
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


def _starts(tokenizer: Tokenizer, text: str, ids: MaskedIds) -> npt.NDArray[np.intp]:
    """Which character of the text each id is of, or begins after the last: (N + 1,)."""
    if len(ids) == len(text):
        return np.arange(len(text) + 1)
    lengths = {one: len(masked_ids(tokenizer, one, 0)) for one in set(text)}
    places = np.repeat(np.arange(len(text)), [lengths[one] for one in text])
    return np.append(places, len(text))
