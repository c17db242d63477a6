"""Texts of lines, for benchmarks/text_lines.py: passages of fables, entries of a ledger, and codes.

The last tenth of the fables and every tenth of the towns occur only in lines to test on. Letters
outside ASCII lose their accents, as not every font has them.
"""

import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

CORPORA: Final = Path(__file__).parent.parent / "corpora"

PUNCTUATION: Final = ".,:;!?'\"-&%()"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
CHARACTERS: Final = LETTERS + LETTERS.upper() + "0123456789" + PUNCTUATION

WIDTH: Final = 45
"""The most characters of a line of a text."""

GOODS: Final = (
    *("apples", "barley", "blankets", "bricks", "candles", "charcoal", "cheese", "clay", "copper"),
    *("eggs", "flax", "glass", "honey", "hops", "iron", "lamp oil", "lead", "linen", "malt"),
    *("nails", "oats", "paper", "pears", "pepper", "pitch", "plums", "quills", "rope", "rye"),
    *("salt", "slates", "soap", "tar", "tin", "turnips", "vinegar", "walnuts", "wax", "yarn"),
)
MEASURES: Final = ("sacks", "barrels", "boxes", "crates", "baskets", "jars", "bales", "casks")
NAMES: Final = (
    *("Agnes", "Albert", "Bridget", "Clara", "Daniel", "Edith", "Ezra", "Frank", "Grace", "Hugh"),
    *("Irene", "Jacob", "Julia", "Karl", "Leo", "Mabel", "Nora", "Oscar", "Paula", "Quentin"),
    *("Rosa", "Silas", "Tom", "Ursula", "Victor", "Walter", "Xaver", "Yvonne", "Zoe", "Ida"),
)
TRADES: Final = ("Baker", "Cooper", "Dyer", "Glazier", "Joiner", "Mason", "Potter", "Saddler")
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
FORMS: Final[tuple[Callable[[Random, Sequence[str]], str], ...]] = (
    lambda r, t: f"{_date(r)}: {_amount(r)} for {r.choice(t)}",
    lambda r, t: f"{_name(r)}, {r.choice(TRADES)}, {r.choice(t)}",
    lambda r, t: f"Paid to {_name(r)} of {r.choice(t)}: {_price(r)}",
    lambda r, t: f"No. {r.randint(1, 999)}: {_amount(r)} at {_price(r)} each",
    lambda r, t: f"The {_time(r)} to {r.choice(t)} is {r.randint(2, 59)} minutes late.",
    lambda r, t: f"{r.choice(t)} ({_date(r)}), {r.randint(1, 99)}% {r.choice(GOODS)}",
    lambda r, t: (
        f'"{r.choice(NAMES)} & {r.choice(NAMES)}", {r.choice(t)}, {r.randint(1, 300)} Mill St.'
    ),
    lambda r, t: f"Is {_name(r)} in {r.choice(t)}? He left at {_time(r)}!",
    lambda r, t: f"{_amount(r)}; {_amount(r)}; no {r.choice(GOODS)}",
    lambda r, t: f"{r.choice(NAMES)}'s {r.choice(GOODS)} from {r.choice(t)}, {_date(r)}",
)


def _date(random: Random) -> str:
    return f"{random.randint(1, 31)} {random.choice(MONTHS)} {random.randint(1700, 1999)}"


def _amount(random: Random) -> str:
    return f"{random.randint(2, 250)} {random.choice(MEASURES)} of {random.choice(GOODS)}"


def _price(random: Random) -> str:
    return f"{random.randint(1, 99)}.{random.randint(0, 99):02}"


def _time(random: Random) -> str:
    return f"{random.randint(0, 23)}:{random.randint(0, 59):02}"


def _name(random: Random) -> str:
    return f"{random.choice(NAMES)} {random.choice(LETTERS.upper())}."


def ledger(random: Random, towns: Sequence[str]) -> str:
    """Return an entry of a ledger."""
    return random.choice(FORMS)(random, towns)


def code(random: Random) -> str:
    """Return a few groups of characters that have no meaning, so that rare ones are learned."""
    groups = []
    for _ in range(random.randint(1, 4)):
        kind = random.choice([LETTERS, LETTERS, LETTERS.upper(), "0123456789", CHARACTERS])
        group = "".join(random.choice(kind) for _ in range(random.randint(1, 7)))
        if random.random() < 0.3:
            group = group.capitalize()
        if random.random() < 0.3:
            group += random.choice(PUNCTUATION)
        groups.append(group)
    return " ".join(groups)


@cache
def read_texts(path: Path | None = None) -> tuple[str, str]:
    """Return the text of a file, or of the fables, before its last tenth, and its last tenth.
    White space is one space."""
    text = plain((path or CORPORA / "fables.txt").read_text(encoding="utf-8"))
    words = text.split()
    cut = len(words) * 9 // 10
    return " ".join(words[:cut]), " ".join(words[cut:])


@cache
def read_towns() -> tuple[list[str], list[str]]:
    """Return the towns of training, and those of the test."""
    towns = plain((CORPORA / "towns.txt").read_text(encoding="utf-8")).splitlines()
    tests = towns[9::10]
    return [each for each in towns if each not in set(tests)], tests


def plain(text: str) -> str:
    """Return a text in the characters of ASCII."""
    decomposed = unicodedata.normalize("NFKD", text.replace("—", " - "))
    return decomposed.encode("ascii", "ignore").decode()


def passage(random: Random, text: str, length: int) -> str:
    """Return whole words of a text, of at most `length` characters."""
    start = text.find(" ", random.randrange(len(text) - 2 * length - 40)) + 1
    words = text[start : start + length + 1]
    return words[: words.rfind(" ")].strip() if " " in words else words


def training_lines(
    count: int,
    *,
    shortest: int = 4,
    longest: int = 20,
    codes: float = 0.2,
    seed: int = 0,
    path: Path | None = None,
) -> list[str]:
    """Return short lines to train on: parts of passages and of entries, and codes. Short ones are
    aligned sooner, and a network that reads them reads long ones."""
    random = Random(seed)
    text, towns = read_texts(path)[0], read_towns()[0]
    lines: list[str] = []
    while len(lines) < count:
        length, kind = random.randint(shortest, longest), random.random()
        if kind < codes:
            line = code(random)[:length].strip()
        elif kind < codes + (1 - codes) / 2:
            line = passage(random, text, length)
        else:
            line = passage(random, " ".join(ledger(random, towns) for _ in range(4)), length)
        if line:
            lines.append(line)
    return lines


def language_lines(entries: int = 3000, *, seed: int = 2, path: Path | None = None) -> list[str]:
    """Return the lines that a language model learns: those of the text, and entries."""
    random = Random(seed)
    towns = read_towns()[0]
    lines = wrapped(read_texts(path)[0]) + [ledger(random, towns) for _ in range(entries)]
    random.shuffle(lines)
    return lines


def test_lines(count: int, *, seed: int = 1, path: Path | None = None) -> list[str]:
    """Return lines to test on: lines of the last tenth of the text, for half of them at most, and
    entries of a ledger of other towns."""
    random = Random(seed)
    towns, lines = read_towns()[1], wrapped(read_texts(path)[1])
    lines = random.sample(lines, min(count // 2, len(lines)))
    return lines + [ledger(random, towns) for _ in range(count - len(lines))]


def wrapped(text: str) -> list[str]:
    """Return the lines of a text, of WIDTH characters at most."""
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)
