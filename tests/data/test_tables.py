import datetime
import gzip
import json
import math
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pytest
from pyarrow import parquet

from charrnn.data import csv_tables, json_tables, table_cells
from charrnn.data.corpus import open_corpus
from charrnn.data.csv_tables import csv_rows
from charrnn.data.json_tables import json_rows, jsonl_rows
from charrnn.data.read_options import ReadOptions
from charrnn.data.sources import open_source
from charrnn.data.table_cells import cell_text
from charrnn.data.tables import TABLE_SUFFIXES, is_table, table_suffix
from charrnn.errors import CharRNNError, CharRNNWarning, ConfigError, CorpusError

suffixes = pytest.mark.parametrize("suffix", TABLE_SUFFIXES)

ROWS = [{"text": "a,b", "kind": "x"}, {"text": "c\n", "kind": "y"}]
AS_TEXT = b"a,b\nc\n"


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, content: str | bytes) -> str:
    """Writes a file, packed where its name says so; returns its name."""
    raw = content.encode() if isinstance(content, str) else content
    Path(name).write_bytes(gzip.compress(raw) if name.lower().endswith(".gz") else raw)
    return name


def write_rows(name: str) -> str:
    """Writes ROWS as a table; returns its name."""
    suffix = table_suffix(name)
    if suffix == ".parquet":
        sink = pyarrow.BufferOutputStream()
        parquet.write_table(pyarrow.Table.from_pylist(ROWS), sink)
        return write(name, sink.getvalue().to_pybytes())
    if suffix == ".json":
        return write(name, json.dumps(ROWS, indent=1))
    if suffix in (".jsonl", ".ndjson"):
        return write(name, "".join(json.dumps(row) + "\n" for row in ROWS))
    divider = "," if suffix == ".csv" else "\t"
    lines = [f"text{divider}kind", f'"a,b"{divider}x', f'"c\n"{divider}y']
    return write(name, "".join(f"{line}\n" for line in lines))


def text(name: str, **options: Any) -> bytes:
    """The bytes of a table's column `text`."""
    parts = open_source(name, ReadOptions(column="text", **options))
    return b"".join(piece for part in parts for piece in part.chunks())


def message(name: str, content: str | bytes, **options: Any) -> str:
    """What is said of a table that is refused: one line, which begins with its name."""
    with pytest.raises(CharRNNError) as caught:
        text(write(name, content), **options)
    said = str(caught.value)
    assert said.startswith(f"{name}: ") and "\n" not in said
    return said.removeprefix(f"{name}: ")


# Which files are tables


@suffixes
@pytest.mark.parametrize("written", ["{}", "{}.gz"], ids=["plain", "gzip"])
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title], ids=["low", "high", "title"])
def test_a_table_is_known_by_its_suffix_in_any_case(suffix: str, written: str, case: Any) -> None:
    """`charrnn train KINDS.CSV --column text` learned the commas and the labels."""
    assert text(write_rows("rows" + case(written.format(suffix)))) == AS_TEXT


@pytest.mark.parametrize(
    "name", [".csv", "csv", "notes.txt", "rows.csv.txt", "rows.csv.bak", "rows.gz", ".csv.gz"]
)
def test_other_files_are_no_tables(name: str) -> None:
    assert not is_table(name)


WITHOUT_COLUMNS: dict[str, Callable[[], str]] = {
    "plain": lambda: write("prose.txt", "text\n"),
    "plain, of another name": lambda: write("prose", "text\n"),
    "python-docs": lambda: "python-docs",
    "standard input": lambda: "-",
    "folder": lambda: str(Path(write("a.txt", "text\n")).absolute().parent),
}


@pytest.mark.parametrize("what", WITHOUT_COLUMNS)
def test_what_has_no_column_refuses_one(what: str) -> None:
    name = WITHOUT_COLUMNS[what]()
    with pytest.raises(ConfigError, match="has no columns; leave out --column text"):
        open_corpus([name], ReadOptions(column="text"))
    with pytest.raises(ConfigError, match="leave out --delimiter"):
        open_corpus([name], ReadOptions(delimiter=";"))


