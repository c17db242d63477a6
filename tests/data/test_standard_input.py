"""stdin that is closed, or cannot be read."""

import io
import os
import sys
from pathlib import Path

import pytest

from charrnn.data.documents import read_line_groups
from charrnn.data.read_options import ReadOptions
from charrnn.data.sources import open_source
from charrnn.data.standard_input import (
    read_standard_input,
    standard_input_arrivals,
    standard_input_lines,
)
from charrnn.errors import CorpusError


def test_what_comes_in_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for read in (read_standard_input, lambda: b"".join(standard_input_lines())):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\r\nb\xff")))
        assert read() == b"a\r\nb\xff"


def test_lines_come_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\n\nb")))
    assert list(standard_input_lines()) == [b"a\n", b"\n", b"b"]


def test_a_closed_stdin_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    closed = io.TextIOWrapper(io.BytesIO(b"a"))
    closed.close()
    only_written = open(os.open(tmp_path / "file", os.O_CREAT | os.O_WRONLY), encoding="utf-8")  # noqa: SIM115
    for stream in (None, io.StringIO("no bytes"), closed, only_written):
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(CorpusError, match="standard input.*; name a file"):
            read_standard_input()
        with pytest.raises(CorpusError, match="standard input"):
            open_source("-", ReadOptions())
    only_written.close()


def test_what_a_pipe_has_is_read_without_waiting_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that waits for the answer to its line before it writes the next waited forever."""
    reader, writer = os.pipe()
    with open(reader, encoding="utf-8") as stdin, open(writer, "wb", buffering=0) as pipe:
        monkeypatch.setattr(sys, "stdin", stdin)
        arrivals = standard_input_arrivals()
        pipe.write(b"a\nb")
        assert next(arrivals) == b"a\nb"
        pipe.write(b"c\n")
        assert next(arrivals) == b"c\n"
        groups = read_line_groups("-", ReadOptions(), as_they_come=True)
        pipe.write(b"a\n\nb")
        assert [line.text for line in next(groups)] == ["a", ""]
        pipe.write(b"c\nd")
        (line,) = next(groups)
        assert (line.text, line.place) == ("bc", ("line", 3))
        pipe.close()
        assert [line.text for line in next(groups)] == ["d"]
