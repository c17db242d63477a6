"""How else a character may be written: hints where a model has never seen what a text has."""

import unicodedata

import pytest

from charrnn.data.spelling import spelling_hint
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, unknown_error
from charrnn.errors import UnknownCharacterError

PLAIN = "abcdefi '\"-.123"


def hint(text: str, known: str) -> str:
    return spelling_hint([each for each in dict.fromkeys(text) if each not in known], known, text)


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("cafe\u0301", "acféáe", "'é' as one character: normalize the text to NFC"),
        ("e\u0323\u0302", "eệ", "'ệ' as one character: normalize the text to NFC"),
        ("\u1112\u1161\u11ab", "한", "'한' as one character: normalize the text to NFC"),
        ("\u212b", "Å", "'Å': normalize the text to NFC"),
        ("é", "e\u0301", "'e\u0301' as 'e' and U+0301: normalize the text to NFD"),
        ("ﬁ", "fi", "'fi': normalize the text to NFKC"),
        ("ａｂ", PLAIN, "'a': normalize the text to NFKC, 'b': normalize the text to NFKC"),
        ("…", PLAIN, "'...': normalize the text to NFKC"),
        ("a\u00a0b", PLAIN, "' ': normalize the text to NFKC"),
        ("“a”", PLAIN, "'\"'"),
        ("it’s", PLAIN, '"\'"'),
        ("1–2", PLAIN, "'-'"),
        ("it's", "ist’", "'’'"),
    ],
)
def test_another_spelling_that_the_model_knows_is_named(
    text: str, known: str, expected: str
) -> None:
    assert hint(text, known) == expected


@pytest.mark.parametrize(
    ("text", "known"), [("x\u0302", "xâé"), ("☃", PLAIN), ("é", "áf"), ("ﬁ", "f"), ("—", "abc")]
)
def test_where_there_is_none_nothing_is_named(text: str, known: str) -> None:
    assert hint(text, known) == ""


def test_without_the_text_a_mark_is_known_by_what_has_it() -> None:
    assert "'é'" in spelling_hint(["\u0301"], "abcé")


def test_a_text_of_nothing_but_strange_characters_takes_no_time() -> None:
    strange = [chr(point) for point in range(0x4E00, 0x9000)]
    assert spelling_hint(strange, PLAIN, "\u0301".join(strange) * 10) == ""


def test_a_combining_mark_is_shown_on_a_dotted_circle() -> None:
    decomposed = unicodedata.normalize("NFD", "café")
    with pytest.raises(UnknownCharacterError) as caught:
        CharTokenizer("acfeé").encode(decomposed)
    assert caught.value.characters == ("\u0301",)
    assert "'◌\u0301' (U+0301)" in str(caught.value)
    assert "(it knows 'é' as one character: normalize the text to NFC)" in str(caught.value)


def test_bytes_have_no_other_spelling() -> None:
    assert unknown_error(ByteTokenizer(), ["\ud800"]).shown == "'\\ud800'"
