import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import CorpusError, ModelError, UnknownCharacterError
from charrnn.storage.json_file import parse_json, to_json
from charrnn.tasks.transduce import LONGEST_SYMBOL, MOST_SYMBOLS
from charrnn.tasks.transduce.tokenizer import BEGIN, END, SPECIAL, UNKNOWN, PairTokenizer

WORDS = PairTokenizer("abk", ("a", "aː", "k"), ("PST", "V"), " ")

CHARACTERS = st.characters(codec="utf-8")
SOURCE = st.sets(CHARACTERS, min_size=1, max_size=20)
FEATURES = st.sets(
    st.text(CHARACTERS, min_size=1, max_size=5).filter(
        lambda text: PairTokenizer.split_features(text) == (text,)
    ),
    max_size=5,
)


@st.composite
def tokenizers(draw: st.DrawFn) -> PairTokenizer:
    separator = draw(st.none() | st.sampled_from(" |_é"))
    symbol = st.text(CHARACTERS, min_size=1, max_size=4)
    target = (
        SOURCE
        if separator is None
        else st.sets(symbol.filter(lambda text: separator not in text), min_size=1, max_size=20)
    )
    return PairTokenizer(
        sorted(draw(SOURCE)), sorted(draw(target)), sorted(draw(FEATURES)), separator
    )


def test_a_source_is_its_begin_its_characters_its_features_and_its_end() -> None:
    assert WORDS.vocabulary_size == 3 + 3 + 2
    assert WORDS.encode_source("kab", ("V", "PST")) == [BEGIN, 5, 3, 4, 7, 6, END]
    assert WORDS.encode_source("") == [BEGIN, END]
    assert WORDS.encode("ak").tolist() == [BEGIN, 3, 5, END]


def test_an_unknown_character_has_an_id_of_its_own() -> None:
    """The network may copy it, which a new name in another alphabet needs."""
    assert WORDS.encode_source("añb") == [BEGIN, 3, UNKNOWN, 4, END]
    assert WORDS.decode_source([BEGIN, 3, UNKNOWN, 4, END]) == ("a\ufffdb", ())
    assert WORDS.unknown("ñañb\ufffd") == ["ñ", "\ufffd"]


def test_an_unknown_feature_is_refused() -> None:
    with pytest.raises(CorpusError, match=r"does not know the feature 'FUT'; it knows PST, V$"):
        WORDS.encode_source("a", ("V", "FUT"))
    with pytest.raises(CorpusError, match="trained without features"):
        PairTokenizer("a", "b").encode_source("a", ("V",))


def test_symbols_of_targets_are_divided_at_the_separator() -> None:
    assert WORDS.encode_target("k aː a") == [2, 1, 0]
    assert WORDS.decode_target([2, 1, 0]) == "k aː a"
    assert WORDS.encode_target("  k  a ") == [2, 0]  # nothing lies between two separators
    characters = PairTokenizer("a", ("k", "a", " "))
    assert characters.encode_target(" ka") == [2, 0, 1]
    assert characters.decode_target([2, 0, 1]) == " ka"


def test_unknown_symbols_of_targets_are_named() -> None:
    with pytest.raises(UnknownCharacterError) as caught:
        WORDS.encode_target("a oː k oː b")
    assert caught.value.characters == ("oː", "b")


def test_a_character_is_copied_as_the_symbol_that_equals_it() -> None:
    assert [WORDS.target_of(each) for each in range(WORDS.vocabulary_size)] == [
        *(None, None, None),
        *(0, None, 2),
        *(None, None),
    ]
    assert WORDS.copies().tolist() == [-1, -1, -1, 0, -1, 2, -1, -1]
    assert WORDS.target_of(WORDS.vocabulary_size) is None


