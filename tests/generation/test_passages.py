from collections.abc import Iterator

import pytest

from charrnn.errors import CharRNNError, ConfigError, CorpusError
from charrnn.generation import passages, selection
from charrnn.generation.config import SelectionConfig
from charrnn.generation.passages import Passages, without_copies
from charrnn.generation.request import Sample


def samples(*texts: str) -> Iterator[Sample]:
    return (Sample(index, text, len(text), 0.0, (), "length") for index, text in enumerate(texts))


def test_a_passage_is_found_wherever_it_stands() -> None:
    known = Passages(["the quick brown fox"], 5)
    assert known.find("a quick one") == " quic"
    assert known.find("quicker than brows") == "quick"
    assert known.find("the quack brawn fix") == "the q"
    assert known.find("fox the") is None
    assert known.find("fox") is None  # shorter than a passage
    assert known.find("") is None


@pytest.mark.parametrize("chunks", [["abcdefgh"], list("abcdefgh"), ["abc", "", "de", "fgh"]])
def test_passages_go_from_one_chunk_to_the_next(chunks: list[str]) -> None:
    known = Passages(chunks, 4)
    assert all(known.find("abcdefgh"[begin : begin + 4]) for begin in range(5))
    assert known.find("abce") is None


def test_nothing_is_in_an_empty_or_short_corpus() -> None:
    assert Passages([], 3).find("abcd") is None
    assert Passages(["ab"], 3).find("abab") is None


def test_texts_with_a_copy_are_left_out_also_where_it_begins_in_the_prompt() -> None:
    known = Passages(["the quick brown fox"], 8)
    found = without_copies(samples("ck brown", "ck braun", "xx"), known, "the qui")
    assert [each.text for each in found] == ["xx"]
    assert [each.text for each in without_copies(samples("ck b"), known)] == ["ck b"]


def test_it_gives_up_where_there_seem_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MOST_REJECTED", 3)
    with pytest.raises(CharRNNError, match="--novel 2: 3 texts in a row"):
        list(without_copies(samples(*["ab"] * 3), Passages(["ab"], 2)))


def test_a_corpus_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages, "LARGEST", 10)
    with pytest.raises(CorpusError, match="compares lines"):
        Passages(["abcdef", "ghijkl"], 3)


def test_lines_and_passages_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="exclude"):
        SelectionConfig(novel=True, novel_length=5)
    assert not SelectionConfig(novel_length=5).is_plain
