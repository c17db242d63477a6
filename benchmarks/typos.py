"""Seeded typos, and how well they are found, for benchmarks.infilling."""

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from charrnn.tasks.infill.corrections import DELETE, INSERT, KINDS, SUBSTITUTE, SWAP, Finding

_AROUND: Final = 12
"""The characters on each side by which two texts are compared."""


@dataclass(frozen=True)
class Typo:
    """A seeded mistake.

    Attributes:
        kind: an entry of KINDS: a letter was replaced, deleted or inserted, or two were swapped.
        begin, end: its position in the text with typos; both are equal where a letter was deleted.
        original: the characters before the mistake was made.
    """

    kind: str
    begin: int
    end: int
    original: str


def with_typos(text: str, *, every: int = 200, seed: int = 0) -> tuple[str, list[Typo]]:
    """Make a typo in each piece of `every` characters, of the four kinds in turn, at random
    letters; return the text with typos, and the typos."""
    generator = random.Random(seed)
    pieces, typos = [], []
    length = 0
    for number, begin in enumerate(range(0, len(text), every)):
        piece = text[begin : begin + every]
        kind = KINDS[number % len(KINDS)]
        places = [place for place in range(len(piece) - 1) if _may(kind, piece, place)]
        if places:
            place = generator.choice(places)
            original, mistaken = _mistake(kind, piece, place, generator)
            at = length + place
            typos.append(Typo(kind, at, at + len(mistaken), original))
            piece = piece[:place] + mistaken + piece[place + len(original) :]
        pieces.append(piece)
        length += len(piece)
    return "".join(pieces), typos


def _may(kind: str, piece: str, place: int) -> bool:
    if kind == SWAP:
        pair = piece[place : place + 2]
        return pair.isalpha() and pair[0] != pair[1]
    return piece[place].isalpha()


def _mistake(kind: str, piece: str, place: int, generator: random.Random) -> tuple[str, str]:
    """Return the characters at a place, and those that replace them."""
    here = piece[place]
    letters = string.ascii_uppercase if here.isupper() else string.ascii_lowercase
    if kind == SUBSTITUTE:
        return here, generator.choice([letter for letter in letters if letter != here])
    if kind == DELETE:
        return here, ""
    if kind == INSERT:
        return "", generator.choice(string.ascii_lowercase)
    return piece[place : place + 2], piece[place + 1] + here


@dataclass(frozen=True)
class Score:
    """The counts of typos that were found and of findings that are typos.

    Attributes:
        typos, findings: how many there are.
        detected: typos with a finding at most one character away, each finding counted once.
        corrected: detected typos whose correction restores the original.
        detected_by_kind: the share of each kind of typo that was detected.
    """

    typos: int
    findings: int
    detected: int
    corrected: int
    detected_by_kind: dict[str, float]

    @property
    def precision(self) -> float:
        """The share of the findings that are typos."""
        return self.detected / max(self.findings, 1)

    @property
    def recall(self) -> float:
        """The share of the typos that were found."""
        return self.detected / max(self.typos, 1)

    @property
    def correction_precision(self) -> float:
        """The share of the findings whose correction is right."""
        return self.corrected / max(self.findings, 1)

    @property
    def correction_recall(self) -> float:
        """The share of the typos that are corrected."""
        return self.corrected / max(self.typos, 1)


def score(text: str, typos: Sequence[Typo], findings: Sequence[Finding]) -> Score:
    """Score the findings in a text by its typos."""
    waiting = list(findings)
    found: list[str] = []
    corrected = 0
    for typo in typos:
        near = [
            each
            for each in waiting
            if each.correction.begin <= typo.end + 1 and typo.begin - 1 <= each.correction.end
        ]
        if not near:
            continue
        right = [each for each in near if _gives_back(text, typo, each)]
        waiting.remove((right or near)[0])
        found.append(typo.kind)
        corrected += bool(right)
    kinds = [typo.kind for typo in typos]
    shares = {str(kind): found.count(kind) / kinds.count(kind) for kind in KINDS if kind in kinds}
    return Score(len(typos), len(findings), len(found), corrected, shares)


def _gives_back(text: str, typo: Typo, finding: Finding) -> bool:
    """Return whether a correction restores the text around a typo."""
    first, last = max(typo.begin - _AROUND, 0), typo.end + _AROUND
    change = finding.correction
    put_right = text[first : change.begin] + change.replacement + text[change.end : last]
    return put_right == text[first : typo.begin] + typo.original + text[typo.end : last]
