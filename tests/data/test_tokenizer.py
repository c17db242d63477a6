import json
from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charrnn.data.tokenizer import (
    REPLACEMENT,
    TOKENIZERS,
    ByteTokenizer,
    CharTokenizer,
    Tokenizer,
    tokenizer_from_json,
)
from charrnn.errors import ModelError, UnknownCharacterError

kinds = pytest.mark.parametrize("kind", TOKENIZERS)

texts = st.text(st.characters(exclude_categories=["Cs"]))
texts_with_surrogates = st.text(st.one_of(st.characters(), st.characters(categories=["Cs"])))

AWKWARD = [
    "",
    "a",
    "to be\r\nor not\rto be\n",
    "naïve cafe\N{COMBINING ACUTE ACCENT}",
    "\N{GRINNING FACE} \N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN} \U0001f1eb\U0001f1f7",
    "\ufeffnot a mark here\ufeff",
    "\N{LINE SEPARATOR}\N{NEXT LINE}\v\f\0\x7f",
    "\x00\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff",
    f"already {REPLACEMENT}",
]


def fitted(kind: str, text: str) -> Tokenizer:
    """A tokenizer of that kind that knows the text."""
    made = TOKENIZERS[kind]
    fit = getattr(made, "fit", None)
    return cast(Tokenizer, fit([text or " "]) if fit else made())


@kinds
@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_survives_a_round_trip(kind: str, text: str) -> None:
    tokenizer = fitted(kind, text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@kinds
@settings(deadline=None)
@given(text=texts)
def test_any_text_survives_a_round_trip(kind: str, text: str) -> None:
    tokenizer = fitted(kind, text)
    ids = tokenizer.encode(text)
    assert ids.dtype == tokenizer.dtype
    assert tokenizer.decode(ids) == text
    assert tokenizer.unknown(text) == []
    assert tokenizer.without_unknown(text) == text


@kinds
@settings(deadline=None)
@given(text=texts)
def test_a_stream_comes_one_whole_character_at_a_time(kind: str, text: str) -> None:
    """Guards against half an emoji on the screen while a byte model writes."""
    tokenizer = fitted(kind, text)
    assert list(tokenizer.decode_stream(tokenizer.encode(text).tolist())) == list(text)


@kinds
def test_a_stream_gives_a_character_before_asking_for_the_next_id(kind: str) -> None:
    """A stream that reads ahead shows each character one step late."""
    tokenizer = fitted(kind, "é!")
    asked = []

    def ids() -> Iterator[int]:
        for id_ in tokenizer.encode("é!").tolist():
            asked.append(id_)
            yield id_

    stream = tokenizer.decode_stream(ids())
    assert next(stream) == "é"
    assert asked == tokenizer.encode("é").tolist()


@kinds
@settings(deadline=None)
@given(text=texts_with_surrogates)
def test_text_encodes_exactly_when_nothing_in_it_is_unknown(kind: str, text: str) -> None:
    tokenizer = fitted(kind, "abc é\N{GRINNING FACE}")
    if unknown := tokenizer.unknown(text):
        with pytest.raises(UnknownCharacterError) as caught:
            tokenizer.encode(text)
        assert caught.value.characters == tuple(unknown)
    else:
        tokenizer.encode(text)


@kinds
@settings(deadline=None)
@given(text=texts_with_surrogates)
def test_without_its_unknown_characters_text_encodes(kind: str, text: str) -> None:
    tokenizer = fitted(kind, "abc é\N{GRINNING FACE}")
    unknown = set(tokenizer.unknown(text))
    known = tokenizer.without_unknown(text)
    assert known == "".join(character for character in text if character not in unknown)
    tokenizer.encode(known)


@kinds
def test_json_is_read_back_to_the_same_tokenizer(kind: str) -> None:
    text = "\r\n é\N{GRINNING FACE}\u2028"
    tokenizer = fitted(kind, text)
    read = tokenizer_from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert type(read) is type(tokenizer)
    assert read.to_json() == tokenizer.to_json()
    assert read.vocabulary_size == tokenizer.vocabulary_size
    np.testing.assert_array_equal(read.encode(text), tokenizer.encode(text))


@kinds
def test_json_holds_the_kind_by_which_it_is_registered(kind: str) -> None:
    assert fitted(kind, "a").to_json()["kind"] == kind


def test_json_of_characters_is_in_id_order() -> None:
    """A contract: id = position in `characters`."""
    assert CharTokenizer("bca").to_json() == {"kind": "char", "characters": ["b", "c", "a"]}
    assert CharTokenizer("bca").encode("abc").tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "char",
        {},
        {"kind": "word"},
        {"kind": ["byte"]},
        {"kind": "char"},
        {"characters": ["a"]},
        {"kind": "char", "characters": []},
        {"kind": "char", "characters": "abc"},
        {"kind": "char", "characters": {"a": 0}},
        {"kind": "char", "characters": ["ab"]},
        {"kind": "char", "characters": [""]},
        {"kind": "char", "characters": ["a", 1]},
        {"kind": "char", "characters": ["a", None]},
        {"kind": "char", "characters": ["a", ["b"]]},
        {"kind": "char", "characters": ["a", "b", "a"]},
        {"kind": "char", "characters": ["a", "\ud83d"]},
        {"kind": "char", "characters": ["a"], "min_count": 2},
        {"kind": "byte", "characters": []},
    ],
    ids=ascii,
)
def test_json_that_is_not_exactly_a_tokenizer_is_refused(data: object) -> None:
    with pytest.raises(ModelError, match="^tokenizer: "):
        tokenizer_from_json(data)


