"""charrnn predict, and what the other commands say of labelled texts."""

import base64
import csv
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

import charrnn
from tests.cli.conftest import Charrnn
from tests.labelled import rows, write_rows

SMALL = ("--hidden-size", "16", "--precision", "fp32", "--learning-rate", "0.03")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `rows.jsonl`, and the runs `kinds` and `numbers` that learned it."""
    folder = tmp_path_factory.mktemp("told")
    table = write_rows(folder / "rows.jsonl", rows(150))
    for name, label, regress in (("kinds", "kind", False), ("numbers", "number", True)):
        charrnn.train(
            table,
            text="text",
            label=label,
            regress=regress,
            out=folder / "checkpoints" / name,
            steps=60,
            hidden_size=16,
            learning_rate=0.03,
            precision="fp32",
            progress_bar=False,
        )
    return folder


@pytest.fixture
def kinds(told: Path) -> str:
    return str(told / "checkpoints" / "kinds")


@pytest.fixture
def numbers(told: Path) -> str:
    return str(told / "checkpoints" / "numbers")


def test_train_ends_with_figures_and_says_what_to_type_next(run: Charrnn, here: Path) -> None:
    write_rows(here / "rows.jsonl", rows(90))
    table = ("rows.jsonl", "--text", "text", "--label")
    result = run("train", *table, "kind", "--steps", "20", *SMALL)
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    assert result.stdout == ""
    for expected in (
        *("90 documents of 3 classes", "--pooling max", "bits per document", "accuracy"),
        *("macro F1", "(always predicting ", "confusion matrix", "charrnn predict rows '"),
    ):
        assert expected in said
    result = run("train", *table, "number", "--regress", "--steps", "20", *SMALL)
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    for expected in ("90 documents with numbers", "root mean squared error", "R²"):
        assert expected in said


def test_resume_goes_on(run: Charrnn, here: Path) -> None:
    write_rows(here / "rows.jsonl", rows(90))
    schedule = ("--steps", "30", "--evaluate-every", "10", "--checkpoint-every", "10")
    result = run("train", "rows.jsonl", "--text", "text", "--label", "kind", *schedule, *SMALL)
    assert result.exit_code == 0, result.stderr
    result = run("train", "--resume", "rows")
    assert result.exit_code == 1 and "it has finished its 30 steps" in " ".join(
        result.stderr.split()
    )


def test_a_folder_of_folders_is_trained_on(run: Charrnn, here: Path) -> None:
    for number, row in enumerate(rows(60)):
        folder = here / "words" / row["kind"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(row["text"] + "\n")
    result = run("train", "words", "--label", "folder", "--steps", "5", *SMALL)
    assert result.exit_code == 0, result.stderr
    result = run("predict", "words", "words")
    assert result.exit_code == 0 and len(result.stdout.splitlines()) == 60


def test_a_text_is_told_with_its_probability(run: Charrnn, kinds: str) -> None:
    result = run("predict", kinds, "aeiouaeiou")
    assert result.exit_code == 0, result.stderr
    label, share = result.stdout.rstrip("\n").split("\t")
    assert label == "soft" and 0.4 < float(share) <= 1


def test_files_lines_tables_and_stdin_are_told_alike(run: Charrnn, here: Path, kinds: str) -> None:
    texts = [row["text"] for row in rows(12, seed=5)]
    alone = "".join(run("predict", kinds, text).stdout for text in texts)
    (here / "words.txt").write_text("\n".join(texts) + "\n")
    write_rows(here / "words.jsonl", rows(12, seed=5))
    with (here / "words.csv").open("w") as file:
        csv.writer(file).writerows([["word"], *([text] for text in texts)])
    assert run("predict", kinds, "words.txt", "--lines").stdout == alone
    assert run("predict", kinds, "-", "--lines", stdin="\n".join(texts)).stdout == alone
    assert run("predict", kinds, "words.jsonl", "--text", "text").stdout == alone
    assert run("predict", kinds, "words.csv", "--text", "word").stdout == alone
    (here / "one.txt").write_text(texts[0] + "\n")
    assert run("predict", kinds, "one.txt").stdout == alone.splitlines(keepends=True)[0]


def test_json_has_all_probabilities(run: Charrnn, kinds: str, numbers: str) -> None:
    (record,) = json.loads(run("predict", kinds, "bcd", "--json").stdout)
    assert record["label"] == "hard" and set(record["probabilities"]) == {"both", "hard", "soft"}
    lines = run("predict", kinds, "-", "--lines", "--jsonl", stdin="bcd\naei\n").stdout.splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["hard", "soft"]
    (record,) = json.loads(run("predict", numbers, "bcd", "--json").stdout)
    assert record == {
        "number": pytest.approx(float(run("predict", numbers, "bcd").stdout), rel=1e-6)
    }


def test_unknown_characters_are_told_on_stderr(run: Charrnn, kinds: str) -> None:
    result = run("predict", kinds, "aeXiou")
    assert result.exit_code == 0 and "never seen 'X'" in " ".join(result.stderr.split())


AWKWARD = b"aei\n\nXYZ\nb\xffcd\na\0b\nbcd\r\n\n"
"""Seven lines, of which the first and the sixth are texts."""

REASONS = {
    2: "its text is empty",
    3: "no character that the model knows",
    4: "byte 0xff at its character 2 is not valid utf-8",
    5: "NUL",
    7: "its text is empty",
}


def test_each_line_has_its_answer_or_the_reason(run: Charrnn, here: Path, kinds: str) -> None:
    """A single blank line took the answers to 512 others with it."""
    (here / "lines.txt").write_bytes(AWKWARD)
    for name, stdin in (("lines.txt", b""), ("-", AWKWARD)):
        result = run("predict", kinds, name, "--lines", stdin=stdin)
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert [line.split("\t")[0] for line in lines] == [
            *("soft", "null", "null", "null", "null", "hard", "null")
        ]
        for number, reason in REASONS.items():
            assert reason in lines[number - 1]
        said = " ".join(result.stderr.split())
        assert "5 of 7 texts have no prediction (null)" in said and "line 2: its text" in said
        assert "never seen" not in said


def test_json_has_null_the_reason_and_the_line(run: Charrnn, here: Path, kinds: str) -> None:
    (here / "lines.txt").write_bytes(AWKWARD)
    many = run("predict", kinds, "lines.txt", "--lines", "--jsonl")
    records = [json.loads(line) for line in many.stdout.splitlines()]
    assert json.loads(run("predict", kinds, "lines.txt", "--lines", "--json").stdout) == records
    assert [record["label"] for record in records] == ["soft", *[None] * 4, "hard", None]
    assert {record["line"] for record in records if record["label"] is None} == {*REASONS}
    for number, reason in REASONS.items():
        assert reason in records[number - 1]["reason"]
        assert records[number - 1]["probabilities"] is None


def test_a_number_that_cannot_be_told_is_null(run: Charrnn, numbers: str) -> None:
    result = run("predict", numbers, "-", "--lines", "--jsonl", stdin="bcd\n\n")
    first, second = map(json.loads, result.stdout.splitlines())
    assert isinstance(first["number"], float)
    assert second == {"number": None, "reason": "its text is empty", "line": 2}


@pytest.mark.parametrize("output", ["--jsonl", "--json"])
def test_strict_ends_at_the_first_problem_after_what_was_told(
    run: Charrnn, kinds: str, output: str
) -> None:
    given = ("predict", kinds, "-", "--lines", "--strict")
    result = run(*given, output, stdin=AWKWARD)
    assert result.exit_code == 4 and "line 2: its text is empty" in " ".join(result.stderr.split())
    (record,) = (json.loads(f"[{result.stdout}]"), json.loads(result.stdout))[output == "--json"]
    assert record["label"] == "soft"
    assert run(*given, stdin="aei\nbcd\n").exit_code == 0


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_rows_without_a_text_lose_no_others(
    run: Charrnn, here: Path, kinds: str, suffix: str
) -> None:
    texts = ["aei", "", "XYZ", "bcd", ""]
    if suffix == "csv":
        with (here / "rows.csv").open("w") as file:
            csv.writer(file).writerows([["n", "text"], *enumerate(texts)])
    else:
        write_rows(here / "rows.jsonl", [{"text": text} for text in texts])
    result = run("predict", kinds, f"rows.{suffix}", "--text", "text", "--jsonl")
    assert result.exit_code == 0
    labels = [json.loads(line)["label"] for line in result.stdout.splitlines()]
    assert labels == ["soft", None, None, "hard", None]


def test_rows_of_jsonl_may_lack_the_text(run: Charrnn, here: Path, kinds: str) -> None:
    made: list[dict[str, Any]] = [
        {"sort": 1},
        {"text": "aei"},
        {"text": None},
        {"text": ["a"]},
        {},
        {"text": "bcd"},
    ]
    write_rows(here / "rows.jsonl", made)
    result = run("predict", kinds, "rows.jsonl", "--text", "text", "--jsonl")
    assert result.exit_code == 0, result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["label"] for each in records] == [None, "soft", None, None, None, "hard"]
    assert "no column 'text'" in records[0]["reason"]


def test_files_of_a_folder_that_are_no_text_lose_no_others(
    run: Charrnn, here: Path, kinds: str
) -> None:
    (here / "mails").mkdir()
    for name, content in (
        ("1.txt", b"aei"),
        ("2.txt", b"\xff\n"),
        ("3.txt", b""),
        ("4.TXT", b"bcd"),
    ):
        (here / "mails" / name).write_bytes(content)
    result = run("predict", kinds, "mails", "--jsonl")
    assert result.exit_code == 0, result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["label"] for record in records] == ["soft", None, None, "hard"]
    assert records[1]["file"] == "mails/2.txt" and "not valid utf-8" in records[1]["reason"]
    assert "mails: 4 files read" in result.stderr


def test_lines_of_a_table_that_are_no_rows_lose_no_others(
    run: Charrnn, here: Path, kinds: str
) -> None:
    jsonl = b'{"text": "aei"}\n["bcd"]\n{"text": "unfin\n\n{"text": "b\xffcd"}\n{"text": "bcd"}\n'
    divided = b"text,kind\naei,soft\nb,c,d\nbcd\n\nb\xffcd,hard\nbcd,hard\n"
    for name, content, lines in (
        ("rows.jsonl", jsonl, [2, 3, 5]),
        ("rows.csv", divided, [3, 4, 6]),
    ):
        (here / name).write_bytes(content)
        result = run("predict", kinds, name, "--text", "text", "--jsonl")
        assert result.exit_code == 0, result.stderr
        records = [json.loads(line) for line in result.stdout.splitlines()]
        assert [each["label"] for each in records] == ["soft", None, None, None, "hard"]
        assert [each["line"] for each in records if each["label"] is None] == lines
        assert "byte 0xff at its character 2 is not valid utf-8" in records[3]["reason"]


def test_json_is_unicode_also_where_a_name_is_not(run: Charrnn, here: Path, kinds: str) -> None:
    name = os.fsdecode(b"mails/\xff.txt")
    (here / "mails").mkdir()
    Path(name).write_text("XYZ")
    for output in ("--json", "--jsonl"):
        result = run("predict", kinds, "mails", output)
        assert result.exit_code == 0
        (record,) = json.loads(
            f"[{result.stdout_bytes.decode()}]".replace("[[", "[").replace("]\n]", "]")
        )
        assert record["file"] == "mails/\N{REPLACEMENT CHARACTER}.txt"
        assert base64.b64decode(record["file_bytes"]) == b"mails/\xff.txt"
        assert "�" not in run("predict", kinds, "mails").stderr


@pytest.mark.parametrize("output", ["--jsonl", "--json"])
def test_what_breaks_off_gives_the_answers_before(
    run: Charrnn, here: Path, kinds: str, output: str
) -> None:
    """Behind a quote that is never closed, nobody knows what is a row."""
    (here / "rows.csv").write_text("text\n" + "aei\n" * 5 + '"bcd\nbcd\n')
    result = run("predict", kinds, "rows.csv", "--text", "text", output)
    assert result.exit_code == 4 and "line 7" in " ".join(result.stderr.split())
    told = json.loads(
        result.stdout if output == "--json" else f"[{result.stdout}]".replace("}\n{", "},{")
    )
    assert len(told) == 5


@pytest.fixture(scope="module")
def octets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with class folders of bytes that are no UTF-8, and the run that learned them."""
    folder = tmp_path_factory.mktemp("octets")
    chosen = random.Random(3)
    for kind, letters in (("hard", b"bcdfg\xff\x00"), ("soft", b"aeiou\xe9")):
        (folder / "words" / kind).mkdir(parents=True)
        for number in range(30):
            content = bytes(chosen.choices(letters, k=8)) + b"\n"
            (folder / "words" / kind / f"{number}.txt").write_bytes(content)
    charrnn.train(
        folder / "words",
        tokenizer="byte",
        label="folder",
        out=folder / "checkpoints" / "octets",
        steps=40,
        hidden_size=16,
        learning_rate=0.03,
        precision="fp32",
        progress_bar=False,
    )
    return folder


