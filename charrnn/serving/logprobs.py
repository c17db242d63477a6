"""The `logprobs` of completions: the log-probability of each character, and the likeliest others.

All are natural logarithms, of the model's own probabilities: without temperature and filters.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from charrnn.data.tokenizer import CharTokenizer, Tokenizer
from charrnn.evaluation.token_scores import TokenScores


class TokenNames:
    """The names of ids in `logprobs`: characters; of single bytes, what OpenAI calls them, such as
    `bytes:\\xe2`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._characters = tokenizer.characters if isinstance(tokenizer, CharTokenizer) else None

    def __getitem__(self, i: int) -> str:
        if self._characters is not None:
            return self._characters[i]
        return chr(i) if i < 128 else f"bytes:\\x{i:02x}"

    def begins_character(self, i: int) -> bool:
        """Return whether an id is the first one of its character, or the only one."""
        return self._characters is not None or i & 0xC0 != 0x80


class Logprobs:
    """The `logprobs` of a text that comes in parts.

    Args:
        tokenizer: the tokenizer of the model.
        offset: where the text begins, in characters.
        with_top: whether there are likeliest others.
    """

    def __init__(self, tokenizer: Tokenizer, offset: int, *, with_top: bool) -> None:
        self._names = TokenNames(tokenizer)
        self._next, self._with_top = offset, with_top
        self._lists: dict[str, Any] = {}
        self._clear()

    def _clear(self) -> None:
        names = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
        self._lists = {name: [] for name in names}

    def add(self, ids: Sequence[int], log_probabilities: Iterable[float | None]) -> None:
        """Add ids with their log-probabilities only."""
        self._lists["tokens"] += map(self._names.__getitem__, ids)
        self._lists["token_logprobs"] += log_probabilities
        self._lists["top_logprobs"] += [None] * len(ids)
        self._add_offsets(ids)

    def add_scored(
        self, ids: Sequence[int], scores: TokenScores, *, is_beginning: bool = False
    ) -> None:
        """Add ids with their scores.

        Args:
            is_beginning: whether the first id is that of the whole text, which nothing comes
                before: it has no log-probability.
        """
        names = self._names
        likely = scores.log_probabilities.tolist()
        self._lists["tokens"] += map(names.__getitem__, ids)
        self._lists["token_logprobs"] += likely
        tops = self._lists["top_logprobs"]
        if not self._with_top:
            tops += [None] * len(ids)
        else:
            rows = zip(scores.top_ids.tolist(), scores.top_log_probabilities.tolist(), strict=True)
            for i, own, (top, values) in zip(ids, likely, rows, strict=True):
                entry = {names[each]: value for each, value in zip(top, values, strict=True)}
                entry.setdefault(names[i], own)
                tops.append(entry)
        if is_beginning and ids:
            self._lists["token_logprobs"][-len(ids)] = None
            tops[-len(ids)] = None
        self._add_offsets(ids)

    def _add_offsets(self, ids: Sequence[int]) -> None:
        offsets = self._lists["text_offset"]
        for i in ids:
            if self._names.begins_character(i):
                offsets.append(self._next)
                self._next += 1
            else:
                offsets.append(max(self._next - 1, 0))

    def take(self) -> dict[str, Any]:
        """Return the lists of what was added since the last call."""
        taken = self._lists
        if not self._with_top:
            taken["top_logprobs"] = None
        self._clear()
        return taken
