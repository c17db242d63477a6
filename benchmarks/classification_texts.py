"""The texts of benchmarks.classification: excerpts of files on this machine, and made-up names.

Each task is a function of a seed (and of the files on this machine) that returns training texts and
test texts. All snippets of a file are in the same part, so that no file is in both.
"""

import gettext
import random
import sysconfig
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

TEST_SHARE: Final = 0.2
"""The share of a class's files that are for testing."""

LARGEST_FILE: Final = 1_000_000
"""The most bytes of a file; larger files are data, whatever their name."""

MOST_FILES: Final = 800
"""The most files of a class that are read."""

SUFFIXES: Final = {
    ".c": "c",
    ".cmake": "cmake",
    ".cpp": "c++",
    ".css": "css",
    ".hpp": "c++",
    ".html": "html",
    ".js": "javascript",
    ".json": "json",
    ".md": "markdown",
    ".php": "php",
    ".pl": "perl",
    ".pm": "perl",
    ".py": "python",
    ".pyx": "cython",
    ".pxd": "cython",
    ".rst": "rst",
    ".sql": "sql",
    ".tcl": "tcl",
    ".vim": "vim",
    ".xml": "xml",
    ".yaml": "yaml",
}
"""The language of a file, by its suffix. `.h` is left out: it is C, C++ or both."""

PACKAGES: Final = (
    "asyncio",
    "email",
    "idlelib",
    "importlib",
    "multiprocessing",
    "tkinter",
    "unittest",
    "xml",
)
"""Packages of the standard library of every Python from 3.11 on."""

NEIGHBOURS: Final = (
    *("cs", "sk", "sl", "hr"),
    *("da", "nb", "nn", "sv"),
    *("ca", "es", "gl", "oc", "pt"),
    *("be", "bg", "ru", "sr", "uk"),
)
"""Languages in families, whose members are easily confused."""

TEST_FOLDERS: Final = {"test", "tests", "idle_test"}

VOWELS: Final = "aeiou"
CONSONANTS: Final = "bdfgklmnprstvz"


class Labelled(NamedTuple):
    """A text and its class."""

    text: str
    label: str


class Parts(NamedTuple):
    """The training texts and the test texts of a task."""

    training: list[Labelled]
    test: list[Labelled]


def programming_languages(
    seed: int = 0,
    *,
    roots: Sequence[Path] | None = None,
    training: int = 400,
    test: int = 100,
    length: tuple[int, int] = (100, 200),
) -> Parts:
    """Return snippets of 100 to 200 characters, by programming language.

    Args:
        roots: the folders to search; None: the standard library, the installed packages, /usr/share
            and /usr/lib.
        training, test: the number of snippets of each class. A language with fewer is left out.
        length: the range of the characters of a snippet, which is stripped.
    """
    if roots is None:
        paths = sysconfig.get_paths()
        roots = [
            Path(paths["stdlib"]),
            Path(paths["purelib"]),
            Path("/usr/share"),
            Path("/usr/lib"),
        ]
    files: dict[str, set[Path]] = defaultdict(set)
    for root in roots:
        for path in root.rglob("*"):
            if path.suffix in SUFFIXES:
                files[SUFFIXES[path.suffix]].add(path)
    return snippets(files, seed, training=training, test=test, length=length, most_of_a_file=4)


def packages(
    seed: int = 0,
    *,
    library: Path | None = None,
    training: int = 300,
    test: int = 75,
    length: tuple[int, int] = (200, 300),
) -> Parts:
    """Return snippets of 200 to 300 characters of the standard library, by package, without tests;
    see `programming_languages`."""
    library = library or Path(sysconfig.get_paths()["stdlib"])
    files = {
        package: [
            path
            for path in sorted((library / package).rglob("*.py"))
            if not TEST_FOLDERS & set(path.relative_to(library).parts)
        ]
        for package in PACKAGES
    }
    return snippets(files, seed, training=training, test=test, length=length)


def natural_languages(
    seed: int = 0,
    *,
    locale: Path = Path("/usr/share/locale"),
    languages: Sequence[str] = NEIGHBOURS,
    training: int = 300,
    test: int = 75,
    length: tuple[int, int] = (20, 60),
) -> Parts:
    """Return messages of programs of 20 to 60 characters, by language, from installed translations.
    All messages of a program are in the same part. See `programming_languages`.

    Messages that are not translated, or the same in two languages, are left out.
    """
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    owners: dict[str, set[str]] = defaultdict(set)
    for path in sorted(locale.glob("*/LC_MESSAGES/*.mo")):
        language = path.parents[1].name
        if language not in languages:
            continue
        for original, message in _messages(path).items():
            text = " ".join(message.split())
            if length[0] <= len(text) <= length[1] and message != original and original:
                found[path.stem][language].add(text)
                owners[text].add(language)
    texts: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for program, translations in found.items():
        for language, messages in translations.items():
            own = sorted(text for text in messages if len(owners[text]) == 1)
            texts[language][program] = own
    return _deal(texts, seed, training=training, test=test, most_of_a_file=40)


