"""Proofreading: probable mistakes in a text, and their corrections.

A masked language model gives the probability of each character, given all others. For each
surprising character, edits of it and of its neighbours are tried: replace it, delete it, insert a
character before or after it, swap two neighbours. The gain of an edit, in nats, is the increase of
the pseudo-log-likelihood (Besag, 1975) of the characters around it, less a cost for its kind. Edits
whose gain reaches a threshold become findings.

Legend: N ids, B batch, T time, V vocabulary.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.data.tokenizer import Tokenizer, check_text
from charrnn.errors import CharRNNWarning
from charrnn.generation.draw import check_finite
from charrnn.storage.model_directory import Model
from charrnn.tasks.infill.config import ProofreadConfig
from charrnn.tasks.infill.corrections import (
    DELETE,
    INSERT,
    SUBSTITUTE,
    SWAP,
    Edit,
    Finding,
    ScoredEdit,
    find_corrections,
)
from charrnn.tasks.infill.engine import InfillEngine
from charrnn.tasks.infill.masked_model import (
    MaskedIds,
    MaskedLM,
    gather_log_probabilities,
    masked_ids,
    masked_log_probabilities,
    pseudo_log_likelihoods,
    writable_ids,
)

COSTS: Final = {SUBSTITUTE: 8.0, DELETE: 4.0, INSERT: 6.0, SWAP: 0.0}
"""The cost in nats of an edit of each kind. Among many substitutes or insertions, one often fits
better by chance; a deletion removes the surprise of a character. (Measured on typos in held-out
text, with a model that was trained for five minutes.)"""

MOST_UNKNOWN: Final = 0.5
"""The largest share of unknown characters in a text that the model can judge."""

_BLOCK: Final = 1 << 14
_SUSPECTS_AT_ONCE: Final = 512


@as_usual
def proofread(
    model: Model,
    text: str,
    config: ProofreadConfig | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Find probable mistakes in a text with a model of the task `restore`; see `find_mistakes`.

    Also raises ModelError for a model of another task.
    """
    masked_lm = InfillEngine.of(model)
    return find_mistakes(masked_lm, model.tokenizer, text, config, progress=progress)


