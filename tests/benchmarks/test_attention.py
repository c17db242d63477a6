import re

import pytest

from benchmarks import repetition
from benchmarks.attention import main
from benchmarks.repetition import repetitive_text


def test_a_row_for_each_window_in_the_same_time(capsys: pytest.CaptureFixture[str]) -> None:
    main(["fables@4000", "--windows", "4,9", "--steps", "20", "--hidden-size", "8"])
    _, _, plain, *rows = capsys.readouterr().out.splitlines()
    assert plain.startswith("| fables@4000 | none |") and " +0.0 % | 20 |" in plain
    assert [row.split("|")[2].strip() for row in rows] == ["4", "9"]
    for row in rows:
        steps, ratio = row.split("|")[5], row.split("|")[7]
        assert int(steps) == pytest.approx(20 / float(ratio), abs=1.5)


def test_a_repetitive_text_uses_the_names_that_it_defines_and_closes_its_brackets() -> None:
    text = repetitive_text(20_000)
    assert 20_000 <= len(text) < 25_000
    assert text == repetitive_text(20_000) != repetitive_text(20_000, seed=1)
    programs = text.strip().split("\n\n")
    for program in programs:
        defined = re.findall(r"let (\w+) =", program)
        used = re.sub(r"let .*", "", program)
        assert set(re.findall(r"[a-z]+", used)) <= set(defined)
        assert len(defined) >= 4
        while (shorter := re.sub(r"\(\)|\[\]|\{\}", "", re.sub(r"[^()\[\]{}]", "", used))) != used:
            used = shorter
        assert used == ""


def test_the_text_of_the_readme_is_written_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    repetition.main(["--characters", "2000", "--seed", "1"])
    assert capsys.readouterr().out == repetitive_text(2000, seed=1)
