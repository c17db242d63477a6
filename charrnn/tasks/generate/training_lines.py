"""The text that novel samples are compared with: the training text, or another."""

from collections.abc import Iterator, Sequence
from typing import Final

from charrnn.data.corpus import open_corpus
from charrnn.data.read_options import ReadOptions
from charrnn.data.tokenizer import ByteTokenizer, Tokenizer
from charrnn.errors import CorpusError, ModelError
from charrnn.generation.selection import Lines
from charrnn.storage import token_cache
from charrnn.storage.run_lookup import read_found
from charrnn.training.checkpoint import read_checkpoint

_CHUNK: Final = 1 << 20
"""The most characters of the training text that are decoded at once."""


def training_lines(model: str | None = None) -> Lines:
    """Return the lines of the training text of a model; see `training_texts`."""
    return Lines(training_texts(model))


def training_texts(model: str | None = None) -> Iterator[str]:
    """Return the training text, in chunks, of a model given by its name or path; None: the newest
    run.

    Raises CorpusError where the text cannot be found or has changed.
    """
    try:
        _, checkpoint = read_found(model, read_checkpoint)
        text = checkpoint.read_corpus(keep=token_cache.keep_for_now)
    except (CorpusError, ModelError) as error:
        raise CorpusError(f"--novel needs the training text: {error}; --corpus names it") from error
    chunks = (text.ids[begin : begin + _CHUNK] for begin in range(0, len(text.ids), _CHUNK))
    if text.tokenizer.kind == ByteTokenizer.kind:  # a chunk may end within a character
        return text.tokenizer.decode_pieces(chunk.tobytes() for chunk in chunks)
    return map(text.tokenizer.decode, chunks)


def corpus_lines(
    names: Sequence[str], tokenizer: Tokenizer, options: ReadOptions | None = None
) -> Lines:
    """Return the lines of a corpus; see `corpus_texts`."""
    return Lines(corpus_texts(names, tokenizer, options))


def corpus_texts(
    names: Sequence[str], tokenizer: Tokenizer, options: ReadOptions | None = None
) -> Iterator[str]:
    """Return a corpus, in chunks, as a model with this tokenizer would write it. Raises
    CorpusError."""
    corpus = open_corpus(names, options)
    if tokenizer.kind == ByteTokenizer.kind:  # its text may be in no encoding
        return tokenizer.decode_pieces(corpus.bytes())
    return corpus.texts()
