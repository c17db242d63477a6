import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks import explain
from benchmarks.explain import RULES, brackets, columns, measure, quotes
from charrnn.explanation.concepts import values_of


@pytest.mark.parametrize("rule", RULES)
def test_the_text_of_each_rule_has_its_concept(rule: str) -> None:
    generate, concept = RULES[rule]
    text = generate(np.random.default_rng(0), 5000)
    assert 0.05 < values_of(concept, text).mean() < 0.95
    assert generate(np.random.default_rng(0), 5000) == text


def test_a_quote_cannot_be_told_from_its_letters() -> None:
    text = quotes(np.random.default_rng(0), 5000)
    inside = values_of("inside_quotes", text)
    letters = [{text[place] for place in np.flatnonzero(part)} for part in (inside, ~inside)]
    assert letters[0] - {'"'} == letters[1] - {'"'}


def test_brackets_are_closed_by_their_kind() -> None:
    for line in brackets(np.random.default_rng(0), 5000).split("\n")[:-1]:
        stack: list[str] = []
        for character in line:
            if character in "([{":
                stack.append(character)
            elif character in ")]}":
                assert stack.pop() + character in ("()", "[]", "{}")
        assert not stack


def test_lines_have_one_length() -> None:
    lengths = [len(line) for line in columns(np.random.default_rng(0), 500).splitlines()]
    assert len(list(itertools.groupby(lengths))) == 1


def test_a_measurement_and_that_of_a_run_that_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "CHARACTERS", 6000)
    row = measure("columns", 3, tmp_path, steps=2)
    assert (row["rule"], row["seed"]) == ("columns", 3)
    assert 0 <= row["unit"] <= 1
    monkeypatch.delattr(explain, "train")
    assert measure("columns", 3, tmp_path, steps=2) == row