def test_a_plain_text_beside_a_table_refuses_the_column() -> None:
    """It would be learned as a whole, as if it were the column."""
    with pytest.raises(ConfigError, match=r"^prose\.txt: it has no columns"):
        open_corpus([write_rows("rows.csv"), write("prose.txt", "a")], ReadOptions(column="text"))


def test_a_table_s_column_is_named() -> None:
    with pytest.raises(CorpusError, match=r"--column NAME.*pipe it in"):
        open_source(write_rows("ROWS.JSON"), ReadOptions())


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.parquet"])
def test_only_cells_of_lines_have_a_delimiter(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: its cells have no delimiter"):
        text(write_rows(name), delimiter=";")


# .csv and .tsv

STRICT = {
    "unclosed quote": (
        'text,kind\na,x\n"b,y\nc,z\n',
        "line 3: it has a quote that is never closed",
    ),
    "unclosed quote, another later": (
        'text,kind\n"b,y\nc,z\n"d",x\n',
        "line 2: a cell in quotes begins there and continues after the quote that closes it on "
        "line 4",
    ),
    "quote in the middle": (
        'text,kind\na,x\nthe 5" one,y\n',
        "line 3: it has a quote in the middle",
    ),
    "text after the quote": ('text,kind\n"a"b,x\n', "line 2: a cell in quotes begins there"),
    "space after the quote": ('text,kind\n"a" ,x\n', "line 2: a cell in quotes begins there"),
    "backslash": ('text,kind\n"a \\"b\\" c",x\n', "line 2: a cell in quotes begins there"),
    "cell too many": (
        "text,kind\na,x\nHello, you,y\n",
        "line 3: it has 3 cells, and the header has 2",
    ),
    "cell too few": ("text,kind\n\na\n", "line 3: it has 1 cell, and the header has 2"),
    "line after a cell of lines": (
        'text,kind\n"a\nb\nc",x\nd\n',
        "line 5: it has 1 cell, and the header has 2",
    ),
    "twice the same name": ("text,kind,text\na,x,b\n", "line 1: it has two columns named 'text'"),
    "twice another name": ("text,kind,kind\na,x,y\n", "line 1: it has two columns named 'kind'"),
    "no names": (",\na,x\n", "line 1: it has no column 'text'; it has none"),
    "padded name": ("kind, text\nx,a\n", "line 1: it has no column 'text'; it has kind, ' text'"),
    "header below empty lines": ("\n\nkind\nx\n", "line 3: it has no column 'text'"),
    "only a header": ("kind\n", "line 1: it has no column 'text'; it has kind"),
    "long header": (
        f"{'x' * 999}\na\n",
        "line 1: it has no column 'text'; it has " + "x" * 200 + "...",
    ),
}


@pytest.mark.parametrize("fault", STRICT)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_a_table_that_is_ambiguous_is_refused_with_its_line(fault: str, end: str) -> None:
    """One unclosed quote made one cell of the rest of the file; of two columns, the last one
    won."""
    content, problem = STRICT[fault]
    assert message("rows.csv", content.replace("\n", end)).startswith(problem)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('text,kind\n"a ""b"" c",x\n', 'a "b" c\n'),
        ('text,kind\n"""",x\n"",y\n', '"\n'),
        ('text,kind\r\n"a\r\nb\n\nc",x\r\n', "a\r\nb\n\nc\n"),
        ('text\n"a,b"\n\n\nc', "a,b\nc\n"),
        ('kind,text\nx,"a"', "a\n"),
        (",text,\n0,a,\n1,b,\n", "a\nb\n"),  # pandas' index, and a spare column of a spreadsheet
        ("\ufefftext,kind\na,x\n", "a\n"),
        ("text,kind\n a ,x\n", " a \n"),
    ],
    ids=["quotes", "a quote", "lines", "empty lines", "no end", "no name", "mark", "spaces"],
)
@pytest.mark.filterwarnings("ignore:.*1 of 2 rows:charrnn.CharRNNWarning")
def test_what_is_not_ambiguous_is_read(content: str, expected: str) -> None:
    assert text(write("rows.csv", content)) == expected.encode()


