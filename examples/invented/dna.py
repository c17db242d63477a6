"""The genome of a made-up bacterium in FASTA, and reads of two such organisms.

Genes stand between spacers, on either strand: a promoter (TTGACA, seventeen bases, TATAAT), the
ribosome's binding site AGGAGG, a start codon, codons by the organism's own usage, a stop codon. The
two organisms differ in how much G and C they have and in which codons they prefer.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from invented.chance import between, chance, pick
from invented.counts import share

BASES = "ACGT"
PAIRS = str.maketrans(BASES, "TGCA")
STOPS = ("TAA", "TAG", "TGA")
SHORTEST_FRAME = 60  # codons that make an open reading frame worth counting
CONTIG, LINE, READ = 20_000, 60, 120


@dataclass(frozen=True)
class Organism:
    """`gc` is the share of G and C between genes; `thirds` weighs each base as a codon's last."""

    name: str
    gc: float
    thirds: dict[str, float]
    stop: str

    def base(self, random: Random) -> str:
        strong = chance(random, self.gc)
        return pick(random, "GC" if strong else "AT")

    def codon(self, random: Random) -> str:
        """Three bases that are no stop codon."""
        while True:
            third = random.random() * sum(self.thirds.values())
            for last, weight in self.thirds.items():
                third -= weight
                if third < 0:
                    break
            # Genes are rich in purines in the first place of a codon, and in A and T in the second.
            codon = pick(random, "AAGGGGCT") + pick(random, "AAATTTCG") + last
            if codon not in STOPS:
                return codon


ORGANISMS = (
    Organism("marsh", 0.38, {"A": 0.37, "C": 0.1, "G": 0.13, "T": 0.4}, "TAA"),
    Organism("spring", 0.62, {"A": 0.1, "C": 0.42, "G": 0.36, "T": 0.12}, "TGA"),
)


def spacer(random: Random, organism: Organism, shortest: int, longest: int) -> str:
    return "".join(organism.base(random) for _ in range(between(random, shortest, longest)))


def gene(random: Random, organism: Organism) -> str:
    """A promoter, a binding site, and an open reading frame."""
    codons = "".join(organism.codon(random) for _ in range(between(random, 80, 250)))
    promoter = f"TTGACA{spacer(random, organism, 17, 17)}TATAAT{spacer(random, organism, 15, 30)}"
    return f"{promoter}AGGAGG{spacer(random, organism, 6, 8)}ATG{codons}{organism.stop}"


def other_strand(text: str) -> str:
    """The same double strand, read from its other end."""
    return text[::-1].translate(PAIRS)


def genome(random: Random, organism: Organism, length: int) -> str:
    """At least `length` bases."""
    parts: list[str] = []
    written = 0
    while written < length:
        coding = gene(random, organism)
        strand = other_strand(coding) if chance(random, 0.3) else coding
        parts += [spacer(random, organism, 30, 120), strand]
        written += len(parts[-2]) + len(parts[-1])
    return "".join(parts)


def documents(random: Random) -> Iterator[str]:
    """Contigs of one organism in FASTA without end, 60 bases a line."""
    number = 0
    while True:
        number += 1
        bases = genome(random, ORGANISMS[0], CONTIG)
        lines = (bases[start : start + LINE] for start in range(0, len(bases), LINE))
        yield f">contig-{number} {ORGANISMS[0].name}\n" + "".join(f"{line}\n" for line in lines)


def reads(random: Random) -> Iterator[str]:
    """Rows of a table without end: 120 bases from anywhere in an organism, and its name."""
    genomes = [genome(random, organism, 200_000) for organism in ORGANISMS]
    while True:
        organism = between(random, 0, len(ORGANISMS) - 1)
        start = between(random, 0, len(genomes[organism]) - READ)
        read = genomes[organism][start : start + READ]
        read = other_strand(read) if chance(random, 0.5) else read
        yield f"{read},{ORGANISMS[organism].name}\n"


FRAME = re.compile(
    rf"ATG(?:(?!{'|'.join(STOPS)})[ACGT]{{3}}){{{SHORTEST_FRAME},}}(?:{'|'.join(STOPS)})"
)


def frames(bases: str) -> list[re.Match[str]]:
    """Open reading frames of one strand, SHORTEST_FRAME codons or longer, none inside another."""
    return list(FRAME.finditer(bases))


def check(text: str) -> list[str]:
    """Counts bases in open reading frames, in the text and in the same bases in random order."""
    bases = "".join(line for line in text.upper().splitlines() if not line.startswith((">", "-")))
    strands = (bases, other_strand(bases))
    found = [(strand, frame) for strand in strands for frame in frames(strand)]
    shuffled = "".join(sorted(bases, key=_order(Random(0))))
    by_chance = [frame for strand in (shuffled, other_strand(shuffled)) for frame in frames(strand)]
    sites = sum(
        "AGGAGG" in strand[max(0, frame.start() - 16) : frame.start()] for strand, frame in found
    )
    strong = sum(base in "GC" for base in bases)
    return [
        share(strong, len(bases), "G or C"),
        share(sum(len(f[0]) for _, f in found), len(bases), "bases in open reading frames"),
        share(sum(len(f[0]) for f in by_chance), len(bases), "the same, with the bases shuffled"),
        share(sites, len(found), "frames with AGGAGG right before them"),
    ]


def _order(random: Random) -> Callable[[str], float]:
    return lambda _: random.random()
