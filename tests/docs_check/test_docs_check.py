"""The check of the documents finds what it is there to find, in small documents."""

import ast
import os
from pathlib import Path

import pytest

from tests.docs_check.__main__ import check_python
from tests.docs_check.commands import (
    check_command,
    check_commands,
    check_convention,
    commands_of,
    simple_commands,
)
from tests.docs_check.execution import run_document
from tests.docs_check.markdown import Document, read
from tests.docs_check.references import check_links, check_paths
from tests.docs_check.shortening import shortened_code, shortened_command


def document(folder: Path, text: str) -> Document:
    path = folder / "page.md"
    path.write_text(text)
    return read(path)


def test_anchors_are_those_of_github(tmp_path: Path) -> None:
    text = "# A *title*, `code` & more\n\n## Same\n\n## Same\n\n## snake_case [link](x.md)\n"
    assert document(tmp_path, text).anchors == {
        "a-title-code--more",
        "same",
        "same-1",
        "snake_case-link",
    }


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("[a](other.md)", None),
        ("[a](other.md#there)", None),
        ("[a](#here)", None),
        ("![a](picture.svg)", "leads to no file"),
        ("[a](other.md#gone)", "names no heading of other.md"),
        ("[a](#gone)", "names no heading of page.md"),
        ("[a\nb](missing.md)", "leads to no file"),
        ("[a][b]\n\n[b]: missing.md", "leads to no file"),
        ('<img src="missing.svg">', "leads to no file"),
        ("[a](https://example.org/x#y)", None),
        ("[a](https://example/x)", "not well formed"),
        ("`[a](missing.md)`", None),
        ("```text\n[a](missing.md)\n```", None),
    ],
)
def test_links(tmp_path: Path, link: str, problem: str | None) -> None:
    (tmp_path / "other.md").write_text("# There\n")
    found = list(check_links(document(tmp_path, f"# Here\n\n{link}\n")))
    assert [problem in said for _, said in found] == ([True] if problem else [])  # type: ignore[operator]


def test_what_is_wrong_has_its_line(tmp_path: Path) -> None:
    text = "# Here\n\nOne line\nand [a\nlink](gone.md).\n\n```console\n$ ls\n$ charrnn sing\n```\n"
    page = document(tmp_path, text)
    assert [line for line, _ in check_links(page)] == [4]
    assert list(check_commands(page)) == [(9, "charrnn has no command sing")]


@pytest.mark.parametrize(
    ("span", "exists"),
    [
        ("model/cells.py", True),
        ("charrnn/model/", True),
        ("tests/test_house.py::test_x", True),
        ("charrnn/model/towers.py", False),
        ("towers.py", False),
        ("benchmarks/gone", False),
        ("config.json", True),
        ("checkpoints/NAME/", True),
        ("1/2", True),
    ],
)
def test_files_between_backticks(tmp_path: Path, span: str, exists: bool) -> None:
    found = list(check_paths(document(tmp_path, f"See `{span}`.\n")))
    assert found == ([] if exists else [(1, f"there is no file {span}")])


def test_a_command_goes_on_after_a_backslash_or_a_prompt(tmp_path: Path) -> None:
    text = (
        "<!-- exit: 4 -->\n```console\n$ echo a \\\n    b\noutput\n> no command\n"
        "$ cat > x <<'END'\n> $ charrnn nothing\n> END\n...\n```\n"
    )
    (block,) = document(tmp_path, text).blocks
    first, second = commands_of(block)
    assert (first.text, first.line, first.exit_code) == ("echo a \\\n    b", 3, None)
    assert second.text == "cat > x <<'END'\n$ charrnn nothing\nEND"
    assert (second.line, second.exit_code) == (7, 4)