def test_quotes_within_the_cells_of_a_tsv_are_text() -> None:
    assert text(write("rows.tsv", 'text\tkind\nsay "no", 5" long\tx\n')) == b'say "no", 5" long\n'
    assert "line 2" in message("rows.tsv", 'text\tkind\n"No" he said\tx\n')


@pytest.mark.parametrize("size", range(1, 12))
def test_a_table_is_the_same_in_pieces_of_any_size(size: int) -> None:
    content = 'text,kind\r\n"a\r\n""b"" c",x\r\nd,"y"\r\n\r\n"e",\n'
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    rows = list(csv_rows("t", pieces, ["text"], ","))
    assert [row.where for row in rows] == ["t: line 2", "t: line 4", "t: line 6"]
    assert [list(row.cells.values()) for row in rows] == [
        ['a\r\n"b" c', "x"],
        ["d", "y"],
        ["e", None],
    ]


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ":"])
def test_another_delimiter_is_advised_and_can_be_named(delimiter: str) -> None:
    content = "text,kind\na,x\n".replace(",", delimiter)
    said = message("rows.csv", content)
    assert f"its cells seem to be separated by {delimiter!r}: give --delimiter" in said
    assert text("rows.csv", delimiter=delimiter) == b"a\n"


def test_a_quoted_header_that_is_divided_otherwise_is_told() -> None:
    assert "separated by ';', give it with --delimiter" in message(
        "rows.csv", '"text";"kind"\n"a";"x"\n'
    )


def test_a_delimiter_that_the_file_itself_names_is_advised() -> None:
    said = message("rows.csv", "sep=;\ntext;kind\na;x\n")
    assert "leave out that line, and give --delimiter ';'" in said


def test_a_tab_may_be_written_as_one_writes_it() -> None:
    assert text(write("rows.csv", "text\tkind\na,b\tx\n"), delimiter=r"\t") == b"a,b\n"


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n", "\r", "\0"])
def test_a_delimiter_is_one_character(delimiter: str) -> None:
    with pytest.raises(ConfigError, match="choose one character"):
        ReadOptions(delimiter=delimiter)


# JSON

WRONG_JSON = {
    "comma at the end": ('[{"text": "a"},\n]', "line 2: it is not JSON: an object is missing"),
    "no comma": ('[{"text": "a"}\n\n{"text": "b"}]', "line 3: it is not JSON: a comma"),
    "no end": (
        '[{"text": "a"}\n',
        "line 2: it is not JSON: a comma, or the closing bracket, is missing",
    ),
    "cut off": ('[{"text": "a"},\n{"text":\n "b', "line 3: it is not JSON"),
    "more": ('[{"text": "a"}]\n[]', "line 2: it is not JSON: there is more after"),
    "no objects": ('[{"text": "a"},\n1]', "line 2: it is not a JSON object"),
    "a word": ("[text]", "line 1: it is not JSON"),
    "the same key twice": (
        '[{"text": "a",\n"text": "b"}]',
        "line 1: it is not JSON: an object has the key",
    ),
    "deep": ("[" * 100_000, "line 1: it is not JSON"),
    "other keys": (
        '[{"text": "a"},\n{"words": "b"}]',
        "line 2: it has no column 'text'; it has words",
    ),
}


@pytest.mark.parametrize("fault", WRONG_JSON)
def test_json_that_is_wrong_is_refused_with_its_line(fault: str) -> None:
    content, problem = WRONG_JSON[fault]
    assert message("rows.json", content).startswith(problem)


def test_what_is_wrong_with_json_is_a_whole_sentence() -> None:
    assert message("rows.json", '[{"text":\n"a') == "line 2: it is not JSON: Unterminated string"


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson"])
def test_an_object_with_the_same_key_twice_is_refused(suffix: str) -> None:
    said = message(f"rows{suffix}", '{"text": "a"}\n{"text": "b", "kind": 1, "text": "c"}\n')
    assert said == "line 2: it is not JSON: an object has the key 'text' twice"


