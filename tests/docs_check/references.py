"""Checks where a document's links lead, and that the files it names exist."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.docs_check.markdown import ROOT, Document, read

Problem = tuple[int, str]
"""The number of a line, and what is wrong there."""

# The folders of the project: what begins with one of them is meant as a file of the project.
_FOLDERS = ("charrnn", "tests", "docs", "benchmarks", "corpora", "examples", ".ci")
_SOURCES = (".py", ".md", ".c", ".h", ".toml", ".svg")
_PATH = re.compile(r"^\.?[\w.-]+(/[\w.-]+)*/?$")


def check_links(document: Document) -> Iterator[Problem]:
    """Checks every link: the file is there, and has the heading; an address is well formed."""
    for line, target in document.links:
        if problem := _problem_of(target, document):
            yield line, problem


def _problem_of(target: str, document: Document) -> str | None:
    parts = urlsplit(target)
    if parts.scheme in ("http", "https"):
        well_formed = parts.hostname and re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.hostname)
        return None if well_formed else f"the address {target} is not well formed"
    if parts.scheme:
        return None if parts.scheme == "mailto" else f"the link {target} has an unknown scheme"
    path = document.path
    if parts.path:
        path = document.path.parent / unquote(parts.path)
        if not path.exists():
            return f"the link {target} leads to no file"
    if parts.fragment and (path.suffix != ".md" or not path.is_file()):
        return f"the link {target} names a heading of what is no document"
    if parts.fragment and parts.fragment not in _anchors(path.resolve()):
        return f"the link {target} names no heading of {path.name}"
    return None if target else "a link leads nowhere"


@cache
def _anchors(path: Path) -> set[str]:
    return read(path).anchors


def check_paths(document: Document) -> Iterator[Problem]:
    """Checks the files that stand between backticks, where they can only be the project's."""
    for line, span in document.spans:
        name = span.split("::")[0]
        first = name.split("/")[0]
        is_ours = "/" in name and first in _FOLDERS
        if not _PATH.match(name) or not (is_ours or name.endswith(_SOURCES)):
            continue
        beside = document.path.parent / name
        if not (beside.exists() or f"/{name.strip('/')}" in _endings()):
            yield line, f"there is no file {span}"


@cache
def _endings() -> set[str]:
    """Every file and folder of the project by each end of its path: `/cells.py`,
    `/model/cells.py`, `/charrnn/model/cells.py`."""
    found = set()
    for top in (*_FOLDERS, "."):
        folder = ROOT / top
        for path in folder.glob("*") if top == "." else folder.rglob("*"):
            parts = path.relative_to(ROOT).parts
            if "__pycache__" not in parts:
                found |= {f"/{'/'.join(parts[first:])}" for first in range(len(parts))}
    return found
