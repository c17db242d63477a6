import re
from pathlib import Path

import pytest

import charrnn.page
from charrnn.page.assets import INDEX, asset_names, media_type, read_asset

FOLDER = Path(charrnn.page.__file__).parent
WAYS_TO_MARKUP_OR_CODE = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"),
    "eval(",
)

SCRIPTS = [name for name in asset_names() if name.endswith(".js")]


def test_every_file_of_the_page_is_listed_and_no_other() -> None:
    files = {each.name for each in FOLDER.iterdir() if each.is_file() and each.suffix != ".py"}
    assert set(asset_names()) == files
    assert INDEX in asset_names()


def test_a_name_that_is_not_listed_never_reaches_the_disk() -> None:
    for name in ("assets.py", "../errors.py", "..", "", "/etc/passwd", "page/main.js"):
        with pytest.raises(KeyError):
            read_asset(name)


def test_assets_are_utf_8_of_a_known_type() -> None:
    for name in asset_names():
        assert read_asset(name).decode()
        assert "/" in media_type(name)


def test_what_the_files_ask_for_is_there() -> None:
    index = read_asset(INDEX).decode()
    asked = re.findall(r'(?:href|src)="page/([^"]+)"', index)
    for name in SCRIPTS:
        asked += re.findall(r'from "\./([^"]+)";', read_asset(name).decode())
    assert asked
    assert set(asked) <= set(asset_names())


def test_nothing_is_fetched_from_elsewhere_or_run_inline() -> None:
    """The page works offline, under a policy that forbids inline scripts and styles."""
    for name in asset_names():
        text = read_asset(name).decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text, name
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", read_asset(INDEX).decode())


@pytest.mark.parametrize("name", SCRIPTS)
def test_text_never_becomes_markup_or_code(name: str) -> None:
    text = read_asset(name).decode()
    for way in (*WAYS_TO_MARKUP_OR_CODE, "Function("):
        assert way not in text, f"{name} uses {way}"


def test_top_level_names_are_unique_over_all_modules() -> None:
    """They can then be joined into one script."""
    places: dict[str, str] = {}
    for name in SCRIPTS:
        text = read_asset(name).decode()
        assert "export default" not in text and "import *" not in text
        declared = re.findall(
            r"^(?:export )?(?:async )?(?:function\*?|class|const|let) (\w+)", text, re.MULTILINE
        )
        for each in declared:
            assert places.setdefault(each, name) == name, f"{each}: {places[each]} and {name}"
