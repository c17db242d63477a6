"""The table of pairs in corpora/ is what its script writes, and the script keeps its rules."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CORPORA = Path(__file__).parents[2] / "corpora"
older: Callable[[str], str] = runpy.run_path(str(CORPORA / "older_spelling.py"))["older"]


def test_the_table_is_what_the_script_writes() -> None:
    written = subprocess.run(
        [sys.executable, str(CORPORA / "older_spelling.py"), str(CORPORA / "towns.txt")],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    assert written == (CORPORA / "towns-older.tsv").read_bytes()


def test_every_town_has_a_row_of_two_cells() -> None:
    names = (CORPORA / "towns.txt").read_text(encoding="utf-8").splitlines()
    head, *rows = (CORPORA / "towns-older.tsv").read_text(encoding="utf-8").splitlines()
    assert head == "modern\tolder"
    assert [row.split("\t")[0] for row in rows] == names
    assert all(row.count("\t") == 1 and row.split("\t")[1] for row in rows)
    assert 0.8 < sum(len(set(row.split("\t"))) == 2 for row in rows) / len(rows) < 0.95


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("Velenec", "Vellenec"),  # only the first vowel is short
        ("Falbø", "Ffalboe"),
        ("Tela", "Thella"),
        ("Stova", "Stouo"),  # no th after s; a becomes o after an o
        ("Štova", "Schtouo"),  # nor after š, which is replaced later
        ("Kvalvik", "Qualuicke"),  # a name of two syllables has an e at the end
        ("Kvalavik", "Quallauick"),  # one of three has none
        ("Vahalohani", "Vahalohany"),
        ("Ulvasøy", "Vluasoy"),  # u and v by their place
        ("Jorås", "Iorraas"),
        ("Quintana", "Quynthana"),
        ("Upper Otterfield", "Vppere Otterfield"),
        ("Vierizé sur Lisse", "Vierizee svr Lisse"),
    ],
)
def test_the_context_of_a_letter_decides(name: str, spelling: str) -> None:
    assert older(name) == spelling
