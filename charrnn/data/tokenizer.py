"""Tokenizers: text <-> ids.

There are two kinds. `CharTokenizer` gives each Unicode character of the corpus an id.
`ByteTokenizer` gives each of the 256 bytes an id, so that it reads any file in any alphabet. Ids
are NumPy arrays of the smallest unsigned type that holds the vocabulary.

Legend: N characters, V vocabulary.
"""

import codecs
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.data.spelling import spelling_hint
from charrnn.errors import CorpusError, ModelError, UnknownCharacterError

Ids = npt.NDArray[np.unsignedinteger[Any]]

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
"""The character that rare characters are folded into; with it in the vocabulary, no character is
unknown."""

LARGEST_VOCABULARY: Final = 1 << 18
"""The most characters of a vocabulary; Unicode has some 155,000."""

_UNICODE_SIZE: Final = 0x110000


class Tokenizer(Protocol):
    """The interface of tokenizers.

    Attributes:
        kind: the name of the kind in tokenizer.json.
        unit: what an id stands for, in words.
    """

    kind: ClassVar[str]
    unit: ClassVar[str]

    @property
    def vocabulary_size(self) -> int:
        """V: ids run from 0 to V - 1."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer type that holds every id."""
        ...

    def encode(self, text: str) -> Ids:
        """Return the ids (N,) of a text. Raises UnknownCharacterError."""
        ...

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of ids (N,); the inverse of `encode`."""
        ...

    def decode_stream(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield the text of ids as they come, in chunks that are never half a character."""
        ...

    def decode_pieces(self, pieces: Iterable[Sequence[int]]) -> Iterator[str]:
        """Yield the same text of ids that come in pieces, in pieces."""
        ...

    def unknown(self, text: str) -> list[str]:
        """Return the characters of the text that are not in the vocabulary, each once, in order."""
        ...

    def without_unknown(self, text: str) -> str:
        """Return the text without the characters that cannot be encoded."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the content of `tokenizer.json`."""
        ...


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return the Unicode code points (N,) of a text, which may have lone surrogates."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


