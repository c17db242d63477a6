"""Invented texts of the kinds that people train on, and checks of what a model writes.

Each kind is a module with `documents(random)`, which yields texts without end, and most have
`check(text)`, which counts what keeps to the rules of the kind. Nothing is taken from anywhere.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from invented import dna, logs, passwords, sentences, smiles, tunes


@dataclass(frozen=True)
class Kind:
    """One kind of text: `documents` writes it, and `check` gives a line for each of its counts."""

    summary: str
    documents: Callable[[Random], Iterator[str]]
    check: Callable[[str], list[str]] | None = None
    head: str = ""  # what a file begins with, before its documents


KINDS = {
    "tunes": Kind("dance tunes in ABC notation", tunes.documents, tunes.check),
    "smiles": Kind("molecules in SMILES, one a line", smiles.documents, smiles.check),
    "passwords": Kind("passwords of made-up people, one a line", passwords.documents),
    "logs": Kind("the log of a web server", logs.documents, logs.check),
    "incidents": Kind("lines of that log, some of them odd, after a label", logs.incidents),
    "dna": Kind("a genome in FASTA", dna.documents, dna.check),
    "reads": Kind("a CSV table of DNA reads of two organisms", dna.reads, head="read,organism\n"),
    "devanagari": Kind(
        "sentences in the Devanagari script",
        sentences.DEVANAGARI.documents,
        sentences.DEVANAGARI.check,
    ),
    "arabic": Kind(
        "sentences in the Arabic script", sentences.ARABIC.documents, sentences.ARABIC.check
    ),
}


def write(kind: str, size: int, seed: int) -> str:
    """At least `size` characters of a kind, in whole documents. The same seed gives the same."""
    parts = [KINDS[kind].head]
    written = len(parts[0])
    for document in KINDS[kind].documents(Random(seed)):
        parts.append(document)
        written += len(document)
        if written >= size:
            break
    return "".join(parts)
