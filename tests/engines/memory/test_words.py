"""Word ids: which characters and bytes are letters."""

import hashlib
import sys
import unicodedata

from charrnn.engines.memory.words import word_ids_of_bytes, word_ids_of_characters


def test_letters_of_both_cases_are_the_same_and_others_are_outside_words() -> None:
    found = word_ids_of_characters(["\n", "A", "a", "é", "É", "1", " ", "b", "ß"])
    assert found.tolist() == [0, 1, 1, 2, 2, 0, 0, 3, 4]


def test_a_letter_has_one_number_whichever_small_letters_unicode_adds() -> None:
    # Cherokee A has got a small letter in Unicode 8; that of capital I with a dot are two.
    cherokee, small = "\u13a0", "\uab70"
    assert unicodedata.lookup("CHEROKEE LETTER A") == cherokee and cherokee.lower() == small
    assert word_ids_of_characters([cherokee, small, "\u0130", "i"]).tolist() == [1, 0, 2, 3]


def test_the_numbers_of_all_characters_are_the_same_in_every_python() -> None:
    every = [chr(each) for each in range(sys.maxunicode + 1)]
    digest = hashlib.sha256(word_ids_of_characters(every).astype("<i4").tobytes()).hexdigest()
    assert digest[:32] == "3f0467ede6da51b0f13835ac31cec364"


def test_bytes_have_the_letters_of_ascii_and_all_parts_of_other_characters() -> None:
    found = word_ids_of_bytes()
    assert found[ord("q")] == found[ord("Q")] > 0
    assert found[ord("q")] != found[ord("p")]
    assert not found[ord("\n")]
    assert not found[ord("7")]
    assert (found[128:] > 0).all()
    assert len(set(found[128:].tolist())) == 128
