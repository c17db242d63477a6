"""The modules of the page's own engine: as strict as those that are served."""

import re

import pytest

import tests.page.test_assets as served
from charrnn.export.page_document import read_page_file
from charrnn.page.assets import asset_names

LOCAL = sorted(f"local/{each.name}" for each in (served.FOLDER / "local").glob("*.js"))


def test_the_server_does_not_serve_them() -> None:
    assert LOCAL and not any("local" in name for name in asset_names())


@pytest.mark.parametrize("name", LOCAL)
def test_text_never_becomes_markup_or_code(name: str) -> None:
    text = read_page_file(name)
    for way in (*served.WAYS_TO_MARKUP_OR_CODE, "fetch("):
        assert way not in text, f"{name} uses {way}"
    assert "://" not in text


@pytest.mark.parametrize("name", LOCAL)
def test_lines_are_short_and_modules_are_small(name: str) -> None:
    lines = read_page_file(name).splitlines()
    assert len(lines) <= 400 and max(map(len, lines)) <= 100
    assert not any(re.search(r"\s$", line) for line in lines)