@pytest.mark.parametrize(
    ("size", "dtype"),
    [
        (1, np.uint8),
        (2, np.uint8),
        (256, np.uint8),
        (257, np.uint16),
        (65_536, np.uint16),
        (65_537, np.uint32),
    ],
)
def test_ids_are_of_the_smallest_unsigned_type(size: int, dtype: type) -> None:
    """Off by one at 256 and at 65536, either memory doubles or the last character becomes id 0."""
    characters = [chr(point) for point in range(0x10000, 0x10000 + size)]
    tokenizer = CharTokenizer(characters)
    ids = tokenizer.encode(characters[0] + characters[-1])
    assert tokenizer.vocabulary_size == size
    assert tokenizer.dtype == ids.dtype == dtype
    assert ids.tolist() == [0, size - 1]


@pytest.mark.parametrize("character", ["\0", "a", "c", "e", "é", "\N{GRINNING FACE}", "\ud800"])
def test_an_unknown_character_never_becomes_an_id(character: str) -> None:
    """torch-rnn #98 and textgenrnn: it crashed, or turned silently into id 0. Those below, between
    and above the vocabulary's code points are looked up in different ways."""
    with pytest.raises(UnknownCharacterError):
        CharTokenizer("bdf").encode(f"b{character}")


def test_unknown_characters_are_named_once_in_order_of_appearance() -> None:
    tokenizer = CharTokenizer("ab")
    assert tokenizer.unknown("zaybzy") == ["z", "y"]
    with pytest.raises(UnknownCharacterError, match="'z' 'y';") as caught:
        tokenizer.encode("zaybzy")
    assert caught.value.shown == "'z' 'y'"