def test_no_encoding_is_advised_for_a_table_that_has_its_own(
    run: Charrnn, here: Path, kinds: str
) -> None:
    texts = [b"aeiou", b"a\xff", b"a\0"]
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), here / "rows.parquet")
    lines = run("predict", kinds, "rows.parquet", "--text", "text").stdout.splitlines()
    assert lines[1:] == [
        "null\tbyte 0xff at its character 2 is not valid utf-8, as text in .parquet must be",
        "null\tit has a NUL character, so it looks binary",
    ]


def test_a_model_of_bytes_reads_what_is_not_utf_8(run: Charrnn, here: Path, octets: Path) -> None:
    model, texts = str(octets / "checkpoints" / "octets"), [b"a\xe9\xe9ou", b"b\xff\x00cd"]
    (here / "lines.txt").write_bytes(b"\n".join(texts))
    (here / "one.txt").write_bytes(texts[1])
    (here / "rows.csv").write_bytes(b"text,kind\n" + b"".join(each + b",soft\n" for each in texts))
    (here / "rows.jsonl").write_bytes(b"".join(b'{"text": "%b"}\n' % each for each in texts[:1]))
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), here / "rows.parquet")
    expected = run("predict", model, "lines.txt", "--lines").stdout
    assert [line.split("\t")[0] for line in expected.splitlines()] == ["soft", "hard"]
    first, second = expected.splitlines(keepends=True)
    for given, stdin, answer in (
        (("-", "--lines"), b"\n".join(texts), expected),
        (("one.txt",), b"", second),
        (("-",), texts[0], first),
        ((os.fsdecode(texts[0]),), b"", first),
        (("rows.csv", "--text", "text"), b"", expected),
        (("rows.jsonl", "--text", "text"), b"", first),
        (("rows.parquet", "--text", "text"), b"", expected),
    ):
        result = run("predict", model, *given, stdin=stdin)
        assert (result.exit_code, result.stdout, result.stderr) == (0, answer, "")
    words = str(octets / "words")
    result = run("predict", model, words)
    assert sorted(line.split("\t")[0] for line in result.stdout.splitlines()) == [
        *["hard"] * 30,
        *["soft"] * 30,
    ]
    assert json.loads(run("evaluate", model, words, "--json").stdout)["texts"] == 60
    assert json.loads(run("evaluate", model, "--json").stdout)["texts"] == 6
    result = run(*("evaluate", model, "rows.csv", "--text", "text", "--label", "kind", "--json"))
    assert json.loads(result.stdout)["texts"] == 2


