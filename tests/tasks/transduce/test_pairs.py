import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from charrnn.data.corpus import open_corpus
from charrnn.data.read_options import ReadOptions
from charrnn.data.tokenizer import CharTokenizer
from charrnn.data.two_pass_reading import LongerTextError
from charrnn.errors import ConfigError, CorpusError, UnknownCharacterError
from charrnn.tasks.transduce import LONGEST, LONGEST_SYMBOL, pairs
from charrnn.tasks.transduce.pair_rows import Pair, Source, read_pair_rows, references_of
from charrnn.tasks.transduce.pairs import PairCorpus, read_pairs
from charrnn.tasks.transduce.tokenizer import BEGIN, END, UNKNOWN, PairTokenizer

ROWS = [
    {"word": "gehen", "phones": "g eː ə n", "tags": "V;NFIN"},
    {"word": "Weg", "phones": "v eː k", "tags": "N"},
    {"word": "weg", "phones": "v ɛ k", "tags": ""},
    {"word": "Weg", "phones": "v eː ç", "tags": "N"},
]
TABLE = ReadOptions(source="word", target="phones", target_separator=" ")
WITH_TAGS = ReadOptions(source="word", target="phones", features="tags", target_separator=" ")
NUMBERED = ReadOptions(source="1", target="2")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        delimiter = {".tsv": "\t", ".csv": ","}[path.suffix]
        lines = [delimiter.join(rows[0]), *(delimiter.join(row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    return path


def read(path: Path, options: ReadOptions = TABLE, **how: Any) -> PairCorpus:
    return read_pairs(open_corpus([str(path)], options), **how)


def read_text(folder: Path, text: str | bytes, options: ReadOptions = NUMBERED) -> PairCorpus:
    path = folder / "pairs.tsv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read(path, options)


def shown(corpus: PairCorpus) -> list[tuple[str, tuple[str, ...], str]]:
    return [(*each.source, each.target) for each in map(corpus.pair, range(len(corpus)))]


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "parquet"])
def test_a_row_is_a_pair(tmp_path: Path, suffix: str) -> None:
    corpus = read(write(tmp_path / f"rows.{suffix}", ROWS), WITH_TAGS)
    assert shown(corpus) == [
        ("gehen", ("V", "NFIN"), "g eː ə n"),
        ("Weg", ("N",), "v eː k"),
        ("weg", (), "v ɛ k"),
        ("Weg", ("N",), "v eː ç"),
    ]
    assert corpus.tokenizer.to_json() == {
        "kind": "pair",
        "source": ["W", "e", "g", "h", "n", "w"],
        "target": ["eː", "g", "k", "n", "v", "ç", "ə", "ɛ"],
        "features": ["N", "NFIN", "V"],
        "separator": " ",
    }
    assert corpus.source(1).tolist() == corpus.tokenizer.encode_source("Weg", ("N",))
    assert corpus.target(0).tolist() == corpus.tokenizer.encode_target("g eː ə n")
    assert corpus.source_lengths.tolist() == [5 + 2 + 2, 3 + 1 + 2, 3 + 2, 3 + 1 + 2]
    assert corpus.target_lengths.tolist() == [4, 3, 3, 3]
    assert corpus.characters == 14 + 4 + 13
    assert corpus.source_numbers.tolist() == [0, 1, 2, 1]
    assert corpus.ids.dtype == corpus.target_ids.dtype == np.uint8


def test_every_kind_of_table_is_the_same_corpus(tmp_path: Path) -> None:
    """The hash, by which a training is resumed, does not depend on the format."""
    suffixes = ("tsv", "csv", "jsonl", "parquet")
    corpora = [read(write(tmp_path / f"{each}.{each}", ROWS), WITH_TAGS) for each in suffixes]
    assert len({(each.sha256, each.bytes) for each in corpora}) == 1


def test_the_hash_depends_on_where_a_pair_is_divided(tmp_path: Path) -> None:
    texts = ("ab\tc\n", "a\tbc\n", "a\tb\na\tc\n", "b\ta\n", "a\tc\na\tb\n")
    assert len({read_text(tmp_path, each).sha256 for each in texts}) == len(texts)
    features = ReadOptions(source="1", target="2", features="3")
    with_features = ("a\tb\tV;N\n", "a\tb\tVN\n", "aV\tb\tN\n", "a\tb\tN;V\n")
    hashes = {read_text(tmp_path, each, features).sha256 for each in with_features}
    assert len(hashes) == len(with_features)


def test_several_files_are_one_corpus(tmp_path: Path) -> None:
    names = [str(write(tmp_path / name, ROWS[:2])) for name in ("a.tsv", "b.jsonl")]
    corpus = read_pairs(open_corpus(names, TABLE))
    assert [pair.source.text for pair in map(corpus.pair, range(4))] == 2 * ["gehen", "Weg"]


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.csv"])
def test_columns_are_numbered_where_there_is_no_header(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("x,a,b\nx,c,d\n".replace(",", "\t" if name.endswith("tsv") else ","))
    corpus = read(path, ReadOptions(source="3", target="2"))
    assert shown(corpus) == [("b", (), "a"), ("d", (), "c")]


def test_a_number_that_is_a_name_in_the_header_is_that_name(tmp_path: Path) -> None:
    corpus = read_text(tmp_path, "2\t1\na\tb\n")
    assert shown(corpus) == [("b", (), "a")]


def test_a_header_has_all_columns(tmp_path: Path) -> None:
    """Pairs of numbers may begin with 1."""
    assert shown(read_text(tmp_path, "1\tone\n2\ttwo\n"))[0] == ("1", (), "one")


def test_a_number_in_json_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"1": "a", "2": "b"}\n')
    assert shown(read(path, NUMBERED)) == [("a", (), "b")]
    path.write_text('{"word": "a", "phones": "b"}\n')
    with pytest.raises(CorpusError, match=r"rows.jsonl: line 1: it has no column '1'; it has word"):
        read(path, NUMBERED)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        (("1", "3"), "line 1: it has no column '3'; it has 1, 2"),
        (("0", "1"), "line 1: it has no column '0'; it has a, b"),
        (("01", "2"), "line 1: it has no column '01'; it has a, b"),
        (("a", "2"), "line 1: it has no column '2'; it has a, b"),
        (("word", "b"), "line 1: it has no column 'word'; it has a, b"),
        (("²", "1"), "line 1: it has no column '²'; it has a, b"),
    ],
    ids=str,
)
def test_wrong_columns_are_named(tmp_path: Path, columns: tuple[str, str], problem: str) -> None:
    options = ReadOptions(source=columns[0], target=columns[1])
    with pytest.raises(CorpusError, match=f"pairs.tsv: {problem}"):
        read_text(tmp_path, "a\tb\nc\td\n", options)


