"""Evaluation: how well a language model predicts a text.

Inside, the unit is nats per character, the mean negative log-likelihood; people are shown bits
(nats / ln 2). Bits per byte of UTF-8 are comparable across alphabets and tokenizers, bits per
character are not.

There are two protocols. `stream`, the official one, reads the text once, with the state carried
from its first character to its last, and predicts every character but the first. `windows` reads
random windows of 256 characters, each from a cold state, to compare with nanoGPT.

`adapted` stands for dynamic evaluation, a stream whose model learns from each segment after
predicting it (see dynamic_evaluation.py).

Legend: N characters, B batch, T time, V vocabulary.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from charrnn.ambient import as_usual
from charrnn.array_types import Float32Array, Float64Array, Int64Array
from charrnn.data.corpus import (
    TokenizedCorpus,
    newline_id,
    open_corpus,
    tokenize,
    utf8_bytes,
    utf8_characters,
)
from charrnn.data.dataloader import IGNORED, Lanes
from charrnn.data.excerpt import AnyIds, passages
from charrnn.data.read_options import ReadOptions
from charrnn.data.splitting import count_repeated
from charrnn.data.two_pass_reading import KeepIds
from charrnn.engines import ENGINES, Engine, Reader, State, best_engine, check_engine
from charrnn.errors import ConfigError, CorpusError, ModelError
from charrnn.evaluation.baselines import LONGEST_MEMORY, baselines
from charrnn.evaluation.copies import copied_share
from charrnn.evaluation.dynamic_evaluation import AdaptationConfig, Adapter
from charrnn.storage.model_directory import Model

PROTOCOLS: Final = ("stream", "windows")
ADAPTED: Final = "adapted"
WINDOW: Final = 256
WINDOWS: Final = 1000
_CHUNK: Final = 512
_LARGEST_SEARCHED: Final = 100_000_000
"""The most ids of the training text in which lines and passages of a text are looked for when only
a part of that is evaluated."""
_SHORT_MEMORY: Final = 16 << 20
"""The most ids of the training text that xz reads when only a part of a text is evaluated."""
_LARGEST_LOGITS: Final = 1 << 22
"""The most logits computed at once: a large vocabulary takes shorter chunks, to save memory."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The result of an evaluation of a language model on a text.

    Attributes:
        engine: the precision of the engine that read the text, `float32` or `int8`.
        float32_nats_per_character: of another precision than float32, what an engine of float32
            measures; else None.
        nats_per_character: the mean negative log-likelihood per character of the text, also under a
            byte tokenizer, so that models of characters and of bytes are comparable.
        bits_per_character: the same in bits.
        bits_per_byte: bits divided by the number of UTF-8 bytes of the text.
        perplexity: exp(nats per character).
        characters: the number of characters predicted.
        protocol: `stream`, `windows`, or `adapted` for dynamic evaluation.
        baselines: bits per character of simpler models on the same text (see baselines.py); empty
            without the training text.
        skipped: unknown characters, which were left out of the text.
        lines: for a model of lines, the number of lines that are not empty; None if not counted.
        lines_in_training: how many of these are also lines of the training text; None if not
            counted.
        copied_from_training: the share of the text, from 0 to 1, that lies in copies of 50
            characters or more of the training text (see copies.py), whether all of it was read or
            not; None if not counted.
        of_characters: the length of the whole text if only a part of it was read, else None.
    """

    nats_per_character: float
    bits_per_character: float
    bits_per_byte: float
    perplexity: float
    characters: int
    protocol: str
    baselines: dict[str, float]
    skipped: tuple[str, ...]
    lines: int | None = None
    lines_in_training: int | None = None
    copied_from_training: float | None = None
    of_characters: int | None = None
    engine: str = "float32"
    float32_nats_per_character: float | None = None


@as_usual
def evaluate(
    model: Model,
    text: str | Path | AnyIds,
    *,
    training: AnyIds | None = None,
    protocol: str = "stream",
    engine: str = "float32",
    read: ReadOptions | None = None,
    adapt: AdaptationConfig | bool | None = None,
    at_most: int | None = None,
    keep: KeepIds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure how well a language model predicts a text.

    Args:
        model: a language model.
        text: a file (or anything that `open_corpus` opens), or ids (N,).
        training: the ids of the training text, for the baselines.
        protocol: `stream` or `windows`.
        engine: an entry of ENGINES. Unless its precision is float32, float32 reads the text too.
        read: how to read a file.
        adapt: whether to use dynamic evaluation, or its settings. It runs an Adapter instead of an
            engine; the model does not change.
        at_most: the most ids to read of a longer text, in passages spread over it (with `adapt`,
            from its beginning); None reads all. The protocol `windows` ignores it.
        keep: stores the ids of a file that is larger than memory, see `tokenize`.
        progress: called with the number of ids read so far, and their total.

    Raises CorpusError when the text cannot be read or is too short, ConfigError for an unknown
    protocol or one that excludes `adapt`, ModelError when the model's numbers overflow.
    """
    model.require("generate")
    _check_settings(protocol, engine, adapt=bool(adapt))
    ids, skipped = _read_ids(model, text, read, keep)
    if len(ids) < 2:
        raise CorpusError("the text to evaluate needs at least two characters the model knows")
    # Searching a large text would take longer than reading a part of another.
    is_searched = at_most is None or training is None or len(training) <= _LARGEST_SEARCHED
    searched = training if is_searched else None
    copied = None if searched is None else copied_share(searched, ids)
    of_characters = None
    if at_most is not None and len(ids) > at_most and protocol == "stream":
        of_characters = utf8_characters(model.tokenizer, ids)
        ids = ids[:at_most] if adapt else passages(ids, at_most)
    precision, exact = "float32", None
    if adapt:
        protocol = ADAPTED
        adapter = Adapter(model, adapt if isinstance(adapt, AdaptationConfig) else None)
        nats, characters = score_adapted(adapter, ids, progress), len(ids) - 1
    else:
        precision, exact, (nats, characters) = _score(model, engine, ids, protocol, progress)
    if not math.isfinite(nats):
        raise ModelError("the model's weights are so large that its numbers overflow")
    lines, lines_in_training = _count_lines(model, searched, ids)
    memory = LONGEST_MEMORY if at_most is None else _SHORT_MEMORY
    simpler = {} if training is None else baselines(training, ids, model.tokenizer, memory=memory)
    # Until here, nats are per id; for a byte model, an id is not a character.
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
        lines=lines,
        lines_in_training=lines_in_training,
        copied_from_training=copied,
        of_characters=of_characters,
        engine=precision,
        float32_nats_per_character=None if exact is None else exact * ids_per_character,
    )


