"""python -m tests.docs_check: checks that what the documents say is so.

Links lead somewhere, files that are named exist, commands and options exist, the tables of options
are those of the commands, and every command and block of Python runs, with short trainings in the
place of long ones. Exits with 1 when anything is wrong.
"""

import argparse
import ast
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from charrnn.cli.option_tables import option_tables
from tests.docs_check.commands import check_commands, check_convention
from tests.docs_check.execution import Outcome, run_document
from tests.docs_check.markdown import ROOT, Document, documents, read
from tests.docs_check.references import Problem, check_links, check_paths
from tests.docs_check.server import CommandServer

# What these name is history, or a promise about other machines: only their links are checked.
_HISTORY = {"CHANGELOG.md"}


def main() -> int:
    """Checks what was asked for; prints a line for each document, and one for each problem."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs_check", description=__doc__)
    parser.add_argument("documents", nargs="*", type=Path, metavar="FILE", help="all by default")
    parser.add_argument("--full", action="store_true", help="run trainings as long as they are")
    parser.add_argument("--no-run", action="store_true", help="check without running anything")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="documents at once")
    options = parser.parse_args()
    paths = [path.resolve() for path in options.documents] or documents()
    known = [read(path) for path in paths]
    wrong = 0
    jobs = 1 if options.full else options.jobs  # budgets of time need the machine to themselves
    to_run = [] if options.no_run else [each for each in known if _length(each)]
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.docs_check.preloaded"])
    with ExitStack() as stack:
        client = None
        if to_run and not options.full:
            folder = stack.enter_context(TemporaryDirectory(prefix="docs-check-"))
            client = stack.enter_context(CommandServer(Path(folder))).client
        pool = stack.enter_context(
            ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1)
        )
        running = {
            document.path: pool.submit(
                run_document, document.path, full=options.full, client=client
            )
            for document in sorted(to_run, key=_length, reverse=True)
        }
        for document in known:
            problems = list(check(document))
            outcome = _outcome(running.get(document.path), problems)
            _report(document, outcome, problems)
            wrong += len(problems)
    if wrong:
        print(f"{wrong} problem{'s' * (wrong > 1)} in the documents", file=sys.stderr)
    return 1 if wrong else 0


def check(document: Document) -> Iterator[Problem]:
    """Finds what is wrong with a document as far as can be seen without running anything."""
    yield from check_links(document)
    if document.path.name in _HISTORY:
        return
    yield from check_paths(document)
    yield from check_commands(document)
    yield from check_convention(document)
    yield from check_python(document)
    if document.path == ROOT / "docs" / "options.md":
        yield from check_option_tables(document)


def check_python(document: Document) -> Iterator[Problem]:
    """Checks that every block of Python is Python."""
    for block in document.blocks:
        if block.language in ("python", "py"):
            try:
                ast.parse("\n".join(block.lines))
            except SyntaxError as error:
                yield block.line + (error.lineno or 1) - 1, f"Python: {error.msg}"


def check_option_tables(document: Document) -> Iterator[Problem]:
    """Checks that the document is what `make docs` writes."""
    written = document.path.read_text(encoding="utf-8").splitlines()
    tables = option_tables().splitlines()
    for number, (line, expected) in enumerate(zip(written, tables, strict=False), 1):
        if line != expected:
            yield number, "the tables are those of other options; write them with: make docs"
            return
    if len(written) != len(tables):
        yield len(written), "the tables have other lengths; write them with: make docs"


def _length(document: Document) -> int:
    """How much of a document is to be run, in lines."""
    blocks = (each for each in document.blocks if each.language in ("console", "python"))
    return sum(len(block.lines) for block in blocks)


def _outcome(running: "Future[Outcome] | None", problems: list[Problem]) -> Outcome:
    if running is None:
        return Outcome()
    try:
        outcome = running.result()
    except Exception as error:  # the process died
        problems.append((1, f"running it failed: {type(error).__name__}: {error}"))
        return Outcome()
    problems.extend(outcome.problems)
    return outcome


def _report(document: Document, outcome: Outcome, problems: list[Problem]) -> None:
    facts = [f"{len(document.links)} links"]
    if outcome.commands or outcome.not_run:
        facts.append(f"{outcome.commands} commands run, {outcome.not_run} only parsed")
    if outcome.blocks:
        facts.append(f"{outcome.blocks} blocks of Python run")
    if outcome.seconds:
        facts.append(f"{outcome.seconds:.0f} s")
    verdict = f"{len(problems)} PROBLEMS" if problems else "ok"
    print(f"{document.name:24} {verdict}: {', '.join(facts)}", flush=True)
    for line, problem in sorted(set(problems)):
        print(f"  {document.name}:{line}: {problem}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
