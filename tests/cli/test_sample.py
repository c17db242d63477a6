"""charrnn sample"""

import json
import re
import subprocess
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import charrnn
from charrnn.cli.prompts import read_prompt
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.errors import CorpusError
from charrnn.generation import selection
from charrnn.generation.config import DEFAULT_ENGINE, SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.storage.run import Run
from tests.cli.conftest import TEXT, Charrnn, lose_training_text
from tests.patterns import needs_regex

Start = Callable[..., "subprocess.Popen[bytes]"]


def printed(run: Charrnn, *options: str, model: str = "small") -> str:
    """What a run that goes well prints."""
    result = run("sample", model, *options)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


def records(run: Charrnn, *options: str) -> list[dict[str, Any]]:
    """The objects of --jsonl."""
    return [json.loads(line) for line in printed(run, *options, "--jsonl").splitlines()]


def test_the_text_goes_to_stdout_and_nothing_else(run: Charrnn) -> None:
    result = run("sample", "small", "--prompt", "The", "--length", "20", "--seed", "1")
    assert result.exit_code == 0
    assert result.stdout.startswith("The")
    assert len(result.stdout) == len("The") + 20
    assert result.stderr == ""


def test_the_same_seed_gives_the_same_text(run: Charrnn) -> None:
    first, second, other = (
        run("sample", "small", "--length", "60", "--seed", seed).stdout for seed in ("1", "1", "2")
    )
    assert first == second != other


def test_an_engine_may_be_chosen(run: Charrnn) -> None:
    options = ("sample", "small", "-l", "200", "--seed", "1")
    int8, float32 = (run(*options, "--engine", each).stdout for each in ("int8", "float32"))
    assert len(int8) == len(float32) == 200
    sampler = Sampler(charrnn.load("small"), "int8")
    config = SamplingConfig(length=200, seed=1)
    assert int8 == sampler.sample("", config)
    assert run(*options, "--engine", DEFAULT_ENGINE).stdout == run(*options).stdout
    assert run(*options, "--engine", "int9").exit_code == 2


def test_without_a_model_it_takes_the_newest_run(run: Charrnn) -> None:
    assert run("sample", "--length", "5", "--seed", "0").stdout == (
        run("sample", "small", "--length", "5", "--seed", "0").stdout
    )


def test_the_prompt_may_come_from_stdin(run: Charrnn) -> None:
    given = run("sample", "small", "-p", "The fox", "--seed", "1")
    for stdin in ("The fox", "The fox\n", "The fox\r\n"):
        read = run("sample", "small", "-p", "-", "--seed", "1", stdin=stdin)
        assert read.stdout == given.stdout


def test_stdin_is_read_where_that_is_asked_for_and_nowhere_else(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("sample", "small", "--seed", "1", "-l", "9")
    assert run(*options, stdin="The fox").stdout == run(*options).stdout

    def read() -> bytes:
        raise AssertionError("`while read` would lose its input, an open pipe would block")

    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=SimpleNamespace(read=read)))
    tokenizer = ByteTokenizer()
    assert [read_prompt(each, tokenizer) for each in (None, "", "The")] == ["", "", "The"]


def test_a_prompt_from_a_stdin_that_is_closed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(CorpusError, match="standard input is closed"):
        read_prompt("-", ByteTokenizer())


def test_a_prompt_from_stdin_is_text_for_a_model_of_characters(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = run("sample", "small", "-p", "The fox", "--seed", "1")
    marked = run("sample", "small", "-p", "-", "--seed", "1", stdin="\ufeffThe fox")
    assert (marked.stdout, marked.stderr) == (given.stdout, given.stderr)
    content = "caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode("latin-1")
    for tokenizer, error in ((CharTokenizer("acf"), True), (ByteTokenizer(), False)):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=BytesIO(content)))
        if error:
            with pytest.raises(CorpusError, match="byte 3 of the prompt is not valid utf-8"):
                read_prompt("-", tokenizer)
        else:
            assert read_prompt("-", tokenizer) == "caf\udce9"


def test_stdin_is_not_read_twice(run: Charrnn) -> None:
    result = run("sample", "small", "-p", "-", "--novel", "--corpus", "-", stdin="The fox")
    assert result.exit_code == 2
    assert "stdin can be read once" in result.stderr


