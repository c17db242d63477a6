import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.evaluation.differences import unified_diff

TEXTS = st.text(st.sampled_from("ab\n\r\f\u2028é"), max_size=40)


def applied(before: str, diff: str) -> str:
    """What a unified diff makes of a text, by the rules of its format."""
    old, new = re.findall(r"[^\n]*\n|[^\n]+", before), []
    place = 0
    lines = re.findall(r"[^\n]*\n", diff)[2:]
    for number, line in enumerate(lines):
        if match := re.match(r"@@ -(\d+)(?:,(\d+))? \+", line):
            begin = int(match[1]) - (match[2] != "0")
            new += old[place:begin]
            place = begin
            continue
        if line.startswith("\\"):
            continue
        is_last = number + 1 < len(lines) and lines[number + 1].startswith("\\")
        content = line[1:-1] if is_last else line[1:]
        if line[0] != "+":
            assert old[place] == content
            place += 1
        if line[0] != "-":
            new.append(content)
    return "".join(new + old[place:])


@given(TEXTS, TEXTS)
def test_a_diff_makes_one_text_of_the_other(before: str, after: str) -> None:
    diff = unified_diff(before, after, "text")
    assert (diff == "") == (before == after)
    assert applied(before, diff) == after


PROGRAMS = {
    "patch": ["patch", "--binary", "-p0", "-i", "diff"],
    "git": ["git", "apply", "-p0", "diff"],
}


@pytest.mark.parametrize("program", sorted(PROGRAMS))
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("one\ntwo\nthree\n", "one\ntow\nthree\n"),
        ("no newline", "no newlines"),
        ("a\nb", "a\nb\n"),
        ("a\r\nb\x0cb\r\n", "a\r\nc\x0cb\r\n"),
        ("".join(f"{n}\n" for n in range(50)), "".join(f"{n % 40}\n" for n in range(50))),
    ],
    ids=range(5),
)
def test_programs_apply_it(program: str, before: str, after: str, tmp_path: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here")  # the test above knows the format
    (tmp_path / "a text.txt").write_bytes(before.encode())
    (tmp_path / "diff").write_bytes(unified_diff(before, after, "a text.txt").encode())
    subprocess.run(PROGRAMS[program], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "a text.txt").read_bytes().decode() == after


def test_names_that_would_break_the_format_are_left_out() -> None:
    assert unified_diff("a", "b", "x\n+++ y").startswith("--- text\n+++ text\n")
    assert unified_diff("a", "b", "my text").startswith("--- my text\t\n+++ my text\t\n")
