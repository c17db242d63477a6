"""Parts of a corpus: named streams of bytes that can be read again, and their decoding."""

import codecs
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from charrnn.data.table_cells import Row, row_text
from charrnn.errors import CharRNNWarning, ConfigError, CorpusError

CHUNK_BYTES: Final = 1 << 20
"""How many bytes of a file are read at once."""


@dataclass(frozen=True)
class Part:
    """One stream of bytes of a corpus.

    Attributes:
        name: the name in errors, such as that of the file.
        encoding: the encoding of the bytes.
        chunks: reads the part, from its start every time.
        size: how many bytes the part has, where that is known beforehand.
        column: the column of a table, where the part is one.
        raw: reads the part for a byte tokenizer, where the bytes differ: texts of a table may not
            be UTF-8.
    """

    name: str
    encoding: str
    chunks: Callable[[], Iterator[bytes]]
    size: int | None = None
    column: "TextColumn | None" = None
    raw: Callable[[], Iterator[bytes]] | None = None


@dataclass
class TextColumn:
    """The column of a table that holds the text, and what was counted when all of it was read.

    Attributes:
        name: the name of the table.
        column: the name of the column.
        rows: reads the table from its first row; for `strict`, see `table_rows`.
        several_lines: how many texts have several lines.
        first_of_several: the place of the first of them.
    """

    name: str
    column: str
    rows: Callable[..., Iterable[Row]]
    several_lines: int = 0
    first_of_several: str = ""
    _warned: bool = False

    def texts(self, *, as_bytes: bool = False) -> Iterator[str]:
        """Yield the texts. Rows without a text are left out, with one warning that counts them.

        With `as_bytes`, for a byte tokenizer, they are decoded as by `decode_leniently`. Raises
        CorpusError where a cell is not text.
        """
        several, first_of_several = 0, ""
        number, missing, first_missing = 0, 0, ""
        errors = "surrogateescape" if as_bytes else "strict"
        for number, row in enumerate(self.rows(strict=not as_bytes), 1):
            text = row_text(row, self.column, errors=errors)
            if text is None:
                missing, first_missing = missing + 1, first_missing or self._place(row)
                continue
            if "\n" in text.rstrip("\r\n"):
                several, first_of_several = several + 1, first_of_several or self._place(row)
            yield text
        self.several_lines, self.first_of_several = several, first_of_several
        if missing and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.name}: {missing:,} of {number:,} rows have no text in {self.column!r} and "
                f"are left out; the first is {first_missing}",
                CharRNNWarning,
                stacklevel=2,
            )

    def _place(self, row: Row) -> str:
        return row.where.removeprefix(f"{self.name}: ")


_NO_ENCODINGS_OF_FILES: Final = ("idna", "punycode")
"""Encodings of host names, whose decoders take time quadratic in the length of a text."""


def check_encoding(encoding: str) -> None:
    """Raise ConfigError for an encoding that is not a text encoding."""
    try:
        "".encode(encoding)  # unlike codecs.lookup, refuses `rot13` and other non-texts
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise ConfigError(f"encoding {encoding!r}: {error}") from error
    if name in _NO_ENCODINGS_OF_FILES:
        raise ConfigError(f"encoding {encoding!r}: it is an encoding of host names, not of files")


def decode(part: Part, *, or_bytes: bool = True) -> Iterator[str]:
    """Decode a part, in chunks that are not empty. Raises CorpusError where it is not text.

    `or_bytes` says whether the error advises `--tokenizer byte`.
    """
    decoder = codecs.getincrementaldecoder(part.encoding)()
    offset, beginning = 0, True
    for final, chunk in _with_end(part.chunks()):
        pending = decoder.getstate()[0]
        try:
            text = decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            # utf-8-sig counts from the end of the mark.
            start = offset - len(pending) + error.start
            start += len(pending + chunk) - len(error.object)
            raise CorpusError(
                f"{part.name}: byte {start} is not valid {part.encoding}; "
                f"{_hint(part, pending + chunk, or_bytes=or_bytes)}"
            ) from error
        except UnicodeError as error:  # such as UTF-16 without a mark
            raise CorpusError(
                f"{part.name}: not valid {part.encoding}: {one_line(error)}"
            ) from error
        offset += len(chunk)
        if beginning and text:
            text, beginning = text.removeprefix("\ufeff"), False
        if "\0" in text:
            raise CorpusError(
                f"{part.name}: it has a NUL character, so it looks binary; "
                f"{'read it with --tokenizer byte, or ' * or_bytes}name its --encoding"
            )
        if text:
            yield text


def decode_leniently(part: Part) -> Iterator[str]:
    """Decode a part, in chunks that are not empty; each byte that is not text becomes a lone
    surrogate, as with Python's surrogateescape.

    Raises CorpusError where the whole part seems to have another encoding.
    """
    decoder = codecs.getincrementaldecoder(part.encoding)("surrogateescape")
    beginning = True
    for final, chunk in _with_end(part.chunks()):
        if beginning and chunk.startswith(_UTF_16) and "16" not in part.encoding:
            raise CorpusError(f"{part.name}: not valid {part.encoding}; {_hint(part, chunk)}")
        try:
            text = decoder.decode(chunk, final)
        except UnicodeError as error:
            raise CorpusError(
                f"{part.name}: not valid {part.encoding}: {one_line(error)}"
            ) from error
        if beginning and text:
            text = text.removeprefix("\ufeff")
        beginning = False
        if text:
            yield text


def _with_end(chunks: Iterator[bytes]) -> Iterator[tuple[bool, bytes]]:
    for chunk in chunks:
        yield False, chunk
    yield True, b""


_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _hint(part: Part, start: bytes, *, or_bytes: bool = True) -> str:
    if start.startswith(_UTF_16) and "16" not in part.encoding:
        return "it looks like UTF-16: use --encoding utf-16"
    hint = "name its encoding (such as --encoding latin-1)"
    return f"{hint} or read it with --tokenizer byte" if or_bytes else hint


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