@as_usual
def find_mistakes(
    masked_lm: MaskedLM,
    tokenizer: Tokenizer,
    text: str,
    config: ProofreadConfig | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Find probable mistakes, in the order of the text; no two corrections touch each other.

    Characters that the model has never seen are left alone; a CharRNNWarning is given where most
    characters are unknown.

    Args:
        progress: called with the number of surprising characters examined so far, and their total.

    Raises ModelError when the model's numbers overflow, CorpusError when `text` is not a str.
    """
    check_text(text, "the text")
    config = config or ProofreadConfig()
    if (count := count_unknown(tokenizer, text)) > MOST_UNKNOWN * len(text):
        warnings.warn(
            f"the model has never seen {count:,} of the {len(text):,} characters of the text, "
            "and finds no mistakes among them",
            CharRNNWarning,
            stacklevel=2,
        )
    ids = masked_ids(tokenizer, text, masked_lm.mask)
    scored = []
    for done, total, edits in _EditSearch(masked_lm, tokenizer, ids, config).scored_edits():
        scored += edits
        if progress is not None:
            progress(done, total)
    return find_corrections(tokenizer, text, ids, scored, config.threshold)


def count_unknown(tokenizer: Tokenizer, text: str) -> int:
    """Count the characters of a text that the model has never seen."""
    return sum(map(text.count, tokenizer.unknown(text)))


class _EditSearch:
    """Finds the surprising characters of a text, and scores edits of them."""

    def __init__(
        self, masked_lm: MaskedLM, tokenizer: Tokenizer, ids: MaskedIds, config: ProofreadConfig
    ) -> None:
        self.masked_lm, self.ids, self.config = masked_lm, ids, config
        self.allowed = _single_characters(tokenizer)  # (V,)
        known = np.append(self.allowed, False)  # unknown characters are left alone
        self.editable = known[ids]  # (N,)

    def scored_edits(self) -> Iterator[tuple[int, int, list[ScoredEdit]]]:
        """Yield how many suspects were examined, how many there are, and the edits with a gain."""
        suspects, surprises, substitutes = self._suspects()
        for begin in range(0, len(suspects), _SUSPECTS_AT_ONCE):
            part = slice(begin, begin + _SUSPECTS_AT_ONCE)
            scored = self._score(suspects[part], surprises[part], substitutes[part])
            yield min(begin + _SUSPECTS_AT_ONCE, len(suspects)), len(suspects), scored

    def _suspects(
        self,
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32], npt.NDArray[np.intp]]:
        """Return the positions (B,) of surprising characters, their surprise (B,) in nats, and the
        most probable characters there (B, tried + 1)."""
        reach = self.config.scored + self.config.context
        suspects, surprises = [np.empty(0, np.intp)], [np.empty(0, np.float32)]
        substitutes = [np.empty((0, self.config.tried + 1), np.intp)]
        for begin in range(0, len(self.ids), _BLOCK):
            ids = self.ids[begin : begin + _BLOCK]
            first = max(begin - reach, 0)
            read = self.masked_lm.read(self.ids[first : begin + len(ids) + reach])
            check_finite(read)
            read = read[begin - first : begin - first + len(ids)]  # (T, V)
            surprise = -gather_log_probabilities(read, ids)
            found = np.flatnonzero(
                (surprise > self.config.surprise) & self.editable[begin : begin + len(ids)]
            )
            suspects.append(begin + found)
            surprises.append(surprise[found])
            substitutes.append(self._likeliest(read[found], self.config.tried + 1))
        return np.concatenate(suspects), np.concatenate(surprises), np.concatenate(substitutes)

    def _likeliest(self, read: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.intp]:
        """Return the most probable allowed characters (B, up to count), from those of all (B,
        V)."""
        scores = np.where(self.allowed, read, -np.inf)
        return np.argsort(-scores, axis=-1, kind="stable")[:, :count]

    def _score(
        self,
        suspects: npt.NDArray[np.intp],
        surprises: npt.NDArray[np.float32],
        substitutes: npt.NDArray[np.intp],
    ) -> list[ScoredEdit]:
        """Score the edits of some suspects, and return those with a gain."""
        edits = self._edits(suspects, substitutes)
        # First the windows without an edit, one for each suspect, then those of all edits.
        windows = [self._window(suspect, None) for suspect in suspects]
        owners = list(range(len(suspects)))
        for owner, suspect in enumerate(suspects):
            windows += [self._window(suspect, edit) for edit in edits[owner]]
            owners += [owner] * len(edits[owner])
        pseudo = pseudo_log_likelihoods(self.masked_lm, [window for window, _ in windows])
        sums = np.array(
            [
                each[part].sum(dtype=np.float64)
                for each, (_, part) in zip(pseudo, windows, strict=True)
            ]
        )
        flat = [edit for each in edits for edit in each]
        gains = (sums - sums[owners])[len(suspects) :]
        gains -= np.array([COSTS[edit.kind] for edit in flat])
        return [
            ScoredEdit(edit, float(gain), float(surprises[owner]))
            for edit, gain, owner in zip(flat, gains, owners[len(suspects) :], strict=True)
            if gain > 0
        ]

    def _edits(
        self, suspects: npt.NDArray[np.intp], substitutes: npt.NDArray[np.intp]
    ) -> list[list[Edit]]:
        """List the edits to try for each suspect."""
        inserted = self._inserted(suspects)  # (B, 2, tried)
        edits = []
        for suspect, others, more in zip(suspects, substitutes, inserted, strict=True):
            at, here = int(suspect), int(self.ids[suspect])
            each = [
                Edit(at, at + 1, (int(other),), SUBSTITUTE)
                for other in [other for other in others if other != here][: self.config.tried]
            ]
            each.append(Edit(at, at + 1, (), DELETE))
            for position, characters in zip((at, at + 1), more, strict=True):
                each += [Edit(position, position, (int(one),), INSERT) for one in characters]
            for position in range(max(at - 3, 0), min(at + 3, len(self.ids) - 1)):
                if self.editable[position : position + 2].all():
                    first, second = (int(one) for one in self.ids[position : position + 2])
                    if first != second:
                        each.append(Edit(position, position + 2, (second, first), SWAP))
            edits.append(each)
        return edits

    def _inserted(self, suspects: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the most probable characters to insert before and after each suspect: (B, 2,
        tried)."""
        mask = (self.masked_lm.mask,)
        windows, positions = [], []
        for suspect in suspects:
            for position in (int(suspect), int(suspect) + 1):
                window, _ = self._window(suspect, Edit(position, position, mask, INSERT))
                windows.append(window)
                positions.append(position - self._first(suspect))
        read = masked_log_probabilities(self.masked_lm, windows, positions)
        return self._likeliest(read, self.config.tried).reshape(len(suspects), 2, -1)

    def _first(self, suspect: int) -> int:
        return max(int(suspect) - self.config.scored - self.config.context, 0)

    def _window(self, suspect: int, edit: Edit | None) -> tuple[MaskedIds, slice]:
        """Return the ids around a suspect after an edit, and which part of them is scored."""
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


def _single_characters(tokenizer: Tokenizer) -> npt.NDArray[np.bool_]:
    """Return which ids (V,) may be written and are a whole character by themselves."""
    allowed = writable_ids(tokenizer)
    for each in np.flatnonzero(allowed):
        allowed[each] = not "\ud800" <= tokenizer.decode(np.array([each])) <= "\udfff"
    return allowed