def test_a_model_of_bytes_learns_what_is_not_utf_8(run: Charrnn, here: Path) -> None:
    table = b"text,kind\n" + b"a\xe9,soft\nb\xff,hard\n" * 20
    (here / "rows.csv").write_bytes(table)
    given = ("rows.csv", "--text", "text", "--label", "kind", "--steps", "3", *SMALL)
    result = run("train", *given, "--tokenizer", "byte")
    assert result.exit_code == 0, result.stderr
    result = run("train", *given)
    assert result.exit_code == 4
    said = " ".join(result.stderr.split())
    assert "rows.csv: line 2: byte 0xe9 at its character 2 is not valid utf-8" in said


@pytest.mark.parametrize("output", [(), ("--json",), ("--jsonl",)])
def test_of_no_text_nothing_is_told(
    run: Charrnn, here: Path, kinds: str, output: tuple[str, ...]
) -> None:
    (here / "rows.csv").write_text("text,kind\n")
    (here / "nothing.txt").write_text("")
    for given in (("rows.csv", "--text", "text"), ("nothing.txt", "--lines")):
        result = run("predict", kinds, *given, *output)
        assert result.exit_code == 0 and "it has no text" in result.stderr
        assert result.stdout == ("[]\n" if output == ("--json",) else "")
    result = run("predict", kinds, "nothing.txt", *output)
    assert result.exit_code == 4 and "its text is empty" in result.stderr


