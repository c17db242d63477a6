"""What is said of a plan before the training begins."""

from collections.abc import Callable

import pytest

from charrnn.data.corpus import Corpus, tokenize
from charrnn.training.advice import advise_on_alphabet, advise_on_budget
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
