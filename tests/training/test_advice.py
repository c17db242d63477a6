"""What is said of a plan before the training begins."""

from collections.abc import Callable

import numpy as np
import pytest

from charrnn.data.corpus import Corpus, tokenize
from charrnn.training.advice import (
    advise_on_alphabet,
    advise_on_budget,
    describe_copies,
    is_much_copied,
)
from charrnn.training.config import TrainingConfig
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import make_plan

CorpusOf = Callable[..., Corpus]


def characters(count: int, times: int) -> str:
    """So many distinct characters, each so often."""
    return "".join(map(chr, range(0x4E00, 0x4E00 + count))) * times


def test_a_large_alphabet_is_said_to_cost_and_rare_characters_are_counted(
    corpus_of: CorpusOf,
) -> None:
    """20,000 of them took 2 GB, and 15 seconds for nine steps, without a word."""
    rare = "".join(map(chr, range(0x10000, 0x10000 + 3000)))
    text = tokenize(corpus_of(characters(4000, 100) + rare))
    (said,) = advise_on_alphabet(text, 32, 48)
    assert "7,000 distinct characters" in said and "172 MB" in said
    assert "--min-count 100 leaves 4,001 and reads 0.74 % of the text as U+FFFD" in said
    assert "--tokenizer byte" in said


def test_where_no_characters_are_rare_bytes_are_advised(corpus_of: CorpusOf) -> None:
    (said,) = advise_on_alphabet(tokenize(corpus_of(characters(6000, 2))), 32, 48)
    assert "--min-count" not in said and "--tokenizer byte" in said


def test_of_a_usual_alphabet_nothing_is_said(corpus_of: CorpusOf) -> None:
    assert advise_on_alphabet(tokenize(corpus_of(characters(3000, 2))), 32, 48) == []
    assert advise_on_alphabet(tokenize(corpus_of(characters(6000, 2)), kind="byte"), 32, 48) == []


def test_a_plan_has_the_advice(corpus_of: CorpusOf) -> None:
    options = TrainingOptions(steps=1, hidden_size=4, precision="fp32", device="cpu")
    plan = make_plan(corpus_of(characters(4200, 2)), options)
    assert any("4,200 distinct characters" in note for note in plan.notes)


@pytest.mark.parametrize(("seconds", "said"), [(11.0, False), (20.0, True)])
def test_a_budget_that_is_too_short_is_said_to_be(
    seconds: float, said: bool, make_config: Callable[..., TrainingConfig]
) -> None:
    """On a busy machine 10 s became "1 steps, about 20 s"."""
    notes = advise_on_budget(TrainingOptions(budget=10.0), make_config(steps=1), seconds)
    assert bool(notes) == said
    if said:
        assert "budget of 10 s is too short" in notes[0]
        assert "1 training step and an evaluation take about 20 s" in notes[0]


# Copies


def random_text(count: int, seed: int) -> str:
    letters = np.random.default_rng(seed).integers(0x4E00, 0x4E00 + 200, count)
    return "".join(map(chr, letters))


def notes_on(text: Corpus, *, lines: bool = False) -> list[str]:
    options = TrainingOptions(steps=1, hidden_size=4, precision="fp32", device="cpu", lines=lines)
    return [note for note in make_plan(text, options).notes if "held" in note]


def test_a_held_out_text_that_is_copied_is_said_to_be(corpus_of: CorpusOf) -> None:
    """xz was better than the network on Python's manual, and nothing said why."""
    text = random_text(3600, seed=0)
    (said,) = notes_on(corpus_of(text + text[:200] + random_text(200, seed=1)))
    assert said.startswith("50 % of the held-out text stands word for word in the training text")
    assert "passages of 50 characters or more" in said and "remove repeated passages" in said
    assert "charrnn evaluate NAME FILE" in said
    assert notes_on(corpus_of(text)) == []


def test_copies_of_lines_are_not_said_twice(corpus_of: CorpusOf) -> None:
    short = "".join(random_text(20, seed) + "\n" for seed in range(50))
    assert len(notes_on(corpus_of(short * 2), lines=True)) == 1
    long = "".join(random_text(100, seed) + "\n" for seed in range(50))
    assert len(notes_on(corpus_of(long * 2), lines=True)) == 1
    # No line occurs twice, and yet nothing is new but the first character of each.
    numbered = "".join(random_text(1, seed) + random_text(100, 0) + "\n" for seed in range(50))
    lines, copies = notes_on(corpus_of(numbered), lines=True)
    assert "among the training lines" in lines and "word for word" in copies


@pytest.mark.parametrize(
    ("share", "repeated_lines", "much"), [(0.04, 0, False), (0.05, 0, True), (0.9, 0.88, False)]
)
def test_what_is_much(share: float, repeated_lines: float, much: bool) -> None:
    assert is_much_copied(share, repeated_lines=repeated_lines) == much


def test_of_a_file_a_text_that_was_not_learned_is_advised() -> None:
    said = describe_copies(0.914, "book.txt")
    assert said.startswith("91 % of book.txt stands word for word in the training text")
    assert "a text that it has not learned" in said and "\n" not in said