def test_a_link_to_nothing_is_no_text(run: Charrnn, here: Path, kinds: str) -> None:
    (here / "aei").symlink_to("nowhere")
    result = run("predict", kinds, "aei")
    assert result.exit_code == 4 and "broken symbolic link" in result.stderr


def test_an_encoding_that_is_none_is_refused(run: Charrnn, kinds: str) -> None:
    result = run("predict", kinds, "-", "--lines", "--encoding", "klingon", stdin="a\n")
    assert result.exit_code == 2 and "klingon" in result.stderr


def class_folders(folder: Path) -> None:
    """Class folders of which one is a link, one is empty, and one is a link to nothing."""
    for number, row in enumerate(rows(60)):
        parent = folder.parent / "elsewhere" if row["kind"] == "both" else folder / row["kind"]
        parent.mkdir(parents=True, exist_ok=True)
        (parent / f"{number}.{('txt', 'TXT')[number % 2]}").write_text(row["text"] + "\n")
    (folder / "both").symlink_to("../elsewhere")
    (folder / "soft" / "loop").symlink_to("..")
    (folder / "gone").symlink_to("nowhere")
    (folder / "empty").mkdir()


def test_linked_class_folders_are_classes_and_what_is_left_out_is_said(
    run: Charrnn, here: Path, kinds: str
) -> None:
    class_folders(here / "words")
    for command in (
        ("train", "words", "--label", "folder", "--steps", "3", *SMALL),
        ("plan", "words", "--label", "folder", "--steps", "3"),
        ("evaluate", kinds, "words"),
        ("predict", kinds, "words"),
    ):
        result = run(*command)
        assert result.exit_code == 0, result.stderr
        said = " ".join(result.stderr.split())
        assert "words: 60 files read; left out: 1 linked to nothing (gone)" in said
        assert "or read already (soft/loop)" in said
        if command[0] != "predict":
            assert "no file is read from empty, so there is no such class" in said
    assert json.loads(run("info", "words", "--json").stdout)["labels"] == ["both", "hard", "soft"]