@pytest.mark.parametrize(
    "content",
    [
        '[{"text": "a"},\n {"text": "b"}]',
        ' \n[ {"text": "a"} , {"text": "b"} ] \n\n',
        '{"text": "a"}\n{"text": "b"}\n',
        '{\n "text": "a"\n}\n{\n "text": "b"\n}',
    ],
    ids=["array", "spaces", "lines", "one after another"],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_objects_are_read_in_pieces_of_any_size(content: str, size: int) -> None:
    pieces = (content[at : at + size] for at in range(0, len(content), size))
    assert [row.cells for row in json_rows("t", pieces, [], "")] == [{"text": "a"}, {"text": "b"}]


def test_a_large_array_is_never_in_memory_as_a_whole() -> None:
    taken = 0

    def pieces() -> Iterable[str]:
        nonlocal taken
        yield "["
        for number in range(1000):
            taken += 1
            yield f'{{"text": "{number}"}}\n{"," * (number < 999)}'
        yield "]"

    for number, row in enumerate(json_rows("t", pieces(), [], "")):
        assert row.cells == {"text": str(number)} and row.where == f"t: line {number + 1}"
        assert taken <= number + 3


def test_an_array_that_lacks_a_bracket_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_tables, "LONGEST_ROW", 1000)
    pieces = iter(['[{"text": "a'] + ["b" * 100] * 1000)
    with pytest.raises(CorpusError, match="line 1: it is not JSON"):
        list(json_rows("t", pieces, [], ""))
    assert len(list(pieces)) > 900


@pytest.mark.parametrize(
    ("content", "problem"),
    [('{"text": "', "a line of more than"), ("text\n" + "x", "a line of more than")],
)
def test_a_line_without_end_is_not_read_into_memory(
    content: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_cells, "LONGEST_ROW", 1000)
    pieces = iter([content] + ["b" * 100] * 1000)
    rows = jsonl_rows if content.startswith("{") else csv_rows
    with pytest.raises(CorpusError, match=f"^t: .*{problem}"):
        list(rows("t", pieces, ["text"], ","))
    assert len(list(pieces)) > 900


def test_a_cell_without_end_is_not_read_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """One unclosed quote made one cell of the rest of the file."""
    monkeypatch.setattr(csv_tables, "LONGEST_ROW", 1000)
    pieces = iter(["text\na\n", '"open\n', *["b" * 99 + "\n"] * 1000])
    with pytest.raises(CorpusError, match="^t: line 3: it has a quote that is never closed"):
        list(csv_rows("t", pieces, ["text"], ","))
    assert len(list(pieces)) > 900


# What cells say


@pytest.mark.parametrize("nothing", [None, math.nan, Decimal("nan"), pandas.NaT, pandas.NA])
def test_what_is_missing_is_missing(nothing: object) -> None:
    """NaN was learned as the word `nan`."""
    assert cell_text(nothing) is None


@pytest.mark.parametrize(
    ("equal", "written"),
    [
        ((1, 1.0, Decimal("1.00"), Decimal("1E+0")), "1"),
        ((0, 0.0, -0.0, Decimal("-0")), "0"),
        ((-3, -3.0), "-3"),
        ((10**20, 1e20, Decimal("1E+20")), "1" + "0" * 20),
        ((2.5, Decimal("2.50")), "2.5"),
        ((0.1, Decimal("0.1")), "0.1"),
        ((1e-7, Decimal("0.0000001")), "1e-07"),
        ((Decimal("0.12345678901234567890123"),), "0.12345678901234567890123"),
        ((math.inf, Decimal("inf")), "inf"),
        ((2**53 + 1,), "9007199254740993"),
    ],
)
def test_numbers_that_are_equal_are_written_in_one_way(
    equal: tuple[Any, ...], written: str
) -> None:
    """1 and 1.0 were two classes."""
    assert {cell_text(number) for number in equal} == {written}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (True, "True"),
        ("1.0", "1.0"),
        ("nan", "nan"),
        ("", ""),
        (b"\xc3\xa9", "é"),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (datetime.datetime(2020, 1, 2, 3, 4), "2020-01-02 03:04:00"),
        (pandas.Timestamp("2020-01-02"), "2020-01-02 00:00:00"),
        (datetime.time(3, 4), "03:04:00"),
    ],
)
def test_what_else_a_cell_says(cell: object, expected: str) -> None:
    assert cell_text(cell) == expected


