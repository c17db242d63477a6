"""Word ids: which characters and bytes are letters."""

from charrnn.engines.memory.words import word_ids_of_bytes, word_ids_of_characters


def test_letters_of_both_cases_are_the_same_and_others_are_outside_words() -> None:
    found = word_ids_of_characters(["\n", "A", "a", "é", "É", "1", " ", "b", "ß"])
    assert found.tolist() == [0, 1, 1, 2, 2, 0, 0, 3, 4]


def test_bytes_have_the_letters_of_ascii_and_all_parts_of_other_characters() -> None:
    found = word_ids_of_bytes()
    assert found[ord("q")] == found[ord("Q")] > 0
    assert found[ord("q")] != found[ord("p")]
    assert not found[ord("\n")]
    assert not found[ord("7")]
    assert (found[128:] > 0).all()
    assert len(set(found[128:].tolist())) == 128
