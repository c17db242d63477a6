"""Documents: separate texts, which are rows of a table, files of a folder, or lines.

A document that cannot be read as text has a `problem`, and reading continues: training refuses it,
prediction continues with the other documents.

Newlines at the end of a document are left out, so that a line of a file and a cell of a table give
the same text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from charrnn.data.file_parts import file_part, table_rows
from charrnn.data.folders import find_files
from charrnn.data.parts import Part, check_encoding, decode, decode_leniently
from charrnn.data.read_options import ReadOptions
from charrnn.data.sources import HUGGING_FACE, find_corpus, open_source
from charrnn.data.standard_input import NAME as STANDARD_INPUT
from charrnn.data.standard_input import standard_input_arrivals, standard_input_chunks
from charrnn.data.table_cells import cell_text, no_column, row_cell
from charrnn.data.tables import DELIMITERS, PARQUET, TABLE_SUFFIXES, is_table, table_suffix
from charrnn.errors import ConfigError, CorpusError

FOLDER: Final = "folder"
"""The `label` of ReadOptions that makes the folders in a folder the classes of their files."""


EMPTY: Final = "its text is empty"

RAW: Final = "utf-8"
"""The encoding of files for a byte tokenizer, which needs every byte unchanged."""


class Document(NamedTuple):
    """A text, where it was found, and its label.

    Attributes:
        where: the file, and the line or row in it.
        text: the text; empty where there is a problem.
        label: the class or the number to learn, as it was found; None without a label.
        problem: why the document is not text; None where it is.
        place: the position of the document, such as ("line", 7) or ("file", "a/b.txt").
    """

    where: str
    text: str
    label: Any = None
    problem: str | None = None
    place: tuple[str, int | str] | None = None


def read_documents(
    name: str, options: ReadOptions, *, as_bytes: bool = False
) -> Iterator[Document]:
    """Yield the rows of a table, the files of a folder, or one file, as documents.

    With `as_bytes`, for a byte tokenizer, bytes that are not UTF-8 become lone surrogates.

    Raises CorpusError where nothing can be read, ConfigError for an encoding that Python does not
    know.
    """
    check_encoding(options.encoding)
    path = find_corpus(name)
    if path is not None and path.is_dir():
        yield from _files(path, options, as_bytes=as_bytes)
    elif path is not None and is_table(path):
        yield from _rows(path, options, as_bytes=as_bytes)
    else:
        for part in open_source(name, options):
            yield _document(part.name, _whole_text(part, as_bytes=as_bytes), as_bytes=as_bytes)


def read_lines(name: str, options: ReadOptions, *, as_bytes: bool = False) -> Iterator[Document]:
    """Yield the lines of a file, or of standard input (-), each as a document; see
    `read_documents`.

    Raises CorpusError where nothing can be read, ConfigError for an encoding that Python does not
    know.
    """
    for group in read_line_groups(name, options, as_bytes=as_bytes):
        yield from group


def read_line_groups(
    name: str, options: ReadOptions, *, as_bytes: bool = False, as_they_come: bool = False
) -> Iterator[list[Document]]:
    """Yield the lines of a file, or of standard input (-), as `read_lines`, in groups that are read
    together.

    With `as_they_come`, a group has the lines that standard input has at the moment, without
    waiting for more of them.
    """
    check_encoding(options.encoding)
    number = 0
    # Standard input is read once, so it is not stored.
    chunks = standard_input_arrivals if as_they_come else standard_input_chunks
    stream = Part(STANDARD_INPUT, options.encoding, chunks)
    for part in [stream] if name == "-" else open_source(name, options):
        for lines in _line_groups(_leniently(part, as_bytes=as_bytes)):
            numbered = list(enumerate(lines, number + 1))
            number += len(lines)
            yield [
                _document(
                    f"{part.name}: line {place}",
                    line,
                    place=("line", place),
                    encoding=part.encoding,
                    as_bytes=as_bytes,
                )
                for place, line in numbered
            ]


def _line_groups(chunks: Iterator[str]) -> Iterator[list[str]]:
    """Yield the lines of a text in chunks, those that end in a chunk together, including a last
    line without a newline."""
    pending: list[str] = []
    for chunk in chunks:
        first, *others = chunk.split("\n")
        pending.append(first)
        if others:
            yield ["".join(pending), *others[:-1]]
            pending = others[-1:]
    if any(pending):
        yield ["".join(pending)]


def _leniently(part: Part, *, as_bytes: bool) -> Iterator[str]:
    """Decode a part, with lone surrogates in place of bytes that are not text."""
    return decode_leniently(replace(part, encoding=RAW) if as_bytes else part)


def _rows(path: Path, options: ReadOptions, *, as_bytes: bool) -> Iterator[Document]:
    column = options.column
    if column is None:
        raise CorpusError(f"{path}: say which column holds the text with --text NAME")
    open_source(str(path), options)  # raises an error for options that have no effect
    # A JSON object may lack the column; if none has it, the name is wrong. A header must have it.
    known = table_suffix(path) in (*DELIMITERS, PARQUET)
    waiting: list[Document] = []
    for row in table_rows(path, options, strict=False):
        problem, text = row.problem, None
        if problem is None and column not in row.cells:
            problem = no_column(row.cells, column)
        if problem is None:
            known = True
            try:
                text = cell_text(row.cells[column], errors="surrogateescape")
            except ValueError as error:
                problem = f"its {column!r} holds {error}"
        document = _document(
            row.where,
            text or "",
            label=None if options.label is None or problem else row_cell(row, options.label),
            problem=problem,
            place=row.place,
            encoding=None if table_suffix(path) == PARQUET else options.encoding,
            as_bytes=as_bytes,
        )
        if known:
            yield from (*waiting, document)
            waiting = []
        else:
            waiting.append(document)
    if waiting:
        raise CorpusError(f"{waiting[0].where}: {waiting[0].problem}")


def _files(folder: Path, options: ReadOptions, *, as_bytes: bool) -> Iterator[Document]:
    found = find_files(folder, options.glob)
    found.require_some()
    for file in found.files:
        inside = file.relative_to(folder).parts
        if options.label is not None and len(inside) < 2:
            raise CorpusError(
                f"{file}: it is not in the folder of a class; move it into a folder in {folder}"
            )
        text, problem = "", None
        try:
            text = _whole_text(file_part(file, options), as_bytes=as_bytes)
        except CorpusError as error:
            problem = str(error).removeprefix(f"{file}: ")
        yield _document(
            str(file),
            text,
            label=None if options.label is None else inside[0],
            problem=problem,
            place=("file", str(file)),
            as_bytes=as_bytes,
        )


def _whole_text(part: Part, *, as_bytes: bool) -> str:
    """Return the text of a part. Raises CorpusError where it is not text."""
    return "".join(_leniently(part, as_bytes=True) if as_bytes else decode(part))


def _document(
    where: str,
    text: str = "",
    *,
    label: Any = None,
    problem: str | None = None,
    place: tuple[str, int | str] | None = None,
    encoding: str | None = "utf-8",
    as_bytes: bool = False,
) -> Document:
    """Return a document without the newlines at its end, or with its problem."""
    text = text.rstrip("\r\n")
    if problem is None:
        problem = problem_of(text, as_bytes=as_bytes, encoding=encoding)
    return Document(where, "" if problem else text, label, problem, place)


def problem_of(text: str, *, as_bytes: bool = False, encoding: str | None = "utf-8") -> str | None:
    """Return why a string that was decoded leniently is not text; None where it is. `encoding` is
    None where it cannot be chosen, as in .parquet, whose text is UTF-8."""
    if not text:
        return EMPTY
    if text.isascii() and "\0" not in text:
        return None
    if not as_bytes and "\0" in text:
        binary = "it has a NUL character, so it looks binary"
        return binary if encoding is None else f"{binary}; name its --encoding"
    try:
        text.encode("utf-8", "surrogateescape" if as_bytes else "strict")
    except UnicodeEncodeError as error:
        place = error.start
        byte = ord(text[place]) - 0xDC00
        if 0x80 <= byte <= 0xFF:
            wrong = f"byte 0x{byte:02x} at its character {place + 1:,} is not valid"
            if encoding is None:
                return f"{wrong} utf-8, as text in .parquet must be"
            return f"{wrong} {encoding}; name its encoding, such as --encoding latin-1"
        return f"{text[place]!a} is half of a surrogate pair, not text"
    return None


def check_pairs(names: Sequence[str], options: ReadOptions) -> None:
    """Check that pairs can be read from these names, where the options name their columns.

    Raises CorpusError, ConfigError.
    """
    if options.source is None:
        return
    if not names:
        raise ConfigError(f"--source {options.source}: name the table that has it")
    for name in names:
        path = find_corpus(name)
        if path is None and (name == "-" or name.startswith(HUGGING_FACE)):
            raise CorpusError(f"{name}: pairs are read from files only")
        if path is not None and (path.is_dir() or not is_table(path)):
            kind = "a folder" if path.is_dir() else "plain text"
            raise CorpusError(
                f"{name}: it is {kind}; pairs are read from {', '.join(TABLE_SUFFIXES)}"
            )


def check_labels(names: Sequence[str], options: ReadOptions) -> None:
    """Check that labels can be read from these names, where the options name a label.

    Raises CorpusError, ConfigError.
    """
    if options.label is None:
        return
    if not names:
        raise ConfigError(f"--label {options.label}: name the table, or the folder, that has it")
    for name in names:
        path = find_corpus(name)
        folder = path is not None and path.is_dir()
        if path is None and (name == "-" or name.startswith(HUGGING_FACE)):
            raise CorpusError(f"{name}: labels are read from files and folders only")
        if path is not None and not folder and not is_table(path):
            raise CorpusError(
                f"{name}: it is plain text; labels are read from {', '.join(TABLE_SUFFIXES)} and "
                "from a folder with a folder for each class"
            )
        if folder and options.label != FOLDER:
            raise ConfigError(
                f"{name}: the labels of a folder are the names of the folders in it; "
                f"give --label {FOLDER}"
            )
        if folder and options.column is not None:
            raise ConfigError(f"{name}: a folder has no columns; leave out --text")
