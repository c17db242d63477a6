"""How well a model predicts a text.

The unit inside is the nat per character, the mean negative log-likelihood; people are shown bits
(nats / ln 2). Bits per byte of UTF-8 compare across alphabets and tokenizers, characters do not.

Two protocols. `stream`, the official one: the text is read once, the state carried from its first
character to its last; every character but the first is predicted. `windows`, to compare with
nanoGPT: random windows of 256 characters, each from a cold state.

Legend: N characters, B batch, T time, V vocabulary.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from charrnn.data.corpus import (
    TokenizedCorpus,
    open_corpus,
    tokenize,
    utf8_bytes,
    utf8_characters,
)
from charrnn.data.dataloader import IGNORED, Lanes
from charrnn.data.sources import ReadOptions
from charrnn.data.tokenizer import Ids
from charrnn.errors import ConfigError, CorpusError, ModelError
from charrnn.evaluation.baselines import baselines
from charrnn.generation.engines import ENGINES, Reader, State, best_engine
from charrnn.storage.model_directory import Model

PROTOCOLS = ("stream", "windows")
WINDOW = 256
WINDOWS = 1000
_CHUNK = 512
_LARGEST_LOGITS = 1 << 22
"""Numbers: a large alphabet is read in shorter chunks, or it would take gigabytes."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well a model predicts a text.

    Attributes:
        nats_per_character: the mean negative log-likelihood, of a character of the text under
            every tokenizer, so that models of characters and of bytes compare.
        bits_per_character: the same in bits.
        bits_per_byte: the same, shared out over the bytes of the text as UTF-8.
        perplexity: exp(nats per character): how many characters it hesitates between.
        characters: how many were predicted.
        protocol: `stream` or `windows`.
        baselines: bits per character that simpler means reach on the same text (see baselines.py);
            empty when the training text was not at hand to learn them from.
        skipped: characters of the text that the model has never seen, left out.
    """

    nats_per_character: float
    bits_per_character: float
    bits_per_byte: float
    perplexity: float
    characters: int
    protocol: str
    baselines: dict[str, float]
    skipped: tuple[str, ...]


def evaluate(
    model: Model,
    text: str | Path | Ids,
    *,
    training: Ids | None = None,
    protocol: str = "stream",
    engine: str | None = None,
    read: ReadOptions | None = None,
) -> Evaluation:
    """How well a model predicts a text: a file (or anything `open_corpus` opens), or ids (N,).

    Args:
        training: the ids of the text it learned, for the baselines to learn from.
        engine: the entry of ENGINES that runs the model; None: the fastest that needs no torch.
        read: how to read a file.

    Raises CorpusError when the text cannot be read or is too short, ConfigError for a protocol
    that does not exist, ModelError when the model's numbers overflow.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"protocol {protocol!r}: choose from {', '.join(PROTOCOLS)}")
    skipped: tuple[str, ...] = ()
    if isinstance(text, str | Path):
        corpus = tokenize(open_corpus([str(text)], read), tokenizer=model.tokenizer, unknown="skip")
        ids, skipped = corpus.ids, corpus.skipped
    else:
        ids = text
    if len(ids) < 2:
        raise CorpusError("the text to evaluate needs at least two characters the model knows")
    running = best_engine(model) if engine is None else ENGINES[engine](model)
    if protocol == "stream":
        nats, characters = score(running, ids), len(ids) - 1
    else:
        nats, characters = score_windows(running, ids)
    if not math.isfinite(nats):
        raise ModelError("the model's weights are so large that its numbers overflow")
    simpler = {} if training is None else baselines(training, ids, model.tokenizer)
    # So far in nats per id, which a byte model's are not characters.
    bits_per_byte = nats / math.log(2) * len(ids) / utf8_bytes(model.tokenizer, ids)
    ids_per_character = len(ids) / utf8_characters(model.tokenizer, ids)
    nats *= ids_per_character
    return Evaluation(
        nats_per_character=nats,
        bits_per_character=nats / math.log(2),
        bits_per_byte=bits_per_byte,
        perplexity=math.exp(nats) if nats < 700 else math.inf,
        characters=round(characters / ids_per_character),
        protocol=protocol,
        baselines={
            name: value * ids_per_character / math.log(2) for name, value in simpler.items()
        },
        skipped=skipped,
    )


def score(engine: Reader, ids: Ids, *, lanes: int = 1) -> float:
    """Nats per character of ids (N,), read as one stream.

    With `lanes` above 1 it is read as so many equal lanes, side by side and each from a cold
    state: faster, and a few thousandths higher.
    """
    steps = list(score_in_steps(engine, ids, lanes=lanes))
    return steps[-1]


def score_in_steps(engine: Reader, ids: Ids, *, lanes: int = 1) -> Iterator[float]:
    """`score`, giving the mean so far after every chunk; the last is the result."""
    total, count = 0.0, 0
    state: State | None = None
    vocabulary_size = engine.vocabulary_size
    chunk = min(max(_LARGEST_LOGITS // (lanes * vocabulary_size), 8), _CHUNK)
    for inputs, targets in Lanes(ids, lanes, chunk, first=1, count=len(ids) - 1):
        logits, state = engine.advance(inputs, state)
        nats = negative_log_likelihood(logits, targets)
        total += float(nats.sum())
        count += int((targets != IGNORED).sum())
        yield total / count


def score_windows(engine: Reader, ids: Ids) -> tuple[float, int]:
    """Nats per character over random windows from a cold state, and how many were predicted."""
    length = min(WINDOW, len(ids) - 1)
    starts = np.random.default_rng(0).integers(len(ids) - length, size=WINDOWS)
    total = 0.0
    at_once = min(max(_LARGEST_LOGITS // (length * engine.vocabulary_size), 1), 100)
    for batch in np.array_split(starts, WINDOWS // at_once):
        windows = ids[batch[:, None] + np.arange(length + 1)].astype(np.int64)
        logits, _ = engine.advance(windows[:, :-1], None)
        total += float(negative_log_likelihood(logits, windows[:, 1:]).sum())
    return total / (WINDOWS * length), WINDOWS * length


def negative_log_likelihood(
    logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Nats (B, T) of the targets (B, T) under logits (B, T, V); 0 where a target is IGNORED."""
    largest = logits.max(axis=-1, keepdims=True)
    normalizer = np.log(np.exp(logits - largest).sum(axis=-1)) + largest[..., 0]  # (B, T)
    known = np.where(targets == IGNORED, 0, targets)
    chosen = np.take_along_axis(logits, known[..., None], axis=-1)[..., 0]
    nats = (normalizer - chosen).astype(np.float64)
    return np.where(targets == IGNORED, 0.0, nats)


def held_out(model: Model, corpus: TokenizedCorpus) -> tuple[Ids, Ids]:
    """The (training, validation) ids of the corpus a model learned, split as they were then.

    Raises CorpusError when it is not that corpus.
    """
    provenance = model.provenance
    if corpus.sha256 != provenance.sha256:
        raise CorpusError(
            f"{corpus.name}: it is not the text that the model was trained on; "
            "to evaluate the model on it, name it as FILE"
        )
    return corpus.split(provenance.validation_fraction, lines=provenance.lines)
