"""Classifier: a model directory and texts in, what it tells of them out. No torch.

Legend: C classes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.data.tokenizer import Ids
from charrnn.errors import CorpusError
from charrnn.generation.engines.classifying_engine import ClassifyingEngine
from charrnn.storage.model_directory import Model
from charrnn.storage.run import load

TEXTS_AT_ONCE, CHARACTERS_AT_ONCE = 512, 1 << 21
"""Texts that are sorted by length together, and how many characters of them at most: beyond that, what is
told of the first is told before the next are read."""


@dataclass(frozen=True)
class Prediction:
    """What a model tells of a text.

    Attributes:
        label: its class; None of a model that tells numbers.
        probabilities: of each class by name, the likeliest first; none of a model that tells numbers.
        number: what a model that tells numbers does; else None.
        skipped: characters of the text that the model has never seen, left out.
    """

    label: str | None
    probabilities: dict[str, float]
    number: float | None
    skipped: tuple[str, ...] = ()


class Classifier:
    """Tells the class of texts, or a number.

    What it tells of a text is the same to the last bit alone and among others.

    Args:
        model: read from disk.

    Raises ModelError when the model is not one to classify or regress.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._engine = ClassifyingEngine.of(model)

    def predict(self, text: str) -> Prediction:
        """Of one text; see `stream`."""
        return next(self.stream([text]))

    def stream(self, texts: Iterable[str]) -> Iterator[Prediction]:
        """Of each of them, in order, as they come.

        Newlines at a text's end are left out, as they are in training. Raises CorpusError for a text
        without a character that the model knows, ModelError when the model's numbers overflow.
        """
        number = 0
        for group in _groups(texts):
            encoded = []
            for text in group:
                number += 1
                encoded.append(self._encode(text, number))
            outputs = self._engine.logits([ids for ids, _ in encoded])
            for logits, (_, skipped) in zip(outputs, encoded, strict=True):
                yield self._told(logits.astype(np.float64), skipped)

    def _encode(self, text: str, number: int) -> tuple[Ids, tuple[str, ...]]:
        text = text.rstrip("\r\n")
        tokenizer = self.model.tokenizer
        known = tokenizer.without_unknown(text)
        skipped = tuple(tokenizer.unknown(text)) if len(known) < len(text) else ()
        if not known:
            what = "no character that the model knows" if text else "no characters"
            raise CorpusError(f"text {number}: it has {what}; leave it out")
        return tokenizer.encode(known), skipped

    def _told(self, logits: np.typing.NDArray[np.float64], skipped: tuple[str, ...]) -> Prediction:
        labels = self.model.labels
        if not labels:
            return Prediction(None, {}, float(logits[0]), skipped)
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        probabilities = {labels[place]: float(shares[place]) for place in order}
        return Prediction(labels[order[0]], probabilities, None, skipped)


def predict(model: Model | str | Path, texts: str | Iterable[str]) -> list[Prediction]:
    """What a model tells of a text, or of several.

    >>> charrnn.predict("mails", "You have won!")[0].label
    'spam'

    Args:
        model: one that is read already, or a run's name, a run directory or a model directory.

    Raises ModelError when it cannot be read or is not one to classify or regress; CorpusError for a
    text without a character that it knows.
    """
    classifier = Classifier(model if isinstance(model, Model) else load(model))
    return list(classifier.stream([texts] if isinstance(texts, str) else texts))


def _groups(texts: Iterable[str]) -> Iterator[list[str]]:
    group: list[str] = []
    characters = 0
    for text in texts:
        group.append(text)
        characters += len(text)
        if len(group) == TEXTS_AT_ONCE or characters > CHARACTERS_AT_ONCE:
            yield group
            group, characters = [], 0
    if group:
        yield group


__all__ = ["Classifier", "Prediction", "predict"]
