import json
import mmap
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from charrnn.data import two_pass_reading
from charrnn.data.corpus import open_corpus
from charrnn.data.documents import FOLDER, read_documents
from charrnn.data.memmap import _mapping
from charrnn.data.read_options import ReadOptions
from charrnn.data.tokenizer import CharTokenizer
from charrnn.data.two_pass_reading import LongerTextError
from charrnn.errors import ConfigError, CorpusError, UnknownCharacterError
from charrnn.storage.token_cache import find_ids, keep_ids
from charrnn.tasks.classify.documents import LabelledCorpus, read_labelled

ROWS = [
    {"text": "Lirum", "kind": "town"},
    {"text": "the fox said\nno", "kind": "fable"},
    {"text": "Ébel", "kind": "town"},
    {"text": "a hen, a fox", "kind": "fable"},
    {"text": "Orosh", "kind": "town"},
]
TABLE = ReadOptions(column="text", label="kind")


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    quoted = [
        '"' + '","'.join(str(each).replace('"', '""') for each in r.values()) + '"' for r in rows
    ]
    path.write_text("\n".join([",".join(rows[0]), *quoted]) + "\n")


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}


def table(folder: Path, rows: list[dict[str, Any]], kind: str = "jsonl") -> str:
    path = folder / f"rows.{kind}"
    WRITERS[kind](path, rows)
    return str(path)


def read(name: str, options: ReadOptions = TABLE, **settings: Any) -> LabelledCorpus:
    return read_labelled(open_corpus([name], options), **settings)


def texts(corpus: LabelledCorpus) -> list[str]:
    return [
        corpus.tokenizer.decode(corpus.document(number)) for number in range(len(corpus.targets))
    ]


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_a_row_is_a_document(tmp_path: Path, kind: str) -> None:
    corpus = read(table(tmp_path, ROWS, kind))
    assert texts(corpus) == [row["text"] for row in ROWS]
    assert corpus.labels == ("fable", "town")
    assert corpus.targets.tolist() == [1, 0, 1, 0, 1]
    assert corpus.lengths.tolist() == [len(row["text"]) for row in ROWS]
    assert corpus.bytes == sum(len(row["text"].encode()) for row in ROWS)


def test_every_kind_of_table_is_the_same_corpus(tmp_path: Path) -> None:
    assert len({read(table(tmp_path, ROWS, kind)).sha256 for kind in WRITERS}) == 1


def test_a_folder_has_a_folder_for_each_class(tmp_path: Path) -> None:
    for name, text in [("a/1.txt", "one\n"), ("a/deep/2.txt", "two"), ("b/3.txt", "three\n\n")]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    corpus = read(str(tmp_path), ReadOptions(label=FOLDER))
    assert texts(corpus) == ["one", "two", "three"]
    assert [corpus.labels[number] for number in corpus.targets] == ["a", "a", "b"]
    (tmp_path / "loose.txt").write_text("four")
    with pytest.raises(CorpusError, match=r"loose\.txt: it is not in the folder of a class"):
        read(str(tmp_path), ReadOptions(label=FOLDER))


def test_the_sum_knows_texts_and_labels_and_where_each_ends(tmp_path: Path) -> None:
    pairs: tuple[Any, ...] = (
        [("ab", "c"), ("a", "bc")],
        [("ab", "bc"), ("a", "c")],
        [("a", "c"), ("ab", "bc")],
    )
    sums = set()
    for each in pairs:
        rows: list[dict[str, Any]] = [{"text": text, "kind": label} for text, label in each]
        sums.add(read(table(tmp_path, rows)).sha256)
    assert len(sums) == 3


@pytest.mark.parametrize("written", [7, "7", 7.0, " 7 "])
def test_numbers_are_read_as_they_are_written(tmp_path: Path, written: object) -> None:
    rows: list[dict[str, Any]] = [{"text": "a", "kind": written}, {"text": "b", "kind": "-1.5e3"}]
    corpus = read(table(tmp_path, rows), numbers=True)
    assert corpus.targets.tolist() == [7.0, -1500.0] and corpus.labels == ()