def test_many_unknown_characters_are_counted_rather_than_listed() -> None:
    with pytest.raises(UnknownCharacterError, match="'j' and 16 more;"):
        CharTokenizer("A").encode("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize("character", ["\0", "c", "\U0010ffff", "\ud800"])
def test_what_is_unknown_becomes_the_replacement_where_there_is_one(character: str) -> None:
    tokenizer = CharTokenizer(f"a{REPLACEMENT}b")
    assert tokenizer.encode(f"a{character}b").tolist() == [0, 1, 2]
    assert tokenizer.without_unknown(f"a{character}b") == f"a{character}b"


@pytest.mark.parametrize("characters", [["\ud800"], ["a", "\udfff"]])
def test_half_a_surrogate_pair_is_never_in_a_vocabulary(characters: list[str]) -> None:
    """It could not be written as UTF-8, neither in a sample nor in tokenizer.json."""
    with pytest.raises(ModelError, match="surrogate"):
        CharTokenizer(characters)


def test_characters_are_in_code_point_order() -> None:
    """So that the same text gives the same ids, however it is cut into pieces."""
    assert CharTokenizer.fit(["\N{GRINNING FACE}b", "", "a\n"]).characters == tuple(
        "\nab\N{GRINNING FACE}"
    )


@settings(deadline=None)
@given(text=texts.filter(bool), cut=st.integers(0, 20), min_count=st.integers(1, 4))
def test_fitting_depends_only_on_the_text_not_on_its_pieces(
    text: str, cut: int, min_count: int
) -> None:
    whole = CharTokenizer.fit([text], min_count=min_count)
    pieces = CharTokenizer.fit([text[:cut], text[cut:]], min_count=min_count)
    assert whole.characters == pieces.characters


def test_characters_seen_less_often_than_min_count_are_folded() -> None:
    tokenizer = CharTokenizer.fit(["aaabb", "bc"], min_count=3)
    assert set(tokenizer.characters) == {"a", "b", REPLACEMENT}
    folded = tokenizer.decode(tokenizer.encode("abcz"))
    assert folded == f"ab{REPLACEMENT}{REPLACEMENT}"


def test_nothing_is_folded_when_every_character_is_frequent() -> None:
    """A vocabulary entry that no text ever uses costs every step of the softmax."""
    assert CharTokenizer.fit(["aabb"], min_count=2).characters == ("a", "b")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_replacement_character_in_the_text_is_in_the_vocabulary_once(count: int) -> None:
    tokenizer = CharTokenizer.fit(["aab" + REPLACEMENT * count], min_count=2)
    assert sorted(tokenizer.characters) == ["a", REPLACEMENT]


def test_first_keeps_its_characters_at_their_ids() -> None:
    """Fine-tuning: rows of the embedding must go on meaning what they meant."""
    first = CharTokenizer("zyx")
    assert CharTokenizer.fit(["bxa"], first=first).characters == tuple("zyxab")


@settings(deadline=None)
@given(old=texts.filter(bool), new=texts, min_count=st.integers(1, 3))
def test_first_is_always_the_beginning_of_what_it_grows_into(
    old: str, new: str, min_count: int
) -> None:
    first = CharTokenizer.fit([old])
    grown = CharTokenizer.fit([new], first=first, min_count=min_count)
    assert grown.characters[: first.vocabulary_size] == first.characters
    grown.encode(old + new)


def test_first_does_not_grow_when_it_knows_every_character() -> None:
    """A rare character that `first` knows keeps its id: nothing is folded, so nothing is added."""
    first = CharTokenizer("abc")
    assert CharTokenizer.fit(["aab"], first=first, min_count=2).characters == first.characters


@settings(deadline=None)
@example(raw=b"\xff\xfe\x00")
@example(raw="é".encode("latin-1"))
@example(raw=b"\xf0\x9f\x98")
@example(raw=b"\xed\xa0\x80")
@example(raw=b"\xc0\xaf \xf4\x90\x80\x80")
@given(raw=st.binary())
def test_any_bytes_survive_a_round_trip_through_text(raw: bytes) -> None:
    tokenizer = ByteTokenizer()
    ids = np.frombuffer(raw, dtype=np.uint8)
    text = tokenizer.decode(ids)
    np.testing.assert_array_equal(tokenizer.encode(text), ids)
    assert "".join(tokenizer.decode_stream(ids.tolist())) == text


@settings(deadline=None)
@given(text=texts)
def test_byte_ids_are_the_bytes_of_utf8(text: str) -> None:
    assert ByteTokenizer().encode(text).tobytes() == text.encode()


@pytest.mark.parametrize("point", [0xD800, 0xDBFF, 0xDC7F, 0xDD00, 0xDFFF])
def test_a_surrogate_that_stands_for_no_byte_is_unknown(point: int) -> None:
    with pytest.raises(UnknownCharacterError) as caught:
        ByteTokenizer().encode(f"a{chr(point)}")
    assert caught.value.characters == (chr(point),)


@pytest.mark.parametrize("byte", [0x80, 0xC3, 0xFF])
def test_a_surrogate_that_stands_for_a_byte_is_that_byte(byte: int) -> None:
    assert ByteTokenizer().encode(chr(0xDC00 + byte)).tolist() == [byte]
