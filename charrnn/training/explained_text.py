"""The text that is explained."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from charrnn.data.corpus import open_corpus
from charrnn.data.read_options import ReadOptions
from charrnn.data.tokenizer import ByteTokenizer, Tokenizer, unknown_error
from charrnn.errors import CharRNNWarning, CorpusError
from charrnn.explanation.request import ExplainRequest
from charrnn.training.training_text import TrainingText, read_training_text

_MOST: Final = 4_000_000
"""The most ids of the held-out text that are decoded, and characters of a file that are read."""


@dataclass(frozen=True)
class ChosenText:
    """The text to explain.

    Attributes:
        text: the characters of it that the model knows, at most as many as were asked for.
        source: where it comes from, in words.
        of_characters: its length without the characters that the model does not know.
        skipped: those characters.
    """

    text: str
    source: str
    of_characters: int
    skipped: tuple[str, ...] = ()


def explained_training_text(request: ExplainRequest) -> TrainingText:
    """Read the text that a model was trained on, as far as it can be found."""
    found = read_training_text(request.directory)
    if request.directory is not None and found.problem and request.unreadable:
        return TrainingText(None, None, request.unreadable)
    return found


def choose_text(request: ExplainRequest, known: TrainingText, most: int) -> ChosenText:
    """Return the text that the request names, or the one that was held out of the training text
    (where nothing was, the training text).

    Warns of characters that the model does not know. Raises CorpusError where there is no text, or
    hardly any.
    """
    tokenizer = request.model.tokenizer
    if request.text is not None:
        return known_text(tokenizer, request.text, request.source, most)
    if known.training is None or known.validation is None:
        raise CorpusError(f"{known.problem}; name a text to explain")
    name = request.model.provenance.corpus
    ids, source = known.validation, f"held out of {name}"
    if len(ids) < 2:
        ids, source = known.training, f"the training text {name}"
    return known_text(tokenizer, tokenizer.decode(np.asarray(ids[:_MOST])), source, most)


def known_text(
    tokenizer: Tokenizer, text: str, source: str, most: int, *, least: int = 2
) -> ChosenText:
    """Return a text without the characters that the model does not know, cut to `most`. Warns and
    raises as `choose_text`."""
    known = tokenizer.without_unknown(text)
    skipped: tuple[str, ...] = ()
    if len(known) < len(text):
        skipped = tuple(tokenizer.unknown(text))
        shown = unknown_error(tokenizer, skipped, text).shown
        warnings.warn(f"the model has never seen {shown}: left out", CharRNNWarning, stacklevel=2)
    if len(known) < least:
        raise CorpusError(
            f"{source}: it has {len(known)} characters that the model knows; give a longer text"
        )
    return ChosenText(known[:most], source, len(known), skipped)


def read_text(name: str, tokenizer: Tokenizer, read: ReadOptions | None = None) -> str:
    """Return the beginning of the text of a file, folder or table, as a model with this tokenizer
    reads it. Raises CorpusError."""
    corpus = open_corpus([name], read)
    chunks: Iterator[str] = (
        (each.decode("utf-8", "surrogateescape") for each in corpus.bytes())
        if tokenizer.kind == ByteTokenizer.kind  # its text may be in no encoding
        else corpus.texts()
    )
    found, size = [], 0
    for chunk in chunks:
        found.append(chunk[: _MOST - size])
        size += len(found[-1])
        if size >= _MOST:
            break
    return "".join(found)
