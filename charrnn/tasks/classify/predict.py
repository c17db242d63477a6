"""Classifier: predicts the classes or numbers of texts with a model that was saved. No torch.

Legend: C classes.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from charrnn.ambient import as_usual
from charrnn.data.documents import Document
from charrnn.data.grouping import grouped
from charrnn.data.tokenizer import Ids
from charrnn.errors import CorpusError
from charrnn.storage.model_directory import Model
from charrnn.tasks.classify.engine import ClassifyingEngine

TEXTS_AT_ONCE: Final = 512
CHARACTERS_AT_ONCE: Final = 1 << 21
"""The most texts, and the most characters, that are sorted by length together; beyond that, texts
are predicted before the next are read."""


@dataclass(frozen=True)
class Prediction:
    """A prediction for a text.

    Attributes:
        label: the class; None from a model of numbers.
        probabilities: the probability of each class by name, the likeliest first; empty from a
            model of numbers.
        number: the number; None from a model of classes.
        skipped: the characters of the text that were left out because the model has never seen
            them.
        problem: why there is no prediction, where all of the above is None or empty; None where
            there is a prediction.
    """

    label: str | None
    probabilities: dict[str, float]
    number: float | None
    skipped: tuple[str, ...] = ()
    problem: str | None = None


class Classifier:
    """A saved model that predicts the classes of texts, or numbers.

    The prediction for a text is the same to the last bit alone and in any batch.

    Args:
        model: a model that was read from disk.

    Raises ModelError when the model is not one to classify or regress.
    """

    @as_usual
    def __init__(self, model: Model) -> None:
        self.model = model
        self._engine = ClassifyingEngine.of(model)

    def predict(self, text: str) -> Prediction:
        """Return the prediction for one text; see `stream`. Raises CorpusError where it has a
        problem."""
        return _without_problem(next(self.stream([text])), 1)

    @as_usual
    def stream(self, texts: Iterable[str | Document]) -> Iterator[Prediction]:
        """Yield the prediction for each text, in order, as the texts come.

        Newlines at a text's end are left out, as in training. A text without a character that the
        model knows, or a document with a problem, gets a prediction that says so; the other texts
        are predicted. If the iterator of texts raises an error, the texts before it are predicted
        first.

        Raises ModelError when the model's numbers overflow.
        """
        for group in grouped(texts, most=TEXTS_AT_ONCE, size=_size, most_size=CHARACTERS_AT_ONCE):
            encoded = [self._encode(text) for text in group]
            outputs = iter(
                self._engine.logits([each.ids for each in encoded if each.problem is None])
            )
            for _, skipped, problem in encoded:
                if problem is None:
                    yield self._describe(next(outputs).astype(np.float64), skipped)
                else:
                    yield Prediction(None, {}, None, skipped, problem)

    def _encode(self, text: str | Document) -> "_Encoded":
        if isinstance(text, Document):
            if text.problem is not None:
                return _Encoded(_NO_IDS, (), text.problem)
            text = text.text
        if not isinstance(text, str):
            return _Encoded(_NO_IDS, (), f"it is not text but {type(text).__name__}")
        text = text.rstrip("\r\n")
        tokenizer = self.model.tokenizer
        known = tokenizer.without_unknown(text)
        skipped = tuple(tokenizer.unknown(text)) if len(known) < len(text) else ()
        if not known:
            what = "no character that the model knows" if text else "no characters"
            return _Encoded(_NO_IDS, skipped, f"it has {what}")
        ids = tokenizer.encode(known)
        if len(ids) > self._engine.longest:
            problem = (
                f"its {len(ids):,} characters are too long to read in both directions: cut it into "
                f"pieces of up to {self._engine.longest:,}, or train without --bidirectional"
            )
            return _Encoded(_NO_IDS, skipped, problem)
        return _Encoded(ids, skipped, None)

    def _describe(
        self, logits: np.typing.NDArray[np.float64], skipped: tuple[str, ...]
    ) -> Prediction:
        labels = self.model.labels
        if not labels:
            return Prediction(None, {}, float(logits[0]), skipped)
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        probabilities = {labels[place]: float(shares[place]) for place in order}
        return Prediction(labels[order[0]], probabilities, None, skipped)


class _Encoded(NamedTuple):
    """A text as ids without skipped characters, or the reason why it has none."""

    ids: Ids
    skipped: tuple[str, ...] = ()
    problem: str | None = None


_NO_IDS: Final[Ids] = np.empty(0, dtype=np.uint8)


@as_usual
def predict(model: Model, texts: str | Iterable[str], *, strict: bool = False) -> list[Prediction]:
    """Predict a text, or each of several; see `charrnn.predict`.

    Raises ModelError when the model is not one to classify or regress, or its numbers overflow;
    CorpusError for a single text without a prediction, and with `strict` for any text without one.
    """
    classifier = Classifier(model)
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        return [classifier.predict(texts)]  # raises an error for what is not text
    predictions = classifier.stream(texts)
    if strict:
        predictions = map(_without_problem, predictions, itertools.count(1))
    return list(predictions)


def _without_problem(prediction: Prediction, number: int) -> Prediction:
    """Return a prediction that has no problem; `number` is the text's. Raises CorpusError where it
    has one."""
    if prediction.problem is not None:
        raise CorpusError(f"text {number}: {prediction.problem}; leave it out")
    return prediction


def _size(text: object) -> int:
    """Return the number of characters of a text; 0 for what is not text."""
    text = text.text if isinstance(text, Document) else text
    return len(text) if isinstance(text, str) else 0


__all__ = ["Classifier", "Prediction", "predict"]