class CharTokenizer:
    """A tokenizer with one id for each distinct character: its position in `characters`.

    If `REPLACEMENT` is among the characters, it stands for all others.
    """

    kind: ClassVar[str] = "char"
    unit: ClassVar[str] = "character"

    def __init__(self, characters: Sequence[str]) -> None:
        """Raise ModelError unless the characters are single, distinct and encodable."""
        for character in characters:
            if not isinstance(character, str) or len(character) != 1:
                raise ModelError(f"tokenizer: {character!a} is not a single character")
            if "\ud800" <= character <= "\udfff":
                raise ModelError(f"tokenizer: {character!a} is half of a surrogate pair")
        if not characters:
            raise ModelError("tokenizer: it has no characters")
        if len(set(characters)) != len(characters):
            raise ModelError("tokenizer: a character appears twice")
        self.characters = tuple(characters)
        self._ids = {character: i for i, character in enumerate(self.characters)}
        points = code_points("".join(self.characters))
        # One look-up per character, by code point; code points past the end read the last entry.
        unknown = len(self.characters)
        self._table = np.full(
            int(points.max()) + 2,
            self._ids.get(REPLACEMENT, unknown),
            dtype=np.min_scalar_type(unknown),
        )
        self._table[points] = np.arange(len(self.characters))
        self._decoded = points

    @classmethod
    def fit(
        cls, texts: Iterable[str], *, min_count: int = 1, first: "CharTokenizer | None" = None
    ) -> "CharTokenizer":
        """Return the tokenizer of a text given in chunks, with its characters in code-point order.

        Characters with fewer than `min_count` occurrences are folded into `REPLACEMENT`. The
        characters of `first` keep their ids, and new ones are appended (to fine-tune its model).
        """
        counts = np.zeros(_UNICODE_SIZE, dtype=np.int64)
        for text in texts:
            occurrences = np.bincount(code_points(text))
            counts[: len(occurrences)] += occurrences
        known = first.characters if first else ()
        counts[code_points("".join(known))] = 0
        kept = [chr(point) for point in np.flatnonzero(counts >= min_count)]
        if np.any((counts > 0) & (counts < min_count)) and REPLACEMENT not in (*known, *kept):
            kept.append(REPLACEMENT)
        return cls([*known, *kept])

    @property
    def known(self) -> Collection[str]:
        """The characters, in a collection with fast look-up."""
        return self._ids.keys()

    @property
    def vocabulary_size(self) -> int:
        """V, the number of distinct characters."""
        return len(self.characters)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer type that holds every id."""
        return np.min_scalar_type(self.vocabulary_size - 1)

    def encode(self, text: str) -> Ids:
        """Return the ids (N,) of a text. Raises UnknownCharacterError."""
        ids = np.take(self._table, code_points(text), mode="clip")
        if ids.size and int(ids.max()) == self.vocabulary_size:
            raise unknown_error(self, self.unknown(text), text)
        return ids.astype(self.dtype, copy=False)

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of ids (N,); the inverse of `encode`."""
        if isinstance(ids, list):  # a short text, for which arrays are slower
            return "".join([self.characters[i] for i in ids])
        return self._decoded[np.asarray(ids, dtype=np.intp)].tobytes().decode("utf-32-le")

    def decode_stream(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield the text of ids as they come."""
        return map(self.characters.__getitem__, ids)

    def decode_pieces(self, pieces: Iterable[Sequence[int]]) -> Iterator[str]:
        """Yield the text of ids as pieces of them come."""
        return ("".join(map(self.characters.__getitem__, piece)) for piece in pieces)

    def unknown(self, text: str) -> list[str]:
        """Return the characters of the text that are not in the vocabulary, each once, in order."""
        return [character for character in dict.fromkeys(text) if character not in self._ids]

    def without_unknown(self, text: str) -> str:
        """Return the text without the characters that cannot be encoded."""
        if REPLACEMENT in self._ids or self._ids.keys() >= set(text):
            return text
        return "".join(character for character in text if character in self._ids)

    def to_json(self) -> dict[str, Any]:
        """Return the content of `tokenizer.json`."""
        return {"kind": self.kind, "characters": list(self.characters)}


class ByteTokenizer:
    """A tokenizer with one id for each of the 256 bytes of UTF-8.

    Bytes that are not UTF-8 decode to lone surrogates (Python's `surrogateescape`), so that
    every sequence of bytes survives a round trip through `str`.
    """

    kind: ClassVar[str] = "byte"
    unit: ClassVar[str] = "byte"
    vocabulary_size = 256
    dtype: np.dtype[Any] = np.dtype(np.uint8)

    def encode(self, text: str) -> Ids:
        """Return the UTF-8 bytes (N,) of a text."""
        try:
            encoded = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise UnknownCharacterError(self.unknown(text)) from error
        return np.frombuffer(encoded, dtype=np.uint8)

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of bytes (N,); the inverse of `encode`."""
        if isinstance(ids, list):  # a short text, for which arrays are slower
            return bytes(ids).decode("utf-8", "surrogateescape")
        return np.asarray(ids, dtype=np.uint8).tobytes().decode("utf-8", "surrogateescape")

    def decode_stream(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield the text of bytes as they come, each character after its last byte."""
        return self.decode_pieces((byte,) for byte in ids)

    def decode_pieces(self, pieces: Iterable[Sequence[int]]) -> Iterator[str]:
        """Yield the text of bytes as pieces of them come, each character after its last byte."""
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        for piece in pieces:
            if text := decoder.decode(bytes(piece)):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    def unknown(self, text: str) -> list[str]:
        """Return the lone surrogates that stand for no byte; every real character is known."""
        return [
            character
            for character in dict.fromkeys(text)
            if "\ud800" <= character <= "\udfff" and not "\udc80" <= character <= "\udcff"
        ]

    def without_unknown(self, text: str) -> str:
        """Return the text without the lone surrogates that stand for no byte."""
        unknown = set(self.unknown(text))
        return "".join(character for character in text if character not in unknown)

    def to_json(self) -> dict[str, Any]:
        """Return the content of `tokenizer.json`."""
        return {"kind": self.kind}


def whole_text(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """Return the text of ids, without an incomplete character at their end."""
    text, whole = "", 0

    def each() -> Iterator[int]:
        nonlocal whole
        yield from ids
        whole = len(text)

    for chunk in tokenizer.decode_stream(each()):
        text += chunk
    return text[:whole]


def check_text(text: object, what: str) -> None:
    """Raise CorpusError for what is not a string."""
    if not isinstance(text, str):
        raise CorpusError(f"{what} is not text but {type(text).__name__}; give a str")


def unknown_error(
    tokenizer: Tokenizer, characters: Sequence[str], text: str = ""
) -> UnknownCharacterError:
    """Return the error for characters that the tokenizer does not know, with the spelling that it
    knows.

    `text` is the text that has them, where it is available.
    """
    hint = ""
    if isinstance(tokenizer, CharTokenizer):
        hint = spelling_hint(characters, tokenizer.known, text)
    return UnknownCharacterError(characters, hint)


TOKENIZERS: Final = {CharTokenizer.kind: CharTokenizer, ByteTokenizer.kind: ByteTokenizer}


def tokenizer_from_json(data: object) -> Tokenizer:
    """Return the tokenizer of JSON data; the inverse of `to_json`. Raises ModelError for anything
    else, including unknown keys."""
    match data:
        case {"kind": "byte", **others} if not others:
            return ByteTokenizer()
        case {"kind": "char", "characters": [*characters], **others} if not others:
            return CharTokenizer(characters)
    raise ModelError(
        'tokenizer: expected {"kind": "char", "characters": [...]} or {"kind": "byte"}'
    )
