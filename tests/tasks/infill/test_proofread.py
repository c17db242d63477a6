from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.tokenizer import REPLACEMENT, ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.errors import CharRNNWarning, ConfigError, CorpusError
from charrnn.tasks.infill.config import ProofreadConfig
from charrnn.tasks.infill.corrections import (
    DELETE,
    INSERT,
    SUBSTITUTE,
    SWAP,
    Correction,
    apply_corrections,
)
from charrnn.tasks.infill.fill import fill_gaps
from charrnn.tasks.infill.proofread import find_mistakes
from tests.conftest import PROSE
from tests.masked_models import KnownText

TOKENIZER = CharTokenizer(sorted(set(PROSE)))
KNOWN = KnownText(TOKENIZER, PROSE)
LINE = 'The heron stood in the shallows all morning, and the frogs grew used to it.\n"It is only'

CONFIG = ProofreadConfig(threshold=3, surprise=2)  # the fake doubts less than a model does


def fixed(text: str, tokenizer: Tokenizer = TOKENIZER, known: KnownText = KNOWN) -> str:
    return apply_corrections(
        text, [each.correction for each in find_mistakes(known, tokenizer, text, CONFIG)]
    )


@pytest.mark.parametrize(
    ("kind", "here", "mistaken"),
    [
        (SUBSTITUTE, "stood", "stoid"),
        (DELETE, "frogs", "frrogs"),
        (DELETE, "used", "ussed"),
        (INSERT, "shallows", "shalows"),
        (INSERT, "morning", "mornng"),
        (SWAP, "grew", "gerw"),
        (SWAP, "all mor", "allm or"),
    ],
)
def test_each_kind_of_typo_is_found_and_put_right(kind: str, here: str, mistaken: str) -> None:
    text = LINE.replace(here, mistaken, 1)
    (finding,) = find_mistakes(KNOWN, TOKENIZER, text, CONFIG)
    assert apply_corrections(text, [finding.correction]) == LINE
    assert finding.correction.kind == kind
    assert finding.correction.gain >= CONFIG.threshold
    assert finding.surprise > CONFIG.surprise
    assert finding.original == text[finding.correction.begin : finding.correction.end]
    for other in finding.others:
        assert other.gain <= finding.correction.gain
        assert apply_corrections(text, [other]) != LINE


def test_what_is_no_text_is_refused() -> None:
    nothing: Any
    for nothing in (None, float("nan"), b"ab", ["ab"]):
        kind = type(nothing).__name__
        with pytest.raises(CorpusError, match=f"the text is not text but {kind}; give a str"):
            find_mistakes(KNOWN, TOKENIZER, nothing)
        with pytest.raises(CorpusError, match=f"the text is not text but {kind}; give a str"):
            fill_gaps(KNOWN, TOKENIZER, nothing)


def test_a_text_without_mistakes_has_no_findings() -> None:
    assert find_mistakes(KNOWN, TOKENIZER, LINE) == []
    assert find_mistakes(KNOWN, TOKENIZER, "") == []


def test_places_are_lines_and_columns_from_1() -> None:
    text = "shallows all\nmorning, nad the frogs\ngrew used to it.\nBy onon they sang again.\n"
    known = KnownText(TOKENIZER, text.replace("nad", "and").replace("onon", "noon"))
    findings = find_mistakes(known, TOKENIZER, text, CONFIG)
    assert [(each.line, each.column) for each in findings] == [(2, 10), (4, 4)]
    assert [each.original for each in findings] == ["na", "on"]


def test_corrections_do_not_touch_each_other() -> None:
    text = PROSE.replace("e ", "x ").replace("th", "ht")
    findings = find_mistakes(KNOWN, TOKENIZER, text, ProofreadConfig(threshold=1))
    assert len(findings) > 10
    ends = [0]
    for finding in findings:
        assert finding.correction.begin >= ends[-1]
        ends.append(finding.correction.end)


def test_many_typos_in_a_long_text_are_found() -> None:
    """The text is longer than what is read at once."""
    text = PROSE * 25
    places = [place for place in range(100, len(text), 501) if text[place].isalpha()]
    mistaken = list(text)
    for place in places:
        mistaken[place] = "z"
    findings = find_mistakes(KNOWN, TOKENIZER, "".join(mistaken), ProofreadConfig())
    assert [each.correction.begin for each in findings] == places


def test_what_the_model_has_never_seen_is_left_alone() -> None:
    text = LINE.replace("heron", "h☃ron").replace("frogs", "fr\x00gs")
    assert fixed(text) == text
    folding = CharTokenizer([*TOKENIZER.characters, REPLACEMENT])
    assert fixed(text, folding, KnownText(folding, PROSE)) == text


def test_a_text_that_the_model_cannot_judge_is_not_found_right_without_a_word() -> None:
    with pytest.warns(CharRNNWarning, match="never seen 10 of the 12 characters"):
        assert find_mistakes(KNOWN, TOKENIZER, "Привет, мир!".replace("!", "ж")) == []


def test_nothing_that_takes_several_bytes_is_touched() -> None:
    """Half a character in the place of another is no text."""
    tokenizer = ByteTokenizer()
    text = "Über die Brücke fährt ein Zug, über die Brücke geht ein langer Weg.\n" * 2
    known = KnownText(tokenizer, text)
    for mistaken in ("Br\xf6cke", "Br\udcffcke"):
        assert fixed(text.replace("Brücke", mistaken, 1), tokenizer, known).count(mistaken) == 1
    (finding,) = find_mistakes(known, tokenizer, text.replace("langer", "lagner", 1), CONFIG)
    assert finding.correction.replacement == "ng"
    assert (finding.line, finding.column) == (1, text.index("langer") + 3)


def test_a_higher_threshold_finds_less() -> None:
    text = LINE.replace("stood", "stoid").replace("grew", "gerw")
    counts = [
        len(find_mistakes(KNOWN, TOKENIZER, text, ProofreadConfig(threshold=threshold, surprise=2)))
        for threshold in (5, 8, 1000)
    ]
    assert counts == [2, 2, 0]


@given(st.text("ab\n", max_size=30), st.data())
def test_corrections_are_made_wherever_they_are(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    corrections = [Correction(begin, end, "XY", SUBSTITUTE, 1.0) for begin, end in pairs]
    expected = text
    for begin, end in reversed(pairs):
        expected = f"{expected[:begin]}XY{expected[end:]}"
    assert apply_corrections(text, corrections[::-1]) == expected


@pytest.mark.parametrize(
    "settings",
    [{"threshold": -1}, {"surprise": float("nan")}, {"tried": 0}, {"scored": 0}],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ProofreadConfig(**settings)  # type: ignore[arg-type]
