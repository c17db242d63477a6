"""The invented texts keep to their rules, and the checks find what does not."""

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from invented import KINDS, dna, logs, sentences, smiles, tunes, write
from invented.chance import pick_early

SCRIPT = Path(__file__).parents[2] / "examples" / "texts.py"
SIZE = 20_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_follows_from_its_seed(kind: str) -> None:
    text = write(kind, SIZE, seed=3)
    assert text == write(kind, SIZE, seed=3)
    assert text != write(kind, SIZE, seed=4)
    assert text.startswith(write(kind, SIZE // 4, seed=3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_is_as_long_as_it_is_asked_to_be(kind: str) -> None:
    longest_document = 25_000 if kind == "dna" else 1_000
    assert SIZE <= len(write(kind, SIZE, seed=0)) < SIZE + longest_document
    assert write(kind, SIZE, seed=0).endswith("\n")


@pytest.mark.parametrize("kind", ["tunes", "smiles", "logs", "devanagari", "arabic"])
def test_a_text_keeps_to_its_rules(kind: str) -> None:
    check = KINDS[kind].check
    assert check
    counts = [line for line in check(write(kind, SIZE, seed=1)) if line.endswith("%")]
    assert counts
    assert [line for line in counts if not line.endswith(" 100.0 %")] == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind].check])
@pytest.mark.parametrize("text", ["", "\n", "---\n", "X:", "[.|:ATG\u0301\n---\n\n"])
def test_any_text_can_be_checked(kind: str, text: str) -> None:
    check = KINDS[kind].check
    assert check and check(text)


def test_a_frequent_word_comes_first() -> None:
    chance = random.Random(0)
    drawn = [pick_early(chance, "abcdef") for _ in range(10_000)]
    counts = [drawn.count(letter) for letter in "abcdef"]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] > 500


@pytest.mark.parametrize(
    ("bar", "length"),
    [("ABc def", 6), ("A2B c3", 6), ("(3ABc d2", 4), ("A>B c>d", 4), ("B,,2c''", 3), ("A!", None)],
)
def test_the_length_of_a_bar(bar: str, length: int | None) -> None:
    assert tunes.eighths(bar) == length


def test_a_bar_that_does_not_add_up_is_found() -> None:
    text = write("tunes", 1_000, seed=0)
    wrong = re.sub(r"(?m)^\|:", "|:A", text, count=1)
    (tune, *_), (worse, *_) = tunes.read(text), tunes.read(wrong)
    assert worse.bars_that_add_up() == tune.bars_that_add_up() - 1 == 15


@pytest.mark.parametrize(
    "molecule",
    ["CCO", "c1ccccc1", "c1cc[nH]c1", "C[N+](=O)[O-]", "CC(=O)[O-].[Na+]", "c1ccc2[nH]ccc2c1",
     "c1ccccc1c1ccccc1", "CS(=O)(=O)N", "C[C@H](N)C(=O)O", "C[NH3+]", "FC(F)(F)C#N", "c1ccncc1",
     "C%10CC%10", "Cn1cccc1"],
)  # fmt: skip
def test_molecules(molecule: str) -> None:
    assert smiles.is_valid(molecule)


@pytest.mark.parametrize(
    "text",
    ["", "C(", "C)", "C1CC", "C[N", "C(C)(C)(C)(C)C", "O=O=O", "CFC", "c1cccc1", "C=", "C()C",
     "c1ccccc1(C)C", "(C)C", "C11", "[NH4]", "c1ccnc1", "cC", "C==C", "C.", "Xx", "[O-]C[O-]C",
     "1CC1", "C12CC12"],
)  # fmt: skip
def test_what_is_no_molecule(text: str) -> None:
    assert not smiles.is_valid(text)


def test_an_odd_line_is_another_line() -> None:
    lines = logs.lines(random.Random(0))
    chance = random.Random(1)
    for line in (next(lines) for _ in range(300)):
        assert logs.odd(chance, line) != line


def test_incidents_are_rare_and_labelled() -> None:
    rows = [line.split("\t") for line in write("incidents", 400_000, seed=0).splitlines()]
    assert {len(row) for row in rows} == {2}
    usual = "".join(f"{line}\n" for label, line in rows if label == "usual")
    assert logs.check(usual)[0].endswith(" 100.0 %")
    assert 0.01 < sum(label == "odd" for label, _ in rows) / len(rows) < 0.03


def test_genes_are_open_reading_frames() -> None:
    organism = dna.ORGANISMS[0]
    gene = dna.gene(random.Random(0), organism)
    (frame, *_) = dna.frames(gene)
    assert frame[0].endswith(organism.stop)
    assert "AGGAGG" in gene[frame.start() - 16 : frame.start()]
    assert dna.other_strand(dna.other_strand(gene)) == gene


def test_organisms_differ_in_their_bases() -> None:
    marsh, spring = (dna.genome(random.Random(0), each, 10_000) for each in dna.ORGANISMS)
    assert _strong(marsh) < 0.42 < 0.55 < _strong(spring)


def _strong(bases: str) -> float:
    return sum(base in "GC" for base in bases) / len(bases)


@pytest.mark.parametrize("script", [sentences.DEVANAGARI, sentences.ARABIC])
def test_a_verb_of_the_wrong_number_is_found(script: sentences.Script) -> None:
    lexicon = script.lexicon
    noun, verb = script.spell(lexicon.nouns[0]), lexicon.verbs[0]
    assert script.agrees(f"{noun} {script.spell((*verb, sentences.SINGULAR_VERB))}")
    assert not script.agrees(f"{noun} {script.spell((*verb, sentences.PLURAL_VERB))}")
    assert not script.agrees(noun)
    assert not script.agrees("")


def _run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        input=text,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_the_script_writes_and_checks() -> None:
    molecules = _run("smiles", "--size", "1000", "--seed", "5").stdout
    assert molecules == write("smiles", 1000, seed=5)
    checked = _run("smiles", "--check", text=molecules + "C(C\n").stdout
    lines = len(molecules.splitlines())
    assert f"{lines} of {lines + 1}" in checked


def test_a_kind_without_rules_says_so() -> None:
    result = _run("passwords", "--check")
    assert result.returncode == 2
    assert "passwords have no rules to check" in result.stderr