REFUSALS = {
    "no file": (("nothing.csv", "--text", "text"), 4, "no such file"),
    "no columns": (("text.txt", "--text", "text"), 2, "it has no columns"),
    "no column named": (("rows.jsonl",), 4, "with --text NAME"),
    "wrong column": (("rows.jsonl", "--text", "words"), 4, "no column 'words'"),
    "lines of a table": (("rows.jsonl", "--lines", "--text", "text"), 2, "leave out --lines"),
    "lines of nothing": (("some words", "--lines"), 4, "--lines and --text read files"),
    "both": (("words", "--json", "--jsonl"), 2, "exclude each other"),
    "nothing known": (("XYZ",), 4, "no character that the model knows"),
}


@pytest.mark.parametrize("refusal", sorted(REFUSALS))
def test_what_cannot_be_told_is_refused(run: Charrnn, here: Path, kinds: str, refusal: str) -> None:
    write_rows(here / "rows.jsonl", rows(3))
    arguments, code, message = REFUSALS[refusal]
    result = run("predict", kinds, *arguments)
    assert result.exit_code == code, result.stderr
    assert message in " ".join(result.stderr.split()) and result.stdout == ""


def test_a_model_of_another_task_is_refused_with_its_command(run: Charrnn, kinds: str) -> None:
    result = run("predict", "small", "The fox")
    assert result.exit_code == 3 and "charrnn sample" in result.stderr
    result = run("sample", kinds)
    assert result.exit_code == 3 and "charrnn predict" in " ".join(result.stderr.split())


