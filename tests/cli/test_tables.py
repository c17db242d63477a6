"""Options on how a text is read: they are refused where they make no difference."""

from pathlib import Path

import pytest

from tests.cli.conftest import Charrnn
from tests.labelled import rows, write_rows

SHORT = ("--steps", "2", "--hidden-size", "8", "--precision", "fp32")

UNUSED = {
    "column of a text": ("text.txt", "--column", "nosuch"),
    "column of the manual": ("python-docs", "--text", "nosuch"),
    "column of nothing": ("--column", "nosuch"),
    "glob of a file": ("text.txt", "--glob", "*.md"),
    "glob of a table": ("rows.jsonl", "--column", "text", "--glob", "*.md"),
    "glob of the manual": ("--glob", "*.md"),
    "encoding of the manual": ("python-docs", "--encoding", "latin-1"),
    "encoding of parquet": ("rows.parquet", "--column", "text", "--encoding", "latin-1"),
    "encoding of bytes": ("text.txt", "--tokenizer", "byte", "--encoding", "latin-1"),
    "delimiter of a text": ("text.txt", "--delimiter", ";"),
    "source of a text": ("text.txt", "--target", "b", "--source", "a"),
    "source of a folder": (".", "--target", "b", "--source", "a"),
    "source of nothing": ("--target", "b", "--source", "a"),
    "delimiter of objects": ("rows.jsonl", "--column", "text", "--delimiter", ";"),
}


@pytest.fixture
def texts(here: Path) -> None:
    """A text and tables, in the working directory."""
    write_rows(here / "rows.jsonl", rows(30))
    (here / "rows.parquet").touch()
    (here / "TABLE.CSV").write_text("text;kind\n" + "a b, c;x\n" * 200)


@pytest.mark.usefixtures("texts")
@pytest.mark.parametrize("command", ["train", "plan"])
@pytest.mark.parametrize("unused", UNUSED)
def test_an_option_that_makes_no_difference_is_refused(
    run: Charrnn, command: str, unused: str
) -> None:
    """`charrnn train prose.txt --column nosuch` learned the text, exit 0."""
    result = run(command, *UNUSED[unused], *SHORT)
    assert result.exit_code == 2, result.stderr
    said = " ".join(result.stderr.split())
    assert UNUSED[unused][-2].replace("--text", "--column") in said and "leave" in said


@pytest.mark.usefixtures("texts")
@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "small", "--column", "text"),
        ("evaluate", "small", "--delimiter", ";"),
        ("evaluate", "small", "rows.jsonl", "--source", "text", "--target", "kind"),
        ("evaluate", "small", "text.txt", "--column", "text"),
        ("evaluate", "small", "text.txt", "--glob", "*.md"),
        ("evaluate", "small", "rows.jsonl", "--column", "text", "--label", "kind"),
        ("sample", "small", "--column", "text", "-l", "9"),
        ("sample", "small", "--novel", "--corpus", "text.txt", "--column", "text", "-l", "9"),
        ("sample", "small", "--novel", "--corpus", "text.txt", "--glob", "*.md", "-l", "9"),
    ],
    ids=" ".join,
)
def test_it_is_refused_where_a_model_is_used(run: Charrnn, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.stderr
    assert "leave it out" in result.stderr or "leave out" in result.stderr


@pytest.mark.usefixtures("texts")
def test_an_option_of_the_environment_may_be_for_other_texts(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_GLOB", "*.md")
    monkeypatch.setenv("CHARRNN_ENCODING", "latin-1")
    assert run("train", "python-docs", *SHORT).exit_code == 0


@pytest.mark.usefixtures("texts")
def test_a_delimiter_is_remembered_with_the_corpus(run: Charrnn) -> None:
    result = run("train", "TABLE.CSV", "--column", "text", *SHORT)
    assert result.exit_code == 4 and "give --delimiter ';'" in " ".join(result.stderr.split())
    result = run("train", "TABLE.CSV", "--column", "text", "--delimiter", ";", *SHORT)
    assert result.exit_code == 0, result.stderr
    assert run("evaluate", "TABLE").exit_code == 0