def test_json_says_how_each_sample_was_made(run: Charrnn) -> None:
    result = run("sample", "small", "-p", "The", "-n", "3", "-l", "9", "--seed", "5", "--json")
    found = json.loads(result.stdout)
    assert [record["index"] for record in found] == [0, 1, 2]
    assert {record["seed"] for record in found} == {5}
    assert {record["prompt"] for record in found} == {"The"}
    assert all(len(record["text"]) == record["characters"] == 9 for record in found)
    assert all(record["nats"] > 0 and record["stop_reason"] == "length" for record in found)
    alone = run("sample", "small", "-p", "The", "-l", "9", "--seed", "5", "--json")
    assert json.loads(alone.stdout) == found[:1]


def test_json_lines_are_the_same_one_a_line(run: Charrnn) -> None:
    options = ("-p", "The", "-n", "3", "-l", "9", "--seed", "5")
    found = records(run, *options)
    assert found == json.loads(printed(run, *options, "--json"))
    assert list(found[0]) == [
        "prompt",
        "text",
        "seed",
        "index",
        "characters",
        "nats",
        "stop_reason",
    ]


def test_log_probabilities_are_given_in_json(run: Charrnn) -> None:
    found = records(run, "-n", "3", "--lines", "--seed", "5", "--logprobs")
    for record in found:
        assert len(record["log_probabilities"]) == record["characters"] > len(record["text"])
        assert sum(record["log_probabilities"]) == pytest.approx(-record["nats"])
        assert max(record["log_probabilities"]) <= 0


@pytest.mark.parametrize("lines", [True, False])
def test_many_texts_are_those_of_one_after_the_other(run: Charrnn, lines: bool) -> None:
    options = ["-p", "The", "-l", "30", "--seed", "4", "--lines" if lines else "--no-lines"]
    alone = [printed(run, *options, "--index", str(index)) for index in range(2, 7)]
    together = printed(run, *options, "--index", "2", "-n", "5")
    assert together == ("" if lines else "\n---\n").join(alone)
    assert len(set(alone)) > 1


def test_samples_are_divided(run: Charrnn) -> None:
    result = run("sample", "small", "-p", "The", "-n", "3", "-l", "5", "--seed", "1", "--no-lines")
    assert result.stdout.split("\n---\n")[1].startswith("The")
    assert result.stdout.count("---") == 2


def test_lines_are_one_a_line(run: Charrnn) -> None:
    result = run("sample", "small", "-n", "4", "--lines", "--seed", "1")
    assert result.stdout.count("\n") == 4


def test_stop_strings_end_the_text_and_are_not_printed(run: Charrnn) -> None:
    result = run("sample", "small", "-p", "The fox", "--stop", ".", "--stop", "!", "--seed", "3")
    assert result.exit_code == 0
    assert "." not in result.stdout and "!" not in result.stdout


def test_unknown_prompt_characters_are_shown_and_skipped(run: Charrnn) -> None:
    result = run("sample", "small", "-p", "The ☃ fox", "-l", "5", "--seed", "1")
    assert result.exit_code == 0
    assert "'☃'" in result.stderr and "skipped" in result.stderr
    assert result.stdout.startswith("The  fox")


def test_strict_makes_them_an_error(run: Charrnn) -> None:
    result = run("sample", "small", "-p", "The ☃", "--strict")
    assert result.exit_code == 1
    assert "'☃'" in result.stderr and result.stdout == ""


# What may come


@pytest.mark.parametrize(
    "options",
    [
        ["--min-p", "0.3"],
        ["--typical", "0.3"],
        ["--top-p", "0.5"],
        ["--top-k", "2"],
        ["--repetition-penalty", "3"],
        ["--repetition-penalty", "3", "--repetition-window", "2"],
        ["--presence-penalty", "-1"],
        ["--frequency-penalty", "2"],
        ["--no-repeat-ngram", "3"],
        ["--ban", "e"],
        ["--only", "Thefox "],
        ["--temperature", "2"],
    ],
    ids=" ".join,
)
def test_every_setting_changes_the_text_and_is_the_librarys(
    run: Charrnn, here: Path, options: list[str]
) -> None:
    import charrnn

    plain = ["-p", "The", "-l", "80", "--seed", "2", "--temperature", "1.2", "--no-lines"]
    text = printed(run, *plain, *options)
    assert text != printed(run, *plain)
    settings: dict[str, Any] = {"length": 80, "seed": 2, "temperature": 1.2}
    for name, value in zip(options[::2], options[1::2], strict=True):
        settings[name[2:].replace("-", "_")] = (
            value if name in ("--ban", "--only") else json.loads(value)
        )
    assert text == "The" + charrnn.sample(here / "checkpoints" / "small", "The", **settings)