def test_train_refuses_a_table_without_its_text(run: Charrnn, here: Path) -> None:
    write_rows(here / "rows.jsonl", rows(3))
    result = run("train", "rows.jsonl", "--label", "kind")
    assert result.exit_code == 4
    assert "say which column holds the text with --text NAME" in " ".join(result.stderr.split())


def test_evaluate_measures_what_was_held_out(
    run: Charrnn, here: Path, kinds: str, numbers: str
) -> None:
    result = run("evaluate", kinds, "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["texts"] == 15 and record["labels"] == ["both", "hard", "soft"]
    assert sum(map(sum, record["confusion"])) == 15
    assert record["accuracy"] > record["baseline_accuracy"]
    write_rows(here / "others.jsonl", rows(30, seed=8))
    assert json.loads(run("evaluate", kinds, "others.jsonl", "--json").stdout)["texts"] == 30
    assert "R²" in run("evaluate", numbers).stdout
    result = run("evaluate", kinds, "--adapt")
    assert result.exit_code == 2


STRANGE = [
    {"text": "aei", "kind": "odd"},
    {"text": "b", "kind": "hard"},
    {"text": "c", "kind": "even"},
]


def test_classes_that_the_model_does_not_know_are_named(
    run: Charrnn, here: Path, kinds: str
) -> None:
    write_rows(here / "strange.jsonl", STRANGE)
    result = run("evaluate", kinds, "strange.jsonl")
    assert result.exit_code == 4
    assert (
        "2 of its 3 documents have a class that the model does not know: 'even', 'odd'"
        in " ".join(result.stderr.split())
    )


@pytest.mark.parametrize("count", [1, 4])
def test_a_file_of_one_class_or_row_can_be_evaluated(
    run: Charrnn, here: Path, kinds: str, numbers: str, count: int
) -> None:
    """It need not be enough to learn from."""
    write_rows(here / "few.jsonl", rows(12)[::3][:count])
    record = json.loads(run("evaluate", kinds, "few.jsonl", "--json").stdout)
    assert record["texts"] == count and sum(record["confusion"][2]) == count
    write_rows(here / "same.jsonl", [{"text": "aei", "number": 2020}] * count)
    record = json.loads(run("evaluate", numbers, "same.jsonl", "--json").stdout)
    (told,) = json.loads(run("predict", numbers, "aei", "--json").stdout)
    error = pytest.approx(abs(told["number"] - 2020), abs=1e-3)
    assert record["texts"] == count and record["root_mean_squared_error"] == error


def test_without_the_training_table_there_are_only_no_baselines(
    run: Charrnn, here: Path, told: Path
) -> None:
    shutil.copytree(told / "checkpoints", here / "moved", symlinks=True)
    write_rows(here / "others.jsonl", rows(30, seed=8))
    for name, measure in (("kinds", "accuracy"), ("numbers", "root_mean_squared_error")):
        whole = json.loads(run("evaluate", f"moved/{name}", "others.jsonl", "--json").stdout)
        table = told / "rows.jsonl"
        table.rename(told / "elsewhere.jsonl")
        try:
            result = run("evaluate", f"moved/{name}", "others.jsonl", "--json")
            assert run("evaluate", f"moved/{name}", "others.jsonl").exit_code == 0
            assert run("evaluate", f"moved/{name}").exit_code == 4
        finally:
            (told / "elsewhere.jsonl").rename(table)
        assert result.exit_code == 0 and "no baselines, which need" in result.stderr
        assert f"baseline_{measure}" in whole
        without = {key: value for key, value in whole.items() if "baseline" not in key}
        assert json.loads(result.stdout) == without


def test_a_model_without_its_training_is_evaluated_on_a_file(
    run: Charrnn, here: Path, kinds: str
) -> None:
    (here / "model").mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        shutil.copy(Path(kinds) / "best" / name, here / "model")
    write_rows(here / "others.jsonl", rows(30, seed=8))
    named = ("--text", "text", "--label", "kind")
    result = run("evaluate", "model", "others.jsonl", *named, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["texts"] == 30
    result = run("evaluate", "model", "others.jsonl")
    assert result.exit_code == 2 and "--label NAME" in " ".join(result.stderr.split())
    assert run("evaluate", "model").exit_code == 4


@pytest.mark.parametrize("content", ["", "text,kind\n"])
def test_a_table_without_rows_cannot_be_evaluated(
    run: Charrnn, here: Path, kinds: str, content: str
) -> None:
    (here / "rows.csv").write_text(content)
    result = run("evaluate", kinds, "rows.csv")
    assert result.exit_code == 4 and "there are no documents in it" in result.stderr


def test_a_class_named_like_a_format_is_shown(run: Charrnn, here: Path) -> None:
    made = [{"text": row["text"], "kind": f"{{{row['kind']}}}"} for row in rows(60)]
    write_rows(here / "rows.jsonl", made)
    result = run(
        *("train", "rows.jsonl", "--text", "text", "--label", "kind", "--steps", "3", *SMALL)
    )
    assert result.exit_code == 0, result.stderr
    assert "(always predicting " in result.stderr


@pytest.mark.parametrize("command", [("predict", "aei"), ("evaluate",)])
def test_it_needs_no_torch(kinds: str, command: tuple[str, ...]) -> None:
    name, *others = command
    script = (
        "import sys\nfrom charrnn.cli.app import app\n"
        f"try: app({[name, kinds, *others]!r})\nexcept SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)


def test_info_says_what_it_tells(run: Charrnn, kinds: str, numbers: str) -> None:
    said = " ".join(run("info", kinds).stdout.split())
    assert "task classify" in said and "classes 3: both, hard, soft" in said
    assert "bits per document" in said
    assert "int8 engine none for this task" in said
    assert json.loads(run("info", kinds, "--json").stdout)["labels"] == ["both", "hard", "soft"]
    assert "root mean squared error" in run("info", numbers).stdout


def test_plan_knows_labels(run: Charrnn, here: Path) -> None:
    write_rows(here / "rows.jsonl", rows(90))
    result = run("plan", "rows.jsonl", "--text", "text", "--label", "kind", "--steps", "5")
    assert result.exit_code == 0, result.stderr
    assert "90 documents of 3 classes" in " ".join(result.stdout.split())