MISTAKES: dict[str, tuple[list[dict[str, Any]], bool, str]] = {
    "no text": ([*ROWS, {"text": "\n", "kind": "town"}], False, "line 6: its text is empty"),
    "null text": ([{"text": None, "kind": "town"}], False, "line 1: its text is empty"),
    "a list": (
        [{"text": ["a"], "kind": "town"}],
        False,
        "line 1: its 'text' holds a list, not text",
    ),
    "no label": ([*ROWS, {"text": "x", "kind": " "}], False, "line 6: it has no label"),
    "null label": ([{"text": "x", "kind": None}], False, "line 1: it has no label"),
    "long label": ([{"text": "x", "kind": "y" * 999}], False, "999 characters"),
    "no column": ([{"text": "x", "sort": "y"}], False, "no column 'kind'; it has text, sort"),
    "one class": (ROWS[:1], False, "of the class 'town'; there is nothing to tell apart"),
    "a word": (ROWS, True, "line 1: its label 'town' is not a number"),
    "nan": ([{"text": "x", "kind": "nan"}], True, "is not a number"),
    "true": ([{"text": "x", "kind": True}], True, "is not a number"),
    "huge": ([{"text": "x", "kind": 1e40}], True, "too large"),
    "no number": ([{"text": "x", "kind": ""}], True, "it has no label"),
    "one number": ([{"text": "x", "kind": 3}, {"text": "y", "kind": 3}], True, "numbers are 3"),
    "surrogate": ([{"text": "\ud800", "kind": "a"}], False, "half of a surrogate pair"),
    "empty": ([], False, "it is empty"),
}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_a_mistake_is_told_with_its_row(tmp_path: Path, mistake: str) -> None:
    rows, numbers, message = MISTAKES[mistake]
    with pytest.raises(CorpusError, match=message):
        read(table(tmp_path, rows), numbers=numbers)


def test_what_has_no_labels_is_told(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("text")
    with pytest.raises(CorpusError, match="it is plain text; labels are read from"):
        read(str(tmp_path / "plain.txt"))
    with pytest.raises(CorpusError, match="files and folders only"):
        read("-")
    with pytest.raises(ConfigError, match="--label folder"):
        read(str(tmp_path))
    with pytest.raises(ConfigError, match="a folder has no columns"):
        read(str(tmp_path), ReadOptions(column="text", label=FOLDER))
    with pytest.raises(CorpusError, match="with --text NAME"):
        read(table(tmp_path, ROWS), ReadOptions(label="kind"))


def test_held_out_is_the_same_share_of_every_class(tmp_path: Path) -> None:
    rows = [{"text": f"{n}", "kind": "ab"[n % 10 == 0]} for n in range(200)]
    corpus = read(table(tmp_path, rows))
    training, validation = corpus.split_documents(0.2, seed=3)
    assert sorted([*training, *validation]) == list(range(200))
    assert np.bincount(corpus.targets[validation]).tolist() == [36, 4]
    again = corpus.split_documents(0.2, seed=3)
    assert (again[0] == training).all() and (again[1] == validation).all()
    assert (corpus.split_documents(0.2, seed=4)[1] != validation).any()


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5])
def test_a_class_of_two_is_in_both_parts(tmp_path: Path, fraction: float) -> None:
    rows = [{"text": str(n), "kind": "ab"[n < 2]} for n in range(30)]
    corpus = read(table(tmp_path, rows))
    for part in corpus.split_documents(fraction, seed=0):
        assert set(corpus.targets[part]) == {0, 1}


def test_a_class_of_one_cannot_be_learned_and_held_out(tmp_path: Path) -> None:
    corpus = read(table(tmp_path, [*ROWS, {"text": "x", "kind": "alone"}]))
    with pytest.raises(CorpusError, match="the class 'alone' has one document"):
        corpus.split_documents(0.1, seed=0)
    numbers = read(table(tmp_path, [{"text": "x", "kind": n} for n in range(5)]))
    with pytest.raises(CorpusError, match="--regress"):
        numbers.split_documents(0.1, seed=0)


def test_numbers_are_held_out_whatever_they_are(tmp_path: Path) -> None:
    corpus = read(table(tmp_path, [{"text": "x", "kind": n} for n in range(20)]), numbers=True)
    training, validation = corpus.split_documents(0.1, seed=0)
    assert len(training) == 18 and len(validation) == 2


def test_a_tokenizer_that_is_given_is_kept_or_extended(tmp_path: Path) -> None:
    name = table(tmp_path, ROWS)
    with pytest.raises(UnknownCharacterError):
        read(name, tokenizer=CharTokenizer("abc"))
    extended = read(name, tokenizer=CharTokenizer("zyx"), unknown="extend").tokenizer
    assert isinstance(extended, CharTokenizer) and extended.characters[:3] == ("z", "y", "x")
    whole = read(name)
    assert read(name, tokenizer=whole.tokenizer).sha256 == whole.sha256
    assert read(name, kind="byte").sha256 == whole.sha256