def test_banned_characters_never_come_and_only_these_come(run: Charrnn) -> None:
    assert not set("eox") & set(printed(run, "--seed", "1", "--ban", "eox"))
    assert set(printed(run, "--seed", "1", "--only", "hen", "--no-lines")) == set("hen")


def test_no_characters_in_a_row_come_twice(run: Charrnn) -> None:
    text = printed(run, "-p", "The", "-l", "90", "--seed", "1", "--no-repeat-ngram", "4")
    assert len({text[i : i + 4] for i in range(90)}) == 90


def test_no_line_is_shorter_than_the_least_length(run: Charrnn) -> None:
    options = ("--lines", "-n", "20", "--seed", "1", "-t", "1.5")
    assert min(map(len, printed(run, *options).splitlines())) < 30
    found = printed(run, *options, "--min-length", "30").splitlines()
    assert len(found) == 20 and min(map(len, found)) >= 30


@needs_regex
@pytest.mark.parametrize("lines", ["--lines", "--no-lines"])
def test_texts_match_a_pattern(run: Charrnn, lines: str) -> None:
    pattern = r"The (fox|hen)( met){1,2}\."
    found = records(run, "--regex", pattern, lines, "-n", "3", "--seed", "1", "-p", "It")
    assert all(re.fullmatch(pattern, record["text"]) for record in found)
    assert {record["stop_reason"] for record in found} == {
        "stop" if lines == "--lines" else "match"
    }
    alone = printed(run, "--regex", pattern, lines, "--seed", "1", "-p", "It").rstrip("\n")
    assert alone == "It" + found[0]["text"]


# Which texts


def test_escapes_are_read_where_that_is_asked_for(run: Charrnn) -> None:
    options = ("-l", "60", "--seed", "1", "-t", "1", "--escapes")
    plain = ("-l", "60", "--seed", "1", "-t", "1")
    for escaped, meant in (
        (("-p", r"fox\n"), ("-p", "fox\n")),
        (("--stop", r"\n", "--stop", r"\u0021"), ("--stop", "\n", "--stop", "!")),
        (("--ban", r"\u0074\n"), ("--ban", "t\n")),
        (("--only", r"Th\u0065 \n"), ("--only", "The \n")),
    ):
        assert printed(run, *options, *escaped) == printed(run, *plain, *meant)
    refused = run("sample", "small", "--escapes", "--stop", r"\d")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert r"\d: no such escape" in refused.stderr
    missing = run("sample", "small", "-l", "5", "--stop", r"\n")
    assert missing.exit_code == 0
    assert "--escapes" in missing.stderr and "never ends a text" in missing.stderr


@pytest.mark.parametrize(
    "options", [["--stop", "§"], ["--ban", "§"], ["--only", "§The "], ["--stop", "T", "--ban", "T"]]
)
@pytest.mark.parametrize("how", [[], ["--json"], ["--beam", "2"]], ids=" ".join)
def test_what_the_model_cannot_write_is_said_once(
    run: Charrnn, options: list[str], how: list[str]
) -> None:
    told = run("sample", "small", "-l", "5", "--seed", "1", *options, *how)
    assert told.exit_code == 0 and told.stdout
    assert told.stderr.startswith("warning: ") and told.stderr.count("\n") == 1
    refused = run("sample", "small", "-l", "5", *options, *how, "--strict")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("error: ") and refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--stop", "§"],
        ["--stop", "e", "--ban", "e"],
        ["--stop", r"\n"],
        ["--lines", "--ban", "\n"],
        ["--lines", "--stop", "§", "--ban", "\n"],
        pytest.param(["--regex", r"[\s\S]*"], marks=needs_regex),
    ],
)
@pytest.mark.parametrize("how", [[], ["-n", "2"]], ids=" ".join)
def test_what_can_never_end_is_refused(run: Charrnn, options: list[str], how: list[str]) -> None:
    lines = [] if "--lines" in options else ["--no-lines"]
    result = run("sample", "small", "--length", "0", *lines, *options, *how)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "give a length" in result.stderr


