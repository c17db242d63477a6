"""What the documents name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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
