import csv
from pathlib import Path

import pytest

from benchmarks.classification import Result, compare, learn_linear, table, write_table
from benchmarks.classification_texts import Labelled, Parts

TEXTS = [Labelled("to be, or\nnot", "prose"), Labelled('f("x")', "code"), Labelled("or", "prose")]


def test_a_table_has_texts_of_several_lines(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", TEXTS)
    with (tmp_path / "t.csv").open(newline="") as file:
        assert [Labelled(**row) for row in csv.DictReader(file)] == TEXTS


def test_both_are_judged_by_the_same_texts() -> None:
    parts = Parts(TEXTS, TEXTS)
    linear = Result(["prose", "prose", "prose"], 1.0, 1.5, {"strength": 1.0})
    charrnn = Result(["code", "code", "prose"], 2.0, 2.5, {"flags": ""})
    record = compare("made up", 0, parts, linear, charrnn)
    assert (record["classes"], record["training"], record["characters"]) == (2, 3, 21)
    assert record["linear"]["accuracy"] == pytest.approx(2 / 3)
    assert record["linear"]["macro_f1"] == pytest.approx((4 / 5 + 0) / 2)
    assert record["charrnn"]["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert (record["only_linear_right"], record["only_charrnn_right"]) == (1, 1)
    row = table([record]).splitlines()[-1]
    assert row == "| made up | 2 | 3, 21 | 0.667, 0.400 | 1, 2 | 0.667, 0.667 | 2, 2 | 1, 1 |"


def test_the_linear_model_learns_what_n_grams_tell() -> None:
    pytest.importorskip("sklearn")
    texts = [Labelled(f"{a}{b}", "c" if a == "x" else "d") for a in "xy" for b in "klmnopqrst"]
    texts = [text for pair in zip(texts[:10], texts[10:], strict=True) for text in pair] * 2
    assert learn_linear(Parts(texts, texts)).predicted == [text.label for text in texts]