def _score(
    model: Model,
    name: str,
    ids: AnyIds,
    protocol: str,
    progress: Callable[[int, int], None] | None,
) -> tuple[str, float | None, tuple[float, int]]:
    """Return an engine's precision, the nats per id in float32 if that is another, and the nats per
    id by the engine with the number of ids predicted."""

    def measure(engine: Engine) -> tuple[float, int]:
        if protocol == "windows":
            return score_windows(engine, ids)
        return score(engine, ids, progress=progress), len(ids) - 1

    engine = ENGINES[name](model)
    exact = None if engine.precision == "float32" else measure(best_engine(model))[0]
    return engine.precision, exact, measure(engine)


def _check_settings(protocol: str, engine: str, *, adapt: bool) -> None:
    """Raise ConfigError for an unknown protocol, and for settings that exclude adapting."""
    if protocol not in PROTOCOLS:
        raise ConfigError(f"protocol {protocol!r}: choose from {', '.join(PROTOCOLS)}")
    if adapt and protocol != "stream":
        raise ConfigError(
            f"protocol {protocol}: a model can adapt only to a text that it reads in order; "
            "choose the protocol stream, or do not adapt"
        )
    check_engine(engine)
    if adapt and engine != "float32":
        raise ConfigError(f"engine {engine}: a model adapts in float32; leave out one of both")


def _read_ids(
    model: Model, text: str | Path | AnyIds, read: ReadOptions | None, keep: KeepIds | None
) -> tuple[AnyIds, tuple[str, ...]]:
    """Return the ids of a text, and the unknown characters left out of it. Raises CorpusError."""
    if not isinstance(text, str | Path):
        return text, ()
    opened = open_corpus([str(text)], read)
    corpus = tokenize(opened, tokenizer=model.tokenizer, unknown="skip", keep=keep)
    return corpus.ids, corpus.skipped


