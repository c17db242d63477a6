"""PairTokenizer: the ids of a source, and the symbols of a target.

A source is its characters and then its features. Its ids are 0 for the begin, 1 for the end, 2 for
a character that is not in the vocabulary, and then one for each character and each feature. Symbols
of targets are numbered from 0.

Legend: N ids, V vocabulary.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from charrnn.data.read_options import is_separator
from charrnn.data.tokenizer import REPLACEMENT, Ids
from charrnn.errors import CorpusError, ModelError, UnknownCharacterError
from charrnn.tasks.transduce import LONGEST_SYMBOL, MOST_SYMBOLS
from charrnn.training.report import Rows

BEGIN: Final = 0
END: Final = 1
UNKNOWN: Final = 2
SPECIAL: Final = 3
"""The ids of the begin, the end and an unknown character, and the id of the first character."""

_BETWEEN_FEATURES: Final = re.compile(r"[;\s]+")


class PairTokenizer:
    """The characters of sources, the symbols of targets, and the features of sources.

    Args:
        source: the characters of sources, each once.
        target: the symbols of targets, each once: characters, or with a separator any text without
            it.
        features: the features of sources, each once.
        separator: the character between two symbols of a target; None where each character is a
            symbol.

    Raises ModelError for symbols that are none, or appear twice.
    """

    kind: ClassVar[str] = "pair"
    unit: ClassVar[str] = "character"

    def __init__(
        self,
        source: Sequence[str],
        target: Sequence[str],
        features: Sequence[str] = (),
        separator: str | None = None,
    ) -> None:
        _check_separator(separator)
        _check_symbols("source", source, lambda symbol: len(symbol) == 1)
        _check_symbols("target", target, lambda symbol: _is_target_symbol(symbol, separator))
        _check_symbols("features", features, _is_feature)
        if not source or not target:
            raise ModelError(f"tokenizer: it has no {'target' if source else 'source'} symbols")
        self.source, self.target = "".join(source), tuple(target)
        self.features, self.separator = tuple(features), separator
        self._ids = {character: SPECIAL + i for i, character in enumerate(self.source)}
        self._feature_ids = {
            feature: SPECIAL + len(self.source) + i for i, feature in enumerate(self.features)
        }
        self._numbers = {symbol: number for number, symbol in enumerate(self.target)}
        self._targets = [self._numbers.get(character, -1) for character in self.source]

    @property
    def vocabulary_size(self) -> int:
        """V: the begin, the end, the unknown character, all characters and all features."""
        return SPECIAL + len(self.source) + len(self.features)

    @property
    def outputs(self) -> int:
        """The number of symbols of targets."""
        return len(self.target)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer type that holds every id of a source."""
        return np.min_scalar_type(self.vocabulary_size - 1)

    @property
    def target_dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer type that holds every symbol's number."""
        return np.min_scalar_type(self.outputs - 1)

    # Sources

    def encode_source(self, text: str, features: Sequence[str] = ()) -> list[int]:
        """Return the ids of a source: the begin, its characters, its features, and the end.

        Raises CorpusError for a feature that is not in the vocabulary.
        """
        ids = [BEGIN, *(self._ids.get(character, UNKNOWN) for character in text)]
        for feature in features:
            if feature not in self._feature_ids:
                raise self._unknown_feature(feature)
            ids.append(self._feature_ids[feature])
        ids.append(END)
        return ids

    def decode_source(self, ids: Iterable[int]) -> tuple[str, tuple[str, ...]]:
        """Return the text and the features of a source; unknown characters become U+FFFD. The
        inverse of `encode_source`."""
        characters, features = [], []
        for each in ids:
            at = int(each) - SPECIAL
            if at >= len(self.source):
                features.append(self.features[at - len(self.source)])
            elif at >= 0:
                characters.append(self.source[at])
            elif each == UNKNOWN:
                characters.append(REPLACEMENT)
        return "".join(characters), tuple(features)

    @staticmethod
    def split_features(text: str) -> tuple[str, ...]:
        """Return the features in a cell such as `V;PST` or `V PST`."""
        return tuple(each for each in _BETWEEN_FEATURES.split(text) if each)

    def _unknown_feature(self, feature: str) -> CorpusError:
        if not self.features:
            return CorpusError(
                f"the feature {feature!r:.50}: the model was trained without features; leave it out"
            )
        shown = ", ".join(self.features[:10]) + ", ..." * (len(self.features) > 10)
        return CorpusError(f"the model does not know the feature {feature!r:.50}; it knows {shown}")

    # Targets

    def encode_target(self, text: str) -> list[int]:
        """Return the numbers of a target's symbols.

        Raises UnknownCharacterError for symbols that are not in the vocabulary.
        """
        symbols = split_target(text, self.separator)
        try:
            return [self._numbers[symbol] for symbol in symbols]
        except KeyError:
            unknown = dict.fromkeys(each for each in symbols if each not in self._numbers)
            raise UnknownCharacterError(list(unknown)) from None

    def decode_target(self, numbers: Iterable[int]) -> str:
        """Return the target of symbols' numbers; the inverse of `encode_target`."""
        return self.join_target(self.target[number] for number in numbers)

    def join_target(self, symbols: Iterable[str]) -> str:
        """Return the target of symbols, which need not be in the vocabulary."""
        return (self.separator or "").join(symbols)

    def target_of(self, source_id: int) -> int | None:
        """Return the number of the target symbol that equals a source character; None where there
        is none."""
        at = source_id - SPECIAL
        number = self._targets[at] if 0 <= at < len(self._targets) else -1
        return None if number < 0 else number

    def copies(self) -> npt.NDArray[np.int64]:
        """Return `target_of` for all ids (V,), -1 where there is none."""
        none = [-1] * len(self.features)
        return np.array([-1] * SPECIAL + self._targets + none, dtype=np.int64)

    # The interface of tokenizers, for sources without features

    def encode(self, text: str) -> Ids:
        """Return the ids (N,) of a source without features."""
        return np.array(self.encode_source(text), dtype=self.dtype)

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of a source's ids (N,), without its features."""
        return self.decode_source(np.asarray(ids).tolist())[0]

    def decode_stream(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield the text of ids as they come."""
        return self.decode_pieces((each,) for each in ids)

    def decode_pieces(self, pieces: Iterable[Sequence[int]]) -> Iterator[str]:
        """Yield the text of ids as pieces of them come."""
        return filter(None, map(self.decode, pieces))

    def unknown(self, text: str) -> list[str]:
        """Return the characters of a source that are not in the vocabulary, each once, in order."""
        return [character for character in dict.fromkeys(text) if character not in self._ids]

    def without_unknown(self, text: str) -> str:
        """Return the text: unknown characters of a source have an id."""
        return text

    def extended(
        self, source: Iterable[str], target: Iterable[str], features: Iterable[str]
    ) -> "PairTokenizer":
        """Return a tokenizer that also knows these symbols, after its own."""
        return PairTokenizer(
            [*self.source, *sorted({*source} - self._ids.keys())],
            [*self.target, *sorted({*target} - self._numbers.keys())],
            [*self.features, *sorted({*features} - self._feature_ids.keys())],
            self.separator,
        )

    def rows(self, most: int) -> Rows:
        """Return what people are shown of the symbols; at most so many of each kind."""
        rows = [
            ("characters of sources", _listed(self.source, most)),
            ("symbols of targets", _listed(self.target, most)),
        ]
        if self.separator is not None:
            rows.append(("separator", repr(self.separator)))
        if self.features:
            rows.append(("features", _listed(self.features, most)))
        return tuple(rows)

    # tokenizer.json

    def to_json(self) -> dict[str, Any]:
        """Return the content of `tokenizer.json`."""
        return {
            "kind": self.kind,
            "source": list(self.source),
            "target": list(self.target),
            "features": list(self.features),
            "separator": self.separator,
        }

    @classmethod
    def from_json(cls, data: object) -> "PairTokenizer":
        """Return the tokenizer of JSON data; the inverse of `to_json`. Raises ModelError for
        anything else, including unknown keys."""
        match data:
            case {
                "kind": "pair",
                "source": [*source],
                "target": [*target],
                "features": [*features],
                "separator": None | str() as separator,
                **others,
            } if not others:
                return cls(source, target, features, separator)
        raise ModelError(
            'tokenizer: expected {"kind": "pair", "source": [...], "target": [...], '
            '"features": [...], "separator": null or a character}'
        )


def split_target(text: str, separator: str | None) -> list[str]:
    """Return the symbols of a target: its characters, or what lies between separators. Separators
    at the ends and next to each other divide nothing."""
    return list(text) if separator is None else [each for each in text.split(separator) if each]


def _listed(symbols: Sequence[str], most: int) -> str:
    shown = " ".join(symbols[:most]) + " ..." * (len(symbols) > most)
    return f"{len(symbols):,}: {shown}"


def _check_separator(separator: str | None) -> None:
    if separator is not None and not is_separator(separator):
        raise ModelError(f"tokenizer: {separator!a:.100} cannot divide a target into symbols")


def _check_symbols(name: str, symbols: Sequence[object], is_one: Callable[[str], bool]) -> None:
    """Raise ModelError for what is not a symbol, and for symbols that are several or too many."""
    if len(symbols) > MOST_SYMBOLS:
        raise ModelError(f"tokenizer: {name}: {len(symbols):,} symbols ({MOST_SYMBOLS:,} at most)")
    for symbol in symbols:
        if not isinstance(symbol, str) or len(symbol) > LONGEST_SYMBOL or not is_one(symbol):
            raise ModelError(f"tokenizer: {name}: {symbol!a:.100} is not a symbol")
        if any("\ud800" <= character <= "\udfff" for character in symbol):
            raise ModelError(f"tokenizer: {name}: {symbol!a} has half of a surrogate pair")
    if len({*symbols}) != len(symbols):
        raise ModelError(f"tokenizer: {name}: a symbol appears twice")


def _is_feature(symbol: str) -> bool:
    return PairTokenizer.split_features(symbol) == (symbol,)


def _is_target_symbol(symbol: str, separator: str | None) -> bool:
    return len(symbol) == 1 if separator is None else split_target(symbol, separator) == [symbol]
