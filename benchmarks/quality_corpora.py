"""The corpora of benchmarks.quality: files, parts of files, and texts that every machine has."""

import argparse
import functools
import hashlib
import re
import sysconfig
import tempfile
import tokenize
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.rare_characters import rare_characters
from benchmarks.repetition import repetitive_text
from charrnn.data.python_docs import python_docs

CORPORA: Final = Path(__file__).parents[1] / "corpora"

TEST_FOLDERS: Final = {"test", "tests", "idle_test", "site-packages", "dist-packages"}
"""Folders of Python's standard library that are left out of `stdlib`."""

HELD_OUT: Final = 0.1
"""The share at the end of a text that is held out."""


@dataclass(frozen=True)
class CorpusName:
    """A corpus as named on the command line: SOURCE[@CHARACTERS][:lines].

    Attributes:
        source: a file, the name of a corpus in corpora/, or an entry of MADE.
        characters: how many of its first characters to take; None: all.
        lines: whether each line is a document (`--lines`).
    """

    source: str
    characters: int | None = None
    lines: bool = False

    def __str__(self) -> str:
        """Return the name in tables."""
        source = self.source if self.source in MADE else Path(self.source).stem
        slice_ = "" if self.characters is None else f"@{self.characters}"
        return f"{source}{slice_}{':lines' if self.lines else ''}"


def parse_corpus(text: str) -> CorpusName:
    """Parse SOURCE[@CHARACTERS][:lines]. Raises ArgumentTypeError where there is no such file."""
    match = re.fullmatch(r"(?P<source>.+?)(@(?P<characters>[1-9]\d*))?(?P<lines>:lines)?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"corpus {text!r}: write FILE, FILE@20000 or FILE:lines")
    source, characters = match["source"], match["characters"]
    if source not in MADE and find_file(source) is None:
        names = ", ".join([*MADE, *sorted(path.stem for path in CORPORA.glob("*.txt"))])
        raise argparse.ArgumentTypeError(f"{source}: no such file; there are also {names}")
    first = None if characters is None else int(characters)
    return CorpusName(source, first, match["lines"] is not None)


def find_file(source: str) -> Path | None:
    """Return the file of that name, here or in the project's corpora/ (`.txt` may be left out)."""
    for path in (Path(source), CORPORA / source, CORPORA / f"{source}.txt"):
        if path.is_file():
            return path
    return None


def standard_library() -> str:
    """Return the sources of Python's standard library, without tests, sorted by path and joined:
    the same text for the same Python, and a large one that every machine has."""
    folder = Path(sysconfig.get_path("stdlib"))
    texts = []
    for path in sorted(folder.rglob("*.py")):
        # _sysconfigdata is written when Python is built, and depends on the machine.
        is_test = TEST_FOLDERS & set(path.relative_to(folder).parts)
        if not is_test and not path.name.startswith("_sysconfigdata"):
            with tokenize.open(path) as file:
                texts.append(file.read())
    return joined(text for text in texts if text)


def joined(texts: Iterable[str]) -> str:
    """Return one text, with a newline after each that lacks one."""
    return "".join(text if text.endswith("\n") else f"{text}\n" for text in texts)


MADE: Final[dict[str, Callable[[], str]]] = {
    "python-docs": lambda: joined(python_docs()),
    "rare-characters": rare_characters,
    "repetitive": repetitive_text,
    "stdlib": standard_library,
}
"""The corpora that are not files, by name."""


@dataclass(frozen=True)
class Corpus:
    """A text that was read, in a file for `charrnn train`.

    Attributes:
        name: the name that was asked for.
        path: the file.
        sha256: the first 16 hexadecimal digits of the SHA-256 of its bytes.
        training, held_out: the two parts of the text.
    """

    name: CorpusName
    path: Path
    sha256: str
    training: str
    held_out: str

    @functools.cached_property
    def vocabulary(self) -> list[str]:
        """Return its distinct characters, sorted."""
        return sorted(set(self.training) | set(self.held_out))


def read_corpus(name: CorpusName, folder: Path) -> Corpus:
    """Read a corpus, and write it to the folder if it is not a file. Raises ValueError where the
    text is shorter than the requested slice, or too short to split."""
    if name.source in MADE:
        text, path = MADE[name.source](), None
    else:
        path = find_file(name.source)
        assert path is not None
        text = path.read_bytes().decode("utf-8-sig")
    if name.characters is not None:
        if len(text) < name.characters:
            raise ValueError(f"{name}: it has {len(text):,} characters only")
        text, path = text[: name.characters], None
        if name.lines:
            text = text[: text.rfind("\n") + 1]
    if path is None:
        # In a separate folder: another corpus may have the same name.
        path = Path(tempfile.mkdtemp(dir=folder), f"{str(name).removesuffix(':lines')}.txt")
        path.write_bytes(text.encode())
    training, held_out = split(text, lines=name.lines)
    if min(len(training), len(held_out)) < 2:
        raise ValueError(f"{name}: {len(text):,} characters are too few to split")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Corpus(name, path.absolute(), sha256, training, held_out)


def split(text: str, *, lines: bool) -> tuple[str, str]:
    """Return the training part, and the held-out part, which is the last tenth and begins with a
    whole line where lines are documents."""
    boundary = int(len(text) * (1 - HELD_OUT))
    if lines:
        boundary = text.rfind("\n", 0, boundary) + 1
    return text[:boundary], text[boundary:]
