"""The explanation of a prediction: which characters of a text made its class, or its number.

Each piece of the text is left out in turn (Zeiler and Fergus, 2014, occluded pieces of pictures).
"""

import math
import re
from typing import Final

import numpy as np

from charrnn.errors import ConfigError
from charrnn.explanation.embeddings import explain_embeddings
from charrnn.explanation.explanation import (
    Explanation,
    absent_parts,
    alphabet,
    model_facts,
    text_facts,
)
from charrnn.explanation.request import ExplainRequest
from charrnn.explanation.text_records import Attribution, Piece
from charrnn.tasks.classify.predict import Classifier, Prediction
from charrnn.training.explained_text import known_text

LARGEST: Final = 20_000
"""The most characters of a text that are explained."""

_CHARACTERS_READ: Final = 2_000_000
"""About how many characters are read for a text; of a longer one, pieces are longer."""

_MOST_PIECES: Final = 400
_WORD: Final = re.compile(r"\S+\s*|\s+")
_LEAST_PROBABILITY: Final = 1e-300
_INAPPLICABLE: Final = "the model predicts labels of texts, not characters"


def explain(request: ExplainRequest) -> Explanation:
    """Explain the prediction for a text. Raises ConfigError without a text, CorpusError for one
    without a character that the model knows, ModelError when the model's numbers overflow."""
    model, config = request.model, request.config
    if request.text is None:
        raise ConfigError(
            f"the model of {model.provenance.corpus} predicts labels: name a text to explain"
        )
    whole = request.text.rstrip("\r\n")
    chosen = known_text(model.tokenizer, whole, request.source, LARGEST, least=1)
    attribution = embeddings = None
    if config.wants("attribution"):
        request.stage("leaving out one piece after the other")
        attribution = attribute(Classifier(model), chosen.text)
    if config.wants("embeddings"):
        ids = model.tokenizer.encode(chosen.text)
        embeddings = explain_embeddings(model.tensors["embedding.weight"], ids)
    return Explanation(
        model=model_facts(model, predicts_characters=False),
        text=text_facts(
            chosen.text,
            source=chosen.source,
            shown=len(chosen.text),
            of_characters=chosen.of_characters,
            skipped=chosen.skipped,
        ),
        alphabet=alphabet(model),
        attribution=attribution,
        embeddings=embeddings,
        absent=absent_parts(_INAPPLICABLE, attribution=attribution, embeddings=embeddings),
    )


def attribute(classifier: Classifier, text: str) -> Attribution:
    """Return what each piece of a text does for its prediction. A piece without which nothing is
    left has no effect."""
    usual = classifier.predict(text)
    unit, bounds = pieces_of(text)
    others = [text[:begin] + text[end:] for begin, end in bounds]
    predictions = iter(classifier.stream([each for each in others if each.rstrip("\r\n")]))
    pieces = []
    for (begin, end), other in zip(bounds, others, strict=True):
        effect = 0.0
        if other.rstrip("\r\n"):
            effect = _value(usual, usual.label) - _value(next(predictions), usual.label)
        pieces.append(Piece(place=begin, length=end - begin, effect=effect))
    return Attribution(
        label=usual.label,
        probabilities=usual.probabilities,
        number=usual.number,
        unit=unit,
        pieces=tuple(pieces),
    )


def pieces_of(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return what the pieces of a text are (`character`, `word` or `words`), and their bounds. They
    are the smallest that are few enough to leave each out."""
    most = max(min(_MOST_PIECES, _CHARACTERS_READ // max(len(text), 1)), 2)
    if len(text) <= most:
        return "character", [(place, place + 1) for place in range(len(text))]
    words = [match.span() for match in _WORD.finditer(text)]
    if len(words) <= most:
        return "word", words
    groups = np.array_split(np.arange(len(words)), most)
    return "words", [(words[group[0]][0], words[group[-1]][1]) for group in groups]


def _value(prediction: Prediction, label: str | None) -> float:
    """Return the log-odds of a class, or the number."""
    if label is None:
        assert prediction.number is not None
        return prediction.number
    for_it = prediction.probabilities[label]
    against = sum(each for name, each in prediction.probabilities.items() if name != label)
    return math.log(max(for_it, _LEAST_PROBABILITY)) - math.log(max(against, _LEAST_PROBABILITY))
