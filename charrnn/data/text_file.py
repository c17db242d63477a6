"""A text file that is to be written again: its text, and how to encode the text.

Where a text is changed in places, every other byte stays as it was: byte-order mark, encoding, line
ends, and the newline that the last line may lack.
"""

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from charrnn.data.parts import Part, check_encoding, decode
from charrnn.data.standard_input import NAME, read_standard_input
from charrnn.errors import CorpusError

UTF_8: Final = "utf-8"

MARKS: Final[dict[bytes, str]] = {
    codecs.BOM_UTF8: UTF_8,
    codecs.BOM_UTF32_LE: "utf-32-le",  # it begins like that of UTF-16
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte-order marks and their encodings."""


@dataclass(frozen=True)
class TextFile:
    """A text, and the bytes that it came from.

    Attributes:
        name: the name of the file, as it was given.
        content: the bytes of the file.
        text: the decoded text, without the byte-order mark.
        encoding: the encoding of the bytes after the mark, by Python's name.
        mark: the byte-order mark that the file begins with, or nothing.
        errors: how bytes that are not text are decoded; see `bytes.decode`.
    """

    name: str
    content: bytes
    text: str
    encoding: str
    mark: bytes = b""
    errors: str = "strict"

    def encode(self, text: str) -> bytes:
        """Return the bytes of a changed text, without the mark.

        Raises CorpusError where the encoding lacks a character, or does not give back the bytes
        that were read (ISO-2022-JP has several ways to write the same text).
        """
        if self.mark + self._encode(self.text) != self.content:
            raise CorpusError(
                f"{self.name}: writing it as {self.encoding} again would change other bytes; "
                "convert it to UTF-8"
            )
        return self._encode(text)

    def _encode(self, text: str) -> bytes:
        try:
            return text.encode(self.encoding, self.errors)
        except UnicodeEncodeError as error:
            raise CorpusError(
                f"{self.name}: {text[error.start]!r} cannot be written in {self.encoding}; use "
                "--json, or convert the file to UTF-8"
            ) from error


def read_text_file(name: str, encoding: str | None = None) -> TextFile:
    """Read the text of a file, or of stdin (-).

    Args:
        encoding: None: the encoding of its byte-order mark, otherwise UTF-8.

    Raises CorpusError where the file cannot be read or is not text in that encoding, ConfigError
    for an encoding that Python does not know.
    """
    if encoding is not None:
        check_encoding(encoding)
    name, content = _read(name)
    mark = next((mark for mark in MARKS if content.startswith(mark) and _may(mark, encoding)), b"")
    if not mark and encoding is not None and _known_as(encoding) in ("utf-16", "utf-32"):
        raise CorpusError(
            f"{name}: it has no byte-order mark; name its byte order: --encoding {encoding}-le "
            f"or {encoding}-be"
        )
    if mark:
        encoding = MARKS[mark]
    elif encoding is None or _known_as(encoding) == UTF_8:  # utf-8-sig would write a mark
        encoding = UTF_8
    part = Part(name, encoding, lambda: iter([content]), len(content))
    return TextFile(name, content, "".join(decode(part, or_bytes=False)), encoding, mark)


def read_bytes_file(name: str) -> TextFile:
    """Read any file for a model of bytes; bytes that are not UTF-8 become lone surrogates.

    Raises CorpusError where the file cannot be read.
    """
    name, content = _read(name)
    mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    text = content.removeprefix(mark).decode(UTF_8, "surrogateescape")
    return TextFile(name, content, text, UTF_8, mark, "surrogateescape")


def _read(name: str) -> tuple[str, bytes]:
    """Return the name of a file, and its bytes."""
    if name == "-":
        return NAME, read_standard_input()
    try:
        return name, Path(name).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CorpusError(f"{name}: {reason}") from error


def _may(mark: bytes, encoding: str | None) -> bool:
    """Return whether a file in that encoding may begin with that mark."""
    said = MARKS[mark]
    return encoding is None or _known_as(encoding) in (said, said.rpartition("-")[0])


def _known_as(encoding: str) -> str:
    return codecs.lookup(encoding).name.removesuffix("-sig")
