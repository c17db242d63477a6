"""Picks: the likeliest characters, words or lines that a text may go on with.

Legend: N scores, V vocabulary, W hypotheses side by side.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.data.corpus import newline_id
from charrnn.data.tokenizer import Tokenizer, whole_text
from charrnn.engines import Array, Engine, State
from charrnn.generation.draw import check_finite
from charrnn.generation.filters import largest, log_softmax

UNITS: Final = ("character", "word", "line")
"""What can be picked."""

LONGEST: Final = {"character": 4, "word": 40, "line": 80}
"""Ids; what has not ended by then is offered as it is."""


class Suggestion(NamedTuple):
    """What the text may go on with, and how likely it does, temperature and filters left out."""

    text: str
    probability: float


def find_suggestions(
    engine: Engine, tokenizer: Tokenizer, logits: Array, state: State | None, unit: str, count: int
) -> list[Suggestion]:
    """So many of a unit at most, the likeliest first, after logits (1, V) and the state there."""
    search = _SEARCHES[unit](tokenizer, count)
    lanes = None
    for _ in range(LONGEST[unit]):
        parents = search.extend(log_softmax(logits))
        if search.done:
            break
        if lanes is None:
            lanes = engine.lanes(search.width)
            for lane in range(search.width):
                lanes.put(lane, state)
        else:
            lanes.take(_padded(parents, search.width))
        last = [hypothesis.ids[-1] for hypothesis in search.live]
        logits = lanes.step(_padded(last, search.width))[: len(last)]
        check_finite(logits)
    return search.found()


class _Hypothesis(NamedTuple):
    """A beginning of what may come."""

    log_probability: float
    ids: tuple[int, ...]
    text: str  # of the ids, less half a character at their end
    whole: bool  # whether there is none


class _Search:
    """A beam search for the likeliest characters, and the base of the others.

    Attributes:
        width: W, how many hypotheses go on at most.
        live: those that do, the likeliest first.
    """

    def __init__(self, tokenizer: Tokenizer, count: int) -> None:
        self.width = 4 * count
        self.live = [_Hypothesis(0.0, (), "", True)]
        self._tokenizer = tokenizer
        self._count = count
        self._found: list[Suggestion] = []

    def extend(self, log_probabilities: npt.NDArray[np.float64]) -> list[int]:
        """Goes on from each hypothesis by the log-probabilities (W, V) of what follows it.

        Gives the hypothesis that each new one came from.
        """
        scores = log_probabilities + np.array([[each.log_probability] for each in self.live])
        for hypothesis, row in zip(self.live, scores, strict=True):
            self.end(hypothesis, row)
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
        self._found = sorted(self._found, key=lambda pick: -pick.probability)[: self._count]
        return parents

    def end(self, hypothesis: _Hypothesis, row: npt.NDArray[np.float64]) -> None:
        """Takes what would end a hypothesis out of the log-probabilities (V,) of what follows."""

    def complete(self, hypothesis: _Hypothesis) -> bool:
        """Whether a hypothesis is one of those looked for, as it is."""
        if hypothesis.whole:
            self.find(hypothesis.text, hypothesis.log_probability)
        return hypothesis.whole

    def find(self, text: str, log_probability: float) -> None:
        """Takes down a pick."""
        if log_probability > -np.inf:
            self._found.append(Suggestion(text, float(np.exp(log_probability))))

    @property
    def done(self) -> bool:
        """Whether nothing likelier can be found any more."""
        if not self.live:
            return True
        likeliest = np.exp(self.live[0].log_probability)
        return len(self._found) == self._count and likeliest <= self._found[-1].probability

    def found(self) -> list[Suggestion]:
        """The likeliest, the unfinished among them."""
        if not self.done:
            for hypothesis in self.live:
                if hypothesis.whole:
                    self.find(hypothesis.text, hypothesis.log_probability)
        return sorted(self._found, key=lambda pick: -pick.probability)[: self._count]


class _WordSearch(_Search):
    def __init__(self, tokenizer: Tokenizer, count: int) -> None:
        super().__init__(tokenizer, count)
        alphabet = tokenizer.decode(np.arange(tokenizer.vocabulary_size))
        self._spaces = np.array([character.isspace() for character in alphabet])

    def end(self, hypothesis: _Hypothesis, row: npt.NDArray[np.float64]) -> None:
        if any(map(str.isalnum, hypothesis.text)) and self._spaces.any():
            if hypothesis.whole:
                self.find(hypothesis.text, float(np.logaddexp.reduce(row[self._spaces])))
            row[self._spaces] = -np.inf

    def complete(self, hypothesis: _Hypothesis) -> bool:
        return False


class _LineSearch(_Search):
    def __init__(self, tokenizer: Tokenizer, count: int) -> None:
        super().__init__(tokenizer, count)
        self._newline = newline_id(tokenizer)

    def end(self, hypothesis: _Hypothesis, row: npt.NDArray[np.float64]) -> None:
        if self._newline is not None:
            if hypothesis.whole:
                self.find(f"{hypothesis.text}\n", float(row[self._newline]))
            row[self._newline] = -np.inf

    def complete(self, hypothesis: _Hypothesis) -> bool:
        return False


_SEARCHES: Final[dict[str, Callable[[Tokenizer, int], _Search]]] = {
    "character": _Search,
    "word": _WordSearch,
    "line": _LineSearch,
}
assert tuple(_SEARCHES) == UNITS


def _padded(values: Sequence[int], width: int) -> npt.NDArray[np.intp]:
    """As many as there are lanes; what the others do is not looked at."""
    padded = np.zeros(width, dtype=np.intp)
    padded[: len(values)] = values
    return padded
