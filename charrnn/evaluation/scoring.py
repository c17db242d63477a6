"""How well a model predicts a text.

The unit inside is the nat per character, the mean negative log-likelihood; people are shown bits
(nats / ln 2). Bits per byte of UTF-8 compare across alphabets and tokenizers, characters do not.

Two protocols. `stream`, the official one: the text is read once, the state carried from its first
character to its last; every character but the first is predicted. `windows`, to compare with
nanoGPT: random windows of 256 characters, each from a cold state.

A third number is of another kind, and called `adapted`: a stream by a model that learns from every
segment of it, once that was predicted (see adaptation.py).

Legend: N characters, B batch, T time, V vocabulary.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.data.corpus import (
    IdsKey,
    TokenizedCorpus,
    newline_id,
    open_corpus,
    tokenize,
    utf8_bytes,
    utf8_characters,
)
from charrnn.data.dataloader import IGNORED, Lanes
from charrnn.data.excerpt import AnyIds
from charrnn.data.sources import ReadOptions
from charrnn.data.splitting import count_repeated
from charrnn.data.tokenizer import Ids
from charrnn.engines import ENGINES, Reader, State, best_engine
from charrnn.errors import ConfigError, CorpusError, ModelError
from charrnn.evaluation.baselines import LONGEST_MEMORY, baselines
from charrnn.evaluation.dynamic_evaluation import AdaptationConfig, Adapter
from charrnn.storage.model_directory import Model

PROTOCOLS: Final = ("stream", "windows")
ADAPTED: Final = "adapted"
WINDOW: Final = 256
WINDOWS: Final = 1000
_CHUNK: Final = 512
_PASSAGES: Final = 64
_LARGEST_COUNTED: Final = 100_000_000
_SHORT_MEMORY: Final = 16 << 20
"""Where not all of a text is read: ids of the training text in which its lines are looked for at
most, and that xz is given at most."""
_LARGEST_LOGITS: Final = 1 << 22
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
        protocol: `stream` or `windows`; `adapted`, when the model went on learning as it read.
        baselines: bits per character that simpler means reach on the same text (see baselines.py);
            empty when the training text was not at hand to learn them from.
        skipped: characters of the text that the model has never seen, left out.
        lines: of a model of lines, how many of the text are not empty; None where they were not
            counted.
        lines_in_training: how many of these are lines of the training text as well; None likewise.
        of_characters: how many the text has, where only passages of it were read; else None.
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
    of_characters: int | None = None


@as_usual
def evaluate(
    model: Model,
    text: str | Path | AnyIds,
    *,
    training: AnyIds | None = None,
    protocol: str = "stream",
    engine: str | None = None,
    read: ReadOptions | None = None,
    adapt: AdaptationConfig | bool | None = None,
    at_most: int | None = None,
    keep: Callable[[IdsKey, Iterator[Ids]], Ids] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """How well a model predicts a text: a file (or anything `open_corpus` opens), or ids (N,).

    Args:
        training: the ids of the text it learned, for the baselines to learn from.
        engine: the entry of ENGINES that runs the model; None: the fastest that needs no torch.
        read: how to read a file.
        adapt: learn from the text while reading it, and how (True: as is usual). The model stays as
            it is. It runs on no engine then, but on an Adapter.
        at_most: of a text of more ids, so many are read, in passages from all over it (while
            adapting, its beginning); None: all of it. Protocol `windows` reads few anyway.
        keep: puts the ids of a file that is larger than memory elsewhere, see `tokenize`.
        progress: is told how many ids were read, and of how many.

    Raises CorpusError when the text cannot be read or is too short, ConfigError for a protocol
    that does not exist or cannot be adapted to, ModelError when the model's numbers overflow.
    """
    model.require("generate")
    if protocol not in PROTOCOLS:
        raise ConfigError(f"protocol {protocol!r}: choose from {', '.join(PROTOCOLS)}")
    if adapt and protocol != "stream":
        raise ConfigError(
            f"protocol {protocol}: a model adapts to a text that it reads in order; "
            "choose the protocol stream, or do not adapt"
        )
    if adapt and engine is not None:
        raise ConfigError(f"engine {engine}: none is used while adapting; leave it out")
    skipped: tuple[str, ...] = ()
    ids: AnyIds
    if isinstance(text, str | Path):
        corpus = tokenize(
            open_corpus([str(text)], read), tokenizer=model.tokenizer, unknown="skip", keep=keep
        )
        ids, skipped = corpus.ids, corpus.skipped
    else:
        ids = text
    if len(ids) < 2:
        raise CorpusError("the text to evaluate needs at least two characters the model knows")
    of_characters = None
    if at_most is not None and len(ids) > at_most and protocol == "stream":
        of_characters = utf8_characters(model.tokenizer, ids)
        ids = ids[:at_most] if adapt else passages(ids, at_most)
    if adapt:
        protocol = ADAPTED
        adapter = Adapter(model, adapt if isinstance(adapt, AdaptationConfig) else None)
        nats, characters = score_adapted(adapter, ids, progress), len(ids) - 1
    else:
        running = best_engine(model) if engine is None else ENGINES[engine](model)
        if protocol == "stream":
            nats, characters = score(running, ids, progress=progress), len(ids) - 1
        else:
            nats, characters = score_windows(running, ids)
    if not math.isfinite(nats):
        raise ModelError("the model's weights are so large that its numbers overflow")
    lines = lines_in_training = None
    newline = newline_id(model.tokenizer)
    countable = training is not None and (at_most is None or len(training) <= _LARGEST_COUNTED)
    if training is not None and countable and model.provenance.lines and newline is not None:
        lines, lines_in_training = count_repeated(training, ids, newline)
    memory = LONGEST_MEMORY if at_most is None else _SHORT_MEMORY
    simpler = {} if training is None else baselines(training, ids, model.tokenizer, memory=memory)
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
        lines=lines,
        lines_in_training=lines_in_training,
        of_characters=of_characters,
    )


def passages(ids: AnyIds, count: int) -> Ids:
    """So many ids, about, in passages of one length from all over a longer text (N,)."""
    length = max(count // _PASSAGES, 1)
    starts = (len(ids) - length) * np.arange(_PASSAGES, dtype=np.int64) // (_PASSAGES - 1)
    return np.concatenate([ids[int(start) : int(start) + length] for start in starts])


def score(
    engine: Reader,
    ids: AnyIds,
    *,
    lanes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> float:
    """Nats per character of ids (N,), read as one stream.

    With `lanes` above 1 it is read as so many equal lanes, side by side and each from a cold
    state: faster, and a few thousandths higher.
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
    """`score`, giving the mean so far and of how many characters, after every chunk; the last is
    the result.

    It ends early once `at_most` characters were predicted: the first of each lane, which lie all
    over the text. All lanes together read `at_once` characters at a time, or few more.
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
    """Nats per character of ids (N,), read as one stream by a model that learns from it.

    `progress` is told how many ids were read so far, and of how many.
    """
    total = 0.0
    for begin in range(0, len(ids), _CHUNK):
        total += float(adapter.read(ids[begin : begin + _CHUNK]).sum())
        if progress is not None:
            progress(min(begin + _CHUNK, len(ids)), len(ids))
    return (total + float(adapter.finish().sum())) / (len(ids) - 1)


def score_windows(engine: Reader, ids: AnyIds) -> tuple[float, int]:
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


def held_out(model: Model, corpus: TokenizedCorpus) -> tuple[AnyIds, AnyIds]:
    """The (training, validation) ids of the corpus a model learned, split as they were then.

    Raises CorpusError when it is not that corpus.
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