def test_numbers_of_columns_are_for_pairs_only(tmp_path: Path) -> None:
    """What was an error before would otherwise read a header as text."""
    path = tmp_path / "rows.csv"
    path.write_text("word,kind\na,b\n")
    corpus = open_corpus([str(path)], ReadOptions(column="1", label="2"))
    with pytest.raises(CorpusError, match="it has no column '1'; it has word, kind"):
        list(corpus.texts())


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", r"pairs: it is empty; there are no pairs in it"),
    "a missing source": ("a\tb\n\tc\n", "pairs.tsv: line 2: its source is missing; leave the row"),
    "a missing target": ("a\tb\nc\t\n", "pairs.tsv: line 2: its target is missing; leave the row"),
    "an empty source": ('a\tb\n"\n"\tc\n', "line 2: its source is empty; leave the row out"),
    "too few cells": ("a\tb\nc\n", "line 2: it has 1 cell, and the first line has 2"),
    "too many cells": ("a\tb\nc\td\te\n", "line 2: it has 3 cells, and the first line has 2"),
    "several lines": ('a\tb\n"c\nd"\te\n', "line 2: in its source, it has several lines"),
    "a carriage return": ('a\tb\nc\t"d\re"\n', "line 2: in its target, it has several lines"),
    "a NUL": ("a\tb\nc\t\0\n", "line 2: in its target, it has a NUL character, so it looks binary"),
    "not UTF-8": (
        b"a\tb\nc\xe9\td\n",
        "line 2: in its source, byte 0xe9 at its character 2 is not",
    ),
    "UTF-16": ("a\tb\n".encode("utf-16"), "not valid utf-8; it looks like UTF-16"),
    "a long source": (
        f"a\tb\n{'a' * (LONGEST + 1)}\tb\n",
        r"line 2: its source has 1,001 characters \(1,000 at most\)",
    ),
    "a long target": (
        f"a\tb\na\t{'b' * (LONGEST + 1)}\n",
        r"line 2: its target has 1,001 characters \(1,000 at most\)",
    ),
    "an open quote": ('a\tb\n"c\td\n', "line 2: it has a quote that is never closed"),
}


