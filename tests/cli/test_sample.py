"""charrnn sample"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.storage.run import Run
from tests.cli.conftest import Charrnn

Start = Callable[..., "subprocess.Popen[bytes]"]


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


def test_without_a_model_it_takes_the_newest_run(run: Charrnn) -> None:
    assert run("sample", "--length", "5", "--seed", "0").stdout == (
        run("sample", "small", "--length", "5", "--seed", "0").stdout
    )


def test_the_prompt_may_come_from_stdin(run: Charrnn) -> None:
    given = run("sample", "small", "-p", "The fox", "--seed", "1")
    assert run("sample", "small", "--seed", "1", stdin="The fox\n").stdout == given.stdout
    assert run("sample", "small", "-p", "-", "--seed", "1", stdin="The fox").stdout == given.stdout


def test_json_says_how_each_sample_was_made(run: Charrnn) -> None:
    result = run("sample", "small", "-p", "The", "-n", "3", "-l", "9", "--seed", "5", "--json")
    records = json.loads(result.stdout)
    assert [record["index"] for record in records] == [0, 1, 2]
    assert {record["seed"] for record in records} == {5}
    assert all(len(record["text"]) == record["characters"] == 9 for record in records)
    assert all(record["nats"] > 0 and record["stop_reason"] == "length" for record in records)
    alone = run("sample", "small", "-p", "The", "-l", "9", "--seed", "5", "--json")
    assert json.loads(alone.stdout)[0] == records[0]


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


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--temperature", "-1"], 2, "temperature"),
        (["--top-p", "2"], 2, "top-p"),
        (["--top-k", "0"], 2, "top-k"),
        (["--length", "x"], 2, "length"),
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


def test_sampling_loads_no_torch(here: Path, charrnn_process: Start) -> None:
    blocked = here / "blocked"
    blocked.mkdir()
    for name in ("torch", "datasets"):
        (blocked / f"{name}.py").write_text("raise ImportError('sampling must not need this')")
    process = charrnn_process(
        "sample", "small", "--length", "5", "--prompt", "The", env={"PYTHONPATH": str(blocked)}
    )
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, b"")
    assert stdout.startswith(b"The")