def _count_lines(
    model: Model, training: AnyIds | None, ids: AnyIds
) -> tuple[int | None, int | None]:
    """Count the lines of a text, and those of them that are lines of the training text.

    Both are None for a model that is not of lines, and without the training text.
    """
    newline = newline_id(model.tokenizer)
    if training is None or newline is None or not model.provenance.lines:
        return None, None
    return count_repeated(training, ids, newline)


def score(
    engine: Reader,
    ids: AnyIds,
    *,
    lanes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> float:
    """Return the nats per character of ids (N,), read as one stream.

    With `lanes` above 1, the text is cut into that many equal lanes, which are read as one batch,
    each from a cold state. This is faster, and the result is a few thousandths higher.
    """
    nats = math.nan
    for nats, count in score_in_steps(engine, ids, lanes=lanes):
        if progress is not None:
            progress(count + 1, len(ids))
    return nats


def score_in_steps(
    engine: Reader,
    ids: AnyIds,
    *,
    lanes: int = 1,
    at_most: float = math.inf,
    at_once: int | None = None,
) -> Iterator[tuple[float, int]]:
    """Yield the mean nats so far and the number of characters after every chunk of `score`.

    It ends early once `at_most` characters are predicted: the beginnings of the lanes, which are
    spread over the text. All lanes together read about `at_once` characters at a time.
    """
    total, count = 0.0, 0
    state: State | None = None
    vocabulary_size = engine.vocabulary_size
    largest = _LARGEST_LOGITS // vocabulary_size
    chunk = min(max(min(largest, at_once or largest) // lanes, 8), _CHUNK)
    for inputs, targets in Lanes(ids, lanes, chunk, first=1, count=len(ids) - 1):
        logits, state = engine.advance(inputs, state)
        nats = negative_log_likelihood(logits, targets)
        total += float(nats.sum())
        count += int((targets != IGNORED).sum())
        yield total / count, count
        if count >= at_most:
            return


def score_adapted(
    adapter: Adapter, ids: AnyIds, progress: Callable[[int, int], None] | None = None
) -> float:
    """Return the nats per character of ids (N,), read as one stream while the model adapts.

    `progress` is called with the number of ids read so far, and their total.
    """
    total = 0.0
    for begin in range(0, len(ids), _CHUNK):
        total += float(adapter.read(ids[begin : begin + _CHUNK]).sum())
        if progress is not None:
            progress(min(begin + _CHUNK, len(ids)), len(ids))
    return (total + float(adapter.finish().sum())) / (len(ids) - 1)


def score_windows(engine: Reader, ids: AnyIds) -> tuple[float, int]:
    """Return the nats per character over random windows, and the number of characters predicted."""
    length = min(WINDOW, len(ids) - 1)
    starts = np.random.default_rng(0).integers(len(ids) - length, size=WINDOWS)
    total = 0.0
    at_once = min(max(_LARGEST_LOGITS // (length * engine.vocabulary_size), 1), 100)
    for batch in np.array_split(starts, WINDOWS // at_once):
        windows = ids[batch[:, None] + np.arange(length + 1)].astype(np.int64)
        logits, _ = engine.advance(windows[:, :-1], None)
        total += float(negative_log_likelihood(logits, windows[:, 1:]).sum())
    return total / (WINDOWS * length), WINDOWS * length


def negative_log_likelihood(logits: Float32Array, targets: Int64Array) -> Float64Array:
    """Return the nats (B, T) of targets (B, T) under logits (B, T, V); 0 for an IGNORED target."""
    largest = logits.max(axis=-1, keepdims=True)
    normalizer = np.log(np.exp(logits - largest).sum(axis=-1)) + largest[..., 0]  # (B, T)
    known = np.where(targets == IGNORED, 0, targets)
    chosen = np.take_along_axis(logits, known[..., None], axis=-1)[..., 0]
    nats = (normalizer - chosen).astype(np.float64)
    return np.where(targets == IGNORED, 0.0, nats)


def held_out(model: Model, corpus: TokenizedCorpus) -> tuple[AnyIds, AnyIds]:
    """Split a model's corpus into (training, validation) ids, as its training did.

    Raises CorpusError when the model was trained on another text.
    """
    provenance = model.provenance
    if corpus.sha256 != provenance.sha256:
        raise CorpusError(
            f"{corpus.name}: it is not the text that the model was trained on; "
            "to evaluate the model on it, name it as FILE"
        )
    return corpus.split(
        provenance.validation_fraction, lines=provenance.lines, seed=provenance.split_seed
    )
