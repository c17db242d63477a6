"""The documents name only files and tests that exist."""

import os
import re
from pathlib import Path

import pytest

from charrnn import api
from tests.docs_check.execution import run_document

ROOT = Path(__file__).parent.parent
PYTHON = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
ROBUSTNESS = (ROOT / "docs" / "robustness.md").read_text(encoding="utf-8")
FILES = re.findall(r"`(tests/[\w/]+\.py)`((?:[:,] `[^`]+`)*)", ROBUSTNESS)


def test_robustness_names_the_tests_of_every_row() -> None:
    rows = [line for line in ROBUSTNESS.splitlines() if line.startswith("| ")]
    kinds = [row for row in rows if not row.startswith("| kind of input")]
    assert kinds
    assert [row for row in kinds if "`tests/" not in row.rsplit(" | ", 1)[-1]] == []


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


def test_the_code_of_python_md_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it in order, as in a notebook, with small trainings in the place of its budgets."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    outcome = run_document(ROOT / "docs" / "python.md")
    assert outcome.blocks
    assert outcome.problems == []
