"""charrnn explain, charrnn score, and evaluate --surprise."""

import json
import math
from pathlib import Path

import pytest

import charrnn
from charrnn.export.explanation_page import explanation_page
from charrnn.storage.model_directory import write_model
from tests.cli.conftest import TEXT, Charrnn
from tests.labelled import rows, write_rows
from tests.tasks.transduce.pair_networks import make_network


def test_json_has_what_the_api_returns(run: Charrnn) -> None:
    found = run("explain", "small", "--samples", "2", "--json")
    assert found.exit_code == 0, found.output
    expected = charrnn.explain("small", samples=2)
    assert json.loads(found.stdout) == json.loads(json.dumps(expected.to_json()))


def test_tables_show_each_part(run: Charrnn) -> None:
    found = run("explain", "small", "text.txt", "--samples", "2", "--shown", "200")
    assert found.exit_code == 0, found.output
    for title in ("bits by kind", "costliest words", "single units", "context", "copies of"):
        assert title in found.stdout


@pytest.mark.parametrize(
    ("argument", "stdin", "source"),
    [("The hen met.", "", "the text"), ("-", "The hen met.", "stdin"), ("a.txt", "", "a.txt")],
)
def test_a_text_a_file_or_stdin(
    argument: str, stdin: str, source: str, run: Charrnn, here: Path
) -> None:
    (here / "a.txt").write_text("The hen met.")
    found = run("explain", "small", argument, "--part", "surprise", "--json", stdin=stdin)
    assert found.exit_code == 0, found.output
    record = json.loads(found.stdout)
    assert (record["text"]["text"], record["text"]["source"]) == ("The hen met.", source)
    assert record["cells"] is None


def test_a_file_that_is_not_there(run: Charrnn) -> None:
    found = run("explain", "small", "missing.txt")
    assert (found.exit_code, "no such file" in found.stderr) == (4, True)


def test_an_unknown_part(run: Charrnn) -> None:
    found = run("explain", "small", "--part", "soul")
    assert (found.exit_code, "choose from surprise" in found.stderr) == (2, True)


def test_a_page_in_one_file(run: Charrnn, here: Path) -> None:
    options = ("--samples", "2", "--part", "surprise", "--part", "copying")
    found = run("explain", "small", *options, "--html", "page.html")
    assert (found.exit_code, found.stdout) == (0, ""), found.output
    content = (here / "page.html").read_bytes()
    assert f"page.html: {len(content):,} bytes" in found.stderr
    explanation = charrnn.explain("small", samples=2, parts=("surprise", "copying"))
    assert content == explanation_page(explanation)
    piped = run("explain", "small", *options, "--html", "-")
    assert (piped.stdout_bytes, piped.stderr) == (content, "")


def test_a_page_that_cannot_be_written(run: Charrnn) -> None:
    found = run("explain", "small", "--part", "surprise", "--html", "none/page.html")
    assert (found.exit_code, "none/page.html: cannot be written" in found.stderr) == (1, True)
    folder = run("explain", "small", "--part", "surprise", "--html", ".")
    assert (folder.exit_code, "it is a folder" in folder.stderr) == (1, True)
    both = run("explain", "small", "--json", "--html", "page.html")
    assert (both.exit_code, "exclude each other" in both.stderr) == (2, True)


def test_texts_do_not_reach_the_terminal_as_control_characters(run: Charrnn, here: Path) -> None:
    evil = "The \x1b[31mhen\u202e [bold]met[/bold]"
    (here / "evil.txt").write_text(evil * 50)
    charrnn.train(here / "evil.txt", out="evil", steps=1, hidden_size=4, progress_bar=False)
    for command in (
        ("explain", "evil", "evil.txt", "--samples", "1"),
        ("score", "evil", evil),
        ("evaluate", "evil", "evil.txt", "--surprise"),
    ):
        found = run(*command)
        assert found.exit_code == 0, found.output
        assert "\x1b[31mhen" not in found.stdout
        assert "\u202e" not in found.stdout
    assert "[bold]" in found.stdout


def test_the_class_of_a_text(run: Charrnn, here: Path) -> None:
    table = write_rows(here / "rows.jsonl", rows(60))
    charrnn.train(
        table,
        text="text",
        label="kind",
        out=here / "checkpoints" / "kinds",
        steps=40,
        hidden_size=8,
        learning_rate=0.03,
        precision="fp32",
        progress_bar=False,
    )
    found = run("explain", "kinds", "aeiou", "--json")
    assert found.exit_code == 0, found.output
    attribution = json.loads(found.stdout)["attribution"]
    assert len(attribution["pieces"]) == 5
    shown = run("explain", "kinds", "aeiou")
    assert "aeiou" in shown.stdout
    assert attribution["label"] in shown.stdout
    without = run("explain", "kinds")
    assert (without.exit_code, "name a text" in without.stderr) == (2, True)


