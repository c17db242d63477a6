"""Predictor: what an archive is coded with, a memory and perhaps a network, and where it stands."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from charrnn.array_types import Float32Array
from charrnn.compression.alphabet import Alphabet, Ids, alphabet_of
from charrnn.compression.archive import MODEL_DIGEST, TEXT_DIGEST, Header
from charrnn.data.corpus import newline_id
from charrnn.data.excerpt import AnyIds
from charrnn.data.memmap import chunks
from charrnn.data.tokenizer import ByteTokenizer
from charrnn.data.two_pass_reading import ReadingProgress, no_progress
from charrnn.engines import Engine, State, int8_engine
from charrnn.engines.memory import Memory
from charrnn.engines.memory.coder import Decoder, Encoder, NetworkReader
from charrnn.errors import ModelError
from charrnn.evaluation.primed_memory import primed_memory
from charrnn.storage.model_directory import Model
from charrnn.storage.run_lookup import read_found
from charrnn.training.saved_model_evaluation import read_evaluated
from charrnn.training.training_text import read_training_text

Note = Callable[[int], None]
"""A function that is called with how many ids were coded since its last call."""

Learning = Callable[[int, int], None]
"""A function that is called with how many ids of a training text were learned, and their total."""

_AT_ONCE: Final = 4096
"""The ids that a call codes, so that Ctrl-C need not wait."""

_WITH_NETWORK: Final = 512
_LARGEST_LOGITS: Final = 1 << 22
"""The most logits computed at once."""


@dataclass(frozen=True)
class Known:
    """What an archive may be made with.

    Attributes:
        model: a language model; None for none.
        training: the ids of its training text, without what was held out; None where they are not
            used or cannot be read.
        problem: why they cannot be read.
    """

    model: Model | None = None
    training: AnyIds | None = None
    problem: str = ""

    @cached_property
    def header(self) -> Header:
        """The beginning of an archive that is made with all of it."""
        model = None if self.model is None else model_digest(self.model)[:MODEL_DIGEST]
        text = None if self.training is None else ids_digest(self.training)[:TEXT_DIGEST]
        return Header(model, text)


def read_known(
    model: str | Path | Model | None,
    *,
    training_text: bool = True,
    progress: ReadingProgress = no_progress,
) -> Known:
    """Read a model by its name or directory, and the text that it was trained on.

    A model in memory does not say where its text is. Raises ModelError.

    Args:
        training_text: whether to read it.
        progress: called while it is read, see ReadingProgress.
    """
    if model is None:
        return Known()
    if isinstance(model, Model):
        directory, found = None, model
    else:
        directory, (found, _) = read_found(str(model), read_evaluated, lists=True)
    found.require("generate")
    if found.others:
        raise ModelError("models that work together cannot compress; name one of them")
    if not training_text:
        return Known(found)
    text = read_training_text(directory, progress)
    return Known(found, text.training, text.problem)


def model_digest(model: Model) -> bytes:
    """Return the SHA-256 of all that decides what a model predicts: the sizes of the network, its
    alphabet and its weights."""
    plain = asdict(model.config)
    sizes = {
        each.name: plain[each.name]
        for each in fields(model.config)
        # A field that was added later, at its default, does not make it another model.
        if not ("later" in each.metadata and plain[each.name] == each.default)
    }
    described = json.dumps([sizes, model.tokenizer.to_json()], sort_keys=True)
    found = hashlib.sha256(described.encode())
    for name in sorted(model.tensors):
        tensor = np.ascontiguousarray(model.tensors[name], dtype="<f4")
        found.update(f"{name} {tensor.shape}\n".encode())
        found.update(tensor.tobytes())
    return found.digest()


def ids_digest(ids: AnyIds) -> bytes:
    """Return the SHA-256 of ids (N,), as numbers of 32 bits."""
    found = hashlib.sha256()
    for chunk in chunks(ids):
        found.update(np.ascontiguousarray(chunk, dtype="<u4").tobytes())
    return found.digest()


class Predictor:
    """What predicts the ids of an archive, from its first block to its last.

    Args:
        known: the model, and the text that the memory learns first.
        learning: called while it learns.
    """

    def __init__(self, known: Known, learning: Learning | None = None) -> None:
        model = known.model
        self.alphabet: Alphabet = alphabet_of(None if model is None else model.tokenizer)
        tokenizer = ByteTokenizer() if model is None else model.tokenizer
        self._memory = primed_memory(tokenizer, known.training, progress=learning)
        self._memory.forget_context()
        self._others: Memory | None = None
        self._engine: Engine | None = None
        self._state: State | None = None
        self._reader: NetworkReader | None = None
        if model is not None:
            self._engine = int8_engine(model)
            newline = newline_id(model.tokenizer)
            self._last = 0 if newline is None else newline

    def encode(self, ids: Ids, others: bytes, note: Note) -> bytes:
        """Return the code of a part of the content."""
        encoder = Encoder()
        at_once = _AT_ONCE
        if self._engine is not None:
            at_once = max(min(_LARGEST_LOGITS // self._engine.vocabulary_size, _WITH_NETWORK), 1)
        for begin in range(0, len(ids), at_once):
            piece = ids[begin : begin + at_once]
            encoder.encode(self._memory, piece, self._logits(piece))
            note(len(piece))
        if others:
            beside = np.frombuffer(others, dtype=np.uint8).astype(np.int32)
            for begin in range(0, len(beside), _AT_ONCE):
                encoder.encode(self._memory_of_others(), beside[begin : begin + _AT_ONCE])
        return encoder.finish()

    def decode(self, ids: int, others: int, code: bytes, note: Note) -> tuple[Ids, bytes]:
        """Return the ids, and what stands beside them, of a code; the inverse of `encode`."""
        decoder = Decoder(code)
        if self._engine is not None and self._reader is None:
            self._reader = NetworkReader(self._engine.lanes(1), self._last)
        at_once = _AT_ONCE if self._engine is None else _WITH_NETWORK
        found = np.empty(ids, dtype=np.int32)
        for begin in range(0, ids, at_once):
            piece = found[begin : begin + at_once]
            piece[:] = decoder.decode(self._memory, len(piece), self._reader)
            note(len(piece))
        beside = np.empty(others, dtype=np.int32)
        for begin in range(0, others, _AT_ONCE):
            piece = beside[begin : begin + _AT_ONCE]
            piece[:] = decoder.decode(self._memory_of_others(), len(piece))
        return found, beside.astype(np.uint8).tobytes()

    def _logits(self, ids: Ids) -> Float32Array | None:
        """Return what the network predicts for each of the next ids (N,): (N, V)."""
        if self._engine is None:
            return None
        inputs = np.concatenate([[self._last], ids[:-1]])
        logits, self._state = self._engine.advance(inputs[None], self._state)
        self._last = int(ids[-1])
        first: Float32Array = logits[0]
        return first

    def _memory_of_others(self) -> Memory:
        """Return the memory of the bytes that stand beside the ids."""
        if self._others is None:
            self._others = Memory.of(ByteTokenizer())
        return self._others