@pytest.fixture
def of_bytes(run: Charrnn, here: Path) -> bytes:
    """A run `bytes` of a text that is no UTF-8; the text."""
    text = "café\nthé\nblé\nété\n".encode("latin-1")
    (here / "latin.txt").write_bytes(text * 100)
    trained = run(
        "train", "latin.txt", "--name", "bytes", "--steps", "200", "--hidden-size", "24",
        "--quiet", "--lines", "--precision", "fp32", "--tokenizer", "byte",
        "--learning-rate", "0.02",
    )  # fmt: skip
    assert trained.exit_code == 0, trained.stderr
    return text


def test_bytes_are_valid_unicode_in_json_and_all_there(run: Charrnn, of_bytes: bytes) -> None:
    options = ("-n", "5", "--seed", "1", "-t", "0.5", "-p", "\udce9t")
    result = run("sample", "bytes", *options)
    assert b"\xe9t\xe9" in result.stdout_bytes
    lines = run("sample", "bytes", *options, "--jsonl").stdout
    assert json.loads(run("sample", "bytes", *options, "--json").stdout) == [
        json.loads(line) for line in lines.splitlines()
    ]
    whole = b""
    for line in lines.splitlines():
        record = json.loads(line)
        for key, bytes_key in (("prompt", "prompt_bytes"), ("text", "bytes")):
            record[key].encode()  # or else it would raise
            exact = b64decode(record[bytes_key])
            assert exact.decode("utf-8", "surrogateescape") == record[key] or b"\xe9" in exact
            whole += exact
        whole += b"\n"
    assert whole == result.stdout_bytes


def test_novel_texts_of_bytes_are_compared_with_bytes(
    run: Charrnn, here: Path, of_bytes: bytes
) -> None:
    options = ("-n", "20", "--seed", "1", "-t", "1.5")
    known = set(of_bytes.splitlines())
    likely = run("sample", "bytes", "-n", "50", "--seed", "1", "-t", "0.5").stdout_bytes
    assert known & set(likely.splitlines())
    for corpus in ([], ["--corpus", "latin.txt"]):
        result = run("sample", "bytes", *options, "--novel", *corpus)
        assert (result.exit_code, result.stderr) == (0, "")
        assert not known & set(result.stdout_bytes.splitlines())


LINES = ("--lines", "-l", "1", "--seed", "1", "-t", "1.5")
"""Of which many are the same."""


def test_unique_texts_are_all_different(run: Charrnn) -> None:
    every = printed(run, *LINES, "-n", "50").splitlines()
    found = printed(run, *LINES, "-n", "10", "--unique").splitlines()
    assert found == list(dict.fromkeys(every))[:10]
    assert found != every[:10]


@pytest.fixture
def of_lines(run: Charrnn, here: Path) -> list[str]:
    """A run `lines` whose model writes lines of its corpus and others; the corpus' lines."""
    known = ["the fox", "the hen", "a fox", "a hen", "my hen"]
    (here / "lines.txt").write_text("\n".join(known * 60) + "\n")
    trained = run(
        "train", "lines.txt", "--name", "lines", "--steps", "200", "--hidden-size", "24", "--quiet",
        "--lines", "--precision", "fp32",
    )  # fmt: skip
    assert trained.exit_code == 0, trained.stderr
    return known


def test_novel_texts_are_not_in_the_training_text(
    run: Charrnn, here: Path, of_lines: list[str]
) -> None:
    options = ("-n", "20", "--seed", "1", "-t", "0.6")
    known = {*of_lines}
    assert known & set(printed(run, *options, model="lines").splitlines())
    found = printed(run, *options, "--novel", model="lines").splitlines()
    assert len(found) == 20 and not known & set(found)
    # The prompt is a part of the line.
    found = printed(run, *options, "--novel", "-p", "the", "-t", "1.2", model="lines").split("\n")[
        :-1
    ]
    assert len(found) == 20 and not known & set(found)
    # Another text to compare with, when that of the training is there no more.
    (here / "lines.txt").rename(here / "moved.txt")
    gone = run("sample", "lines", *options, "--novel")
    assert (gone.exit_code, gone.stdout) == (4, "")
    assert "--corpus" in gone.stderr and gone.stderr.count("\n") == 1
    again = printed(
        run, *options, "--novel", "--corpus", "moved.txt", "-p", "the", "-t", "1.2", model="lines"
    )
    assert again.splitlines() == found


