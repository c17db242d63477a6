"""Translator: translates texts with a saved model, or with several of them together. No torch.

Legend: S characters of a source, U symbols of its translation.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.data.documents import EMPTY, Document
from charrnn.data.grouping import grouped
from charrnn.errors import ConfigError, CorpusError
from charrnn.storage.model_directory import Model
from charrnn.tasks.transduce import LARGEST_BEAM, LONGEST
from charrnn.tasks.transduce.tokenizer import PairTokenizer

TEXTS_AT_ONCE: Final = 256
"""The most texts that are sorted by length together; beyond that, texts are translated before the
next are read."""

CHARACTERS_AT_ONCE: Final = 1 << 14
"""The most characters, with those that make texts equally long, that are translated side by side,
unless a single text is longer."""


class Hypothesis(Protocol):
    """What an engine finds; see `charrnn.tasks.transduce.engine`."""

    @property
    def symbols(self) -> tuple[int, ...]:
        """The numbers of the target symbols; -1 is an unknown character that is copied."""
        ...

    @property
    def log_probability(self) -> float:
        """Nats, 0 or below."""
        ...

    @property
    def positions(self) -> tuple[int, ...]:
        """For each symbol, the position in the encoded source that wrote it."""
        ...


class Engine(Protocol):
    """What computes translations; see `charrnn.tasks.transduce.engine`."""

    def translate_batch(
        self, sources: Sequence[Sequence[int]], *, beam: int, n: int
    ) -> "Sequence[Sequence[Hypothesis]]":
        """Return up to `n` translations of each source, the most probable first."""
        ...


@dataclass(frozen=True)
class Candidate:
    """A translation of a text.

    Attributes:
        text: the translation.
        probability: its probability, over all the ways to write it that the search kept.
        symbols: the U symbols of the text.
    """

    text: str
    probability: float
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True)
class Translation:
    """The translations of a text.

    Attributes:
        source: the text.
        targets: its translations, the most probable first; empty for an empty text, and where there
            is a problem.
        unknown: the characters of the text that the model has never seen, each once.
        dropped: those of them that the first translation does not copy.
        alignment: (U, S): which characters of the text wrote which symbols of the first
            translation, 1 or 0; None where it was not asked for.
        problem: why there is no translation; None where there is one, or nothing to translate.
    """

    source: str
    targets: tuple[Candidate, ...]
    unknown: str = ""
    dropped: str = ""
    alignment: npt.NDArray[np.float32] | None = None
    problem: str | None = None

    @property
    def text(self) -> str:
        """The most probable translation; empty where there is none."""
        return self.targets[0].text if self.targets else ""


class Translator:
    """A saved model that translates texts.

    The translation of a text is the same alone and among others.

    Args:
        model: a model that was read from disk; where it lists others, they translate together.
        beam: how many hypotheses the search keeps.
        n: how many translations of each text are returned.
        alignment: whether to return alignments.
        engine: what computes; None: the engine of the task.

    Raises ModelError when the model is not one of pairs, ConfigError for settings out of range.
    """

    @as_usual
    def __init__(
        self,
        model: Model,
        *,
        beam: int = 4,
        n: int = 1,
        alignment: bool = False,
        engine: Engine | None = None,
    ) -> None:
        model.require("transduce")
        for name, value, most in (("beam", beam, LARGEST_BEAM), ("n", n, LARGEST_BEAM)):
            if type(value) is not int or not 1 <= value <= most:
                raise ConfigError(f"{name} {value!r}: choose a whole number from 1 to {most}")
        self.model = model
        assert isinstance(model.tokenizer, PairTokenizer)
        self.tokenizer = model.tokenizer
        self._beam, self._n, self._alignment = max(beam, n), n, alignment
        self._engine = _make_engine(model) if engine is None else engine

    @as_usual
    def translate(
        self, texts: Sequence[str | Document], features: Sequence[str | None]
    ) -> list[Translation]:
        """Translate texts, each with its features (None: none), which are read together.

        Newlines at a text's end are left out. Raises ModelError when the model's numbers overflow.
        """
        encoded = [self._encode(*each) for each in zip(texts, features, strict=True)]
        found: list[Translation | None] = [each.translation for each in encoded]
        for numbers in _batches(encoded):
            sources = [encoded[number].ids for number in numbers]
            batch = self._engine.translate_batch(sources, beam=self._beam, n=self._n)
            for number, hypotheses in zip(numbers, batch, strict=True):
                found[number] = self._describe(encoded[number].text, hypotheses)
        assert all(each is not None for each in found)
        return [each for each in found if each is not None]

    @as_usual
    def stream(
        self, texts: Iterable[str | Document], features: str | Iterable[str] | None = None
    ) -> Iterator[Translation]:
        """Yield the translation of each text, in order; see `stream_translate`."""
        for group, each_features in _groups(texts, features):
            yield from self.translate(group, each_features)

    def _encode(self, text: str | Document, features: str | None) -> "_Encoded":
        """Return the ids of a text; or its translation, where it has nothing to translate or a
        problem."""
        if isinstance(text, Document):
            if text.problem not in (None, EMPTY):
                return _refused("", text.problem)
            text = text.text
        if not isinstance(text, str):
            return _refused("", f"it is not text but {type(text).__name__}")
        text = text.rstrip("\r\n")
        if not text:
            return _Encoded("", [], Translation("", ()))
        each_feature = PairTokenizer.split_features(features or "")
        if len(text) + len(each_feature) > LONGEST:
            return _refused(
                text, f"it has {len(text):,} characters ({LONGEST:,} at most); divide it into lines"
            )
        try:
            return _Encoded(text, self.tokenizer.encode_source(text, each_feature))
        except CorpusError as error:
            return _refused(text, str(error))

    def _describe(self, source: str, hypotheses: "Sequence[Hypothesis]") -> Translation:
        unknown = "".join(self.tokenizer.unknown(source))
        if not hypotheses:
            problem = "the search found no translation; a larger --beam may"
            return Translation(source, (), unknown, unknown, problem=problem)
        candidates = tuple(self._candidate(source, each) for each in hypotheses)
        best = hypotheses[0]
        copied = {
            source[position - 1]
            for symbol, position in zip(best.symbols, best.positions, strict=True)
            if symbol < 0
        }
        return Translation(
            source,
            candidates,
            unknown,
            "".join(each for each in unknown if each not in copied),
            _alignment(best, len(source)) if self._alignment else None,
        )

    def _candidate(self, source: str, hypothesis: "Hypothesis") -> Candidate:
        target = self.tokenizer.target
        symbols = tuple(
            # The encoded source begins with a symbol of its own.
            target[number] if number >= 0 else source[position - 1]
            for number, position in zip(hypothesis.symbols, hypothesis.positions, strict=True)
        )
        probability = min(math.exp(hypothesis.log_probability), 1.0)
        return Candidate(self.tokenizer.join_target(symbols), probability, symbols)


@dataclass(frozen=True)
class _Encoded:
    """A text as ids; or its translation, where it needs none."""

    text: str
    ids: Sequence[int]
    translation: Translation | None = None


def _refused(text: str, problem: str | None) -> _Encoded:
    return _Encoded(text, [], Translation(text, (), problem=problem))


def _make_engine(model: Model) -> Engine:
    from charrnn.tasks.transduce.engine import TransducerEngine

    engine: Engine = TransducerEngine(model.members)
    return engine


def _alignment(hypothesis: "Hypothesis", length: int) -> npt.NDArray[np.float32]:
    """Return the alignment (U, S); the row of a symbol that no character wrote, but the begin or
    the features of the source, is 0."""
    weights = np.zeros((len(hypothesis.symbols), length + 2), dtype=np.float32)
    places = np.minimum(np.array(hypothesis.positions, dtype=np.intp), length + 1)
    weights[np.arange(len(places)), places] = 1
    return weights[:, 1:-1]


def _batches(encoded: Sequence[_Encoded]) -> Iterator[list[int]]:
    """Yield the numbers of the texts that are translated side by side, sorted by length."""
    numbers = [number for number, each in enumerate(encoded) if each.translation is None]
    numbers.sort(key=lambda number: len(encoded[number].ids))
    batch: list[int] = []
    for number in numbers:
        if batch and (len(batch) + 1) * len(encoded[number].ids) > CHARACTERS_AT_ONCE:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


@as_usual
def translate(
    model: Model,
    texts: str | Iterable[str],
    *,
    features: str | Iterable[str] | None = None,
    beam: int = 4,
    n: int = 1,
    alignment: bool = False,
) -> list[Translation]:
    """Translate a text, or each of several; see `charrnn.translate`.

    Raises ModelError, ConfigError; CorpusError for a single text that has a problem.
    """
    translator = Translator(model, beam=beam, n=n, alignment=alignment)
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        only: Any = [texts]
        translations = list(translator.stream(only, features))
        if translations[0].problem is not None:
            raise CorpusError(f"the text: {translations[0].problem}")
        return translations
    return list(translator.stream(texts, features))


@as_usual
def stream_translate(
    model: Model,
    texts: Iterable[str],
    *,
    features: str | Iterable[str] | None = None,
    beam: int = 4,
    n: int = 1,
    alignment: bool = False,
) -> Iterator[Translation]:
    """Yield the translation of each text, in order; see `charrnn.stream_translate`.

    Raises ModelError, ConfigError, and where the texts and their features are not equally many.
    """
    several = [texts] if isinstance(texts, str) else texts
    return Translator(model, beam=beam, n=n, alignment=alignment).stream(several, features)


_NO_MORE: Final = object()


def _groups(
    texts: Iterable[str | Document], features: str | Iterable[str] | None
) -> Iterator[tuple[list[str | Document], list[str | None]]]:
    """Yield texts with their features in groups that are translated together. Where the iterator of
    texts raises an error, the last group comes before it."""
    for_all = features if isinstance(features, str) else None
    waiting: Iterator[Any] | None = None
    if features is not None and not isinstance(features, str):
        waiting = iter(features)
    for group in grouped(texts, most=TEXTS_AT_ONCE):
        if waiting is None:
            yield group, [for_all] * len(group)
            continue
        each = list(itertools.islice(waiting, len(group)))
        if len(each) < len(group):
            raise ConfigError("features: fewer than texts; give as many, or one for all texts")
        yield group, each
    if waiting is not None and next(waiting, _NO_MORE) is not _NO_MORE:
        raise ConfigError("features: more than texts; give as many, or one for all texts")


__all__ = ["Candidate", "Translation", "Translator", "stream_translate", "translate"]
