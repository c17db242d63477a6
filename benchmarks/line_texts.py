"""Texts of lines, for benchmarks/text_lines.py: passages of fables, entries of a ledger, and codes.

The last tenth of the fables and every tenth of the towns occur only in the lines to test on, and
the tenth before only in those on which the weight of a language model is chosen. Letters outside
ASCII lose their accents, as not every font has them.
"""

import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

CORPORA: Final = Path(__file__).parent.parent / "corpora"

PUNCTUATION: Final = ".,:;!?'\"-&%()"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
CHARACTERS: Final = LETTERS + LETTERS.upper() + "0123456789" + PUNCTUATION

WIDTH: Final = 45
"""The most characters of a line of a text."""

LENGTHS: Final = (4, 20)
"""The fewest and the most characters of a line to train on."""

CODES: Final = 0.2
"""The share of them that has no meaning."""

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


class Part(NamedTuple):
    """A part of the texts.

    Attributes:
        text: consecutive words, with one space between two.
        towns: names of towns.
    """

    text: str
    towns: list[str]


@cache
def read_parts(path: Path | None = None) -> tuple[Part, Part, Part]:
    """Return the parts to train on, to choose a weight on, and to test on, of the words of a file,
    or of the fables, and of the names of towns."""
    words = plain((path or CORPORA / "fables.txt").read_text(encoding="utf-8")).split()
    towns = plain((CORPORA / "towns.txt").read_text(encoding="utf-8")).splitlines()
    towns = list(dict.fromkeys(towns))
    cuts = [len(words) * tenths // 10 for tenths in (0, 8, 9, 10)]
    texts = [" ".join(words[start:end]) for start, end in pairwise(cuts)]
    names = [[each for n, each in enumerate(towns) if n % 10 < 8], towns[8::10], towns[9::10]]
    training, choosing, testing = map(Part, texts, names)
    return training, choosing, testing


def plain(text: str) -> str:
    """Return a text in the characters of ASCII."""
    decomposed = unicodedata.normalize("NFKD", text.replace("—", " - "))
    return decomposed.encode("ascii", "ignore").decode()


def passage(random: Random, text: str, length: int) -> str:
    """Return whole words of a text, of at most `length` characters."""
    start = text.find(" ", random.randrange(len(text) - 2 * length - 40)) + 1
    words = text[start : start + length + 1]
    return words[: words.rfind(" ")].strip() if " " in words else words


def training_lines(part: Part, count: int, *, seed: int = 0) -> list[str]:
    """Return short lines to train on: parts of passages and of entries, and codes. Short ones are
    aligned sooner, and a network that reads them reads long ones."""
    random = Random(seed)
    lines: list[str] = []
    while len(lines) < count:
        length, kind = random.randint(*LENGTHS), random.random()
        if kind < CODES:
            line = code(random)[:length].strip()
        elif kind < (1 + CODES) / 2:
            line = passage(random, part.text, length)
        else:
            line = passage(random, " ".join(ledger(random, part.towns) for _ in range(4)), length)
        if line:
            lines.append(line)
    return lines


def full_lines(part: Part, count: int, seed: int) -> list[str]:
    """Return lines of the text, for half of them at most, and entries of a ledger."""
    random, lines = Random(seed), wrapped(part.text)
    lines = random.sample(lines, min(count // 2, len(lines)))
    lines += [ledger(random, part.towns) for _ in range(count - len(lines))]
    random.shuffle(lines)
    return lines


def wrapped(text: str) -> list[str]:
    """Return the lines of a text, of WIDTH characters at most."""
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)
