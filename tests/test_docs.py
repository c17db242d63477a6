"""The documents name only files and tests that exist."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from charrnn import api

ROOT = Path(__file__).parent.parent
PYTHON = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
ROBUSTNESS = (ROOT / "docs" / "robustness.md").read_text(encoding="utf-8")
FILES = re.findall(r"`(tests/[\w/]+\.py)`((?:[:,] `[^`]+`)*)", ROBUSTNESS)


def test_robustness_names_the_tests_of_every_row() -> None:
    tables = re.findall(r"(?m)^\| kind of input .*\n((?:\|.*\n)+)", ROBUSTNESS)
    rows = [row for table in tables for row in table.splitlines() if row.startswith("| ")]
    assert len(tables) == ROBUSTNESS.count("| kind of input")
    assert len(rows) > 100
    assert [row for row in rows if "`tests/" not in row.rsplit(" | ", 1)[-1]] == []


@pytest.mark.parametrize(("file", "names"), FILES)
def test_the_tests_that_robustness_names_are_there(file: str, names: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    tests = [each.split("::")[-1].split("[")[0] for each in re.findall(r"`([^`]+)`", names)]
    missing = [name for name in tests if f"def {name}(" not in source]
    assert missing == []


def test_every_verb_has_a_section_in_python_md() -> None:
    sections = re.split(r"(?m)^## (\w+)$", PYTHON)[1:]
    assert sorted(sections[::2]) == sorted(api.__all__)
    for verb, section in zip(sections[::2], sections[1::2], strict=True):
        code = "".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
        assert re.search(rf"charrnn\.{verb}\(", code), verb


def test_the_code_of_python_md_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it in order, as in a notebook, with small trainings in the place of its budgets."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "corpora", tmp_path / "corpora")
    code = "\n".join(re.findall(r"```python\n(.*?)```", PYTHON, re.DOTALL))
    small = 'steps=4, hidden_size=8, batch_size=4, sequence_length=16, precision="fp32"'
    code, budgets = re.subn(r'budget="\w+"', small, code)
    assert budgets
    names: dict[str, Any] = {}
    exec(compile(code, "docs/python.md", "exec"), names)
    assert {"run", "model", "evaluation", "log_probabilities"} <= names.keys()
