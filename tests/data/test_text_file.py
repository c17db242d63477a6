"""Texts that are written again as they were."""

import codecs
from pathlib import Path

import pytest

from charrnn.data.text_file import MARKS, read_bytes_file, read_text_file
from charrnn.errors import ConfigError, CorpusError

TEXT = "Kåre\r\nsaw\n\na ship"


@pytest.mark.parametrize("mark", [b"", *MARKS], ids=bytes.hex)
def test_a_mark_says_the_encoding_and_is_no_part_of_the_text(tmp_path: Path, mark: bytes) -> None:
    encoding = MARKS.get(mark, "utf-8")
    content = mark + TEXT.encode(encoding)
    (tmp_path / "text").write_bytes(content)
    file = read_text_file(str(tmp_path / "text"))
    assert (file.text, file.encoding, file.mark) == (TEXT, encoding, mark)
    assert file.mark + file.encode(TEXT) == content


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8-sig", codecs.BOM_UTF8),
        ("UTF8", codecs.BOM_UTF8),
        ("utf-8-sig", b""),
        ("utf-16", codecs.BOM_UTF16_BE),
        ("utf-16", codecs.BOM_UTF16_LE),
        ("UTF-16LE", codecs.BOM_UTF16_LE),
        ("utf_32_be", codecs.BOM_UTF32_BE),
    ],
)
def test_a_mark_may_be_of_the_encoding_that_is_named(
    tmp_path: Path, encoding: str, mark: bytes
) -> None:
    content = mark + TEXT.encode(MARKS.get(mark, "utf-8"))
    (tmp_path / "text").write_bytes(content)
    file = read_text_file(str(tmp_path / "text"), encoding)
    assert (file.text, file.mark) == (TEXT, mark)
    assert file.mark + file.encode(TEXT) == content


def test_what_is_named_is_not_overruled(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(codecs.BOM_UTF8 + b"a")
    assert read_text_file(str(tmp_path / "text"), "latin-1").text == "ï»¿a"
    (tmp_path / "text").write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(CorpusError, match="byte 0 is not valid utf-8; it looks like UTF-16"):
        read_text_file(str(tmp_path / "text"), "utf-8")


def test_an_order_of_bytes_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(TEXT.encode("utf-16-le"))
    with pytest.raises(CorpusError, match="--encoding utf-16-le or utf-16-be"):
        read_text_file(str(tmp_path / "text"), "utf-16")


def test_characters_that_the_encoding_has_not_are_said(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("é".encode("latin-1"))
    file = read_text_file(str(tmp_path / "text"), "latin-1")
    with pytest.raises(CorpusError, match="'€' cannot be written in latin-1; use --json"):
        file.encode("é€")


def test_what_would_not_be_written_as_it_was_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"+AGE-b")  # UTF-7 has several ways to write an a
    file = read_text_file(str(tmp_path / "text"), "utf-7")
    assert file.text == "ab"
    with pytest.raises(CorpusError, match="convert it to UTF-8"):
        file.encode("ab")


def test_bytes_are_kept_whatever_they_are(tmp_path: Path) -> None:
    content = codecs.BOM_UTF8 + bytes(range(256))
    (tmp_path / "text").write_bytes(content)
    file = read_bytes_file(str(tmp_path / "text"))
    assert file.mark + file.encode(file.text) == content


@pytest.mark.parametrize("encoding", ["nonsense", "rot13", "base64", "", "utf-8\0"])
def test_what_is_no_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "text").write_text("a")
    with pytest.raises(ConfigError, match="encoding"):
        read_text_file(str(tmp_path / "text"), encoding)
