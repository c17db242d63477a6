"""Characters that are hard to type, written with a backslash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.cli.escapes import escaped, unescaped, warn_of_escapes
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (r"a\nb\tc\rd", "a\nb\tc\rd"),
        (r"\\n", r"\n"),
        (r"\u00e9\u2028", "é\u2028"),
        (r"\U0001f600", "😀"),
        (r"\ud83d\ude00", "😀"),
        ("é", "é"),
    ],
)
def test_escapes_are_what_they_mean(text: str, meant: str) -> None:
    assert unescaped(text) == meant


@pytest.mark.parametrize("text", [r"\d", "a\\", r"\u12", r"\U00110000", r"\ud83dx", "\\é"])
def test_what_is_no_escape_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        unescaped(text)


@given(text=st.text())
def test_what_is_escaped_is_read_again(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert not set(escaped(text)) & set("\n\t\r")


def test_a_missing_escapes_is_said_where_the_model_knows_no_backslash(
    capsys: pytest.CaptureFixture[str],
) -> None:
    warn_of_escapes(CharTokenizer("abn"), None, "", "a", r"b\n")
    assert r"\n is read literally; add --escapes" in capsys.readouterr().err
    warn_of_escapes(CharTokenizer("abn\\"), r"\n")
    warn_of_escapes(ByteTokenizer(), r"\n")
    warn_of_escapes(CharTokenizer("abn"), "ab", r"\d")
    assert capsys.readouterr().err == ""