def _messages(path: Path) -> Mapping[str, str]:
    """Return the original and the translation of each message of a compiled catalogue."""
    try:
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)
    except (OSError, ValueError, LookupError):  # damaged, or in an encoding unknown to gettext
        return {}
    entries = getattr(catalogue, "_catalog", {})
    return {
        original: message
        for original, message in entries.items()
        if isinstance(original, str) and isinstance(message, str)
    }


def echoes(seed: int = 0, *, training: int = 10_000, test: int = 1000) -> Parts:
    """Return made-up names, half of each class: `echo` where the last vowel equals the first,
    `other` where it differs. What is between them is random: names have three to six syllables of
    one or two consonants and a vowel, and sometimes a final consonant."""
    generator = random.Random(seed)
    wanted = {"echo": (training + test) // 2, "other": (training + test + 1) // 2}
    names: dict[str, str] = {}
    while any(wanted.values()):
        name = "".join(
            "".join(generator.choices(CONSONANTS, k=generator.choice((1, 1, 2))))
            + generator.choice(VOWELS)
            for _ in range(generator.randint(3, 6))
        )
        name += generator.choice(("", generator.choice(CONSONANTS)))
        label = label_of_name(name)
        if wanted[label] and name not in names:
            names[name] = label
            wanted[label] -= 1
    labelled = [Labelled(name, label) for name, label in names.items()]
    generator.shuffle(labelled)
    return Parts(labelled[:training], labelled[training:])


def label_of_name(name: str) -> str:
    """Return `echo` where the first vowel of a name equals the last."""
    vowels = [letter for letter in name if letter in VOWELS]
    return "echo" if vowels[0] == vowels[-1] else "other"


def snippets(
    files: Mapping[str, Iterable[Path]],
    seed: int,
    *,
    training: int,
    test: int,
    length: tuple[int, int],
    most_of_a_file: int | None = None,
) -> Parts:
    """Return snippets of files, by class; no text occurs twice."""
    texts: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for label, paths in sorted(files.items()):
        for path in _some(sorted(paths), random.Random(f"{seed} {label}")):
            generator = random.Random(f"{seed} {path}")
            texts[label][str(path)] = cut(_read(path), length, generator)
    return _deal(texts, seed, training=training, test=test, most_of_a_file=most_of_a_file)


def cut(text: str, length: tuple[int, int], generator: random.Random) -> list[str]:
    """Cut a text into stripped pieces with lengths in a range; the rest is left out."""
    pieces, at = [], 0
    while at < len(text):
        wanted = generator.randint(*length)
        piece = text[at : at + wanted].strip()
        if length[0] <= len(piece):
            pieces.append(piece)
        at += wanted
    return pieces


def _some(paths: list[Path], generator: random.Random) -> list[Path]:
    return generator.sample(paths, min(len(paths), MOST_FILES))


def _read(path: Path) -> str:
    """Return a file's text; an empty string where it is large, not text, or gone."""
    try:
        if path.stat().st_size > LARGEST_FILE or not path.is_file():
            return ""
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _deal(
    texts: Mapping[str, Mapping[str, list[str]]],
    seed: int,
    *,
    training: int,
    test: int,
    most_of_a_file: int | None,
) -> Parts:
    """Deal the texts of each class and file to two parts without a file in common, with a given
    number of each class.

    A class with fewer texts in either part is left out.
    """
    parts = Parts([], [])
    seen: set[str] = set()
    for label in sorted(texts):
        generator = random.Random(f"{seed} {label}")
        names = sorted(texts[label])
        generator.shuffle(names)
        held_out = max(1, round(TEST_SHARE * len(names)))
        dealt: list[list[Labelled]] = []
        for members, count in ((names[held_out:], training), (names[:held_out], test)):
            found: list[str] = []
            for name in members:
                new = [text for text in dict.fromkeys(texts[label][name]) if text not in seen]
                chosen = generator.sample(new, min(len(new), most_of_a_file or len(new)))
                seen.update(chosen)
                found += chosen
            dealt.append([Labelled(text, label) for text in _draw(found, count, generator)])
        if [len(part) for part in dealt] == [training, test]:
            parts.training.extend(dealt[0])
            parts.test.extend(dealt[1])
    for part in parts:
        random.Random(seed).shuffle(part)
    return parts


def _draw(found: list[str], count: int, generator: random.Random) -> list[str]:
    return generator.sample(found, min(count, len(found)))


TASKS: Final[dict[str, Callable[[int], Parts]]] = {
    "programming": programming_languages,
    "natural": natural_languages,
    "packages": packages,
    "echoes": echoes,
}
"""The tasks by name, each a function of a seed."""
