import csv
import gzip
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from charrnn.data.corpus import open_corpus
from charrnn.data.parts import CHUNK_BYTES
from charrnn.data.read_options import ReadOptions
from charrnn.data.sources import PYTHON_DOCS, SOURCES, corpus_names, find_corpus, open_source
from charrnn.data.tables import TABLE_SUFFIXES
from charrnn.errors import CharRNNWarning, ConfigError, CorpusError

TEXT = "to be\r\nor not\n"

suffixes = pytest.mark.parametrize("suffix", TABLE_SUFFIXES)


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The `datasets` library without its network, its caches in a folder of the test's own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets
    import huggingface_hub.constants

    cache = tmp_path_factory.mktemp("hub")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_CACHE_HOME", str(cache))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache / "datasets")
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", cache / "modules")
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", cache / "downloads")
    monkeypatch.setattr(datasets.config, "EXTRACTED_DATASETS_PATH", cache / "extracted")


def put(path: str, content: str | bytes) -> str:
    """Writes a file and the folders it needs; returns its name."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def put_table(path: str, values: Sequence[object], *, column: str = "text") -> str:
    """Writes a table of two columns, `number` and the values; returns its name."""
    rows = [{"number": number, column: value} for number, value in enumerate(values)]
    if path.endswith((".csv", ".tsv")):
        content = io.StringIO(newline="")
        dialect = "excel" if path.endswith(".csv") else "excel-tab"
        writer = csv.DictWriter(content, ["number", column], dialect=dialect)
        writer.writeheader()
        writer.writerows(rows)
        return put(path, content.getvalue())
    if path.endswith(".json"):
        return put(path, json.dumps(rows, indent=2))
    if path.endswith((".jsonl", ".ndjson")):
        return put(path, "".join(json.dumps(row) + "\n" for row in rows))
    assert path.endswith(".parquet")
    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return put(path, buffer.getvalue())


def raw(
    name: str, *, encoding: str = "utf-8", glob: str = "*.txt", column: str | None = None
) -> bytes:
    """The bytes of what the name names."""
    parts = open_source(name, ReadOptions(encoding, glob, column))
    return b"".join(piece for part in parts for piece in part.chunks())


def pipe_in(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


# Registry


def stdin_example(monkeypatch: pytest.MonkeyPatch) -> str:
    pipe_in(monkeypatch, TEXT.encode())
    return "-"


EXAMPLES: dict[str, Callable[[pytest.MonkeyPatch], str]] = {
    "stdin": stdin_example,
    "python-docs": lambda _: PYTHON_DOCS,
    "hugging-face": lambda _: "hf:" + os.path.dirname(put("owner/name/train.txt", TEXT)),
    "folder": lambda _: os.path.dirname(put("poems/a.txt", TEXT)),
    "divided table": lambda _: put_table("table.csv", [TEXT]),
    "parquet": lambda _: put_table("table.parquet", [TEXT]),
    "table": lambda _: put_table("table.jsonl", [TEXT]),
    "file": lambda _: put("book.txt", TEXT),
}


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_reads_the_same_text_twice(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus is read once to count its characters, and again to turn them into ids. A source
    without an example in EXAMPLES fails here."""
    name = EXAMPLES[kind](monkeypatch)
    assert next(key for key, source in SOURCES.items() if source.matches(name)) == kind
    table = "label" in SOURCES[kind].uses and kind != "folder"
    parts = open_source(name, ReadOptions(column="text" if table else None))
    first = b"".join(piece for part in parts for piece in part.chunks())
    second = b"".join(piece for part in parts for piece in part.chunks())
    assert first == second
    assert first == TEXT.encode() or kind == "python-docs"


# Files


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a",
        b"one\r\ntwo\rthree\n",
        b"\xef\xbb\xbfmark",
        b"\xff\xfe\x00broken",
        b"x" * 3_000_000,
    ],
    ids=["empty", "short", "newlines", "mark", "broken", "long"],
)
def test_a_file_arrives_byte_for_byte(content: bytes) -> None:
    assert raw(put("book.txt", content)) == content


def test_a_file_is_read_a_piece_at_a_time() -> None:
    """sherjilozair #30: twenty times the file's size in memory."""
    (part,) = open_source(put("book.txt", b"x" * (2 * CHUNK_BYTES + 1)), ReadOptions())
    assert [len(piece) for piece in part.chunks()] == [CHUNK_BYTES, CHUNK_BYTES, 1]


