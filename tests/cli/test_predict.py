"""charrnn predict, and what the other commands say of labelled texts."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

import charrnn
from charrnn.cli.telling import _worst
from tests.cli.conftest import Charrnn
from tests.labelled import rows, write_rows

SMALL = ("--hidden-size", "16", "--precision", "fp32", "--learning-rate", "0.03")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `rows.jsonl`, and the runs `kinds` and `numbers` that learned it."""
    folder = tmp_path_factory.mktemp("told")
    table = write_rows(folder / "rows.jsonl", rows(150))
    for name, label, regress in (("kinds", "kind", False), ("numbers", "number", True)):
        for _ in charrnn.train(
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
        ):
            pass
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
        *("90 documents of 3 classes", "max pooling", "bits per text", "accuracy", "macro F1"),
        *("for all:", "what is (rows)", "charrnn predict rows TEXT"),
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


REFUSALS = {
    "no file": (("nothing.csv", "--text", "text"), 4, "no such file"),
    "no columns": (("text.txt", "--text", "text"), 2, "it has no columns"),
    "no column named": (("rows.jsonl",), 4, "with --text NAME"),
    "wrong column": (("rows.jsonl", "--text", "words"), 4, "no column 'words'"),
    "lines of a table": (("rows.jsonl", "--lines", "--text", "text"), 2, "leave out --lines"),
    "lines of nothing": (("some words", "--lines"), 4, "to read lines or columns of"),
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
    write_rows(
        here / "strange.jsonl", [{"text": "aei", "kind": "odd"}, {"text": "b", "kind": "hard"}]
    )
    result = run("evaluate", kinds, "strange.jsonl")
    assert result.exit_code == 4 and "no class 'odd'" in " ".join(result.stderr.split())
    result = run("evaluate", kinds, "--adapt")
    assert result.exit_code == 2


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
    assert json.loads(run("info", kinds, "--json").stdout)["labels"] == ["both", "hard", "soft"]
    assert "root mean squared error" in run("info", numbers).stdout


def test_plan_knows_labels(run: Charrnn, here: Path) -> None:
    write_rows(here / "rows.jsonl", rows(90))
    result = run("plan", "rows.jsonl", "--text", "text", "--label", "kind", "--steps", "5")
    assert result.exit_code == 0, result.stderr
    assert "90 documents of 3 classes" in " ".join(result.stdout.split())


def test_many_classes_are_told_by_their_confusions() -> None:
    import numpy as np

    matrix = np.diag(np.full(12, 5))
    matrix[3, 7] = 2
    table = _worst([f"class {n}" for n in range(12)], matrix)
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    assert cells == [["class 3"], ["class 7"], ["2"], ["7"]]