def test_a_feature_is_not_copied_as_the_symbol_of_the_same_name() -> None:
    tokenizer = PairTokenizer("b", ("V", "b"), ("V",))
    assert tokenizer.encode_source("b", ("V",)) == [BEGIN, 3, 4, END]
    assert tokenizer.copies().tolist() == [-1, -1, -1, 1, -1]


@pytest.mark.parametrize(
    ("cell", "features"),
    [("V;PST", ("V", "PST")), (" V PST\t3 ", ("V", "PST", "3")), (";", ()), ("a; b", ("a", "b"))],
)
def test_features_are_divided_at_semicolons_and_blanks(
    cell: str, features: tuple[str, ...]
) -> None:
    assert PairTokenizer.split_features(cell) == features


def test_an_extended_tokenizer_keeps_what_it_knows() -> None:
    """The rows of an embedding belong to the characters in their order."""
    extended = WORDS.extended("zka", ("z", "k"), ("V", "FUT"))
    assert extended.source == "abkz"
    assert extended.target == ("a", "aː", "k", "z")
    assert extended.features == ("PST", "V", "FUT")
    assert extended.separator == " "


@settings(deadline=None)
@given(tokenizers(), st.data())
def test_what_is_encoded_is_decoded(tokenizer: PairTokenizer, data: st.DataObject) -> None:
    text = data.draw(st.text(st.sampled_from(tokenizer.source)))
    known = st.sampled_from(("", *tokenizer.features))
    features = tuple(filter(None, data.draw(st.lists(known, max_size=4))))
    numbers = data.draw(st.lists(st.integers(0, tokenizer.outputs - 1), max_size=9))
    ids = tokenizer.encode_source(text, features)
    assert tokenizer.decode_source(ids) == (text, features)
    assert all(0 <= each < tokenizer.vocabulary_size for each in ids)
    assert tokenizer.encode_target(tokenizer.decode_target(numbers)) == numbers
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert "".join(tokenizer.decode_stream(ids)) == text
    assert tokenizer.encode(text).dtype == tokenizer.dtype


@settings(deadline=None)
@given(tokenizers(), st.text(CHARACTERS))
def test_any_text_is_encoded(tokenizer: PairTokenizer, text: str) -> None:
    ids = tokenizer.encode_source(text)
    assert len(ids) == len(text) + 2
    unknown = {each for each, id_ in zip(text, ids[1:-1], strict=True) if id_ == UNKNOWN}
    assert unknown == {*tokenizer.unknown(text)}
    for character, id_ in zip(text, ids[1:-1], strict=True):
        number = tokenizer.target_of(id_)
        if number is not None:
            assert tokenizer.target[number] == character
        else:
            assert character not in tokenizer.target or id_ == UNKNOWN


@settings(deadline=None)
@given(tokenizers())
def test_json_is_read_as_it_was_written(tokenizer: PairTokenizer) -> None:
    read = PairTokenizer.from_json(parse_json(Path("tokenizer.json"), to_json(tokenizer.to_json())))
    assert read.to_json() == tokenizer.to_json()
    assert (read.copies() == tokenizer.copies()).all()


