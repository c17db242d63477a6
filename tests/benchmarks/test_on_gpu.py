import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.on_gpu import MACHINE, MOST_SECONDS, ROOT, Part, outcome, parts, read_json, run_part

TEXT = ROOT / "corpora" / "fables.txt"


def python(code: str, limit: float = 60) -> Part:
    return Part("part", ("-c", code), limit, read_json)


def test_all_parts_end_in_time() -> None:
    assert sum(part.limit for part in (MACHINE, *parts(TEXT, dry_run=False))) < MOST_SECONDS


def test_a_part_that_succeeds_has_results_and_no_tail() -> None:
    entry = run_part(python("print('[1, 2]')"))
    assert (entry["exit_code"], entry["results"]) == (0, [1, 2])
    assert "tail" not in entry
    assert outcome(entry).startswith("done in ")


def test_of_a_part_that_fails_the_end_of_its_output_is_kept() -> None:
    entry = run_part(python("print('x' * 9999); raise SystemExit('out of memory')"))
    assert (entry["exit_code"], entry["results"]) == (1, None)
    assert entry["tail"].startswith("xxx")
    assert len(entry["tail"]) == 4000
    assert outcome(entry).endswith("exit code 1: out of memory")


def test_results_that_came_before_a_failure_are_kept() -> None:
    """Of hundreds of tests, one fails."""
    entry = run_part(python("print('[1]'); raise SystemExit(3)"))
    assert (entry["exit_code"], entry["results"]) == (3, [1])
    assert "tail" in entry


@pytest.mark.parametrize("arguments", [("-c", "import no_such_thing"), ("-m", "no_such_thing")])
def test_a_missing_package_is_named(arguments: tuple[str, ...]) -> None:
    entry = run_part(Part("part", arguments, 60, read_json))
    assert outcome(entry) == "FAILED: the package no_such_thing is missing"


def test_a_part_that_takes_too_long_ends_with_what_it_has_started(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(tmp_path / 'child')!r}).write_text(str(child.pid))\n"
        "print('begun', flush=True); child.wait()"
    )
    began = time.monotonic()
    entry = run_part(python(code, limit=3))
    assert time.monotonic() - began < 30
    assert (entry["exit_code"], entry["results"]) == (None, None)
    assert "begun" in entry["tail"]
    assert outcome(entry).startswith("FAILED: it was ended after ")
    child = int((tmp_path / "child").read_text())
    for _ in range(100):  # its parent is gone, and another one has to notice its end
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.1)
    else:
        pytest.fail("it is still running")


@pytest.mark.slow
def test_a_dry_run_takes_the_way_of_a_real_one(tmp_path: Path) -> None:
    out = tmp_path / "on_gpu.json"
    command = [str(ROOT / "benchmarks" / "on_gpu.sh"), str(TEXT), "--dry-run", "--out", str(out)]
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    record = json.loads(out.read_text())
    assert record["versions"]["torch"] is not None
    assert record["machine"]["threads"] >= 1
    results = {name: part["results"] for name, part in record["parts"].items()}
    tests, sampling, training, (quality,) = results.values()
    assert tests["tests"] > 200
    assert tests["failed"] == []
    batches = [each["batch_size"] for each in sampling if "batch_size" in each]
    assert batches == [1, 4]
    (setting,) = training["results"]
    assert set(setting["programs"]) == {"stock", "fused fp32", "fused bf16"}
    assert (quality["hidden_size"], quality["steps"]) == (16, 20)
    assert quality["nats"] == pytest.approx(quality["reported_nats"], abs=0.05)
    # Each kind of part of a real run is among them.
    kinds = {part.arguments[:2] for part in parts(TEXT, dry_run=False)}
    assert kinds == {part.arguments[:2] for part in parts(TEXT, dry_run=True)}


def test_a_text_that_is_not_there_ends_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.on_gpu", str(tmp_path / "none.txt")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "none.txt: there is no such file" in done.stderr