def test_a_model_that_writes_nothing_new_is_said(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "MOST_REJECTED", 10)
    result = run("sample", "small", *LINES, "-t", "0", "-n", "5", "--unique")
    assert result.exit_code == 1
    assert result.stdout.count("\n") == 1  # the one that there is
    assert "--unique" in result.stderr and result.stderr.count("\n") == 1


def test_the_best_of_several_is_the_likeliest_by_its_characters_mean(run: Charrnn) -> None:
    options = ("-p", "The", "-l", "30", "--seed", "3", "-t", "1.3", "--no-lines")
    every = records(run, *options, "-n", "12")
    best = records(run, *options, "-n", "3", "--best-of", "4")
    for number, record in enumerate(best):
        four = every[4 * number : 4 * number + 4]
        assert record == min(four, key=lambda each: each["nats"] / each["characters"])
    assert printed(run, *options, "--best-of", "4") == "The" + best[0]["text"]


def test_beams_are_the_likeliest_texts(run: Charrnn) -> None:
    options = ("-p", "The", "-l", "12", "--no-lines")
    beams = records(run, *options, "--beam", "8", "-n", "4")
    nats = [record["nats"] for record in beams]
    assert nats == sorted(nats) and len({record["text"] for record in beams}) == 4
    drawn = records(run, *options, "-n", "30", "--seed", "1", "-t", "0.5")
    assert nats[0] <= min(record["nats"] for record in drawn)
    assert printed(run, *options, "--beam", "8", "--seed", "9") == "The" + beams[0]["text"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--logprobs"],
        ["--corpus", "text.txt"],
        ["--column", "text"],
        ["--encoding", "latin-1", "--novel"],
        ["--glob", "*"],
        ["--beam", "3", "--best-of", "2"],
        ["--beam", "3", "--logprobs", "--json"],
        ["--beam", "2", "-n", "3"],
        ["--beam", "2", "--length", "0", "--lines"],
        *(
            ["--length", "0", "--no-lines", *more]
            for more in (["-n", "2"], ["--json"], ["--jsonl"], ["--unique"], ["--best-of", "2"])
        ),
        ["--min-length", "9", "--length", "8"],
        ["--min-p", "0"],
        ["--typical", "2"],
        ["--repetition-penalty", "0"],
        ["--only", "☃"],
        ["--stop", ""],
        pytest.param(["--regex", "(a"], marks=needs_regex),
        pytest.param(["--regex", "☃"], marks=needs_regex),
        pytest.param(["--regex", "h{9}", "--length", "8"], marks=needs_regex),
        ["--regex", "h", "--stop", "e"],
    ],
    ids=" ".join,
)
def test_what_does_not_go_together_is_a_usage_error_of_one_line(
    run: Charrnn, arguments: list[str]
) -> None:
    result = run("sample", "small", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--temperature", "-1"], 2, "temperature"),
        (["--top-p", "2"], 2, "top-p"),
        (["--top-k", "0"], 2, "top-k"),
        (["--length", "x"], 2, "length"),
        (["--no-repeat-ngram", "0"], 2, "no-repeat-ngram"),
        (["--repetition-window", "0"], 2, "repetition-window"),
        (["--index", "-1"], 2, "index"),
        (["--beam", "0"], 2, "beam"),
        (["--best-of", "0"], 2, "best-of"),
        (["-n", "0"], 2, "-n"),
        (["--no-such-option"], 2, "no-such-option"),
    ],
)
def test_bad_settings_are_usage_errors(
    run: Charrnn, arguments: list[str], code: int, says: str
) -> None:
    result = run("sample", "small", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr


def test_a_model_that_is_not_there_is_named(run: Charrnn) -> None:
    result = run("sample", "nobody")
    assert result.exit_code == 3
    assert "nobody" in result.stderr and "small" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["small", "checkpoints/small/best"])
def test_a_damaged_model_is_one_line_and_exit_3(run: Charrnn, here: Path, name: str) -> None:
    """Where the run has no other that could take its place, and where it is meant by its path."""
    best = here / "checkpoints" / "small" / "best"
    for path in [best.resolve(), *Run(best.parent).checkpoints()]:
        tensors = path / "model.safetensors"
        tensors.write_bytes(tensors.read_bytes()[:100])
        if name != "small":
            break
    result = run("sample", name)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "model.safetensors: damaged" in result.stderr and result.stderr.count("\n") == 1


