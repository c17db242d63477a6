"""Parts of a corpus: named streams of bytes that can be read again, how they are read, and as
text."""

import codecs
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from charrnn.data.cells import Row, row_text
from charrnn.errors import CharRNNWarning, ConfigError, CorpusError

CHUNK_BYTES: Final = 1 << 20
"""Files are read this much at a time."""


@dataclass(frozen=True)
class Part:
    """One stream of bytes of a corpus. `chunks()` reads it from the start, every time.

    `size` is how many bytes that will be, where it is known beforehand; `column`, where it is a
    column of a table, what there is to say of that. `raw()` reads what a tokenizer of bytes gets,
    where that is
    something else: texts that need not be UTF-8.
    """

    name: str
    encoding: str
    chunks: Callable[[], Iterator[bytes]]
    size: int | None = None
    column: "TextColumn | None" = None
    raw: Callable[[], Iterator[bytes]] | None = None


@dataclass
class TextColumn:
    """The column of a table that holds the text, and what was seen when all of it was read.

    Attributes:
        name: of the table.
        column: of it.
        rows: reads it, from the first row on; `strict` is that of `table_rows`.
        several_lines: how many texts have several lines; and where the first of them is.
    """

    name: str
    column: str
    rows: Callable[..., Iterable[Row]]
    several_lines: int = 0
    first_of_several: str = ""
    _warned: bool = False

    def texts(self, *, as_bytes: bool = False) -> Iterator[str]:
        """The texts; rows where it is missing are left out, which is told in a warning, once.

        `as_bytes` is for a tokenizer of bytes; see `decode_leniently`.

        Raises CorpusError where it is no text.
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
                f"{self.name}: {missing:,} of {number:,} rows are left out, which have no text in "
                f"{self.column!r}; the first is {first_missing}",
                CharRNNWarning,
                stacklevel=2,
            )

    def _place(self, row: Row) -> str:
        return row.where.removeprefix(f"{self.name}: ")


_NO_ENCODINGS_OF_FILES: Final = ("idna", "punycode")
"""Encodings of short names, whose decoders take time that grows with the square of a text."""


def check_encoding(encoding: str) -> None:
    """Raises ConfigError for an encoding that is not one of text."""
    try:
        "".encode(encoding)  # unlike codecs.lookup, refuses `rot13` and other non-texts
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise ConfigError(f"encoding {encoding!r}: {error}") from error
    if name in _NO_ENCODINGS_OF_FILES:
        raise ConfigError(f"encoding {encoding!r}: it is one of names of hosts, not of files")


def decode(part: Part, *, or_bytes: bool = True) -> Iterator[str]:
    """The chunks of one part as text, never an empty one. Raises CorpusError.

    Args:
        or_bytes: whether `--tokenizer byte` would read what is no text, for the advice.
    """
    decoder = codecs.getincrementaldecoder(part.encoding)()
    offset, beginning = 0, True
    for final, chunk in _with_end(part.chunks()):
        pending = decoder.getstate()[0]
        try:
            text = decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            # utf-8-sig counts from after its mark.
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
    """The chunks of one part as text, in which a lone surrogate stands for each byte that is not
    text, as Python's surrogateescape has it; never an empty one.

    Raises CorpusError where even that cannot be, as when the whole seems to be of another encoding.
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
