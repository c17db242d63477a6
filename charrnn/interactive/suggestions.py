"""Suggestions of the likeliest next characters, words or lines of a text.

Legend: V vocabulary, W hypotheses side by side.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.data.corpus import newline_id
from charrnn.data.tokenizer import Tokenizer, whole_text
from charrnn.engines import Array, Engine, State
from charrnn.generation.draw import check_finite
from charrnn.generation.filters import largest, log_softmax

UNITS: Final = ("character", "word", "line")
"""The units of suggestions."""

LONGEST: Final = {"character": 4, "word": 40, "line": 80}
"""The largest number of ids in a suggestion, which is cut off there."""


class Suggestion(NamedTuple):
    """A possible next text and its probability, without temperature and filters."""

    text: str
    probability: float


def find_suggestions(
    engine: Engine, tokenizer: Tokenizer, logits: Array, state: State | None, unit: str, count: int
) -> list[Suggestion]:
    """Return the likeliest next characters, words or lines, the likeliest first.

    Args:
        engine, tokenizer: those of the model.
        logits: (1, V) of the next character.
        state: the state at the same place.
        unit: one of UNITS.
        count: the largest number of suggestions.
    """
    search = _SEARCHES[unit](tokenizer, count)
    lanes, ids = None, np.zeros(search.width, dtype=np.intp)
    for _ in range(LONGEST[unit]):
        parents = search.extend(log_softmax(logits))
        if search.done:
            break
        if lanes is None:
            lanes = engine.lanes(search.width)
            lanes.put(range(search.width), state)
        else:
            lanes.take(np.array(parents, dtype=np.intp))
        live = len(search.live)
        ids[:live] = [hypothesis.ids[-1] for hypothesis in search.live]
        logits = lanes.step(ids)[:live]  # the other lanes are idle
        check_finite(logits)
    return search.suggestions()


class _Hypothesis(NamedTuple):
    """The beginning of a suggestion."""

    log_probability: float
    ids: tuple[int, ...]
    text: str  # the decoded ids, without an incomplete character at the end
    whole: bool  # whether the last character is complete


class _Search:
    """A beam search for the likeliest characters; the base class of those for words and lines.

    Attributes:
        width: W, the number of hypotheses kept.
        live: the hypotheses that can be extended, the likeliest first.
    """

    def __init__(self, tokenizer: Tokenizer, count: int) -> None:
        self.width = 4 * count
        self.live = [_Hypothesis(0.0, (), "", True)]
        self._tokenizer = tokenizer
        self._count = count
        self._found: list[Suggestion] = []

    def extend(self, log_probabilities: npt.NDArray[np.float64]) -> list[int]:
        """Extend each hypothesis by one id, given the log-probabilities (W, V) of the next id.

        Returns the index of the hypothesis that each new one extends.
        """
        scores = log_probabilities + np.array([[each.log_probability] for each in self.live])
        for hypothesis, row in zip(self.live, scores, strict=True):
            self.take_ends(hypothesis, row)
        parents, live = [], []
        for place in largest(scores.reshape(-1), self.width):
            parent, i = divmod(int(place), scores.shape[1])
            ids = (*self.live[parent].ids, i)
            text = whole_text(self._tokenizer, ids)
            whole = len(self._tokenizer.encode(text)) == len(ids)
            hypothesis = _Hypothesis(float(scores[parent, i]), ids, text, whole)
            if not self.complete(hypothesis):
                parents.append(parent)
                live.append(hypothesis)
        self.live = live
        self._found = self._likeliest()
        return parents

    def take_ends(self, hypothesis: _Hypothesis, row: npt.NDArray[np.float64]) -> None:
        """Move the ids that end a hypothesis from its log-probabilities (V,) to the suggestions."""

    def complete(self, hypothesis: _Hypothesis) -> bool:
        """Return whether a hypothesis is a complete suggestion; if it is, add it."""
        if hypothesis.whole:
            self.add(hypothesis.text, hypothesis.log_probability)
        return hypothesis.whole

    def add(self, text: str, log_probability: float) -> None:
        """Add a suggestion, unless it is impossible."""
        if log_probability > -np.inf:
            self._found.append(Suggestion(text, float(np.exp(log_probability))))

    @property
    def done(self) -> bool:
        """Whether no likelier suggestion can be found any more."""
        if not self.live:
            return True
        likeliest = np.exp(self.live[0].log_probability)
        return len(self._found) == self._count and likeliest <= self._found[-1].probability

    def suggestions(self) -> list[Suggestion]:
        """Return the likeliest suggestions, including hypotheses that have not ended."""
        if not self.done:
            for hypothesis in self.live:
                if hypothesis.whole:
                    self.add(hypothesis.text, hypothesis.log_probability)
        return self._likeliest()

    def _likeliest(self) -> list[Suggestion]:
        """Return the likeliest suggestions found so far, at most `count`."""
        return sorted(self._found, key=lambda found: -found.probability)[: self._count]


class _WordSearch(_Search):
    def __init__(self, tokenizer: Tokenizer, count: int) -> None:
        super().__init__(tokenizer, count)
        alphabet = tokenizer.decode(np.arange(tokenizer.vocabulary_size))
        self._spaces = np.array([character.isspace() for character in alphabet])

    def take_ends(self, hypothesis: _Hypothesis, row: npt.NDArray[np.float64]) -> None:
        if any(map(str.isalnum, hypothesis.text)) and self._spaces.any():
            if hypothesis.whole:
                self.add(hypothesis.text, float(np.logaddexp.reduce(row[self._spaces])))
            row[self._spaces] = -np.inf

    def complete(self, hypothesis: _Hypothesis) -> bool:
        return False


class _LineSearch(_Search):
    def __init__(self, tokenizer: Tokenizer, count: int) -> None:
        super().__init__(tokenizer, count)
        self._newline = newline_id(tokenizer)

    def take_ends(self, hypothesis: _Hypothesis, row: npt.NDArray[np.float64]) -> None:
        if self._newline is not None:
            if hypothesis.whole:
                self.add(f"{hypothesis.text}\n", float(row[self._newline]))
            row[self._newline] = -np.inf

    def complete(self, hypothesis: _Hypothesis) -> bool:
        return False


_SEARCHES: Final[dict[str, Callable[[Tokenizer, int], _Search]]] = {
    "character": _Search,
    "word": _WordSearch,
    "line": _LineSearch,
}
assert tuple(_SEARCHES) == UNITS
