import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.tasks.infill.gaps import Gap, group_gaps, read_passage

TOKENIZERS: list[Tokenizer] = [CharTokenizer("ab _é"), ByteTokenizer()]


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=lambda each: str(each.kind))
@given(text=st.text("ab é_☃\ud800"))
def test_a_passage_keeps_its_text(tokenizer: Tokenizer, text: str) -> None:
    mask = tokenizer.vocabulary_size
    passage = read_passage(tokenizer, text, "_", mask)
    assert passage.filled(["_" * gap.length for gap in passage.gaps]) == text
    for gap in passage.gaps:
        assert set(passage.ids[gap.start : gap.end]) == {mask}
        assert text[gap.position : gap.position + gap.length] == "_" * gap.length
        assert "_" not in text[gap.position - 1 : gap.position]
    assert sum(gap.length for gap in passage.gaps) == text.count("_")


def test_ids_of_a_passage_are_those_of_its_text_and_masks() -> None:
    passage = read_passage(CharTokenizer("ab"), "a__b?_", "_", 2)
    assert passage.ids.tolist() == [0, 2, 2, 1, 2, 2]
    assert passage.gaps == (Gap(1, 2, 1), Gap(5, 1, 5))
    assert passage.literals == ("a", "b?", "")


def test_bytes_and_characters_are_counted_apart() -> None:
    passage = read_passage(ByteTokenizer(), "é☃_", "_", 256)
    assert passage.gaps == (Gap(position=2, length=1, start=5),)


def test_gaps_near_each_other_belong_together() -> None:
    gaps = [Gap(0, 2, 0), Gap(4, 1, 4), Gap(9, 1, 9), Gap(13, 1, 13)]
    assert group_gaps(gaps, 4) == [gaps[:2], gaps[2:]]
    assert group_gaps(gaps, 1) == [[gap] for gap in gaps]
    assert group_gaps([], 4) == []
