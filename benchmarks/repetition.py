"""Generates a seeded text whose characters depend on characters far back.

python -m benchmarks.repetition > programs.txt
"""

import argparse
import string
import sys
from collections.abc import Sequence
from typing import Final

import numpy as np

_BRACKETS: Final = {"(": ")", "[": "]", "{": "}"}


def repetitive_text(characters: int = 1_000_000, *, seed: int = 0) -> str:
    """Return a text of about `characters` characters, of little programs that cannot be run.

    Each program invents four to eight names of random letters, which are unpredictable, and then
    uses them in brackets nested up to six deep, which have to be closed in order. After its first
    letters, a name can be predicted from its definition some hundred characters before.
    """
    random = np.random.default_rng(seed)
    parts: list[str] = []
    written = 0
    while written < characters:
        parts.append(_program(random))
        written += len(parts[-1])
    return "".join(parts)


def _program(random: np.random.Generator) -> str:
    names = [_name(random) for _ in range(random.integers(4, 9))]
    lines = [f"let {name} = {random.integers(1000)}" for name in names]
    lines += [f"{random.choice(names)} = {_term(random, names, 6)}" for _ in range(12)]
    return "\n".join(lines) + "\n\n"


def _name(random: np.random.Generator) -> str:
    letters = random.choice(list(string.ascii_lowercase), size=random.integers(5, 10))
    return "".join(letters)


def _term(random: np.random.Generator, names: list[str], depth: int) -> str:
    if depth == 0 or random.random() < 0.3:
        return str(random.choice(names))
    opening = str(random.choice(list(_BRACKETS)))
    terms = [_term(random, names, depth - 1) for _ in range(random.integers(1, 3))]
    return f"{opening}{' + '.join(terms)}{_BRACKETS[opening]}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the text to stdout."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--characters", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    sys.stdout.write(repetitive_text(options.characters, seed=options.seed))


if __name__ == "__main__":
    main()