def test_commands_are_found_in_a_line_of_shell() -> None:
    text = "A=1 charrnn info \"a b\" 2> x | head -n 1 && charrnn train $(python -c 'f(1)') < y; ls"
    assert simple_commands(text) == [
        ["python", "-c", "f(1)"],
        ["charrnn", "info", "a b"],
        ["head", "-n", "1"],
        ["charrnn", "train", "SUBSTITUTED"],
        ["ls"],
    ]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("charrnn train towns --lines --budget 30s", None),
        ("charrnn sample -n 8 -- -dash", None),
        ("charrnn train towns --lines | head", None),
        ("charrnn sample --temprature 1", "No such option: --temprature"),
        ("charrnn train towns --cell tower", "'tower'"),
        ("charrnn sing", "no command sing"),
        ("torchrun --nproc-per-node 2 -m charrnn train towns --wings 2", "--wings"),
        ("python -m charrnn info --wings", "--wings"),
        ("python -m benchmarks.quality towns --budget 30s", None),
        ("python -m benchmarks.quality towns --wings", "no option --wings"),
        ("python -m benchmarks.towers", "no benchmarks/towers.py"),
        ("python corpora/towns.py --regions > towns.csv", None),
        ("python corpora/towns.py --wings", "no option --wings"),
        ("make demo", None),
        ("make tea", "no target tea"),
        ('pip install ".[regex]"', None),
        ('pip install "charrnn-lm[wings]"', "no extra wings"),
        ("pip install charrnn", "another project"),
        ("charrnn info 'a", "cannot read it"),
    ],
)
def test_commands_are_checked_against_their_programs(command: str, problem: str | None) -> None:
    found = list(check_command(command))
    assert [problem in said for said in found] == ([True] if problem else [])  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("`--wings`", 1),
        ("`--budget 1m`", 0),
        ("`charrnn sample NAME --wings`", 1),
        ("`charrnn sample NAME --epochs 3`", 1),
        ("`python -m benchmarks.quality FILE --wings`", 1),
        ("```text\ncharrnn train FILE --wings\n```", 1),
    ],
)
def test_options_are_checked_wherever_they_are_named(
    tmp_path: Path, text: str, problems: int
) -> None:
    assert len(list(check_commands(document(tmp_path, f"{text}\n")))) == problems


def test_what_a_reader_types_stands_in_console_blocks(tmp_path: Path) -> None:
    text = "A:\n\n    charrnn info\n\n```sh\nls\n```\n\n```console\nls\n```\n\n    a tree\n"
    assert [line for line, _ in check_convention(document(tmp_path, text))] == [3, 6, 10]


def test_python_that_is_none_has_its_line(tmp_path: Path) -> None:
    page = document(tmp_path, "```python\na = 1\nb = (\n```\n")
    assert [line for line, _ in check_python(page)] == [3]


def test_trainings_are_shortened() -> None:
    train = shortened_command(["train", "x", "--budget", "1h", "--hidden-size=512", "--lines"])
    assert train[0] == "train" and train[-2:] == ["x", "--lines"]
    assert "--steps=4" in train and "--hidden-size=16" in train
    tuned = shortened_command(["train", "x", "--from", "y", "--epochs", "3"])
    assert tuned == ["train", "--steps=4", "--device=cpu", "x", "--from", "y"]
    for unchanged in (["train", "--resume", "x"], ["plan", "x", "--budget", "1h"]):
        assert shortened_command(unchanged) == unchanged
    assert shortened_command(["sample", "-n", "9000"]) == ["sample", "-n", "8"]


def test_trainings_in_python_are_shortened() -> None:
    code = (
        "charrnn.train('x', budget='1h', hidden_size=512)\ncharrnn.train(resume='x')\nE(epochs=40)"
    )
    assert ast.unparse(shortened_code(ast.parse(code))).splitlines() == [
        "charrnn.train('x', hidden_size=16, batch_size=8, steps=4, precision='fp32')",
        "charrnn.train(resume='x')",
        "E(epochs=2)",
    ]


def test_a_document_is_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    page = document(
        tmp_path,
        "```console\n$ echo 1 > one\n$ ls corpora book.txt names.txt letter.txt\n$ make demo\n```\n"
        "```python\nfrom pathlib import Path\none = Path('one').read_text()\n```\n"
        "```console\n$ false\n$ grep nothing one\n```\n"
        "<!-- exit: 3 -->\n```console\n$ true\n$ exit 3\n```\n"
        "<!-- not run -->\n```console\n$ exit 3\n```\n"
        "```python\nassert one == '1\\n'\n\nraise ValueError('late')\n```\n",
    )
    outcome = run_document(page.path)
    assert outcome.problems == [
        (11, "false: exit 1, not 0: it said nothing"),
        (26, "Python: ValueError: late"),
    ]
    assert (outcome.commands, outcome.not_run, outcome.blocks) == (6, 2, 2)
