"""Dance tunes in ABC notation.

Each tune has a header (number, title, rhythm, meter, unit, key) and two parts of eight bars, each
repeated. Its rules: every bar adds up to the meter; the first motif of a part returns in its third
and fifth bar; a part that is opened by `|:` is closed by `:|`; the last note is the key's tonic.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from random import Random

from invented.chance import chance, pick
from invented.counts import share

LETTERS = "CDEFGAB"
LOWEST, HIGHEST = -2, 13  # A, below the staff to b above it: places in LETTERS, 7 an octave
FIELDS = ("X", "T", "R", "M", "L", "K")


@dataclass(frozen=True)
class Rhythm:
    """A dance: how many groups its bars have, and how a group is divided (eighths; t: triplet)."""

    name: str
    meter: str
    groups: int
    divisions: Sequence[str]

    @property
    def eighths(self) -> int:
        upper, lower = self.meter.split("/")
        return int(upper) * 8 // int(lower)


RHYTHMS = (
    Rhythm("jig", "6/8", 2, ("111", "111", "111", "21", "3")),
    Rhythm("slip jig", "9/8", 3, ("111", "111", "21", "3")),
    Rhythm("reel", "4/4", 2, ("1111", "1111", "1111", "211", "22", "t2")),
    Rhythm("hornpipe", "4/4", 2, (">>", ">>", "1111", "t2", "22")),
    Rhythm("polka", "2/4", 2, ("11", "11", "2")),
    Rhythm("waltz", "3/4", 3, ("2", "2", "11")),
)
TONICS = {
    "D": 1,
    "G": 4,
    "A": -2,
    "C": 0,
    "Em": 2,
    "Am": 5,
    "Bm": -1,
    "Ador": 5,
    "Edor": 2,
    "Dmix": 1,
}
PROGRESSIONS = ((0, 4, 0, 4), (0, 3, 0, 4), (0, 5, 3, 4))  # the degree each bar's chord stands on

OWNERS = "Nan Orla's|Tom Sedge's|The Miller's|The Widow's|The Tinker's|Old Wat's|The Ferryman's"
THINGS = "Lantern|Kettle|Heron|Weir|Gander|Apron|Hayloft|Thimble|Barley|Nightcap|Wheel|Bonnet"
PLACES = "Hill|Bridge|Mill|Ford|Green|Harbour|Moor|Quay|Orchard|Lane"


def note(place: int) -> str:
    """A note in ABC: C to B, then c to b, a comma an octave below and an apostrophe above."""
    octave, step = divmod(place, 7)
    letter = LETTERS[step]
    return letter + "," * -octave if octave <= 0 else letter.lower() + "'" * (octave - 1)


def title(random: Random) -> str:
    """Something like The Heron on the Weir."""
    thing = pick(random, THINGS.split("|"))
    if chance(random, 0.5):
        return f"{pick(random, OWNERS.split('|'))} {thing}"
    where = f"{pick(random, ('on', 'of', 'behind', 'over'))} the {pick(random, PLACES.split('|'))}"
    return f"The {thing} {where}"


class Melody:
    """A line of notes that walks by steps, and begins each group on a note of the chord."""

    def __init__(self, random: Random, tonic: int) -> None:
        self.random, self.tonic, self.place = random, tonic, tonic + 4

    def step(self) -> str:
        """The next note: most often a neighbour."""
        moved = self.place + pick(self.random, (-2, -1, -1, -1, 1, 1, 1, 2))
        self.place = moved if LOWEST <= moved <= HIGHEST else self.place
        return note(self.place)

    def land(self, degree: int) -> str:
        """The nearest note of the triad on this degree that is not the last note."""
        chord = [
            place
            for place in range(LOWEST, HIGHEST + 1)
            if (place - self.tonic - degree) % 7 in (0, 2, 4) and place != self.place
        ]
        nearest = sorted(chord, key=lambda place: (abs(place - self.place), place))
        self.place = pick(self.random, nearest[:2])
        return note(self.place)

    def bar(self, rhythm: Rhythm, degree: int) -> str:
        """A bar over the triad on this degree, its groups set apart."""
        return " ".join(
            self.group(pick(self.random, rhythm.divisions), degree) for _ in range(rhythm.groups)
        )

    def group(self, division: str, degree: int) -> str:
        parts = []
        for position, length in enumerate(division):
            first = self.land(degree) if position == 0 else self.step()
            if length == "t":
                parts.append(f"(3{first}{self.step()}{self.step()}")
            elif length == ">":
                parts.append(f"{first}>{self.step()}")
            else:
                parts.append(first + (length if length != "1" else ""))
        return "".join(parts)

    def close(self, rhythm: Rhythm) -> str:
        """The last bar: it comes to rest on the tonic."""
        start = " ".join(
            self.group(pick(self.random, rhythm.divisions), 4) for _ in range(rhythm.groups - 1)
        )
        self.place = min(
            (place for place in (self.tonic, self.tonic + 7) if LOWEST <= place <= HIGHEST),
            key=lambda place: abs(place - self.place),
        )
        rest = rhythm.eighths // rhythm.groups
        return f"{start} {note(self.place)}{rest}"


def part(random: Random, rhythm: Rhythm, tonic: int) -> str:
    """Eight bars, a motif in the first, third and fifth, between the signs of a repeat."""
    melody = Melody(random, tonic)
    melody.place = tonic + pick(random, (2, 4, 7)) if tonic < 5 else tonic + pick(random, (0, 2, 4))
    chords = pick(random, PROGRESSIONS)
    motif = melody.bar(rhythm, chords[0])
    answer = melody.bar(rhythm, chords[1])
    bars = [motif, answer, motif, melody.bar(rhythm, chords[3])]
    bars += [motif, answer, melody.bar(rhythm, chords[2]), melody.close(rhythm)]
    return "|:" + "|".join(bars[:4]) + "|\n" + "|".join(bars[4:]) + ":|\n"


def documents(random: Random) -> Iterator[str]:
    """Tunes without end, a blank line after each."""
    for number in count(1):
        rhythm, key = pick(random, RHYTHMS), pick(random, list(TONICS))
        head = (number, title(random), rhythm.name, rhythm.meter, "1/8", key)
        fields = "".join(f"{name}:{value}\n" for name, value in zip(FIELDS, head, strict=True))
        tonic = TONICS[key]
        yield fields + part(random, rhythm, tonic) + part(random, rhythm, tonic) + "\n"


NOTE = re.compile(r"(?P<triplet>\(3)|(?P<note>[A-Ga-g][,']*)(?P<length>\d*)|[ >]")


def eighths(bar: str) -> Fraction | None:
    """How many eighths a bar has; None where it is not ABC as it is written here."""
    total, place, in_triplet = Fraction(0), 0, 0
    while place < len(bar):
        found = NOTE.match(bar, place)
        if not found:
            return None
        if found["triplet"]:
            in_triplet = 3
        elif found["note"]:
            length = Fraction(int(found["length"] or 1))
            total += length * Fraction(2, 3) if in_triplet else length
            in_triplet = max(0, in_triplet - 1)
        place = found.end()
    return total


@dataclass(frozen=True)
class Tune:
    """A tune as it was read: its header and the text of its music."""

    header: dict[str, str]
    music: str

    @property
    def bars(self) -> list[str]:
        return [bar for bar in re.split(r"[|:\n]+", self.music) if bar.strip()]

    def bars_that_add_up(self) -> int:
        if not (meter := re.fullmatch(r"(\d+)/([248])", self.header.get("M", ""))):
            return 0
        length = Fraction(int(meter[1]) * 8, int(meter[2]))
        return sum(eighths(bar) == length for bar in self.bars)

    def repeats_are_closed(self) -> bool:
        signs = re.findall(r"\|:|:\|", self.music)
        return signs != [] and signs == ["|:", ":|"] * (len(signs) // 2)

    def ends_on_the_tonic(self) -> bool:
        notes = re.findall(r"[A-Ga-g]", self.music)
        return bool(notes) and notes[-1].upper() == self.header.get("K", "")[:1]

    def motif_returns(self) -> bool:
        return len(self.bars) >= 5 and self.bars[0] == self.bars[2] == self.bars[4]


def read(text: str) -> Iterator[Tune]:
    """The tunes of a text: from each line that begins with X: to the next."""
    for tune in re.split(r"(?m)^(?=X:)", text)[1:]:
        lines = [line for line in tune.splitlines() if line not in {"", "---"}]
        fields = [line for line in lines if re.match(r"[A-Z]:(?!\|)", line)]
        music = "\n".join(line for line in lines if line not in fields)
        yield Tune({line[0]: line[2:] for line in fields}, music)


def check(text: str) -> list[str]:
    """Counts the tunes, and the bars, that keep to the rules."""
    tunes = list(read(text))
    titles = [tune.header.get("T", "") for tune in tunes]
    return [
        share(
            sum(tuple(t.header) == FIELDS for t in tunes), len(tunes), "tunes with a whole header"
        ),
        share(
            sum(tune.bars_that_add_up() for tune in tunes),
            sum(len(tune.bars) for tune in tunes),
            "bars that add up to the meter",
        ),
        share(sum(len(t.bars) == 16 for t in tunes), len(tunes), "tunes of sixteen bars"),
        share(
            sum(t.repeats_are_closed() for t in tunes), len(tunes), "tunes whose repeats are closed"
        ),
        share(sum(t.motif_returns() for t in tunes), len(tunes), "tunes whose first motif returns"),
        share(sum(t.ends_on_the_tonic() for t in tunes), len(tunes), "tunes that end on the tonic"),
        f"{'different titles':<44}{len(set(titles)):>8,} of {len(titles):,}",
    ]
