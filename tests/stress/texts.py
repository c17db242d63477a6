"""Texts of all kinds, passed through the tokenizers and printed on a terminal."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from charrnn.cli.app import app
from charrnn.cli.display import TextOutput, fail, say, warn
from charrnn.cli.streams import write_one_way
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.errors import UnknownCharacterError
from tests.stress.report import Report

_STEERING = {
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
} - {"\n", "\t"}
"""What moves a cursor, rings a bell, renames a window, or turns the direction of writing."""

# As often as not, hypothesis' own favourites; else what a terminal could take for an order.
_ANY = st.text(st.characters(codec="utf-8"))
_HOSTILE = st.text(st.sampled_from(sorted(_STEERING | set("ab[]0;7m\\\n\té😀\udc80\udcff"))))
_TEXTS = st.one_of(_ANY, _HOSTILE)


def round_trips(count: int) -> Report:
    """decode(encode(x)) == x for `count` texts, by characters and by bytes."""

    def check(text: str) -> None:
        characters = sorted(set(text)) or ["a"]
        for tokenizer in (CharTokenizer(characters), ByteTokenizer()):
            ids = tokenizer.encode(text)
            assert tokenizer.decode(ids) == text
            assert "".join(tokenizer.decode_stream(int(i) for i in ids)) == text

    return _report("decode(encode(text)) is the text", count, _ANY, check)


def terminals(count: int) -> Report:
    """No generated text, name or prompt steers a terminal; a pipe gets it byte for byte."""

    def check(text: str) -> None:
        with _stdout(terminal=True) as shown:
            _write(text)
        assert not _STEERING & set(shown().decode())
        with _stdout(terminal=False) as piped:
            _write(text)
        assert piped() == text.encode("utf-8", "surrogateescape")
        for tell in (say, warn, fail):
            with patch.object(sys, "stderr", io.StringIO()) as messages:
                tell(f"{text}: no such thing")
                tell(str(UnknownCharacterError([*text])))
            assert not _STEERING & set(messages.getvalue())

    return _report("text, names and prompts on a terminal", count, _TEXTS, check)


def arguments(count: int) -> Report:
    """Whatever is typed in place of a file, a name, a prompt or a number is told back
    harmlessly."""
    runner = CliRunner()

    def check(text: str) -> None:
        for words in (["train", text], ["info", text], ["--", text], ["sample", "--seed", text]):
            result = runner.invoke(app, words)
            assert result.exit_code in (0, 2, 3, 4), (words, result.exit_code)
            assert not _STEERING & set(result.output), words

    hostile = _HOSTILE.filter(lambda text: text.strip() != "")
    return _report("hostile words on the command line", count, hostile, check)


def _report(
    what: str, count: int, texts: "st.SearchStrategy[str]", check: Callable[[str], None]
) -> Report:
    report = Report(what)

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(texts)
    def run(text: str) -> None:
        report.tried += 1
        check(text)

    try:
        run()
    except AssertionError as error:
        told = [str(error), *getattr(error, "__notes__", ())]
        report.failures.append(" ".join(" ".join(told).split())[:500])
    return report


def _write(text: str) -> None:
    output = TextOutput()
    output.write(text)
    sys.stdout.buffer.flush()


@contextlib.contextmanager
def _stdout(*, terminal: bool) -> Iterator[Callable[[], bytes]]:
    """Puts a terminal, or a pipe, in the place of stdout; gives what was written to it."""
    buffer = io.BytesIO()
    output = io.TextIOWrapper(buffer, encoding="utf-8")
    output.isatty = lambda: terminal  # type: ignore[method-assign]
    with patch.object(sys, "stdout", output):
        write_one_way()
        yield buffer.getvalue
    output.detach()  # else it closes the buffer with it
