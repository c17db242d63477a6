"""Runs the commands and the Python of a document, in the order in which they stand there, in a
folder that has nothing but the corpora and three texts."""

import ast
import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.docs_check.commands import ShellCommand, commands_of, simple_commands
from tests.docs_check.markdown import ROOT, Block, Document, read
from tests.docs_check.references import Problem
from tests.docs_check.shortening import shortened_code

_SECONDS: Final = 120
"""How long a shortened command may take."""

_LETTER: Final = """\
What say you, my lrod? I have not slept these three nights.
The kign is not dead, and I will go to the warz.
Speeak, friend, adn be gone. Good night, my frends.
"""

# Programs whose exit code is a finding, not a failure. Of a model that has hardly learned, any.
_FINDERS: Final = {"grep", "diff", "cmp", "patch"}


@dataclass
class Outcome:
    """What came of a document."""

    commands: int = 0
    not_run: int = 0
    blocks: int = 0
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)


def run_document(path: Path, *, full: bool = False, client: str | None = None) -> Outcome:
    """Runs a document in this process, whose working directory is then another.

    Args:
        full: whether everything is run as it stands there, however long it takes.
        client: arguments of Python for what stands for `charrnn` and shortens its trainings
            (`CommandServer.client`); None for a `charrnn` that loads everything itself.
    """
    document, outcome = read(path), Outcome()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="docs-check-") as work:
        folder, programs = Path(work, "reader"), Path(work, "bin")
        make_folder(folder)
        _make_programs(programs, full=full, client=client)
        os.chdir(folder)
        environment = _environment(programs)
        os.environ.clear()
        os.environ.update(environment)
        names: dict[str, Any] = {"__name__": "__main__"}
        for block in document.blocks:
            if block.language == "console":
                _run_console(block, folder, outcome, full=full)
            elif block.language == "python" and block.runs:
                outcome.blocks += 1
                outcome.problems.extend(_run_python(block, document, names, full=full))
        os.chdir(ROOT)
    outcome.seconds = time.monotonic() - began
    return outcome


def make_folder(folder: Path) -> None:
    """Makes what a reader has: `corpora/` and the scripts of a clone, and three texts."""
    shutil.copytree(
        ROOT / "corpora", folder / "corpora", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("benchmarks", "examples"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "corpora" / "fables.txt", folder / "book.txt")
    shutil.copy(ROOT / "corpora" / "towns.txt", folder / "names.txt")
    (folder / "letter.txt").write_text(_LETTER, encoding="utf-8")


def _make_programs(programs: Path, *, full: bool, client: str | None) -> None:
    """Makes a `charrnn` and a `python` to be found before all others."""
    shortened = client or f"-P {ROOT / 'tests/docs_check/shortening.py'}"
    charrnn = "-m charrnn" if full else shortened
    programs.mkdir()
    scripts = {
        "charrnn": f'exec {sys.executable} {charrnn} "$@"\n',
        "python": 'if [ "$1 $2" = "-m charrnn" ]; then shift 2; exec charrnn "$@"; fi\n'
        f'exec {sys.executable} "$@"\n',
    }
    scripts["python3"] = scripts["python"]
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}")
        (programs / name).chmod(0o755)


def _environment(programs: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CHARRNN_")}
    return kept | {
        "PATH": f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "OMP_NUM_THREADS": "1",  # of small networks, and several documents are run at once
        "OMP_WAIT_POLICY": "PASSIVE",
        "PAGER": "cat",
        "TERM": "dumb",
    }


def _run_console(block: Block, folder: Path, outcome: Outcome, *, full: bool) -> None:
    for command in commands_of(block):
        if not command.runs:
            outcome.not_run += 1
            continue
        outcome.commands += 1
        if problem := _run_command(command, folder, full=full):
            outcome.problems.append((command.line, problem))


def _run_command(command: ShellCommand, folder: Path, *, full: bool) -> str | None:
    """Runs what a reader types; says what went wrong."""
    commands = simple_commands(command.text)
    is_repl = any("repl" in words[:4] for words in commands)
    process = subprocess.Popen(
        ["bash", "-c", command.text],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    shown = " ".join(command.text.split())
    try:
        _, said = process.communicate("/quit\n" if is_repl else "", None if full else _SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"{shown}: it took more than {_SECONDS} seconds"
    finds = "proofread" in commands[-1][:2] or commands[-1][0] in _FINDERS
    expected = command.exit_code or 0
    if process.returncode == expected or (finds and process.returncode in (0, 1)):
        return None
    if commands[-1][0] in _FINDERS and not full:
        return None
    lines = [line for line in said.splitlines() if line.strip()]
    last = lines[-1].strip() if lines else "it said nothing"
    return f"{shown}: exit {process.returncode}, not {expected}: {last}"


def _run_python(
    block: Block, document: Document, names: dict[str, Any], *, full: bool
) -> Iterator[Problem]:
    """Runs a block of Python with the names of those before it, as in a notebook."""
    file = f"<{document.name}>"

    def out_of_time(*_: object) -> None:
        raise TimeoutError(f"it took more than {_SECONDS} seconds")

    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(0 if full else _SECONDS)
    try:
        tree = ast.increment_lineno(ast.parse("\n".join(block.lines)), block.line - 1)
        code = compile(tree if full else shortened_code(tree), file, "exec")
        quiet = io.StringIO()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            exec(code, names)
    except SyntaxError as error:
        yield block.line + (error.lineno or 1) - 1, f"Python: {error.msg}"
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((each.lineno for each in reversed(frames) if each.filename == file), None)
        yield line or block.line, f"Python: {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
