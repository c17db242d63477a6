"""Runs all that is worth measuring on a GPU, in less than eight minutes, and writes one JSON file.

    benchmarks/on_gpu.sh TEXT [--out on_gpu.json] [--dry-run]
    PYTHON=/opt/python/bin/python3 benchmarks/on_gpu.sh tinyshakespeare.txt

It needs a GPU, Python 3.11 and PyTorch, and neither the network nor an installation: charrnn is
imported from this folder. Packages that are missing are named; parts that need them fail, and the
others are measured all the same.

- tests: the tests marked `gpu`.
- training: benchmarks.training, batches of 128 and 512, a part for each size.
- quality: benchmarks.quality on TEXT, a part for each budget.
- sampling: benchmarks.sampling, batches of 1, 256 and 4,096 with the torch engine.

Each part is a process with a time limit. The file is written anew after each of them: the machine,
the versions (null for a missing package), and for each part its command, seconds, exit code (null
where the time limit ended it) and results, with the end of what it printed where it failed.

`--dry-run` runs the same code in small sizes on the CPU.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

ROOT: Final = Path(__file__).parents[1]

MOST_SECONDS: Final = 8 * 60
"""The limits of all parts add up to less."""

TAIL: Final = 4000
"""The most characters of a failed part's output that are kept."""

DESCRIBE: Final = """\
import json, torch
gpu = torch.cuda.is_available()
about = torch.cuda.get_device_properties(0) if gpu else None
print(json.dumps({
    "gpu": about.name if gpu else None,
    "gpu_megabytes": round(about.total_memory / 1e6) if gpu else None,
    "compute_capability": f"{about.major}.{about.minor}" if gpu else None,
    "cuda": torch.version.cuda,
    "cudnn": torch.backends.cudnn.version() if gpu else None,
    "threads": torch.get_num_threads(),
}))"""
"""Run in its own process: importing PyTorch may fail, and a process that has used a GPU keeps some
of its memory."""


@dataclass(frozen=True)
class Part:
    """One thing to measure.

    Attributes:
        name: its name in the file.
        arguments: the arguments of Python.
        limit: the most seconds that it may take.
        read: returns the results from what it wrote to stdout and from its folder.
    """

    name: str
    arguments: tuple[str, ...]
    limit: float
    read: Callable[[str, Path], Any]


def read_json(written: str, _: Path) -> Any:
    """Return the results that a benchmark wrote to stdout."""
    return json.loads(written)


def read_records(_: str, folder: Path) -> Any:
    """Return the lines that benchmarks.quality wrote."""
    return [json.loads(line) for line in (folder / "quality.jsonl").read_text().splitlines()]


def read_tests(_: str, folder: Path) -> Any:
    """Return the numbers of tests, and the names of those that failed."""
    suite = ElementTree.parse(folder / "tests.xml").getroot()[0]
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    failed = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    return {**counts, "failed": failed}