SOUND: dict[str, Any] = {
    "kind": "pair",
    "source": ["a", "b"],
    "target": ["a", "aː"],
    "features": ["V"],
    "separator": " ",
}
DAMAGED: dict[str, tuple[str, Any, str]] = {
    "another kind": ("kind", "char", "expected"),
    "a text for a list": ("source", "ab", "expected"),
    "an object for a list": ("features", {"V": 1}, "expected"),
    "a number for a separator": ("separator", 1, "expected"),
    "a list for a separator": ("separator", [" "], "expected"),
    "a source of two characters": ("source", ["ab"], "source: 'ab' is not a symbol"),
    "an empty character": ("source", [""], "source: '' is not a symbol"),
    "a number for a character": ("source", [1], "source: 1 is not a symbol"),
    "a list for a symbol": ("target", [["a"]], r"target: \['a'\] is not a symbol"),
    "no source": ("source", [], "no source symbols"),
    "no target": ("target", [], "no target symbols"),
    "a character twice": ("source", ["a", "b", "a"], "source: a symbol appears twice"),
    "a symbol twice": ("target", ["a", "a"], "target: a symbol appears twice"),
    "a feature twice": ("features", ["V", "V"], "features: a symbol appears twice"),
    "half of a surrogate pair": ("source", ["\ud83d"], "source: .* half of a surrogate"),
    "half of a pair in a symbol": ("target", ["a\udc80"], "target: .* half of a surrogate"),
    "half of a pair in a feature": ("features", ["\udfff"], "features: .* half of a surrogate"),
    "half of a pair as separator": ("separator", "\ud83d", "cannot divide"),
    "an empty separator": ("separator", "", "'' cannot divide"),
    "a long separator": ("separator", "  ", "cannot divide"),
    "a newline as separator": ("separator", "\n", "cannot divide"),
    "a symbol with the separator": ("target", ["a b"], "target: 'a b' is not a symbol"),
    "an empty symbol": ("target", [""], "target: '' is not a symbol"),
    "a feature with a blank": ("features", ["V PST"], "features: 'V PST' is not a symbol"),
    "a feature with a semicolon": ("features", ["V;"], "features: 'V;' is not a symbol"),
    "an empty feature": ("features", [""], "features: '' is not a symbol"),
    "a long symbol": ("target", ["a" * (LONGEST_SYMBOL + 1)], "is not a symbol"),
    "too many symbols": (
        "target",
        [f"a{number}" for number in range(MOST_SYMBOLS + 1)],
        r"target: 32,769 symbols \(32,768 at most\)",
    ),
}


@pytest.mark.parametrize(("key", "value", "problem"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_json_is_refused(key: str, value: object, problem: str) -> None:
    assert PairTokenizer.from_json(copy.deepcopy(SOUND)).to_json() == SOUND
    with pytest.raises(ModelError, match=f"^tokenizer: .*{problem}"):
        PairTokenizer.from_json(SOUND | {key: value})


def test_symbols_of_several_characters_need_a_separator() -> None:
    with pytest.raises(ModelError, match="target: 'a.*' is not a symbol"):
        PairTokenizer.from_json(SOUND | {"separator": None})


@pytest.mark.parametrize("data", [None, [], {}, "pair", SOUND | {"more": 1}], ids=str)
def test_what_is_no_tokenizer_is_refused(data: object) -> None:
    with pytest.raises(ModelError, match="tokenizer: expected"):
        PairTokenizer.from_json(data)
    for key in SOUND:
        with pytest.raises(ModelError, match="tokenizer: expected"):
            PairTokenizer.from_json({name: each for name, each in SOUND.items() if name != key})


def test_ids_are_small() -> None:
    """A byte each for most alphabets: pairs of a large file are all in memory."""
    assert WORDS.dtype == np.uint8 == WORDS.target_dtype
    large = PairTokenizer([chr(0x4E00 + i) for i in range(300)], "a")
    assert large.dtype == np.uint16
    assert large.encode("\u4e00").dtype == np.uint16


def test_people_see_the_symbols() -> None:
    assert WORDS.rows(2) == (
        ("characters of sources", "3: a b ..."),
        ("symbols of targets", "3: a aː ..."),
        ("separator", "' '"),
        ("features", "2: PST V"),
    )
    assert [name for name, _ in PairTokenizer("a", "b").rows(2)] == [
        "characters of sources",
        "symbols of targets",
    ]


def test_json_of_the_largest_alphabet_can_be_read_again() -> None:
    characters = [chr(0x10000 + i) for i in range(MOST_SYMBOLS)]
    content = to_json(PairTokenizer(characters, characters).to_json())
    read = PairTokenizer.from_json(json.loads(content))
    assert read.vocabulary_size == SPECIAL + MOST_SYMBOLS
