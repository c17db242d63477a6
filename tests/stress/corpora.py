"""Hostile corpora: files that are not text, change while they are read, or are far too large.

Each is opened and tokenized, by characters and by bytes, in a process of its own (see `supervise`):
what comes out must decode to exactly what is in the file, or be refused with a CorpusError (or a
ConfigError) of one line.
"""

import contextlib
import csv
import functools
import io
import json
import os
import random
import shutil
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.data.parts import CHUNK_BYTES
from charrnn.errors import ConfigError, CorpusError
from tests.stress.corruptions import (
    Put,
    corrupt_bytes,
)
from tests.stress.report import Deadline, Report
from tests.stress.sandboxed_trials import (
    MEGABYTE,
    Broken,
    Trial,
    check_command,
    check_message,
    summarize,
    supervise,
)

KINDS = ("char", "byte")

SURROGATES = b"\xed\xa0\x80\xed\xb0\x80"
"""Half pairs as CESU-8 and WTF-8 write them; UTF-8 has none."""

SENTENCE = (
    "The h\N{LATIN SMALL LETTER E WITH ACUTE}ron stood \N{GRINNING FACE} in the shallows.\r\n"
)


def hostile_corpora(
    work: Path,
    big: bool = False,
    count: int = 100,
    seed: int = 0,
    deadline: Deadline | None = None,
) -> Report:
    """Reads corpora that no one would wish for.

    Args:
        big: one line of 1 GB instead of 64 MB.
        count: how many tables, made by chance, are read besides those made by hand.
        seed: of the tables.
    """
    settings = {"work": str(work), "big": big, "seed": seed}
    total = len(_cases(work, big)) + count
    results = supervise("tests.stress.corpora:corpus_trials", settings, total, deadline)
    report = summarize(Report("hostile corpora"), results)
    if report.tried < total and not (deadline and deadline.passed):
        report.failures.append(f"only {report.tried} of {total} were tried")
    return report


def corpus_trials(work: str, big: bool, seed: int) -> Callable[[int], Trial]:
    """The maker of corpus trials: those made by hand, then tables corrupted by chance."""
    import torch

    torch.set_num_threads(1)
    # What is imported on the way must not count as memory that a corpus takes.
    import charrnn.training.trainer  # noqa: F401

    folder = Path(work) / "corpora"
    folder.mkdir(exist_ok=True)
    cases = _cases(Path(work), big)
    tables = _tables()

    def make(index: int) -> Trial:
        if index < len(cases):
            return cases[index]()
        chance = random.Random(f"{seed}/{index}")
        suffix = chance.choice(list(tables))
        content = tables[suffix]
        for _ in range(chance.choice((1, 1, 3))):
            content = corrupt_bytes(content or b"\0", tables[chance.choice(list(tables))], chance)
        path = folder / f"table.{suffix}"
        path.write_bytes(content)
        label = f"table {index} of seed {seed}, {suffix}"
        return Trial(
            label, lambda: _refused_or_read([str(path)], column="text"), seconds=5, limited=False
        )

    return make


Case = Callable[[], Trial]