def test_the_alignments_of_translations(run: Charrnn, here: Path) -> None:
    write_model(here / "pairs", make_network(advance=0.0)[1])
    found = run("explain", "pairs", "abx\n\x1b[1mq", "--json")
    assert found.exit_code == 0, found.output
    pairs = json.loads(found.stdout)["alignment"]["pairs"]
    assert [each["length"] for each in pairs] == [3, 5]
    shown = run("explain", "pairs", "abx\n\x1b[1mq" + "\na" * 9)
    assert shown.exit_code == 0, shown.output
    assert f"abx -> {pairs[0]['target']}" in shown.stdout
    assert "\x1b[1mq" not in shown.stdout
    assert "and 3 more; --json has 11" in shown.stdout
    without = run("explain", "pairs")
    assert (without.exit_code, "name a text" in without.stderr) == (4, True)


def test_score_shows_a_text_and_its_bits(run: Charrnn) -> None:
    found = run("score", "small", "The fox")
    assert found.exit_code == 0, found.output
    bits = -charrnn.score("small", "The fox").sum() / math.log(2)
    assert "The fox" in found.stdout
    assert f"{bits:.2f}" in found.stdout
    record = json.loads(run("score", "small", "The fox", "--json").stdout)
    assert record["text"] == "The fox"
    assert record["log_probability"] == pytest.approx(-bits * math.log(2))
    assert [each["text"] for each in record["characters"]] == list("The fox")
    assert len(record["characters"][0]["alternatives"]) == 5


def test_score_ranks_the_lines_of_stdin(run: Charrnn) -> None:
    lines = ["xof ehT", "The fox", "", "The fxo"]
    found = run("score", "small", "-", stdin="\n".join(lines) + "\n")
    assert found.exit_code == 0, found.output
    table = [line.split("\t") for line in found.stdout.splitlines()]
    expected = sorted((-charrnn.score("small", line).sum(), line) for line in lines if line)
    assert [row[2] for row in table] == [line for _, line in expected]
    assert table[0][2] == "The fox"
    assert float(table[0][0]) == pytest.approx(expected[0][0] / math.log(2), abs=0.01)
    records = json.loads(run("score", "small", "-", "--json", stdin="\n".join(lines)).stdout)
    assert next(each["line"] for each in records) == 2


def test_score_leaves_unknown_characters_out(run: Charrnn) -> None:
    found = run("score", "small", "The 語fox")
    assert found.exit_code == 0
    assert "語" in found.stderr
    nothing = run("score", "small", "語")
    assert (nothing.exit_code, "no character" in nothing.stderr) == (4, True)


def test_evaluate_shows_surprise(run: Charrnn) -> None:
    found = run("evaluate", "small", "text.txt", "--surprise")
    assert found.exit_code == 0, found.output
    assert "bits per character" in found.stdout
    assert TEXT.splitlines()[0] in found.stdout
    record = json.loads(run("evaluate", "small", "text.txt", "--surprise", "--json").stdout)
    assert "".join(each["text"] for each in record["surprise"]) == TEXT[:2000]
    nats = [-each["log_probability"] for each in record["surprise"]]
    assert nats == pytest.approx(list(-charrnn.score("small", TEXT[:2000])), abs=1e-5)
    assert "surprise" not in json.loads(run("evaluate", "small", "--json").stdout)


def test_surprise_is_of_one_stream(run: Charrnn) -> None:
    found = run("evaluate", "small", "--surprise", "--adapt")
    assert (found.exit_code, "exclude each other" in found.stderr) == (2, True)


def longest_common(text: str, other: str) -> int:
    return max(
        length
        for length in range(len(text) + 1)
        for begin in range(len(text) - length + 1)
        if text[begin : begin + length] in other
    )


@pytest.mark.parametrize("flag", ["--novel", "--novel-length"])
def test_samples_without_copies(flag: str, run: Charrnn) -> None:
    options = ("-n", "3", "-l", "30", "--seed", "1", "-t", "1.2", "--json")
    usual = json.loads(run("sample", "small", *options).stdout)
    assert max(longest_common(each["text"], TEXT) for each in usual) >= 4
    found = run("sample", "small", *options, flag, "4")
    assert found.exit_code == 0, found.output
    texts = [each["text"] for each in json.loads(found.stdout)]
    assert len(texts) == 3
    assert max(longest_common(text, TEXT) for text in texts) < 4


def test_a_prompt_that_is_copied_allows_no_novel_text(run: Charrnn) -> None:
    found = run("sample", "small", "--novel", "8", "-p", "The fox met", "-l", "9")
    assert (found.exit_code, "leave it out" in found.stderr) == (2, True)


def test_novel_without_a_number_compares_lines(run: Charrnn) -> None:
    found = run("sample", "--novel", "small", "-l", "9", "--seed", "1")
    assert found.exit_code == 0, found.output