@pytest.mark.parametrize(
    "cell", [["a"], ("a",), {"a": "b"}, b"\xff", datetime.timedelta(1), object(), 1j]
)
def test_what_is_no_text_is_refused(cell: object) -> None:
    """`b'\\xff'` was learned as Python prints it."""
    with pytest.raises(ValueError, match=r"not text|not UTF-8"):
        cell_text(cell)


@suffixes
def test_a_missing_text_is_left_out_with_a_warning(suffix: str) -> None:
    rows = [{"text": text, "kind": "x"} for text in ("a", None, math.nan, "b")]
    if suffix == ".parquet":
        frame = pandas.DataFrame({"text": ["a", None, pandas.NA, "b"]})
        frame.to_parquet(f"rows{suffix}")
    elif suffix == ".json":
        write(f"rows{suffix}", json.dumps(rows))
    elif suffix in (".jsonl", ".ndjson"):
        write(f"rows{suffix}", "".join(json.dumps(row) + "\n" for row in rows))
    else:
        write(
            f"rows{suffix}",
            "text,kind\na,x\n,x\n,x\nb,x\n".replace(",", "," if suffix == ".csv" else "\t"),
        )
    with pytest.warns(
        CharRNNWarning, match="2 of 4 rows have no text in .* and are left out"
    ) as caught:
        assert text(f"rows{suffix}") == b"a\nb\n"
    assert len(caught) == 1


# Parquet


def test_a_parquet_file_with_two_columns_of_a_name_is_refused() -> None:
    columns = [pyarrow.array(["a"]), pyarrow.array(["b"])]
    parquet.write_table(pyarrow.Table.from_arrays(columns, ["text", "text"]), "rows.parquet")
    with pytest.raises(CorpusError, match="two columns named 'text'"):
        text("rows.parquet")


def test_a_missing_column_of_an_empty_parquet_file_is_told() -> None:
    parquet.write_table(
        pyarrow.table({"words": pyarrow.array([], pyarrow.string())}), "rows.parquet"
    )
    with pytest.raises(CorpusError, match="no column 'text'; it has words"):
        text("rows.parquet")


def test_text_of_a_parquet_file_that_is_not_utf8_is_told() -> None:
    array = pyarrow.array([b"a", b"\xff"]).view(pyarrow.string())
    parquet.write_table(pyarrow.Table.from_arrays([array], ["text"]), "rows.parquet")
    with pytest.raises(CorpusError, match=r"rows\.parquet: .*not UTF-8"):
        text("rows.parquet")


@pytest.mark.parametrize(
    ("name", "package"), [("rows.parquet", "pyarrow"), ("hf:owner/name", "datasets")]
)
def test_a_missing_package_is_named_with_how_to_install_it(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows("rows.parquet")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CorpusError, match=f"^{name}: .*pip install {package}"):
        text(name)


# gzip


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.json.gz", "rows.parquet.gz"])
@pytest.mark.parametrize("hurt", ["cut off", "changed", "not packed"])
def test_a_gzip_file_that_is_damaged_is_an_error_that_names_it(name: str, hurt: str) -> None:
    whole = Path(write_rows(name)).read_bytes()
    flipped = whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:]
    Path(name).write_bytes(
        {"cut off": whole[:-9], "changed": flipped, "not packed": b"text\na"}[hurt]
    )
    with pytest.raises(CorpusError, match=f"^{name}: .*gzip"):
        text(name)
