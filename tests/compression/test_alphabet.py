"""Alphabets: any bytes come back from their ids, with what a model does not know beside them."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.compression import alphabet as module
from charrnn.compression.alphabet import Alphabet, Bytes, alphabet_of, parts
from charrnn.compression.archive import BLOCK, MOST_IDS, MOST_OTHERS, number_bytes
from charrnn.data.tokenizer import REPLACEMENT, ByteTokenizer, CharTokenizer

ALPHABETS: dict[str, Alphabet] = {
    "bytes": alphabet_of(ByteTokenizer()),
    "nothing": alphabet_of(None),
    "characters": alphabet_of(CharTokenizer("\n abé\U0001f98a")),
    "one": alphabet_of(CharTokenizer("a")),
    "replacement": alphabet_of(CharTokenizer(f"ab{REPLACEMENT}")),
}
ALL = pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)

CONTENT = st.one_of(
    st.binary(),
    st.text("ab \né🦊xy\0", max_size=40).map(str.encode),
    st.lists(st.sampled_from([b"a", "é".encode(), b"\xc3", b"\xf0\x9f", b"\xff", b"\0"])).map(
        b"".join
    ),
)


def restored(alphabet: Alphabet, content: Iterator[bytes], block: int = BLOCK) -> bytes:
    most_ids, most_others = block + MOST_IDS - BLOCK, block * MOST_OTHERS // BLOCK
    found = b""
    for part in parts(alphabet, content):
        assert part.ids.dtype == np.int32
        assert len(part.ids) + len(part.others) > 0
        assert len(part.ids) <= most_ids and len(part.others) <= most_others
        assert not part.ids.size or 0 <= part.ids.min() <= part.ids.max() < alphabet.size
        again = alphabet.content(part.ids, part.others)
        assert len(again) == part.size
        assert len(again.decode("utf-8", "surrogateescape")) == part.characters
        found += again
    return found


@ALL
@given(content=CONTENT, cut=st.integers(0, 20))
@example(content=b"\xed\xa0\x80\xed\xb0\x80", cut=1)  # surrogates in UTF-8
def test_any_bytes_come_back(alphabet: Alphabet, content: bytes, cut: int) -> None:
    assert restored(alphabet, iter([content[:cut], content[cut:]])) == content


@ALL
@pytest.mark.parametrize("size", [499, 501, 1001])
def test_characters_may_lie_across_blocks(
    alphabet: Alphabet, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = 500
    monkeypatch.setattr(module, "BLOCK", block)
    for content in (
        "é🦊".encode() * (size // 6),
        b"\xf0\x9f\xa6" * (size // 3),
        b"ax" * (size // 2),
    ):
        assert restored(alphabet, iter([content[:40], content[40:]]), block) == content


def test_a_block_of_the_usual_size_holds_unknown_characters_one_by_one() -> None:
    content = b"ax" * (BLOCK // 2)
    assert restored(ALPHABETS["characters"], iter([content])) == content


def test_what_a_model_knows_has_nothing_beside_it() -> None:
    part = ALPHABETS["characters"].part("a béa\n")
    assert part.others == b"" and part.ids.tolist() == [2, 1, 3, 4, 2, 0]


def test_what_a_model_does_not_know_stands_beside() -> None:
    part = ALPHABETS["characters"].part("abxya\udcff")
    assert part.ids.tolist() == [2, 3, 2]
    assert part.others == bytes([2, 2]) + b"xy" + bytes([1, 1]) + b"\xff"


@pytest.mark.parametrize(
    "others",
    [
        *(b"\x80", b"\x01", b"\x04\x00", b"\x00\x02a", b"\xff" * 9),
        number_bytes(1 << 30) + b"\x00",
        b"\x01" + number_bytes(1 << 30),
    ],
)
def test_what_cannot_stand_beside_is_refused(others: bytes) -> None:
    with pytest.raises(ValueError, match=r"number|end"):
        ALPHABETS["characters"].content(np.array([0, 1, 2], dtype=np.int32), others)


def test_ids_that_no_character_has_are_refused() -> None:
    with pytest.raises(ValueError, match="no character"):
        ALPHABETS["one"].content(np.array([1], dtype=np.int32), b"")
    with pytest.raises(ValueError, match="beside"):
        Bytes().content(np.array([1], dtype=np.int32), b"a")
