"""The explanation of a masked language model: how well it predicts each character from those on
both sides."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from charrnn.array_types import Int64Array
from charrnn.engines import Array
from charrnn.explanation.embeddings import explain_embeddings
from charrnn.explanation.explanation import (
    Explanation,
    absent_parts,
    alphabet,
    model_facts,
    text_facts,
)
from charrnn.explanation.request import ExplainRequest
from charrnn.explanation.surprise import collect_surprisals, describe_surprise
from charrnn.explanation.texts import ReadText
from charrnn.tasks.infill.engine import InfillEngine
from charrnn.training.explained_text import choose_text
from charrnn.training.training_text import read_training_text

_WORK: Final = 50e9
_LEAST: Final = 20_000
_MOST: Final = 1_000_000
_INAPPLICABLE: Final = "the model reads in both directions, and writes no text by itself"


def explain(request: ExplainRequest) -> Explanation:
    """Explain a masked language model and a text: its surprise and its embeddings.

    Raises CorpusError where no text is given and that of the training cannot be read, ModelError
    when the model's numbers overflow.
    """
    model, config = request.model, request.config
    request.stage("reading the text")
    affordable = max(int(_WORK / model.config.parameters), _LEAST)
    chosen = choose_text(request, read_training_text(request.directory), min(affordable, _MOST))
    text = ReadText.of(chosen.text, model.tokenizer, beginning=0)
    shown = min(config.shown, len(chosen.text))
    surprise = embeddings = None
    if config.wants("surprise"):
        request.stage("measuring the surprise of each character")
        engine = InfillEngine.of(model)
        found = collect_surprisals(_read(engine, text), text, shown, engine.vocabulary_size)
        surprise = describe_surprise(text, found)
    if config.wants("embeddings"):
        weight = model.tensors["embedding.weight"][: model.config.vocabulary_size]
        embeddings = explain_embeddings(weight, text.ids)
    return Explanation(
        model=model_facts(model),
        text=text_facts(
            chosen.text,
            source=chosen.source,
            shown=shown,
            of_characters=chosen.of_characters,
            skipped=chosen.skipped,
        ),
        alphabet=alphabet(model),
        surprise=surprise,
        embeddings=embeddings,
        absent=absent_parts(_INAPPLICABLE, surprise=surprise, embeddings=embeddings),
    )


def _read(engine: InfillEngine, text: ReadText) -> Iterator[tuple[Int64Array, Array]]:
    for begin, read in engine.read_in_pieces(text.ids.astype(np.int64)):
        yield np.arange(begin, begin + len(read)), read