@pytest.mark.parametrize(("content", "problem"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused_with_the_row(
    tmp_path: Path, content: str | bytes, problem: str
) -> None:
    with pytest.raises(CorpusError, match=problem) as caught:
        read_text(tmp_path, content)
    assert "\n" not in str(caught.value)


CELLS: list[tuple[Any, str]] = [
    (None, "its source is missing"),
    ("", "its source is empty"),
    ("\n", "its source is empty"),
    (["a"], "its source is a list, not text"),
    ({"a": 1}, "its source is an object, not text"),
    ("\ud800", "in its source, .* is half of a surrogate pair"),
    ("a\0", "in its source, it has a NUL character"),
]


@pytest.mark.parametrize(("cell", "problem"), CELLS, ids=str)
def test_hostile_cells_of_json_are_refused_with_the_row(
    tmp_path: Path, cell: object, problem: str
) -> None:
    path = write(
        tmp_path / "r.jsonl", [{"word": "a", "phones": "b"}, {"word": cell, "phones": "c"}]
    )
    with pytest.raises(CorpusError, match=f"r.jsonl: line 2: {problem}"):
        read(path)


def test_numbers_are_text(tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.parquet", [{"word": 1024, "phones": 1.5}, {"word": 7, "phones": 7.0}]
    )
    assert shown(read(path, ReadOptions(source="word", target="phones"))) == [
        ("1024", (), "1.5"),
        ("7", (), "7"),
    ]


def test_a_separator_that_divides_nothing_is_told(tmp_path: Path) -> None:
    divided = ReadOptions(source="1", target="2", target_separator=";")
    long = "a" * (LONGEST_SYMBOL + 1)
    with pytest.raises(CorpusError, match=r"line 1: a symbol .* 65 .*';' the right --target-sep"):
        read_text(tmp_path, f"a\t{long}\n", divided)
    with pytest.raises(CorpusError, match="line 2: its target has no symbols, only separators"):
        read_text(tmp_path, "a\tb\nc\t;;\n", divided)


def test_separators_at_the_ends_divide_nothing(tmp_path: Path) -> None:
    divided = ReadOptions(source="1", target="2", target_separator=" ")
    same = [read_text(tmp_path, text, divided) for text in ("a\tb c\n", "a\t b  c \n")]
    assert same[0].sha256 == same[1].sha256
    assert shown(same[1]) == [("a", (), "b c")]


def test_a_long_feature_is_told(tmp_path: Path) -> None:
    options = ReadOptions(source="1", target="2", features="3")
    with pytest.raises(CorpusError, match="line 1: a feature has 65 characters .* divided by ; or"):
        read_text(tmp_path, f"a\tb\t{'V' * 65}\n", options)


def test_too_many_symbols_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MOST_SYMBOLS", 5)
    letters = "abcdefgh"
    with pytest.raises(CorpusError, match="its targets have more than 5 .* is '2' the right col"):
        read_text(tmp_path, f"a\t{letters}\n")
    with pytest.raises(CorpusError, match="its sources have more than 5 .* is '1' the right col"):
        read_text(tmp_path, f"{letters}\tb\n")
    divided = ReadOptions(source="1", target="2", target_separator=" ")
    with pytest.raises(CorpusError, match="is ' ' the right --target-separator?"):
        read_text(tmp_path, f"a\t{' '.join(letters)}\n", divided)


def test_an_alphabet_that_tokenizer_json_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a training would end with a model that cannot be read."""
    monkeypatch.setattr(pairs, "LARGEST_TOKENIZER", 100)
    with pytest.raises(CorpusError, match=r"its symbols take \d+ bytes \(100 at most\)"):
        read_text(tmp_path, "abcdef\tghijkl\n")


def test_the_names_of_special_ids_are_no_features(tmp_path: Path) -> None:
    options = ReadOptions(source="1", target="2", features="3")
    corpus = read_text(tmp_path, "<end>\tb\tbegin;<end>\n", options)
    assert shown(corpus) == [("<end>", ("begin", "<end>"), "b")]
    assert corpus.source(0).tolist().count(END) == corpus.source(0).tolist().count(BEGIN) == 1


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"source": "a"}, "--source needs --target"),
        ({"target": "a"}, "--target needs --source"),
        ({"features": "a"}, "--features needs --source and --target"),
        ({"target_separator": " "}, "--target-separator needs --source and --target"),
        ({"source": "a", "target": "a"}, "name a different column for each"),
        ({"source": "a", "target": "b", "features": "b"}, "name a different column for each"),
        ({"source": "a", "target": "b", "label": "c"}, "--source and --label exclude each other"),
        ({"source": "a", "target": "b", "column": "c"}, "--source and --text exclude each other"),
        ({"source": "a", "target": "b", "target_separator": ""}, "choose one character"),
        ({"source": "a", "target": "b", "target_separator": "\n"}, "choose one character"),
        ({"source": "a", "target": "b", "target_separator": ", "}, "choose one character"),
        ({"source": "a", "target": "b", "target_separator": "\ud800"}, "choose one character"),
    ],
    ids=str,
)
def test_contradictory_options_are_refused(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        ReadOptions(**settings)


def test_pairs_are_read_from_tables(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("a\tb\n")
    for name, problem in (
        (str(tmp_path / "book.txt"), "it is plain text; pairs are read from .csv, .tsv"),
        (str(tmp_path), "it is a folder; pairs are read from .csv, .tsv"),
        ("-", "-: pairs are read from files only"),
        ("hf:a/b", "hf:a/b: pairs are read from files only"),
        (str(tmp_path / "missing.tsv"), "missing.tsv: no such file"),
    ):
        with pytest.raises(CorpusError, match=problem):
            open_corpus([name], NUMBERED)
    with pytest.raises(ConfigError, match="--source 1: name the table that has it"):
        open_corpus([], NUMBERED)
    with pytest.raises(CorpusError, match="pairs are read from files only"):
        list(read_pair_rows("python-docs", NUMBERED))


def test_rows_are_read_without_a_tokenizer(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.tsv", ROWS)
    rows = list(read_pair_rows(str(path), WITH_TAGS))
    assert rows[1] == Pair(f"{path}: line 3", Source("Weg", ("N",)), "v eː k")
    assert references_of(rows) == {
        Source("gehen", ("V", "NFIN")): {"g eː ə n"},
        Source("Weg", ("N",)): {"v eː k", "v eː ç"},
        Source("weg"): {"v ɛ k"},
    }
    assert read(path, WITH_TAGS).references() == references_of(rows)
    assert read(path, WITH_TAGS).references(np.array([2])) == {Source("weg"): {"v ɛ k"}}


KNOWN = PairTokenizer("ab", ("x", "y"), ("V",), " ")


def test_a_model_reads_its_own_symbols(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    options = ReadOptions(source="1", target="2", features="3")
    path.write_text("añ\ty x\tV\n")
    corpus = read(path, options, tokenizer=KNOWN)
    assert corpus.tokenizer is KNOWN
    assert corpus.source(0).tolist() == [BEGIN, 3, UNKNOWN, 5, END]
    assert corpus.target(0).tolist() == [1, 0]  # divided as in the training
    path.write_text("a\ty z\tV;FUT\n")
    with pytest.raises(UnknownCharacterError) as caught:
        read(path, options, tokenizer=KNOWN)
    assert caught.value.characters == ("FUT", "z")


def test_another_separator_than_that_of_the_model_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.tsv", ROWS)
    other = ReadOptions(source="word", target="phones", target_separator="|")
    with pytest.raises(ConfigError, match=r"'\|': the model divides targets at ' '; leave"):
        read(path, other, tokenizer=KNOWN)
    with pytest.raises(ConfigError, match="the model divides targets into characters"):
        read(path, other, tokenizer=PairTokenizer("a", "b"))


def test_a_model_is_extended_by_what_it_does_not_know(tmp_path: Path) -> None:
    options = ReadOptions(source="1", target="2", features="3")
    path = tmp_path / "rows.tsv"
    path.write_text("aña\ty z\tV;FUT\n")
    corpus = read(path, options, tokenizer=KNOWN, unknown="extend")
    assert corpus.tokenizer.to_json() == {
        "kind": "pair",
        "source": ["a", "b", "ñ"],
        "target": ["x", "y", "z"],
        "features": ["V", "FUT"],
        "separator": " ",
    }
    assert shown(corpus) == [("aña", ("V", "FUT"), "y z")]


def test_settings_of_other_texts_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.tsv", ROWS)
    with pytest.raises(ConfigError, match="--tokenizer byte: pairs are read as characters"):
        read(path, kind="byte")
    with pytest.raises(ConfigError, match="--min-count: no symbol of a pair is replaced"):
        read(path, min_count=2)
    with pytest.raises(ConfigError, match="the model reads texts, not pairs"):
        read(path, tokenizer=CharTokenizer("ab"))


def test_a_longer_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A model from a stranger may name a file that never ends."""
    path = write(tmp_path / "rows.tsv", ROWS)
    size = read(path).bytes
    assert size == sum(len((row["word"] + row["phones"]).encode()) for row in ROWS)
    assert read(path, at_most=size).bytes == size
    with pytest.raises(LongerTextError):
        read(path, at_most=size - 1)


def test_progress_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_PROGRESS_BYTES", 20)
    seen: list[tuple[str, int, int | None]] = []
    read(write(tmp_path / "rows.tsv", ROWS), progress=lambda *each: seen.append(each))
    assert [what for what, _, _ in seen] == ["reading"] * len(seen)
    assert len(seen) == 2


def many(folder: Path, sources: int = 40, each: int = 3) -> PairCorpus:
    text = "".join(f"{s:04}\t{t}\n" for t in range(each) for s in range(sources))
    return read_text(folder, text)


def test_all_rows_of_a_source_are_on_one_side(tmp_path: Path) -> None:
    """Otherwise the held-out sources would have been learned."""
    corpus = many(tmp_path)
    training, validation = corpus.split_pairs(0.1, seed=3)
    assert sorted([*training, *validation]) == list(range(len(corpus)))
    sides = [{*corpus.source_numbers[side].tolist()} for side in (training, validation)]
    assert not sides[0] & sides[1]
    assert [len(side) for side in sides] == [36, 4]
    assert all(len(targets) == 3 for targets in corpus.references(validation).values())


def test_what_is_held_out_depends_on_the_seed_alone(tmp_path: Path) -> None:
    corpus = many(tmp_path)
    drawn = [corpus.split_pairs(0.25, seed=seed) for seed in (0, 0, 1)]
    assert (drawn[0][0] == drawn[1][0]).all() and (drawn[0][1] == drawn[1][1]).all()
    assert {*drawn[0][1].tolist()} != {*drawn[2][1].tolist()}


def test_sources_that_differ_in_features_are_different(tmp_path: Path) -> None:
    options = ReadOptions(source="1", target="2", features="3")
    corpus = read_text(tmp_path, "a\tb\tV\na\tc\tN\na\td\tV\n", options)
    assert corpus.source_numbers.tolist() == [0, 1, 0]
    assert sorted(map(len, corpus.split_pairs(0.5, seed=0))) == [1, 2]


def test_one_source_cannot_be_learned_from_and_held_out(tmp_path: Path) -> None:
    corpus = read_text(tmp_path, "a\tb\na\tc\n")
    with pytest.raises(CorpusError, match="all of its rows have the same source; .* is '1' the ri"):
        corpus.split_pairs(0.1, seed=0)
    two = read_text(tmp_path, "a\tb\nc\td\n")
    assert [len(side) for side in two.split_pairs(0.01, seed=0)] == [1, 1]
    with pytest.raises(ConfigError, match="validation fraction"):
        two.split_pairs(0, seed=0)


CELL = st.text(st.characters(codec="utf-8", exclude_characters='\0\r\n\t"'), min_size=1, max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=20))
def test_pairs_of_any_characters_are_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("pairs") / "rows.jsonl"
    write(path, [{"s": source, "t": target} for source, target in rows])
    corpus = read(path, ReadOptions(source="s", target="t"))
    assert shown(corpus) == [(source, (), target) for source, target in rows]
    assert corpus.source_bounds[-1] == len(corpus.source_ids)
    assert corpus.target_bounds[-1] == len(corpus.target_ids)
    assert {*corpus.source_ids.tolist()} <= {*range(corpus.tokenizer.vocabulary_size)}
