import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.corpus import open_corpus
from charrnn.errors import CharRNNError
from charrnn.generation import selection
from charrnn.generation.request import Sample
from charrnn.generation.selection import Lines, best_of, novel, unique


def samples(texts: Iterable[str], nats: float = 1.0) -> Iterator[Sample]:
    for index, text in enumerate(texts):
        yield Sample(index, text, len(text), nats, (), "stop")


def texts(found: Iterable[Sample]) -> list[str]:
    return [sample.text for sample in found]


# Unique


def test_unique_gives_each_text_once_and_keeps_the_first() -> None:
    found = list(unique(samples(["a", "b", "a", "", "b", "c", ""])))
    assert [(sample.text, sample.index) for sample in found] == [
        ("a", 0),
        ("b", 1),
        ("", 3),
        ("c", 5),
    ]


def test_unique_takes_no_more_than_it_gives() -> None:
    made = samples("abab")
    assert texts(itertools.islice(unique(made), 2)) == ["a", "b"]
    assert texts(made) == ["a", "b"]


# Novel


def test_bytes_that_came_apart_are_the_character_that_they_are() -> None:
    accent = "é".encode()
    pieces = [
        piece.decode("utf-8", "surrogateescape")
        for piece in (b"caf" + accent[:1], accent[1:] + b"\n")
    ]
    assert "café" in Lines(pieces)
    found = novel(samples([pieces[1][0], "x"]), Lines(["café\n\udcff\n"]), pieces[0])
    assert texts(found) == ["x"]
    assert "\udcff" in Lines(["\udcff\n"]) and "\ufffd" not in Lines(["\udcff\n"])


def test_novel_gives_texts_that_are_no_line_of_the_corpus() -> None:
    known = Lines(["anna\nbob\n", "eve"])
    assert texts(novel(samples(["anna", "carl", "bob", "eve", "Anna", "ann"]), known)) == [
        "carl",
        "Anna",
        "ann",
    ]


def test_a_line_begins_with_the_prompt() -> None:
    known = Lines(["anna\nna\n"])
    assert texts(novel(samples(["na", "nas"]), known, "an")) == ["nas"]
    assert texts(novel(samples(["na", "nas"]), known, "in")) == ["na", "nas"]


def test_no_line_of_a_text_may_be_known() -> None:
    known = Lines(["one\ntwo\n"])
    found = novel(samples(["x\ntwo\ny", "x\ntwos\ny", "x\ny\none", "one\nx"]), known)
    assert texts(found) == ["x\ntwos\ny"]


def test_empty_lines_are_nothing_that_a_text_takes_over() -> None:
    known = Lines(["one\n\ntwo\n"])
    assert texts(novel(samples(["a\n\nb", "", "two"]), known)) == ["a\n\nb", ""]


def test_a_text_with_carriage_returns_is_compared_without_them() -> None:
    known = Lines(["one\r\ntwo\r\n"])
    assert texts(novel(samples(["x\r\ntwo\r\ny"]), known)) == []


def test_nothing_is_in_an_empty_corpus() -> None:
    assert "a" not in Lines([])
    assert "" not in Lines([""])


@given(text=st.text("ab\n\r", max_size=40), cuts=st.lists(st.integers(0, 40), max_size=6))
def test_lines_are_the_same_however_the_text_is_cut(text: str, cuts: list[int]) -> None:
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    known = Lines(text[begin:end] for begin, end in itertools.pairwise(ends))
    *lines, last = text.split("\n")
    expected = {line.removesuffix("\r") for line in [*lines, *([last] if last else [])]}
    assert all(line in known for line in expected)
    others = (
        "".join(letters) for size in range(5) for letters in itertools.product("ab", repeat=size)
    )
    assert not any(other in known for other in others if other not in expected)


def test_files_are_read_as_they_are_trained_on(tmp_path: Path) -> None:
    for name, content in (("one", b"\xef\xbb\xbfanna\r\nbob"), ("two", b"eve\r\n")):
        (tmp_path / f"{name}.txt").write_bytes(content)
    known = Lines(open_corpus([str(tmp_path / f"{name}.txt") for name in ("one", "two")]).texts())
    assert all(line in known for line in ("anna", "bob", "eve"))
    assert not any(line in known for line in ("bobeve", "anna\r", "\ufeffanna"))


# Best of


def scored(*nats: float, characters: int = 10) -> Iterator[Sample]:
    for index, each in enumerate(nats):
        yield Sample(index, str(index), characters, each, (), "length")


def test_of_each_so_many_the_likeliest_is_kept() -> None:
    assert texts(best_of(scored(5, 3, 4, 9, 8, 7, 1), 3)) == ["1", "5", "6"]
    assert texts(best_of(scored(5, 3), 1)) == ["0", "1"]


def test_of_equals_the_first_is_kept() -> None:
    assert texts(best_of(scored(3, 3, 3), 3)) == ["0"]


def test_likely_is_by_the_character() -> None:
    # Or else the shortest would always be the best.
    short, long = Sample(0, "s", 2, 4.0, (), "stop"), Sample(1, "l", 10, 10.0, (), "stop")
    nothing = Sample(2, "", 0, 0.0, (), "length")
    assert texts(best_of([short, long], 2)) == ["l"]
    assert texts(best_of([short, nothing], 2)) == [""]


def test_the_best_takes_no_more_than_it_weighs() -> None:
    made = scored(5, 3, 4, 9, 8)
    assert texts(itertools.islice(best_of(made, 2), 2)) == ["1", "2"]
    assert texts(made) == ["4"]


# Together, and too few


def test_they_compose() -> None:
    known = Lines(["a\n"])
    made = samples(["a", "b", "b", "a", "c", "d", "c", "e", "a", "d"])
    # New ones: b, b, c, d, c, e, d; of each two the first: b, c, c, d.
    assert texts(unique(best_of(novel(made, known), 2))) == ["b", "c", "d"]


def test_unique_gives_up_where_there_seem_to_be_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MOST_REJECTED", 5)
    made = samples(itertools.chain("ab", "aaaa", "c", itertools.repeat("b")))
    found = unique(made)
    assert texts(itertools.islice(found, 3)) == ["a", "b", "c"]  # four in a row are not too many
    with pytest.raises(CharRNNError, match="3 different"):
        next(found)
    assert next(made).index == 7 + 5


def test_novel_gives_up_where_there_seem_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MOST_REJECTED", 5)
    made = samples(itertools.chain("aaaa", "c", itertools.repeat("a")))
    found = novel(made, Lines(["a"]))
    assert next(found).text == "c"
    with pytest.raises(CharRNNError, match="temperature"):
        next(found)
    assert next(made).index == 5 + 5
