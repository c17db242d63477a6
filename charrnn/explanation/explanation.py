"""Explanation: the record of what `charrnn explain` finds out about a model and a text.

`Explanation.to_json()` is what `charrnn explain --json` prints, and what a page is drawn from. The
keys of its objects are the attributes of the classes below. Conventions:

- A place is the index of a Unicode character in the text, from 0 (JavaScript counts otherwise: take
  `Array.from(text)`). Ids are positions in `alphabet`.
- Losses of single characters are in nats, means over many characters are in bits, as everywhere.
- A part that does not apply to a model, or could not be computed, is null, and `absent` says why.
- Lists for each character have S items: those of the beginning of the text that is shown.
- Layers and units are counted from 0.

Legend: S characters shown, N characters of the text, H units of a layer, W window of attention.
"""

import math
from dataclasses import dataclass, field
from typing import Final

from charrnn.data.tokenizer import ByteTokenizer
from charrnn.explanation.alignment_records import Alignment
from charrnn.explanation.config import PARTS
from charrnn.explanation.copy_records import Copying
from charrnn.explanation.network_records import Cells, Embeddings, Memory
from charrnn.explanation.record import Record
from charrnn.explanation.text_records import Attribution, Learning, Surprise
from charrnn.storage.model_directory import Model

NOT_ASKED_FOR: Final = "it was not asked for"

VERSION: Final = 1
"""The version of the shape of the record."""


@dataclass(frozen=True, kw_only=True)
class ModelFacts(Record):
    """The model that is explained.

    Attributes:
        corpus: the name of its training text.
        task: the entry of charrnn.tasks.TASKS.
        cell, layers, hidden_size, embedding_size, attention, parameters: its network; `attention`
            is W, or null.
        tokenizer: `char` or `byte`.
        step: the training steps taken.
        validation_bits: the loss on the held-out part, in bits per character or byte; null where it
            is not known, and of a model that does not predict characters.
    """

    corpus: str
    task: str
    cell: str
    layers: int
    hidden_size: int
    embedding_size: int
    attention: int | None
    parameters: int
    tokenizer: str
    step: int
    validation_bits: float | None


@dataclass(frozen=True, kw_only=True)
class ExplainedText(Record):
    """The text that the model read.

    Attributes:
        source: where it comes from, in words.
        characters: N, those that were read.
        of_characters: the length of the whole text; more than N of a long one, for a large model.
        text: its first S characters.
        skipped: characters that were left out because the model has never seen them.
    """

    source: str
    characters: int
    of_characters: int
    text: str
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Explanation(Record):
    """All that was found out; see the module's docstring.

    Attributes:
        version: VERSION.
        model, text: what was explained.
        alphabet: the character of each id; of a byte model, a byte that is not ASCII is `\\xNN`; of
            a model of pairs, the characters of sources and then their features.
        surprise, cells, memory, copying, learning, embeddings: the parts for models of text.
        attribution: the part for models of labelled texts.
        alignment: the part for models of pairs of strings.
        absent: for each part that is null, why, in words.
    """

    model: ModelFacts
    text: ExplainedText
    alphabet: tuple[str, ...]
    surprise: Surprise | None = None
    cells: Cells | None = None
    memory: Memory | None = None
    copying: Copying | None = None
    learning: Learning | None = None
    embeddings: Embeddings | None = None
    attribution: Attribution | None = None
    alignment: Alignment | None = None
    absent: dict[str, str] = field(default_factory=dict)
    version: int = VERSION


def absent_parts(inapplicable: str, **parts: object) -> dict[str, str]:
    """Return why parts are null, by their names.

    Args:
        inapplicable: why those that are not among `parts` do not apply.
        parts: those that apply; None where they were not asked for.
    """
    absent = dict.fromkeys(PARTS, inapplicable)
    for name, part in parts.items():
        if part is None:
            absent[name] = NOT_ASKED_FOR
        else:
            del absent[name]
    return absent


def model_facts(model: Model, *, predicts_characters: bool = True) -> ModelFacts:
    """Return the facts of a model. `predicts_characters` says whether its loss is of characters, in
    nats."""
    config, provenance = model.config, model.provenance
    nats = provenance.validation_nats if predicts_characters else None
    return ModelFacts(
        corpus=provenance.corpus,
        task=config.task,
        cell=config.cell,
        layers=config.layers,
        hidden_size=config.hidden_size,
        embedding_size=config.embedding_size,
        attention=config.attention,
        parameters=config.parameters,
        tokenizer=model.tokenizer.kind,
        step=provenance.step,
        validation_bits=None if nats is None else nats / math.log(2),
    )


def text_facts(
    text: str, *, source: str, shown: int, of_characters: int, skipped: tuple[str, ...] = ()
) -> ExplainedText:
    """Return the facts of a text that was read, of which `shown` characters are recorded."""
    return ExplainedText(
        source=source,
        characters=len(text),
        of_characters=of_characters,
        text=text[:shown],
        skipped=skipped,
    )


def alphabet(model: Model) -> tuple[str, ...]:
    """Return the character of each id; of a byte model, a byte that is not ASCII is `\\xNN`."""
    if model.tokenizer.kind == ByteTokenizer.kind:
        return tuple(chr(byte) if byte < 128 else f"\\x{byte:02x}" for byte in range(256))
    return tuple(model.tokenizer.decode([id_]) for id_ in range(model.config.vocabulary_size))
