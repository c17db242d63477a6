"""The texts of benchmarks.classification: excerpts of a machine's files, and made-up names.

Each task is a function of a seed (and of the files that are there) and gives texts to learn from
and others to be judged by. Snippets of one file are all in the same part: what is told of a file
must not be learned from the rest of it.
"""

import gettext
import random
import sysconfig
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

TEST_SHARE: Final = 0.2
"""The share of a class' files that no training reads."""

LARGEST_FILE: Final = 1_000_000
"""Bytes; larger files are data, whatever they are called."""

MOST_FILES: Final = 800
"""Of a class: more are not read."""

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
"""The language of a file, by how its name ends. `.h` is left out: it is C, C++ or both."""

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
"""Packages of the standard library, in every Python from 3.11 on."""

NEIGHBOURS: Final = (
    *("cs", "sk", "sl", "hr"),
    *("da", "nb", "nn", "sv"),
    *("ca", "es", "gl", "oc", "pt"),
    *("be", "bg", "ru", "sr", "uk"),
)
"""Languages in families, whose members are easily taken for each other."""

TEST_FOLDERS: Final = {"test", "tests", "idle_test"}

VOWELS: Final = "aeiou"
CONSONANTS: Final = "bdfgklmnprstvz"


class Labelled(NamedTuple):
    """A text and its class."""

    text: str
    label: str


class Parts(NamedTuple):
    """The texts of a task: what is learned from, and what is judged by."""

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
    """Which language a snippet of 100 to 200 characters is written in.

    Args:
        roots: where to look; the standard library, the installed packages and /usr/share and
            /usr/lib unless given.
        training, test: how many snippets of each class. A language without so many is left out.
        length: characters of a snippet, stripped.
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
    """Which package of the standard library a snippet of 200 to 300 characters comes from, its
    tests left out; see `programming_languages`."""
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
    """Which of some languages a message of a program is in, 20 to 60 characters long: the
    translations that are installed, all messages of a program in the same part. See
    `programming_languages`.

    What is not translated, or the same in two languages, is left out.
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
    """Original and translation of each message of a compiled catalogue."""
    try:
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)
    except (OSError, ValueError, LookupError):  # damaged, or in words that gettext does not know
        return {}
    entries = getattr(catalogue, "_catalog", {})
    return {
        original: message
        for original, message in entries.items()
        if isinstance(original, str) and isinstance(message, str)
    }


def echoes(seed: int = 0, *, training: int = 10_000, test: int = 1000) -> Parts:
    """Made-up names, the halves of each class: whose last vowel is the first again, `echo`, and
    whose is another, `other`. What is between them tells nothing: three to six syllables, one or
    two consonants and a vowel each, at times a consonant more at the end."""
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
    """`echo` where the first vowel of a name is the last one too."""
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
    """Snippets of files, by class; no text is in it twice."""
    texts: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for label, paths in sorted(files.items()):
        for path in _some(sorted(paths), random.Random(f"{seed} {label}")):
            generator = random.Random(f"{seed} {path}")
            texts[label][str(path)] = cut(_read(path), length, generator)
    return _deal(texts, seed, training=training, test=test, most_of_a_file=most_of_a_file)


def cut(text: str, length: tuple[int, int], generator: random.Random) -> list[str]:
    """A text in pieces, stripped, each of a length between two, the rest left out."""
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
    """A file's text; none where it is large, no text, or gone."""
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
    """The texts of each class and file, in two parts without a file in common, so many of each
    class.

    A class that has not so many in either part is left out.
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
