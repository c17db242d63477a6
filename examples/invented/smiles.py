"""Small molecules in SMILES, one a line.

Chains with branches, double and triple bonds, saturated and aromatic rings, fused rings, charges,
hydrogens in brackets, and chiral carbon. `check` reads SMILES back into atoms and bonds: brackets
and rings are closed, no atom has more bonds than its valence, and the atoms of aromatic rings can
be given alternating double bonds.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from invented.chance import below, chance, pick
from invented.counts import share

VALENCES = {
    "B": (3,), "C": (4,), "N": (3,), "O": (2,), "P": (3, 5), "S": (2, 4, 6),
    "F": (1,), "Cl": (1,), "Br": (1,), "I": (1,), "Na": (1,), "K": (1,),
}  # fmt: skip

# What is written: an atom, or a ring whose atoms that end in * may carry something else.
CHAIN = ("C", "C", "C", "C", "C", "N", "O", "S")
ENDS = (
    "C", "C", "O", "N", "F", "Cl", "Br", "C#N", "C=C", "C=O", "C(=O)O", "C(=O)N", "OC", "N(C)C",
    "C(C)C", "C(F)(F)F", "S(=O)(=O)N", "C(=O)[O-]", "[NH3+]", "[N+](=O)[O-]", "C#C", "C(C)(C)C",
)  # fmt: skip
LINKS = (
    "C(=O)N{}", "NC(=O){}", "C(=O)O{}", "OC(=O){}", "S(=O)(=O)N{}", "C=C{}", "C#C{}",
    "[C@@H](C){}", "[C@H](N){}", "[C@@H](O){}", "C(=N){}", "OCC{}", "N(C){}",
)  # fmt: skip
RINGS = (
    "ca c* c* c* c* ca", "ca c* c* c* c* ca", "ca c* c* c* c* ca", "ca n c* c* c* ca",
    "ca n c* n c* ca", "ca c* c* [nH] ca", "ca c* c* o ca", "ca c* c* s ca", "ca c* n c* sa",
    "ca n c* [nH] ca", "ca c* c* cb c* c* c* c* cb ca", "ca c* c* cb [nH] c* c* cb ca",
    "ca c* c* cb n c* c* c* cb ca", "Ca C* C* C* C* Ca", "Ca C* C* C* Ca", "Ca C* Ca",
    "Ca C* N C* C* Ca", "Ca C* O C* C* Ca", "Ca C* N C* Ca", "Ca C* C* C* C* C* Ca",
    "Na C* C* N C* Ca", "Na C* C* O C* Ca", "Na C* C* C* C* Ca",
)  # fmt: skip
SALTS = (".Cl", ".[Na+]", ".[K+]", ".O")


@dataclass
class Writer:
    """Writes one molecule, from left to right; `room` atoms or rings are left."""

    random: Random
    room: int
    open_rings: set[int] = field(default_factory=set)

    def group(self) -> str:
        """Something that is bound by one single bond to what stands before it."""
        self.room -= 1
        if self.room <= 0 or chance(self.random, 0.15):
            return pick(self.random, ENDS)
        kind = self.random.random()
        if kind < 0.34:
            return self.ring(pick(self.random, RINGS).split())
        if kind < 0.56:
            return pick(self.random, LINKS).format(self.group())
        return self.chain()

    def chain(self) -> str:
        """One atom and what it carries."""
        atom = pick(self.random, CHAIN)
        branches = {"C": (0, 0, 1, 1, 2), "N": (0, 0, 1)}.get(atom, (0,))
        sides = [f"({self.group()})" for _ in range(pick(self.random, branches))]
        return atom + "".join(sides) + self.group()

    def ring(self, atoms: Sequence[str]) -> str:
        """A ring that begins with the atom which is bound to what stands before it."""
        digits: dict[str, int] = {}
        written = []
        for position, atom in enumerate(atoms):
            free, atom = atom.endswith("*"), atom.rstrip("*")
            if atom[-1] in "ab":
                label, atom = atom[-1], atom[:-1]
                if label in digits:
                    atom += str(digits[label])
                    self.open_rings.discard(digits.pop(label))
                else:
                    digits[label] = min(set(range(1, 10)) - self.open_rings)
                    self.open_rings.add(digits[label])
                    atom += str(digits[label])
            written.append(atom)
            last = position == len(atoms) - 1
            if free and self.room > 0 and chance(self.random, 0.22) and len(self.open_rings) < 8:
                written.append(f"({self.group()})")
            elif last and chance(self.random, 0.4) and atom[0] in "cC":
                written.append(self.group())
        return "".join(written)


def molecule(random: Random) -> str:
    """One molecule; where it has a charge, perhaps with an ion beside it."""
    text = Writer(random, room=3 + below(random, 8)).group()
    if text.startswith("[C@"):
        text = "C" + text  # a chiral carbon has three neighbours and a hydrogen
    return text + pick(random, SALTS) if "[" in text and chance(random, 0.1) else text


def documents(random: Random) -> Iterator[str]:
    """Molecules without end: of 8 to 70 characters, each only once."""
    seen = set()
    while True:
        text = molecule(random)
        if 8 <= len(text) <= 70 and text not in seen:
            seen.add(text)
            yield text + "\n"


# Reading them back.

TOKEN = re.compile(
    r"\[\d*(?P<bracketed>[A-Z][a-z]?|[bcnops])(?P<chiral>@{0,2})(?P<hydrogens>H\d?)?"
    r"(?P<charge>[+-]\d?)?\]|(?P<atom>Cl|Br|[BCNOPSFI]|[bcnops])|(?P<bond>[-=#:/\\])"
    r"|(?P<branch>[()])|(?P<ring>%\d\d|\d)|(?P<dot>\.)"
)
ORDERS = {"": 1, "-": 1, "/": 1, "\\": 1, ":": 1, "=": 2, "#": 3}


@dataclass
class Atom:
    """An atom, and its bonds: the index of the other atom, and the order of the bond."""

    symbol: str
    aromatic: bool
    hydrogens: int = 0
    charge: int = 0
    bonds: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All bonds that are written, aromatic ones as single."""
        return sum(self.bonds.values()) + self.hydrogens

    @property
    def most(self) -> int:
        """The most bonds that its valence and charge allow."""
        sign = (
            -1 if self.symbol in {"B", "C"} else 1
        )  # a charge takes a bond from carbon, either way
        change = sign * abs(self.charge) if sign < 0 else self.charge
        return max(VALENCES[self.symbol][:1] if self.charge else VALENCES[self.symbol]) + change

    @property
    def needs_double_bond(self) -> bool:
        """Whether an aromatic atom takes part in a double bond of its ring."""
        if self.symbol == "C":
            return self.total <= 3
        return self.symbol in {"N", "P"} and self.total <= 2 + self.charge


