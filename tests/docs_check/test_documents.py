"""What can be checked of the documents at once; `make docs-check` runs what they show, too."""

from pathlib import Path

import pytest

from tests.docs_check.__main__ import check_option_tables, check_python
from tests.docs_check.commands import check_commands
from tests.docs_check.markdown import ROOT, documents, read
from tests.docs_check.references import check_links, check_paths

DOCUMENTS = documents()


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_documents_are_found() -> None:
    assert {"README.md", "docs/python.md", "CONTRIBUTING.md"} <= set(map(name_of, DOCUMENTS))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_to_files_and_headings_that_are_there(path: Path) -> None:
    assert list(check_links(read(path))) == []


@pytest.mark.parametrize("path", [*DOCUMENTS], ids=name_of)
def test_files_commands_and_options_that_are_named_exist(path: Path) -> None:
    if path.name == "CHANGELOG.md":  # it names what has been
        return
    document = read(path)
    assert list(check_paths(document)) == []
    assert list(check_commands(document)) == []
    assert list(check_python(document)) == []


def test_the_tables_of_options_are_those_of_the_commands() -> None:
    assert list(check_option_tables(read(ROOT / "docs" / "options.md"))) == []