def _cases(work: Path, big: bool) -> list[Case]:
    """Lists the corpora made by hand; nothing is written before a case is called."""
    # Longer than most functions: it is a list of cases.
    folder = work / "corpora"
    cases: list[Case] = []

    def add(
        label: str,
        content: bytes | Put,
        check: Callable[[Path], str],
        *,
        name: str = "corpus.txt",
        megabytes: float = 64,
        seconds: float = 5,
        size: int = 0,
    ) -> None:
        def make() -> Trial:
            path = folder / name
            with contextlib.suppress(FileNotFoundError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                content(path)
            return Trial(
                label,
                lambda: check(path),
                size=size,
                seconds=seconds,
                megabytes=megabytes,
                limited=False,
            )

        cases.append(make)

    for label, content, encoding in _contents():
        for kind in KINDS:
            check = functools.partial(_check_text, kind=kind, content=content, encoding=encoding)
            add(f"{label}, {kind}", content, check, megabytes=100)
    for label, put in _specials():
        for kind in KINDS:
            add(f"{label}, {kind}", put, functools.partial(_refused, kind=kind))
    _add_lines(add, big)
    for kind in KINDS:
        for label, hurt in _changes():
            for reading in (0, 1, 2):
                if hurt is _become_fifo and (reading == 1 or kind == "byte"):
                    continue  # the same open
                check = functools.partial(_check_change, kind=kind, hurt=hurt, reading=reading)
                content = SENTENCE.encode() * 60_000  # of several pieces
                what = f"{label} before reading {reading}, {kind}"
                add(what, content, check, megabytes=100, seconds=1)
    for name in (
        *(
            "two\nlines.txt",
            "\x1b[2J.txt",
            "-",
            "--help",
            "\udcff\udcfe.txt",
            " .txt",
            "hf:",
            "%s{0}",
        ),
        *("a" * 255, "\u202egpj.txt", "[red]x.txt", "\r.txt", "\x7f\x9b.txt"),
    ):
        check = functools.partial(_check_text, content=b"text\n" * 9, encoding="utf-8", kind="char")
        add(f"a file named {name!a:.20}", b"text\n" * 9, check, name=name)
        add(f"no file named {name!a:.20}", _missing, _refused, name=name)
        add(f"train on {name!a:.20}", b"text\n" * 99, _train, name=name, megabytes=250)
        add(f"train on NUL in {name!a:.20}", b"\0" * 99, _train, name=name, megabytes=250)
    for name, content, column in _broken_tables():
        check = functools.partial(_check_table, column=column)
        add(f"{name}: {content[:20]!a}", content, check, name=name, megabytes=500, seconds=10)
    for encoding in _ENCODINGS:
        check = functools.partial(_check_encoding, encoding=encoding)
        add(f"encoding {encoding!a:.20}", bytes(range(1, 256)) * 9, check)
    if big:  # ten seconds
        add("100,000 characters, trained on", _alphabet(100_000), _train, megabytes=500, seconds=30)
    for label, content in (
        ("latin-1", b"caf\xe9 " * 99),
        ("nothing", b""),
        ("a byte", b"x"),
        ("UTF-16", SENTENCE.encode("utf-16")),
        ("half pairs", SURROGATES * 99),
        ("2**18 characters and more", _alphabet(300_000)),
    ):
        add(f"train on {label}", content, _train, megabytes=500, seconds=30)
    for label, put in _specials():
        add(f"train on {label}", put, _train, megabytes=250)
    return cases


def _alphabet(size: int) -> bytes:
    points = (point for point in range(1, 0x110000) if not 0xD800 <= point < 0xE000)
    return "".join(chr(point) for _, point in zip(range(size), points, strict=False)).encode()


def _contents() -> Iterator[tuple[str, bytes, str | None]]:
    """Files, and the encoding in which they are text under utf-8's rules; None: in none."""
    text = SENTENCE * 100
    yield "NUL bytes", b"\0" * 100, None
    yield "a NUL byte at the end", b"text" * 100 + b"\0", None
    yield "a NUL byte at a piece's end", b"x" * (CHUNK_BYTES - 1) + b"\0" + b"x", None
    yield "half pairs", SURROGATES, None
    for encoding in ("utf-16-le", "utf-16-be", "utf-16", "utf-32"):
        yield encoding, text.encode(encoding), None
    yield "UTF-16 BE with a mark", b"\xfe\xff" + text.encode("utf-16-be"), None
    yield "UTF-8 with a mark", text.encode("utf-8-sig"), "utf-8-sig"
    yield "two marks", b"\xef\xbb\xbf" + text.encode("utf-8-sig"), "utf-8-sig"
    yield "a mark alone", b"\xef\xbb\xbf", None
    yield "half a mark", b"\xef\xbb", None
    yield "not UTF-8 in the middle", text.encode() + b"\xff" + text.encode(), None
    for wrong in (b"\xff", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc0\x80", b"\xf4\x90\x80\x80"):
        for before in range(1, 5):
            start = b"x" * (CHUNK_BYTES - before)
            yield f"{wrong!a} {before} before a piece's end", start + wrong + b"x" * 9, None
    for before in range(1, 5):
        whole = b"x" * (CHUNK_BYTES - before) + "\N{GRINNING FACE}".encode() * 3
        yield f"an emoji {before} before a piece's end", whole, "utf-8"
    yield "cut off in a character", text.encode() + b"\xf0\x9f", None
    yield "nothing", b"", None
    yield "a byte", b"x", "utf-8"
    yield "newlines", b"\n" * 1000, "utf-8"
    yield "CRLF, CR, NEL and more", "\r\n\r\n\r\x85\u2028\u2029\x0b\x0c\x1c".encode() * 9, "utf-8"
    yield "U+FFFD and noncharacters", "\ufffd\uffff\U0010ffff\x7f\x1b[2J".encode() * 9, "utf-8"
    yield "100,000 characters", _alphabet(100_000), "utf-8"
    yield "2**18 characters and more", _alphabet(300_000), None


def _specials() -> Iterator[tuple[str, Put]]:
    """What is no file of text: each must be refused, at once."""

    def link(target: str) -> Put:
        return lambda path: path.symlink_to(target)

    for target in ("/dev/zero", "/dev/null", "/dev/full", "/proc/self/mem", "nowhere"):
        yield f"a link to {target}", link(target)
    yield "a link to itself", lambda path: path.symlink_to(path.name)
    yield "a FIFO", os.mkfifo
    yield "an empty folder", lambda path: path.mkdir()
    yield "a socket", _bind
    if os.geteuid():  # nothing is unreadable for root
        yield "an unreadable file", _unreadable
    yield "nothing", _missing


def _bind(path: Path) -> None:
    here = os.open(".", os.O_RDONLY)  # for a socket's path has little room
    try:
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def _unreadable(path: Path) -> None:
    path.write_bytes(b"text")
    path.chmod(0)


def _missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def _add_lines(add: Callable[..., None], big: bool) -> None:
    """One line without end: the ids take a byte for each character, the rest must stay small."""
    size = (1 << 30) if big else 64 * MEGABYTE
    seconds = size / MEGABYTE / 10 + 5

    def sparse(path: Path) -> None:
        with open(path, "wb") as file:
            file.truncate(size)

    def letters(path: Path) -> None:
        with open(path, "wb") as file:
            file.writelines(b"abcdefgh" * (MEGABYTE // 8) for _ in range(size // MEGABYTE))

    room: dict[str, Any] = {"megabytes": 100, "seconds": seconds, "size": size}
    add(f"{size:,} NUL bytes, sparse", sparse, functools.partial(_count, kind="byte"), **room)
    room["name"] = "long.txt"
    add(
        f"a line of {size:,} letters, char", letters, functools.partial(_count, kind="char"), **room
    )
    # A byte of a table becomes text, a row, and text again.
    add("a line of 16 MB of JSON", _long_json, _refused_or_long, name="long.jsonl", megabytes=500)


def _long_json(path: Path) -> None:
    path.write_bytes(b'{"text": "' + b"x" * (16 * MEGABYTE) + b'"}\n')


def _refused_or_long(path: Path) -> str:
    return _refused_or_read([str(path)], column="text")


def _count(path: Path, *, kind: str) -> str:
    from charrnn.data.corpus import open_corpus, tokenize

    text = tokenize(open_corpus([str(path)]), kind=kind)
    if len(text.ids) != path.stat().st_size:
        raise Broken(f"{len(text.ids):,} ids of {path.stat().st_size:,} bytes")
    with open(path, "rb") as file:
        for start in range(0, len(text.ids), 64 * MEGABYTE):
            piece = file.read(MEGABYTE)
            file.seek(start + 64 * MEGABYTE)
            if text.tokenizer.decode(text.ids[start : start + MEGABYTE]).encode() != piece:
                raise Broken(f"other text than in the file, after {start:,} bytes")
    return "read"


def _check_text(path: Path, *, kind: str, content: bytes, encoding: str | None) -> str:
    """Reads a file: what comes out is what is in it, or it is refused as it must be."""
    from charrnn.data.corpus import open_corpus, tokenize

    readable = bool(content) if kind == "byte" else encoding is not None
    try:
        text = tokenize(open_corpus([str(path)]), kind=kind)
    except (CorpusError, ConfigError) as error:
        if readable:
            raise Broken(f"refused, though it is text: {error}") from error
        return check_message(error, path)
    if not readable:
        raise Broken("read, though it is no text")
    decoded = text.tokenizer.decode(text.ids)
    if kind == "byte":
        right = np.asarray(text.ids).tobytes() == content
        right = right and decoded.encode("utf-8", "surrogateescape") == content
    else:
        right = decoded == content.decode(encoding or "utf-8")
    if not right:
        raise Broken("it decodes to another text than is in the file")
    return "read"


def _refused(path: Path, *, kind: str = "char") -> str:
    from charrnn.data.corpus import open_corpus, tokenize

    try:
        tokenize(open_corpus([str(path)]), kind=kind)
    except CorpusError as error:
        return check_message(error, path)
    raise Broken("read, though there is no text")


def _refused_or_read(names: Sequence[str], **options: Any) -> str:
    """Reads it by characters and by bytes; either may be refused."""
    from charrnn.data.corpus import open_corpus, tokenize
    from charrnn.data.read_options import ReadOptions

    outcome = "read"
    for kind in KINDS:
        try:
            corpus = open_corpus(names, ReadOptions(**options))
            text = tokenize(corpus, kind=kind)
        except (CorpusError, ConfigError) as error:
            encoding = options.get("encoding", "utf-8")
            outcome = check_message(error, *names, repr(encoding), encoding)
            continue
        if kind == "char" and text.tokenizer.decode(text.ids) != "".join(corpus.texts()):
            raise Broken("it decodes to another text than the corpus has")
        pieces = (piece for part in corpus.parts for piece in (part.raw or part.chunks)())
        if kind == "byte" and np.asarray(text.ids).tobytes() != b"".join(pieces):
            raise Broken("it has other bytes than the corpus")
    return outcome


Hurt = Callable[[Path], object]


def _changes() -> Iterator[tuple[str, Hurt]]:
    """What may become of a file while it is read."""

    def append(content: bytes) -> Hurt:
        def hurt(path: Path) -> None:
            with open(path, "ab") as file:
                file.write(content)

        return hurt

    def overwrite(content: bytes) -> Hurt:
        def hurt(path: Path) -> None:
            with open(path, "r+b") as file:
                file.write(content)

        return hurt

    yield "deleted", lambda path: path.unlink()
    yield "longer", append(b"more\n")
    yield "shorter", lambda path: os.truncate(path, path.stat().st_size // 2)
    yield "emptied", lambda path: os.truncate(path, 0)
    yield "another letter", overwrite(b"t")
    yield "a new letter", overwrite(b"\xc3\x9f")
    yield "no text any more", overwrite(b"\xff\0")
    yield "a FIFO", _become_fifo


def _become_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _check_change(path: Path, *, kind: str, hurt: Hurt, reading: int) -> str:
    """Hurts a file before a reading of it (0: between opening and the first, 2: in the second).

    What is then read must be what the file had at the end, or it is refused.
    """
    from dataclasses import replace

    from charrnn.data.corpus import open_corpus, tokenize

    corpus = open_corpus([str(path)])
    readings = 0

    def pieces(original: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
        nonlocal readings
        readings += 1
        if readings == reading:
            hurt(path)
        yield from original()

    if reading == 0:
        hurt(path)
    parts = tuple(
        replace(part, chunks=functools.partial(pieces, part.chunks)) for part in corpus.parts
    )
    try:
        text = tokenize(replace(corpus, parts=parts), kind=kind)
    except CorpusError as error:
        return check_message(error, path)
    if reading == 2:
        raise Broken("it did not notice that the text changed between its readings")
    if text.tokenizer.decode(text.ids).encode("utf-8", "surrogateescape") != path.read_bytes():
        raise Broken("it decodes to another text than is in the file")
    return "read"


def _tables() -> dict[str, bytes]:
    """A sound table of each kind, by its suffix."""
    import pyarrow
    from pyarrow import parquet

    texts = ["one", "two, three", 'a "quoted" word', "caf\N{LATIN SMALL LETTER E WITH ACUTE}", ""]
    rows = [{"id": number, "text": text} for number, text in enumerate(texts)]
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, ["id", "text"])
    writer.writeheader()
    writer.writerows(rows)
    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    return {
        "csv": table.getvalue().encode(),
        "jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode(),
        "parquet": file.getvalue(),
    }


def _broken_tables() -> Iterator[tuple[str, bytes, str | None]]:
    """Tables that are none, or that hold too much, and the column to read."""
    for suffix in ("csv", "jsonl", "parquet"):
        for content in (
            *(
                b"",
                b"\n",
                b"\0" * 100,
                b"\xff" * 100,
                b"text",
                b"\xef\xbb\xbf",
                b"PAR1",
                b"PAR1PAR1",
            ),
            *(b"PAR1" + b"\xff" * 100 + b"PAR1", b'"', b'text\n"' + b"x" * 100, b"[]\n", b"{}\n"),
            *(
                b"text\n" + b"x" * 20_000_000,
                b"[" * 100_000,
                b'{"text":' * 100_000,
                b"text,text\n1,2",
            ),
            *(
                b'{"text": "\\ud800"}',
                b'{"text": NaN}',
                b'{"text": ' + b"1" * 5_000 + b"}",
                b"1e400",
            ),
            *(
                b'{"text": 1e400, "text": null}',
                b'{"text": [1]}',
                b'{"text": {}}',
                b'{"text": true}',
            ),
            *(b"\x1b[2J,two\r\nlines\n1,2\n", b'"a\nb","\x1b"\n1,2\n', b'{"a\\nb\\u001b": 1}\n'),
            *(b"," * 100_000 + b"\n1\n", b"text\n1,2,3\n4,5\n", b'{"' + b"k" * 100_000 + b'": 1}'),
            *(b'{"text": "x"}\n{"other": "y"}\n', b'{"text": "x"} trailing\n', b"text\r1\r2\r"),
            b'{"text": "ok"}\n' * 10 + b"\xff\n",
            SENTENCE.encode("utf-16"),
        ):
            yield f"table.{suffix}", content, "text"
        yield f"table.{suffix}", b"text\nx\n", None
        yield f"table.{suffix}", b"text\nx\n", "\x1b[2J\n"


def _check_table(path: Path, *, column: str | None) -> str:
    return _refused_or_read([str(path)], column=column)


_ENCODINGS = (
    *("utf-8", "utf-16", "utf-16-le", "utf-32", "utf-7", "utf-8-sig", "latin-1", "cp1252", "ascii"),
    *("cp037", "shift_jis", "iso2022_jp", "hz", "gb18030", "big5hkscs", "euc_jisx0213", "koi8-r"),
    *("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"),
    *(
        "rot13",
        "hex",
        "zlib",
        "bz2",
        "base64",
        "uu",
        "quopri",
        "charmap",
        "",
        " ",
        "a\0b",
        "../../x",
    ),
    *(
        "x" * 10_000,
        "\x1b[2J\n",
        "utf-8\n",
        "UTF 8",
        "\udcff",
        "\u202e",
        "os",
        "charrnn",
        "aliases",
    ),
)


def _check_encoding(path: Path, *, encoding: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of `unicode_escape`
        return _refused_or_read([str(path)], encoding=encoding)


def _train(path: Path) -> str:
    """Two steps on the command line, in the corpus's folder as people do it."""
    here = os.getcwd()
    os.chdir(path.parent)
    out = path.parent / "trained"
    sizes = ("--steps", "2", "--hidden-size", "4", "--embedding-size", "3", "--batch-size", "2")
    more = ("--sequence-length", "8", "--precision", "fp32", "--device", "cpu", "--layers", "1")
    try:
        name = f"./{path.name}"  # for what begins with a dash is an option, and - is stdin
        return check_command(["train", *sizes, *more, "--out", str(out), "--", name], 0, 2, 4)
    finally:
        os.chdir(here)
        shutil.rmtree(out, ignore_errors=True)