def parse(text: str) -> list[Atom] | None:
    """The atoms of a molecule; None where brackets, branches or rings are not closed."""
    atoms: list[Atom] = []
    branches: list[int] = []
    rings: dict[str, tuple[int, str]] = {}
    last, bond, place = -1, "", 0

    def join(other: int, order: str) -> bool:
        if other < 0 or other == last or other in atoms[last].bonds:
            return False
        atoms[last].bonds[other] = atoms[other].bonds[last] = ORDERS[order]
        return True

    while place < len(text):
        if not (found := TOKEN.match(text, place)):
            return None
        place = found.end()
        if symbol := found["atom"] or found["bracketed"]:
            if symbol.capitalize() not in VALENCES:
                return None
            atoms.append(_atom(found, symbol))
            before, last = last, len(atoms) - 1
            if before >= 0 and not join(before, bond):
                return None
            bond = ""
        elif found["bond"]:
            if bond or last < 0:
                return None
            bond = found["bond"]
        elif bond and not found["ring"]:
            return None
        elif found["branch"] == "(":
            if last < 0 or text[place : place + 1] == ")":
                return None
            branches.append(last)
        elif found["branch"]:
            if not branches:
                return None
            last = branches.pop()
        elif found["dot"]:
            if branches or last < 0:
                return None
            last = -1
        elif last < 0:
            return None
        elif found["ring"] in rings:
            other, order = rings.pop(found["ring"])
            if not join(other, bond or order):
                return None
            bond = ""
        else:
            rings[found["ring"]] = (last, bond)
            bond = ""
    return None if branches or rings or bond or last < 0 else atoms


def _atom(found: re.Match[str], symbol: str) -> Atom:
    hydrogens, charge = found["hydrogens"], found["charge"]
    return Atom(
        symbol.capitalize(),
        symbol.islower(),
        int(hydrogens[1:] or 1) if hydrogens else 0,
        int(charge[0] + (charge[1:] or "1")) if charge else 0,
    )


def is_valid(text: str) -> bool:
    """Whether this is a molecule: it parses, valences hold, and aromatic rings can be resolved."""
    atoms = parse(text)
    if not atoms or any(atom.total > atom.most for atom in atoms):
        return False
    ring_bonds = [
        {other for other in atom.bonds if atoms[other].aromatic and _in_ring(atoms, index, other)}
        if atom.aromatic
        else set()
        for index, atom in enumerate(atoms)
    ]
    if any(atom.aromatic and len(near) < 2 for atom, near in zip(atoms, ring_bonds, strict=True)):
        return False
    open_atoms = {i for i, atom in enumerate(atoms) if atom.aromatic and atom.needs_double_bond}
    return _can_be_paired(open_atoms, ring_bonds)


def _in_ring(atoms: Sequence[Atom], start: int, end: int) -> bool:
    """Whether there is another way from `start` to `end` than the bond between them."""
    seen, reached = {start}, [other for other in atoms[start].bonds if other != end]
    while reached:
        atom = reached.pop()
        if atom == end:
            return True
        if atom not in seen:
            seen.add(atom)
            reached += atoms[atom].bonds
    return False


def _can_be_paired(open_atoms: set[int], bonds: Sequence[set[int]]) -> bool:
    """Whether all these atoms can be joined in pairs along the bonds (a perfect matching)."""
    if not open_atoms:
        return True
    hardest = min(open_atoms, key=lambda atom: len(bonds[atom] & open_atoms))
    return any(
        _can_be_paired(open_atoms - {hardest, other}, bonds)
        for other in sorted(bonds[hardest] & open_atoms)
    )


def check(text: str) -> list[str]:
    """Counts the lines that are molecules, and how many are different."""
    lines = text.split()
    valid = [line for line in lines if is_valid(line)]
    return [
        share(len(valid), len(lines), "valid molecules"),
        share(len(set(valid)), len(valid), "different texts among the valid"),
        share(
            sum(parse(line) is not None for line in lines),
            len(lines),
            "with rings and brackets closed",
        ),
    ]
