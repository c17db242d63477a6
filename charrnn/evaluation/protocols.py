"""The protocols: how a language model reads a text to measure how well it predicts it.

`stream`, the official one, reads the text once, with the state carried from its first character to
its last, and predicts every character but the first. `windows` reads random windows of 256
characters, each from a cold state, to compare with nanoGPT.

`adapted` stands for dynamic evaluation, a stream whose model learns from each segment after
predicting it (see dynamic_evaluation.py). `memory` stands for a stream whose predictions are mixed
with those of a memory of the training text and of what was read (see memory_scoring.py), and
`adapted+memory` for both.

Legend: N characters, B batch, T time, V vocabulary.
"""

import math
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from charrnn.array_types import Float32Array, Float64Array, Int64Array
from charrnn.data.dataloader import IGNORED, Lanes
from charrnn.data.excerpt import AnyIds
from charrnn.engines import ENGINES, Engine, Reader, State, best_engine, check_engine
from charrnn.engines.memory import Memory
from charrnn.errors import ConfigError
from charrnn.evaluation.dynamic_evaluation import AdaptationConfig, Adapter
from charrnn.evaluation.memory_scoring import score_adapted_with_memory, score_with_memory
from charrnn.storage.model_directory import Model

PROTOCOLS: Final = ("stream", "windows")
ADAPTED: Final = "adapted"
MEMORY: Final = "memory"
ADAPTED_MEMORY: Final = "adapted+memory"
WINDOW: Final = 256
WINDOWS: Final = 1000
_CHUNK: Final = 512
_LARGEST_LOGITS: Final = 1 << 22
"""The most logits computed at once: a large vocabulary takes shorter chunks, to save memory."""


class Scores(NamedTuple):
    """The scores of ids.

    Attributes:
        nats: per id.
        predicted: the number of ids.
        protocol, precision: see Evaluation.
        exact: nats per id in float32, if the precision is another.
        network: nats per id of the network alone, if there is a memory.
    """

    nats: float
    predicted: int
    protocol: str
    precision: str = "float32"
    exact: float | None = None
    network: float | None = None


def score_by_protocol(
    model: Model,
    ids: AnyIds,
    protocol: str,
    *,
    engine: str | None = None,
    adapt: AdaptationConfig | bool | None = None,
    memory: Memory | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Score ids (N,), at least two.

    Args:
        protocol: an entry of PROTOCOLS.
        engine, adapt, progress: see `charrnn.evaluation.scoring.evaluate`.
        memory: a memory, which learns from the ids.

    The settings are to be checked (`check_settings`). May raise ModelError when the model's numbers
    overflow.
    """
    if memory is not None:
        return _score_with_memory(model, engine, ids, adapt, memory, progress)
    if adapt:
        adapter = Adapter(model, adapt if isinstance(adapt, AdaptationConfig) else None)
        return Scores(score_adapted(adapter, ids, progress), len(ids) - 1, ADAPTED)
    return _score(model, engine or "float32", ids, protocol, progress)


def _score_with_memory(
    model: Model,
    name: str | None,
    ids: AnyIds,
    adapt: AdaptationConfig | bool | None,
    memory: Memory,
    progress: Callable[[int, int], None] | None,
) -> Scores:
    if adapt:
        config = adapt if isinstance(adapt, AdaptationConfig) else None
        nats, network = score_adapted_with_memory(model, config, memory, ids, progress)
        return Scores(nats, len(ids) - 1, ADAPTED_MEMORY, network=network)
    engine = ENGINES[name or "int8"](model)
    nats, network = score_with_memory(engine, memory, ids, progress)
    return Scores(nats, len(ids) - 1, MEMORY, engine.precision, network=network)


def _score(
    model: Model,
    name: str,
    ids: AnyIds,
    protocol: str,
    progress: Callable[[int, int], None] | None,
) -> Scores:
    """Score ids with an engine, and with float32 if its precision is another."""

    def measure(engine: Engine) -> tuple[float, int]:
        if protocol == "windows":
            return score_windows(engine, ids)
        return score(engine, ids, progress=progress), len(ids) - 1

    engine = ENGINES[name](model)
    exact = None if engine.precision == "float32" else measure(best_engine(model))[0]
    return Scores(*measure(engine), protocol, engine.precision, exact)


def check_settings(protocol: str, engine: str | None, *, adapt: bool, memory: bool) -> None:
    """Raise ConfigError for an unknown protocol, and for settings that exclude each other."""
    if protocol not in PROTOCOLS:
        raise ConfigError(f"protocol {protocol!r}: choose from {', '.join(PROTOCOLS)}")
    if adapt and protocol != "stream":
        raise ConfigError(
            f"protocol {protocol}: a model can adapt only to a text that it reads in order; "
            "choose the protocol stream, or do not adapt"
        )
    if memory and protocol != "stream":
        raise ConfigError(
            f"protocol {protocol}: a memory needs a text that is read in order; choose the "
            "protocol stream, or leave out the memory"
        )
    check_engine(engine or "float32")
    if adapt and engine not in (None, "float32"):
        raise ConfigError(f"engine {engine}: a model adapts in float32; leave out one of both")


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