def test_every_option_has_an_environment_variable(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = run("sample", "small", "--length", "7", "--seed", "3").stdout
    monkeypatch.setenv("CHARRNN_SEED", "3")
    monkeypatch.setenv("CHARRNN_LENGTH", "100")
    monkeypatch.setenv("CHARRNN_SAMPLE_LENGTH", "7")  # the command's own goes first
    assert run("sample", "small").stdout == wanted


def test_a_closed_pipe_ends_an_endless_text_quietly(charrnn_process: Start) -> None:
    with charrnn_process("sample", "small", "--length", "0", "--prompt", "The") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(50).startswith(b"The")
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    "options",
    [
        ("-n", "100000", "--lines"),
        ("-n", "1000000", "--lines", "--unique", "-t", "2"),
        ("-n", "100000", "--lines", "--jsonl"),
    ],
    ids=" ".join,
)
def test_a_closed_pipe_ends_many_texts_quietly(
    charrnn_process: Start, options: tuple[str, ...]
) -> None:
    # As `| head` does: it takes some lines and goes, while threads are at work.
    with charrnn_process("sample", "small", *options) as process:
        assert process.stdout is not None and process.stderr is not None
        assert all(process.stdout.readline().endswith(b"\n") for _ in range(3))
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""


@pytest.fixture
def blocked(here: Path) -> dict[str, str]:
    """An environment in which torch and datasets cannot be imported."""
    folder = here / "blocked"
    folder.mkdir()
    for name in ("torch", "datasets"):
        (folder / f"{name}.py").write_text("raise ImportError('sampling must not need this')")
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize(
    "options",
    [
        ("--length", "5"),
        ("-n", "300", "--lines", "--length", "40"),
        ("-n", "20", "--lines", "--novel", "--corpus", "text.txt", "-t", "1.5"),
        ("--beam", "3", "--length", "20"),
    ],
    ids=" ".join,
)
def test_sampling_loads_no_torch(
    blocked: dict[str, str], charrnn_process: Start, options: tuple[str, ...]
) -> None:
    process = charrnn_process("sample", "small", "--prompt", "The", *options, env=blocked)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, b"")
    assert stdout.startswith(b"The")
    if "--novel" in options:
        assert not set(TEXT.splitlines()) & set(stdout.decode().splitlines())


def test_a_mixture_with_n_grams_is_written_and_says_what_it_copied(run: Charrnn) -> None:
    options = ("--length", "80", "--seed", "1", "--memory", "0.9")
    found = records(run, *options, "-n", "3")
    texts = [charrnn.sample("small", length=80, seed=1, index=i, memory=0.9) for i in range(3)]
    assert [each["text"] for each in found] == texts
    trained = TEXT[: round(0.9 * len(TEXT))]
    for each in found:
        assert each["longest_copy"] in each["text"] and each["longest_copy"] in trained
        assert each["longest_copy_characters"] == len(each["longest_copy"]) > 2
    assert json.loads(printed(run, *options, "--json"))[0] == found[0]
    assert printed(run, *options) == texts[0] != printed(run, *options[:4])
    assert "longest_copy" not in records(run, *options[:4])[0]


def test_a_memory_without_its_text_is_refused_or_named(run: Charrnn, here: Path) -> None:
    lose_training_text(here)
    options = ("--length", "20", "--seed", "1", "--memory", "0.5")
    result = run("sample", "small", *options)
    assert (result.exit_code, result.stdout) == (4, "")
    assert "--memory needs the training text" in result.stderr and "--corpus" in result.stderr
    assert len(printed(run, *options, "--corpus", "text.txt")) == 20


def test_matches_need_a_memory(run: Charrnn, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("sample", "small", "--memory-matches")
    assert result.exit_code == 2 and "--memory-matches needs --memory" in result.stderr
    options = ("--length", "20", "--seed", "1")
    plain = printed(run, *options)
    monkeypatch.setenv("CHARRNN_MEMORY", "1")  # the switch of other commands
    assert printed(run, *options) == plain
    monkeypatch.setenv("CHARRNN_SAMPLE_MEMORY", "0.9")
    assert printed(run, *options) == printed(run, *options, "--memory", "0.9") != plain