@pytest.mark.parametrize("name", ["book", "book.txt.txt", "no/such/book.txt", "bo\0ok", "x" * 300])
def test_a_missing_file_is_an_error_that_lists_what_there_is(name: str) -> None:
    put("corpora/fables.txt", TEXT)
    with pytest.raises(CorpusError, match="no such file.*fables.*python-docs") as caught:
        open_source(name, ReadOptions())
    assert str(caught.value).startswith(name)


def test_an_empty_name_is_not_the_working_directory() -> None:
    """`charrnn train "$FILE"` with FILE unset must not train on whatever lies around."""
    put("secret.txt", TEXT)
    with pytest.raises(CorpusError):
        open_source("", ReadOptions())


@pytest.mark.parametrize("name", ["pipe", "pipe.txt", *(f"pipe{s}" for s in TABLE_SUFFIXES)])
def test_a_fifo_is_refused_before_it_is_opened(name: str) -> None:
    """It can be read only once, and opening one that nobody writes to waits for ever."""
    os.mkfifo(name)
    column = "text" if name.endswith(TABLE_SUFFIXES) else None
    with pytest.raises(CorpusError, match=f"{name}: not a regular file"):
        open_source(name, ReadOptions(column=column))


def test_a_file_that_is_gone_when_it_is_read_is_an_error_that_names_it() -> None:
    (part,) = open_source(put("book.txt", TEXT), ReadOptions())
    os.remove("book.txt")
    with pytest.raises(CorpusError, match=r"book\.txt: No such file"):
        list(part.chunks())


# Names


def test_corpora_are_found_by_name() -> None:
    put("corpora/fables.txt", "fable")
    put("corpora/poems/a.txt", "poem")
    assert raw("fables") == raw("fables.txt") == b"fable"
    assert raw("poems") == b"poem"
    assert find_corpus("fables") == Path("corpora/fables.txt")
    assert find_corpus("nothing") is None


def test_a_file_here_goes_before_one_in_corpora() -> None:
    put("corpora/fables", "there")
    put("fables", "here")
    assert raw("fables") == b"here"


def test_every_listed_name_can_be_opened() -> None:
    put("corpora/README.md", "read me")
    put("corpora/make.py", "print()")
    put("corpora/.hidden.txt", "hidden")
    put("corpora/fables.txt", TEXT)
    put("corpora/poems/a.txt", TEXT)
    put_table("corpora/table.csv", [TEXT])
    assert corpus_names() == ["fables", "poems", "table.csv"]
    for name in corpus_names():
        assert raw(name, column="text" if name == "table.csv" else None) == TEXT.encode()


def test_without_corpora_there_are_no_names() -> None:
    assert corpus_names() == []


@pytest.mark.parametrize("name", ["data.csv", ".csv", "notes/.jsonl"])
def test_only_a_table_s_own_suffix_makes_it_a_table(name: str) -> None:
    """The name said table, the path found for it did not: KeyError."""
    put(f"corpora/{name}.txt" if name == "data.csv" else name, TEXT)
    assert raw(name) == TEXT.encode()


# Folders


def test_a_folder_is_read_to_its_depths_in_order() -> None:
    for name in ("b.txt", "a.txt", "c/d/e.txt", "c/a.txt", "notes.md", ".hidden.txt"):
        put(f"poems/{name}", name)
    parts = open_source("poems", ReadOptions())
    assert [part.name for part in parts] == [
        "poems/a.txt",
        "poems/b.txt",
        "poems/c/a.txt",
        "poems/c/d/e.txt",
    ]


def test_hidden_folders_are_left_out_as_hidden_files_are() -> None:
    """.git, .venv, and .ipynb_checkpoints, which has a second copy of every file."""
    put("poems/.ipynb_checkpoints/a-checkpoint.txt", "copy")
    put("poems/a.txt", TEXT)
    assert raw("poems") == TEXT.encode()


def test_glob_chooses_the_files_of_a_folder() -> None:
    put("poems/a.md", "markdown")
    put("poems/b.txt", "text")
    assert raw("poems", glob="*.md") == b"markdown"


@pytest.mark.parametrize("files", [[], ["poems/a.md"]], ids=["empty", "no text"])
def test_a_folder_with_no_text_is_an_error_that_says_what_was_looked_for(files: list[str]) -> None:
    os.mkdir("poems")
    for file in files:
        put(file, TEXT)
    with pytest.raises(CorpusError, match=r"^poems: no file in it matches \*\.txt.*--glob"):
        open_source("poems", ReadOptions())


