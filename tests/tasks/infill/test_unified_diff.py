import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.tasks.infill.unified_diff import unified_diff

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
    diff = unified_diff(before.encode(), after.encode(), "text").decode()
    assert (diff == "") == (before == after)
    assert applied(before, diff) == after


PROGRAMS = {
    "patch": ["patch", "--binary", "-p0", "-i", "diff"],
    "git": ["git", "apply", "-p0", "diff"],
}


APPLYING = pytest.mark.parametrize("program", sorted(PROGRAMS))


def apply(program: str, diff: bytes, cwd: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here")  # the test above knows the format
    (cwd / "diff").write_bytes(diff)
    subprocess.run(PROGRAMS[program], cwd=cwd, check=True, capture_output=True)


@APPLYING
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"one\ntwo\nthree\n", b"one\ntow\nthree\n"),
        (b"no newline", b"no newlines"),
        (b"a\nb", b"a\nb\n"),
        (b"a\r\nb\x0cb\r\n", b"a\r\nc\x0cb\r\n"),
        (b"".join(b"%d\n" % n for n in range(50)), b"".join(b"%d\n" % (n % 40) for n in range(50))),
        (b"\xff\xfe\n\xff", b"\xff\xfe\n\xf1"),
    ],
    ids=range(6),
)
def test_programs_apply_it(program: str, before: bytes, after: bytes, tmp_path: Path) -> None:
    (tmp_path / "a text.txt").write_bytes(before)
    apply(program, unified_diff(before, after, str(tmp_path / "a text.txt")), tmp_path)
    assert (tmp_path / "a text.txt").read_bytes() == after


@APPLYING
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_programs_apply_it_to_texts_in_wide_characters(
    program: str, encoding: str, tmp_path: Path
) -> None:
    """Their lines of bytes end in the middle of characters: a newline's, but also those of Ċ."""
    if program == "git":
        pytest.skip("git takes it for binary")
    before, after = (text.encode(encoding) for text in ("aĊb\n\nĊc\nend", "aĊb\n\nĊd\nend"))
    (tmp_path / "text").write_bytes(before)
    apply(program, unified_diff(before, after, "text"), tmp_path)
    assert (tmp_path / "text").read_bytes() == after


NAMES = [
    "a text",
    "é",
    "a\nb",
    "a\tb",
    'a"b',
    '"',
    "a\\b",
    "\udcff",
    "+++ x",
    "-",
    "a\r",
    " a ",
    "\x7f",
]


PLACES = ["here", "below", "absolute", "dotted", "linked", "around"]


@APPLYING
@pytest.mark.parametrize(
    ("name", "place"),
    [*((name, "here") for name in NAMES), *(("a text", place) for place in PLACES)],
    ids=ascii,
)
def test_programs_find_the_file_however_it_was_named(
    program: str, name: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`patch` refuses absolute paths, those with `..`, and links."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / name).write_bytes(b"one\n")
    monkeypatch.chdir(folder if place in ("here", "around") else tmp_path)
    (tmp_path / "link").symlink_to(folder / name)
    named = {
        "here": name,
        "below": f"a folder/{name}",
        "absolute": str(folder / name),
        "dotted": f"./a folder/../a folder/{name}",
        "linked": "link",
        "around": f"../a folder/{name}",
    }[place]
    apply(program, unified_diff(b"one\n", b"two\n", named), Path.cwd())
    assert (folder / name).read_bytes() == b"two\n"


def test_a_file_elsewhere_goes_by_its_base_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    for name in ("../x", str(tmp_path / "x")):
        assert unified_diff(b"a", b"b", name).startswith(b"--- x\n+++ x\n")


def test_names_cannot_break_the_format() -> None:
    assert unified_diff(b"a", b"b", "x\n+++ y").startswith(
        b'--- "x\\012+++ y"\n+++ "x\\012+++ y"\n'
    )
    assert unified_diff(b"a", b"b", "my text").startswith(b"--- my text\t\n+++ my text\t\n")
