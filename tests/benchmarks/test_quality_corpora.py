import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.quality_corpora import (
    MADE,
    CorpusName,
    parse_corpus,
    read_corpus,
    split,
    standard_library,
)
from charrnn.data.corpus import Corpus, open_corpus, tokenize


@pytest.mark.parametrize(
    ("text", "name", "shown"),
    [
        ("python-docs", CorpusName("python-docs"), "python-docs"),
        ("stdlib@3000000", CorpusName("stdlib", 3_000_000), "stdlib@3000000"),
        ("towns:lines", CorpusName("towns", None, True), "towns:lines"),
        ("fables@20000:lines", CorpusName("fables", 20_000, True), "fables@20000:lines"),
    ],
)
def test_corpora_are_named_with_slice_and_lines(text: str, name: CorpusName, shown: str) -> None:
    assert parse_corpus(text) == name
    assert str(name) == shown


def test_a_file_is_named_by_its_path_and_shown_without_it(tmp_path: Path) -> None:
    path = tmp_path / "a@b:c.txt"
    path.write_text("text")
    assert parse_corpus(f"{path}@3:lines") == CorpusName(str(path), 3, True)
    assert str(parse_corpus(str(path))) == "a@b:c"


@pytest.mark.parametrize("text", ["", ":lines", "no-such-file", "fables@0", "fables@x", "fables:l"])
def test_what_is_no_corpus_is_refused_before_anything_runs(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse_corpus(text)


def test_python_docs_is_what_charrnn_trains_on_where_no_file_is_named() -> None:
    assert MADE["python-docs"]() == "".join(open_corpus([]).texts())


def test_the_standard_library_is_text_and_has_no_tests() -> None:
    text = standard_library()
    assert len(text) > 5_000_000
    assert "\0" not in text  # which charrnn would refuse
    assert "class TestCase(object):" in text  # unittest itself
    assert "class TestUnicode" not in text  # test/test_str.py


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("text", ["one\ntwo\nthree\nfour\nfive\n" * 3, "ab\n" * 40 + "c"])
def test_the_split_is_charrnns(corpus_of: Callable[[str], Corpus], text: str, lines: bool) -> None:
    """Else a character that was learned from would be scored."""
    tokenized = tokenize(corpus_of(text))
    parts = tokenized.split(0.1, lines=lines)
    assert split(text, lines=lines) == tuple(tokenized.tokenizer.decode(part) for part in parts)


def test_a_slice_is_a_file_of_its_own_and_its_lines_are_whole(tmp_path: Path) -> None:
    source = tmp_path / "names.txt"
    source.write_text("anna\nbert\ncarla\n" * 10)
    plain = read_corpus(CorpusName(str(source), 13), tmp_path)
    lines = read_corpus(CorpusName(str(source), 13, True), tmp_path)
    assert plain.path.read_text() == "anna\nbert\ncar" == plain.training + plain.held_out
    assert lines.path.read_text() == "anna\nbert\n" == lines.training + lines.held_out
    assert plain.path != lines.path
    assert plain.vocabulary == sorted(set("anna\nbert\ncar"))


def test_a_slice_longer_than_its_text_is_refused(tmp_path: Path) -> None:
    """Else the table would say 20,000 characters of a text that has 30."""
    source = tmp_path / "short.txt"
    source.write_text("only so much text as this is\n")
    with pytest.raises(ValueError, match="short@20000: it has 29 characters only"):
        read_corpus(CorpusName(str(source), 20_000), tmp_path)
