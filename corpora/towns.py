"""Write invented town names, one a line: a small corpus for `charrnn train towns --lines`.

Each name belongs to one of six made-up regions with a sound of its own: a start, perhaps a middle,
and an end, sometimes dressed as two words or more. `towns.txt`, beside this file, was made with

    python corpora/towns.py > corpora/towns.txt

and with `--regions` it writes a table, of each name and its region, for `charrnn train --label`.

The same seed gives the same names on every Python: the only source of chance is `Random.random`,
whose sequence Python promises to keep.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

COUNT = 4000
SEED = 1729
SHORTEST, LONGEST = 4, 24
MIDDLE_CHANCE, DRESS_CHANCE = 0.45, 0.15
MAX_MISSES = 20_000  # rejected names in a row, after which there are taken to be no more


@dataclass(frozen=True)
class Region:
    """One flavour of name. A dress makes a longer name of a plain one, which is its `{}`."""

    name: str
    starts: str
    middles: str
    ends: str
    dresses: Sequence[str]


REGIONS = (
    Region(  # hedges, mills and fords
        "Vale",
        "alder bram cold dapple elder fen garl hask imber larch mallow nettle otter pen quill rush "
        "thistle under wether yarrow",
        "ing er en",
        "barrow bourne combe cote field ford hithe holt leigh mere moor stow thorpe wade wick",
        ("Upper {}", "Lower {}", "Little {}", "{} on the Wend", "{} on the Sedge"),
    ),
    Region(  # rock, ice and long inlets
        "Skerries",
        "brim drau fal grå hjal isk jor kval lang myr nord røk skar stor torv ulv vind østr",
        "a e sten un",
        "berg bø dal fjord gård heim holm lund nes sund søy vann vik voll ås",
        ("Gamle {}", "Nye {}", "{} på Holmen"),
    ),
    Region(  # white walls and olives
        "Costa",
        "al bel cor dal est fer gal his jar lor mar nav ol per quin ros sal tor vel zam",
        "a am and e er i in o on ur",
        "adera ares bina cén dilla eda grosa lén llana mira monte nar peña rada sol tana vera",
        ("Alta {}", "Villa {}", "Puerto {}", "{} del Mar", "{} de la Sierra"),
    ),
    Region(  # vines, poplars and slow water
        "Plaine",
        "ar beau cler cour dam fleur gui haut lau mont mor nev oran pier roche sau tour val vier",
        "a e en i in on",
        "bec cy fort gnac gny lieu lonne mare nay pré reuil rive sèche ville vigne zé",
        ("Vieux {}", "Grand {}", "{} sur Lisse", "{} le Château"),
    ),
    Region(  # open syllables
        "Islands",
        "ama fale hoa ika kelo lavi mano nuha olo pala rahi sela tavi uru vaha wai",
        "ha ki la lo mu ne no ri ru ta ve",
        "hani keo lani lau loa mea moa nui rua tahi tea toru vai",
        ("{} Nui", "{} Iti", "Motu {}"),
    ),
    Region(  # forests and far markets
        "Marches",
        "bor brez čer dob drav gor hlin jasn kam krast lip mir nov ostr rad slav štov treb vel žab",
        "a e en i o ov",
        "ava čany grad ec ek ice ín itz ka mil nik nitza ov ovka sko slav šín var",
        ("Stary {}", "Nova {}", "Dolni {}", "{} nad Rekou"),
    ),
)


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """One of `options`, evenly."""
    return options[int(rng.random() * len(options))]


def town(rng: random.Random) -> tuple[str, str]:
    """A name of any length, perhaps an ugly one, and its region's."""
    region = pick(rng, REGIONS)
    name = pick(rng, region.starts.split())
    if rng.random() < MIDDLE_CHANCE:
        name += pick(rng, region.middles.split())
    name = (name + pick(rng, region.ends.split())).capitalize()
    if rng.random() < DRESS_CHANCE:
        name = pick(rng, region.dresses).format(name)
    return name, region.name


def is_good(name: str) -> bool:
    """Whether a name is of a fair length, with no letter three times in a row."""
    thrice = any(a == b == c for a, b, c in zip(name, name[1:], name[2:], strict=False))
    return SHORTEST <= len(name) <= LONGEST and not thrice


def towns(count: int, seed: int) -> dict[str, str]:
    """`count` different names, each with its region. Exits where the grammar has not so many."""
    rng = random.Random(seed)
    names: dict[str, str] = {}
    misses = 0
    while len(names) < count:
        name, region = town(rng)
        if is_good(name) and name not in names:
            names[name] = region
            misses = 0
        elif (misses := misses + 1) > MAX_MISSES:
            sys.exit(f"only {len(names)} different names could be made")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description="Write invented town names, one a line.")
    parser.add_argument("--count", type=int, default=COUNT, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    parser.add_argument("--regions", action="store_true", help="a CSV table of name and region")
    arguments = parser.parse_args()
    names = towns(arguments.count, arguments.seed)
    lines = list(names)
    if arguments.regions:
        lines = ["name,region", *(f"{name},{region}" for name, region in names.items())]
    # As bytes: UTF-8 and LF, whatever the terminal's encoding and the system's newline.
    sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    main()