def gpu_tests() -> list[str]:
    """Return the files with tests marked `gpu`; to collect others would need their packages."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path) for path in files if "mark.gpu" in path.read_text(encoding="utf-8")]


MACHINE: Final = Part("machine", ("-c", DESCRIBE), 25, read_json)


def parts(text: Path, *, dry_run: bool) -> list[Part]:
    """Return the parts, the fastest first. In their arguments, {folder} is the part's folder."""
    text = text.absolute()
    tests = ("-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *gpu_tests())
    tests = (*tests, "--junitxml", "{folder}/tests.xml")
    training = ("-m", "benchmarks.training", "--json", "--kernels", "fused")
    sampling = ("-m", "benchmarks.sampling", "batches", "--json")
    quality = ("-m", "benchmarks.quality", "--json", "{folder}/quality.jsonl")
    if dry_run:
        # Several threads would wait for each other on a busy machine.
        sizes = ("--cells", "lstm", "--sizes", "1x16", "--batches", "4")
        small = (*sizes, "--rounds", "1", "--threads", "1")
        tiny = "tiny: --device cpu --hidden-size 16 --layers 1 --precision fp32"
        batches = ("--batches", "1,4", "--size", "1x16", "--length", "10", "--rounds", "1")
        return [
            Part("tests", tests, 60, read_tests),
            Part("sampling", (*sampling, *batches), 60, read_json),
            Part("training 1x16", (*training, *small), 60, read_json),
            Part(
                "quality 20steps",
                (*quality, f"{text}@5000", "--budget", "20steps", "--recipe", tiny, "--no-chosen"),
                60,
                read_records,
            ),
        ]
    cuda = ("--device", "cuda", "--rounds", "3")
    return [
        Part("tests", tests, 80, read_tests),
        Part("sampling", (*sampling, *cuda, "--batches", "1,256,4096"), 55, read_json),
        *(
            Part(
                f"training {size}",
                (*training, *cuda, "--cells", "lstm,gru", "--sizes", size, "--batches", "128,512"),
                60,
                read_json,
            )
            for size in ("2x512", "3x1024")
        ),
        *(
            Part(
                f"quality {budget}", (*quality, str(text), "--budget", budget), limit, read_records
            )
            for budget, limit in (("20s", 65), ("60s", 110))
        ),
    ]


def run_part(part: Part) -> dict[str, Any]:
    """Run a part; return its entry in the file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = [each.replace("{folder}", name) for each in part.arguments]
        began = time.perf_counter()
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            code = _run(arguments, part.limit, out.fileno(), err.fileno())
        entry: dict[str, Any] = {
            "command": ["python", *arguments],
            "seconds": round(time.perf_counter() - began, 1),
            "limit": part.limit,
            "exit_code": code,
        }
        written, said = (
            (folder / each).read_bytes().decode(errors="replace") for each in ("stdout", "stderr")
        )
        try:
            entry["results"] = part.read(written, folder)
        except (OSError, ValueError, LookupError, ElementTree.ParseError):
            entry["results"] = None
        if code != 0 or entry["results"] is None:
            entry["tail"] = (written + said)[-TAIL:]
            if missing := re.search(r"No module named '?(\w+)", entry["tail"]):
                entry["missing_module"] = missing[1]
        return entry


def _run(arguments: Sequence[str], limit: float, out: int, err: int) -> int | None:
    """Run Python in its own process group; return its exit code, None where the limit ended it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # What the part has started, such as a training, ends with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that charrnn and its tests need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[^\w-]", each)[0] for each in project["dependencies"]]
    found: dict[str, str | None] = {"charrnn": project["version"]}
    found["python"] = platform.python_version()
    for name in (*names, "pytest", "hypothesis"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def machine() -> dict[str, Any]:
    """Return what the machine is, and its GPU as PyTorch sees it."""
    found = {"system": platform.platform(), "cores": os.cpu_count()}
    described = run_part(MACHINE)
    return found | (described["results"] or {"failed": described["tail"]})


def write(path: Path, record: dict[str, Any]) -> None:
    """Replace the file by the record."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all parts, and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("text", type=Path, help="the text to learn, such as tinyshakespeare.txt")
    parser.add_argument("--out", type=Path, default=Path("on_gpu.json"), help="the file to write")
    parser.add_argument("--dry-run", action="store_true", help="small sizes, on the CPU")
    options = parser.parse_args(arguments)
    if not options.text.is_file():
        parser.error(f"{options.text}: there is no such file")
    record: dict[str, Any] = {"dry_run": options.dry_run, "versions": versions(), "parts": {}}
    missing = [name for name, version in record["versions"].items() if version is None]
    if missing:
        print(f"missing packages: {', '.join(missing)}; parts that need them will fail")
    record["machine"] = machine()
    write(options.out, record)
    failed = False
    for part in parts(options.text, dry_run=options.dry_run):
        print(f"{part.name}: ", end="", flush=True)
        entry = record["parts"][part.name] = run_part(part)
        write(options.out, record)
        failed = failed or "tail" in entry
        print(outcome(entry), flush=True)
    print(f"written to {options.out}")
    raise SystemExit(1 if failed else 0)


def outcome(entry: dict[str, Any]) -> str:
    """Return how a part ended, as a line for people."""
    took = f"{entry['seconds']:.0f} s"
    if "tail" not in entry:
        return f"done in {took}"
    if "missing_module" in entry:
        return f"FAILED: the package {entry['missing_module']} is missing"
    if entry["exit_code"] is None:
        return f"FAILED: it was ended after {took}"
    last = (entry["tail"].strip().splitlines() or ["it printed nothing"])[-1]
    return f"FAILED in {took}, exit code {entry['exit_code']}: {last}"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what runs is ended too
    main()