EQUAL: dict[str, tuple[list[Any], tuple[str, ...]]] = {
    "numbers": ([1, 1.0, 2, 2.0], ("1", "2")),
    "numbers and text": ([1.0, "1", 2, "2"], ("1", "2")),
    "booleans among numbers": ([1, True, 0.0, False], ("0", "1")),
    "booleans": ([True, False, True, False], ("False", "True")),
    "text": (["1", "1.0", "True", "1"], ("1", "1.0", "True")),
}


@pytest.mark.parametrize("labels", EQUAL)
def test_equal_numbers_are_one_class(tmp_path: Path, labels: str) -> None:
    """1, 1.0 and True were three classes, and NaN was one of its own."""
    found, expected = EQUAL[labels]
    rows = [{"text": "a", "kind": label} for label in found]
    assert read(table(tmp_path, rows)).labels == expected


@pytest.mark.parametrize("label", [float("nan"), None, ""])
@pytest.mark.parametrize("numbers", [False, True])
def test_a_missing_label_is_told(tmp_path: Path, label: object, numbers: bool) -> None:
    name = table(tmp_path, [{"text": "a", "kind": 1}, {"text": "b", "kind": label}])
    with pytest.raises(CorpusError, match="line 2: it has no label"):
        read(name, numbers=numbers)


def test_a_table_of_floats_and_one_of_text_have_the_same_classes(tmp_path: Path) -> None:
    """A model of a .parquet's 1.0 knew no class of the .csv's 1."""
    floats = [{"text": "a", "kind": 1.0}, {"text": "b", "kind": 2.0}]
    whole = [{"text": "a", "kind": "1"}, {"text": "b", "kind": "2"}]
    labels = read(table(tmp_path, floats, "parquet")).labels
    again = read(table(tmp_path, whole, "csv"), classes=labels)
    assert again.labels == labels and again.targets.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("known", "label"),
    [("1", "1.0"), ("1.0", "1"), ("1.0", 1), ("True", "1"), ("1", True), ("1.0", True)],
)
def test_a_label_may_be_equal_to_a_class_that_a_model_knows(
    tmp_path: Path, known: str, label: object
) -> None:
    name = table(tmp_path, [{"text": "a", "kind": label}])
    assert read(name, classes=("other", known)).targets.tolist() == [1]


def test_a_new_character_in_the_last_document_is_told_as_such(tmp_path: Path) -> None:
    """It was said that the table changed while it was being read."""
    name = table(tmp_path, [*ROWS, {"text": "Ω", "kind": "town"}])
    known = CharTokenizer(sorted({each for row in ROWS for each in row["text"]}))
    with pytest.raises(UnknownCharacterError):
        read(name, tokenizer=known)


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_large_ids_are_kept_in_a_file_and_found_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """They were held in memory whatever their size, twice while they were read."""
    name = table(tmp_path, ROWS)
    small = read(name, kind=kind)
    monkeypatch.setattr(two_pass_reading, "LARGEST_IN_MEMORY", 10)
    folder = tmp_path / "ids"
    kept = read(name, kind=kind, keep=partial(keep_ids, folder))
    found = read(name, kind=kind, find=partial(find_ids, folder), keep=pytest.fail)
    for large in (kept, found):
        assert isinstance(_mapping(large.ids), mmap.mmap)
        assert large.sha256 == small.sha256 and texts(large) == texts(small)
        assert (large.bounds == small.bounds).all() and (large.targets == small.targets).all()


def test_ids_are_held_once_while_they_are_read(tmp_path: Path) -> None:
    rows = [{"text": "the fox " * 5000, "kind": "ab"[n % 2]} for n in range(750)]
    name = table(tmp_path, rows)
    tracemalloc.start()
    try:
        corpus = read(name, kind="byte")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert corpus.ids.nbytes == 30_000_000 and peak < 45_000_000


def test_a_text_that_is_longer_than_it_was_is_not_read_to_its_end(tmp_path: Path) -> None:
    name = table(tmp_path, ROWS * 100)
    with pytest.raises(LongerTextError, match="more than 99 bytes"):
        read(name, at_most=99)
    assert read(name, at_most=100 * sum(len(row["text"].encode()) for row in ROWS))


def test_texts_without_labels_can_be_read(tmp_path: Path) -> None:
    found = list(read_documents(table(tmp_path, ROWS), ReadOptions(column="text")))
    assert [each.text for each in found] == [row["text"] for row in ROWS]
    assert {each.label for each in found} == {None}
    (tmp_path / "plain.txt").write_text("one\ntwo\n")
    (only,) = read_documents(str(tmp_path / "plain.txt"), ReadOptions())
    assert only.text == "one\ntwo"