def test_a_fifo_in_a_folder_is_left_out() -> None:
    put("poems/b.txt", TEXT)
    os.mkfifo("poems/a.txt")
    assert raw("poems") == TEXT.encode()


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["-", PYTHON_DOCS, "hf:owner"])
def test_a_file_found_in_a_folder_is_only_ever_a_file(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`charrnn train . --glob '*'` beside a file named `-` read standard input."""
    pipe_in(monkeypatch, b"standard input")
    put(name, TEXT)
    assert raw(".", glob="*") == TEXT.encode()


def test_tables_in_a_folder_are_read_as_tables() -> None:
    put_table("tables/a.csv", ["one"])
    put_table("tables/b.csv", ["two"])
    assert raw("tables", glob="*.csv", column="text") == b"one\ntwo\n"


# Standard input


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_standard_input_can_be_read_again(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\r\n\xff\xef\xbb\xbf"[: min(size, 6)].ljust(size, b"x")
    pipe_in(monkeypatch, content)
    (part,) = open_source("-", ReadOptions())
    assert b"".join(part.chunks()) == content
    assert b"".join(part.chunks()) == content


# The embedded corpus


def test_python_docs_has_the_paragraphs_of_every_topic_of_this_interpreter() -> None:
    from pydoc_data.topics import topics

    text = raw(PYTHON_DOCS).decode()
    assert 300_000 < len(text) < 2_000_000
    words = " ".join(text.split())
    paragraphs = [
        " ".join(each.split()) for topic in topics.values() for each in topic.split("\n\n")
    ]
    assert all(each in words for each in paragraphs if each and set(each[-4:]) - set("*=-~^"))


# Tables

VALUES = [
    "007",
    "NA",
    "null",
    "nan",
    "True",
    "1e5",
    "1.10",
    "",
    " padded\t",
    "two\nlines",
    "carriage\r\nreturn\rs\r\n",
    'a "quote", a comma',
    "2020-01-01",
    "caf\u00e9 \N{GRINNING FACE}",
    "one line\N{LINE SEPARATOR}still one\N{NEXT LINE}",
]


def kept(suffix: str) -> bytes:
    """What a table of the values is read as. An empty cell of a .csv says that there is no text."""
    values = [value for value in VALUES if value or suffix not in (".csv", ".tsv")]
    return "".join(value if value.endswith("\n") else value + "\n" for value in values).encode()


@suffixes
@pytest.mark.filterwarnings("ignore:.*1 of 15 rows:charrnn.CharRNNWarning")
def test_values_of_a_table_are_kept_exactly(suffix: str) -> None:
    """pandas makes 7 of `007` and nothing of `NA`; text mode makes \\n of \\r\\n."""
    assert raw(put_table(f"table{suffix}", VALUES), column="text") == kept(suffix)


@suffixes
@pytest.mark.parametrize("values", [["2020-01-01", "2020-01-02"], ["007", "1.10"], ["NA", "null"]])
def test_a_column_of_text_that_looks_like_something_else_is_text(
    suffix: str, values: list[str]
) -> None:
    """Types are guessed from whole columns: dates grow hours, numbers lose zeros."""
    expected = "".join(value + "\n" for value in values).encode()
    assert raw(put_table(f"table{suffix}", values), column="text") == expected


@suffixes
def test_any_column_may_hold_the_text(suffix: str) -> None:
    name = put_table(f"table{suffix}", ["a", "b"], column="a column.with, signs")
    assert raw(name, column="a column.with, signs") == b"a\nb\n"
    assert raw(name, column="number") == b"0\n1\n"


@suffixes
def test_a_table_without_a_column_is_an_error_that_names_the_option(suffix: str) -> None:
    with pytest.raises(CorpusError, match=rf"table\{suffix}.*--column"):
        open_source(put_table(f"table{suffix}", ["a"]), ReadOptions())


@suffixes
def test_a_missing_column_is_an_error_that_lists_those_there_are(suffix: str) -> None:
    name = put_table(f"table{suffix}", ["a"])
    with pytest.raises(CorpusError, match=rf"table\{suffix}.*'smiles'.*number, text"):
        raw(name, column="smiles")


@suffixes
def test_a_large_table_comes_in_small_pieces(suffix: str) -> None:
    (part,) = open_source(
        put_table(f"table{suffix}", ["x" * 99_999] * 30), ReadOptions(column="text")
    )
    pieces = list(part.chunks())
    assert sum(map(len, pieces)) == 3_000_000
    assert max(map(len, pieces)) < 2 * CHUNK_BYTES


@suffixes
def test_one_value_may_be_long(suffix: str) -> None:
    """Python's csv module refuses fields of more than 131,072 characters unless it is told."""
    name = put_table(f"table{suffix}", ["x" * 200_000])
    assert raw(name, column="text") == b"x" * 200_000 + b"\n"


@suffixes
def test_rows_where_the_column_is_null_are_left_out(suffix: str) -> None:
    name = put_table(f"table{suffix}", ["a", None, "b"])
    with pytest.warns(
        CharRNNWarning,
        match=r"1 of 3 rows have no text in .* and are left out; the first is (line|row) ",
    ):
        assert raw(name, column="text") == b"a\nb\n"


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("value", [["a", "b"], {"a": "b"}], ids=["list", "object"])
def test_a_value_that_is_no_text_is_an_error(suffix: str, value: object) -> None:
    """Better than to learn how Python prints a list."""
    with pytest.raises(CorpusError, match="text"):
        raw(put_table(f"table{suffix}", [value]), column="text")


def test_bytes_of_a_parquet_file_are_text_not_their_python_form() -> None:
    """Writers that do not mark strings as UTF-8 (older Spark, Impala) leave them as bytes."""
    assert raw(put_table("t.parquet", ["é".encode()]), column="text") == "é\n".encode()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_tables_are_read_in_the_encoding_that_is_named(suffix: str, encoding: str) -> None:
    table = "text\né\n" if suffix == ".csv" else '{"text": "é"}\n'
    name = put(f"table{suffix}", table.encode(encoding))
    assert raw(name, encoding=encoding, column="text") == "é\n".encode()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_byte_order_mark_is_no_part_of_a_table(suffix: str) -> None:
    """Excel writes one, and the first column's name began with it."""
    table = "text\na\n" if suffix == ".csv" else '{"text": "a"}\n'
    assert raw(put(f"table{suffix}", f"\ufeff{table}"), column="text") == b"a\n"


@pytest.mark.parametrize("padding", [0, CHUNK_BYTES], ids=["near", "far"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_invalid_utf8_in_a_table_names_its_byte(suffix: str, padding: int) -> None:
    start, end = (b"text\n", b"\n") if suffix == ".csv" else (b'{"text": "', b'"}\n')
    start += b"a" * 10 + (end + start) * (padding // len(start + end))
    name = put(f"table{suffix}", start + b"\xff" + end)
    with pytest.raises(CorpusError, match=rf"table\{suffix}.* {len(start)} .*--encoding"):
        raw(name, column="text")


def test_a_utf16_table_without_its_mark_is_an_error_not_a_crash() -> None:
    """Python raises a bare UnicodeError here, which is no UnicodeDecodeError."""
    name = put("table.csv", "text\na\n".encode("utf-16-le"))
    with pytest.raises(CorpusError, match=r"table\.csv"):
        raw(name, encoding="utf-16", column="text")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (
            "t.jsonl",
            b'{"text": "a"}\n\n{"text":\n',
            "line 3: it is not JSON: Expecting value at its character 10",
        ),
        ("t.jsonl", b'{"text": "a"}\n["a"]\n', "line 2: it is not a JSON object"),
        ("t.jsonl", b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", ""),
        ("t.jsonl", b'{"text": "\\ud83d!"}\n', "half of a surrogate pair"),
        ("t.parquet", b"", "not a Parquet file"),
        ("t.parquet", b"PAR1 and then nothing PAR1", "not a Parquet file"),
    ],
    ids=["cut off", "array", "deep", "surrogate", "empty parquet", "not parquet"],
)
def test_a_broken_table_is_an_error_that_names_it(name: str, content: bytes, problem: str) -> None:
    with pytest.raises(CorpusError, match=f"{name}: .*{problem}") as caught:
        raw(put(name, content), column="text")
    assert "\n" not in str(caught.value)


def test_a_surrogate_pair_written_as_two_escapes_is_one_character() -> None:
    name = put("table.jsonl", b'{"text": "\\ud83d\\ude00"}\n')
    assert raw(name, column="text") == "\N{GRINNING FACE}\n".encode()


# Hugging Face data sets, all of them local folders


@pytest.mark.usefixtures("hub")
def test_text_of_a_data_set_keeps_its_newlines() -> None:
    """The library's own text loader strips newlines and folds CRLF."""
    text = "one\r\n\r\n\n two \rthree\u2028\n\n"
    put("owner/name/train.txt", text)
    assert raw("hf:owner/name") == text.encode()


@pytest.mark.usefixtures("hub")
def test_every_text_file_of_a_data_set_is_a_part() -> None:
    put("owner/name/a.txt", "one")
    put("owner/name/b.txt", "two\n")
    assert "".join(open_corpus(["hf:owner/name"]).texts()) == "one\ntwo\n"


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_text_of_a_data_set_is_read_in_the_encoding_that_is_named(encoding: str) -> None:
    put("owner/name/train.txt", "é\r\n".encode(encoding))
    corpus = open_corpus(["hf:owner/name"], ReadOptions(encoding))
    assert "".join(corpus.texts()) == "é\r\n"


@pytest.mark.usefixtures("hub")
@suffixes
@pytest.mark.filterwarnings("ignore:.*1 of 15 rows:charrnn.CharRNNWarning")
def test_values_of_a_data_set_are_kept_exactly(suffix: str) -> None:
    put_table(f"owner/name/train{suffix}", VALUES)
    assert raw("hf:owner/name") == kept(suffix)


@pytest.mark.usefixtures("hub")
@suffixes
@pytest.mark.parametrize("values", [["2020-01-01", "2020-01-02"], ["007", "1.10"], ["NA", "null"]])
def test_text_of_a_data_set_that_looks_like_something_else_is_text(
    suffix: str, values: list[str]
) -> None:
    """`datasets` reads CSV with pandas (7 for `007`, nothing for `NA`), and lets Arrow guess
    dates in JSON."""
    put_table(f"owner/name/train{suffix}", values)
    assert raw("hf:owner/name") == "".join(value + "\n" for value in values).encode()


@pytest.mark.usefixtures("hub")
def test_split_and_column_of_a_data_set_can_be_named() -> None:
    put_table("owner/name/train.jsonl", ["a train"], column="smiles")
    put_table("owner/name/test.jsonl", ["a test"], column="smiles")
    assert raw("hf:owner/name", column="smiles") == b"a train\n"
    assert raw("hf:owner/name::smiles") == b"a train\n"
    assert raw("hf:owner/name:test:smiles") == b"a test\n"
    assert raw("hf:owner/name:test", column="smiles") == b"a test\n"


@pytest.mark.usefixtures("hub")
def test_split_of_a_data_set_of_text_can_be_named() -> None:
    put("owner/name/train.txt", "a train")
    put("owner/name/test.txt", "a test")
    assert raw("hf:owner/name") == b"a train"
    assert raw("hf:owner/name:test") == b"a test"


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("file", ["train.txt", "train.jsonl"])
def test_an_unknown_split_is_an_error_that_names_it(file: str) -> None:
    put(f"owner/name/{file}", '{"text": "a"}\n')
    with pytest.raises(CorpusError, match=r"^hf:owner/name:nope: .*split .nope.") as caught:
        raw("hf:owner/name:nope")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("hub")
def test_an_unknown_column_of_a_data_set_is_an_error_that_lists_those_there_are() -> None:
    put_table("owner/name/train.jsonl", ["a"])
    with pytest.raises(CorpusError, match=r"'nope'.*number, text"):
        raw("hf:owner/name:train:nope")


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    "name", ["hf:", "hf:nobody/nothing", "hf:../../x", "hf:nobody/nothing:train"]
)
def test_an_unknown_data_set_is_an_error_of_one_line(name: str) -> None:
    with pytest.raises(CorpusError) as caught:
        raw(name)
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("name", "column", "problem"),
    [
        ("hf:owner/name", "text", "it has no columns; leave out --column"),
        ("hf:owner/name:train:text", None, "it has no columns"),
        ("hf:owner/name:train:text", "other", "it names its column; leave out --column other"),
    ],
)
def test_a_column_of_a_data_set_that_makes_no_difference_is_refused(
    name: str, column: str | None, problem: str
) -> None:
    put("owner/name/train.txt", TEXT)
    with pytest.raises(ConfigError, match=f"^{name}: {problem}"):
        raw(name, column=column)


@pytest.mark.usefixtures("hub")
def test_a_data_set_s_name_has_three_parts() -> None:
    with pytest.raises(CorpusError, match="name it hf:owner/name:split:column"):
        raw("hf:owner/name:train:text:more")


@pytest.mark.usefixtures("hub")
def test_packed_tables_of_a_data_set_are_read() -> None:
    content = gzip.compress(Path(put_table("table.csv", ["007", "NA"])).read_bytes())
    put("owner/name/train.csv.gz", content)
    assert raw("hf:owner/name") == b"007\nNA\n"
