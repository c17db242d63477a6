"""Evaluation: how well a language model predicts a text.

Inside, the unit is nats per character, the mean negative log-likelihood; people are shown bits
(nats / ln 2). Bits per byte of UTF-8 are comparable across alphabets and tokenizers, bits per
character are not. `protocols.py` has the ways in which a text is read.

Legend: N characters.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from charrnn.ambient import as_usual
from charrnn.data.corpus import (
    TokenizedCorpus,
    newline_id,
    open_corpus,
    tokenize,
    utf8_bytes,
    utf8_characters,
)
from charrnn.data.excerpt import AnyIds, passages
from charrnn.data.read_options import ReadOptions
from charrnn.data.splitting import count_repeated
from charrnn.data.tokenizer import Tokenizer
from charrnn.data.two_pass_reading import KeepIds
from charrnn.engines.memory import Memory, MemoryConfig
from charrnn.errors import CorpusError, ModelError
from charrnn.evaluation.baselines import LONGEST_MEMORY, baselines
from charrnn.evaluation.copies import copied_share
from charrnn.evaluation.dynamic_evaluation import AdaptationConfig
from charrnn.evaluation.primed_memory import primed_memory
from charrnn.evaluation.protocols import Scores, check_settings, score_by_protocol
from charrnn.storage.model_directory import Model

_LARGEST_SEARCHED: Final = 100_000_000
"""The most ids of the training text in which lines and passages of a text are looked for when only
a part of that is evaluated."""
_SHORT_MEMORY: Final = 16 << 20
"""The most ids of the training text that xz reads when only a part of a text is evaluated."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The result of an evaluation of a language model on a text.

    Attributes:
        engine: the precision of the engine that read the text, `float32` or `int8`.
        float32_nats_per_character: of another precision than float32, what an engine of float32
            measures; else None, and with a memory.
        network_nats_per_character: with a memory, the loss of the network without it; else None.
        nats_per_character: the mean negative log-likelihood per character of the text, also under a
            byte tokenizer, so that models of characters and of bytes are comparable.
        bits_per_character: the same in bits.
        bits_per_byte: bits divided by the number of UTF-8 bytes of the text.
        perplexity: exp(nats per character).
        characters: the number of characters predicted.
        protocol: `stream`, `windows`, `adapted` for dynamic evaluation, `memory`, or
            `adapted+memory`.
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
    network_nats_per_character: float | None = None


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
    memory: MemoryConfig | bool | None = None,
    at_most: int | None = None,
    keep: KeepIds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure how well a language model predicts a text.

    Args:
        model: a language model.
        text: a file (or anything that `open_corpus` opens), or ids (N,).
        training: the ids of the training text, for the baselines and the memory.
        protocol: `stream` or `windows`.
        engine: an entry of ENGINES; None is `float32`, and `int8` with a memory. Unless its
            precision is float32, or there is a memory, float32 reads the text too.
        read: how to read a file.
        adapt: whether to use dynamic evaluation, or its settings. It runs an Adapter instead of an
            engine; the model does not change.
        memory: whether to use a memory, which has learned the training text, or its parts.
        at_most: the most ids to read of a longer text, in passages spread over it (with `adapt` or
            `memory`, from its beginning); None reads all. The protocol `windows` ignores it.
        keep: stores the ids of a file that is larger than memory, see `tokenize`.
        progress: called with the number of ids read so far, and their total.

    Raises CorpusError when the text cannot be read or is too short, ConfigError for an unknown
    protocol or one that excludes `adapt` and `memory`, ModelError when the model's numbers
    overflow.
    """
    model.require("generate")
    check_settings(protocol, engine, adapt=bool(adapt), memory=bool(memory))
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
        ids = ids[:at_most] if adapt or memory else passages(ids, at_most)
    found = score_by_protocol(
        model,
        ids,
        protocol,
        engine=engine,
        adapt=adapt,
        memory=_memory(model, training, memory, progress),
        progress=progress,
    )
    if not math.isfinite(found.nats):
        raise ModelError("the model's weights are so large that its numbers overflow")
    lines, lines_in_training = _count_lines(model, searched, ids)
    most = LONGEST_MEMORY if at_most is None else _SHORT_MEMORY
    simpler = {} if training is None else baselines(training, ids, model.tokenizer, memory=most)
    return _per_character(
        found,
        simpler,
        model.tokenizer,
        ids,
        skipped=skipped,
        lines=lines,
        lines_in_training=lines_in_training,
        copied_from_training=copied,
        of_characters=of_characters,
    )


def _per_character(
    found: Scores, simpler: dict[str, float], tokenizer: Tokenizer, ids: AnyIds, **others: Any
) -> Evaluation:
    """Return the evaluation of ids (N,) from nats per id: of a byte model, an id is not a
    character."""
    ids_per_character = len(ids) / utf8_characters(tokenizer, ids)
    nats = found.nats * ids_per_character
    return Evaluation(
        nats_per_character=nats,
        bits_per_character=nats / math.log(2),
        bits_per_byte=found.nats / math.log(2) * len(ids) / utf8_bytes(tokenizer, ids),
        perplexity=math.exp(nats) if nats < 700 else math.inf,
        characters=round(found.predicted / ids_per_character),
        protocol=found.protocol,
        baselines={
            name: value * ids_per_character / math.log(2) for name, value in simpler.items()
        },
        engine=found.precision,
        float32_nats_per_character=_scaled(found.exact, ids_per_character),
        network_nats_per_character=_scaled(found.network, ids_per_character),
        **others,
    )


def _memory(
    model: Model,
    training: AnyIds | None,
    memory: MemoryConfig | bool | None,
    progress: Callable[[int, int], None] | None,
) -> Memory | None:
    """Return the memory that reads the text together with the network, if there is to be one."""
    if not memory:
        return None
    config = memory if isinstance(memory, MemoryConfig) else None
    return primed_memory(model.tokenizer, training, config, progress=progress)


def _scaled(nats: float | None, factor: float) -> float | None:
    return None if nats is None else nats * factor


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
