"""The memory with which a language model writes: of its training text, or of another.

Legend: N ids.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from charrnn.data.corpus import open_corpus, tokenize
from charrnn.data.excerpt import AnyIds
from charrnn.data.read_options import ReadOptions
from charrnn.data.tokenizer import Tokenizer
from charrnn.errors import CorpusError
from charrnn.evaluation.primed_memory import primed_memory
from charrnn.explanation.copying import find_matches
from charrnn.generation.config import MixtureConfig, SamplingConfig
from charrnn.generation.memory_engine import MemoryEngine
from charrnn.generation.request import Sample
from charrnn.generation.sampler import Sampler
from charrnn.option_declaration import options_of
from charrnn.storage import token_cache
from charrnn.storage.model_directory import Model
from charrnn.storage.run_lookup import load, load_with_directory
from charrnn.training.training_text import read_training_text

_LARGEST_COMPARED: Final = 50_000_000
"""The most ids of a text in which copies are looked for."""


class MixedSampler(NamedTuple):
    """A sampler, and the ids that the memory of its engine has learned; None without a memory."""

    sampler: Sampler
    learned: AnyIds | None


def open_sampler(
    model: str | Path | Model | None,
    engine: str | None = None,
    mixture: MixtureConfig | None = None,
    *,
    corpus: Sequence[str] | None = None,
    read: ReadOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MixedSampler:
    """Return a sampler of a language model, whose engine has a memory if that has a weight.

    Args:
        model: as `load` takes it.
        engine: see Sampler.
        mixture: the weight of the memory; None: no memory.
        corpus: the texts that the memory learns; None: the training text, without what was held
            out.
        read: how to read them.
        progress: called with the number of ids that the memory has learned, and their total.

    Raises ModelError, ConfigError; CorpusError where the memory has no text to learn.
    """
    if mixture is None or mixture.memory is None:
        return MixedSampler(Sampler(load(model), engine), None)
    directory, found = load_with_directory(model)
    inner = Sampler(found, engine).engine
    learned = _training_ids(directory) if corpus is None else _ids_of(corpus, found.tokenizer, read)
    mixed = MemoryEngine(
        inner,
        primed_memory(found.tokenizer, learned, alone=True, progress=progress),
        weight=mixture.memory,
        matches=mixture.memory_matches,
    )
    return MixedSampler(Sampler(found, mixed), learned)


def prepare_sampling(
    model: str | Path | Model, engine: str | None = None, **settings: Any
) -> tuple[Sampler, SamplingConfig]:
    """Return a sampler and a configuration from the attributes of SamplingConfig and MixtureConfig.

    Raises as `open_sampler`.
    """
    mixing = {name: settings.pop(name) for name in options_of(MixtureConfig) if name in settings}
    config = SamplingConfig(**settings)
    return open_sampler(model, engine, MixtureConfig(**mixing)).sampler, config


def longest_copies(
    learned: AnyIds, samples: Sequence[Sample], tokenizer: Tokenizer
) -> list[str] | None:
    """Return for each sample the longest passage that stands word for word in a text (N,), the
    first of several. None where the text is too long to look in."""
    if len(learned) > _LARGEST_COMPARED:
        return None
    texts = [tokenizer.encode(sample.text) for sample in samples]
    matches = find_matches(np.asarray(learned), texts)
    found = []
    for number, ids in enumerate(texts):
        lengths = matches.of(number, number + 1).lengths
        begin = int(lengths.argmax()) if len(lengths) else 0
        length = int(lengths[begin]) if len(lengths) else 0
        found.append(tokenizer.decode(ids[begin : begin + length]))
    return found


def _training_ids(directory: Path | None) -> AnyIds:
    text = read_training_text(directory)
    if text.training is None:
        raise CorpusError(f"--memory needs the training text: {text.problem}; --corpus names it")
    return text.training


def _ids_of(corpus: Sequence[str], tokenizer: Tokenizer, read: ReadOptions | None) -> AnyIds:
    opened = open_corpus(corpus, read)
    keep = token_cache.keep_for_now
    return tokenize(opened, tokenizer=tokenizer, unknown="skip", keep=keep).ids
