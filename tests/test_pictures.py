"""The pictures in docs/pictures, and the script that makes those of the terminal."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
LARGEST_BYTES = 60_000
LARGEST_BYTES_OF_PIXELS = 150_000
SVG = "{http://www.w3.org/2000/svg}"
EXAMPLES = PICTURES.parent.parent / "examples"
OF_EXAMPLES = {each for each in PICTURES.glob("*.svg") if (EXAMPLES / f"{each.stem}.py").exists()}
"""The pictures that examples draw with matplotlib."""


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    """docs/pictures/make_pictures.py, which is no part of a package."""
    pytest.importorskip("pyte")
    path = PICTURES / "make_pictures.py"
    spec = importlib.util.spec_from_file_location("make_pictures", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def texts(picture: str) -> list[ElementTree.Element]:
    """The texts of a picture's rows: all but its title."""
    return ElementTree.fromstring(picture).findall(f"{SVG}text")[1:]


def test_text_stays_text_and_is_escaped(pictures: ModuleType) -> None:
    row = [pictures.Cell(each) for each in '  a <b> & "c"']
    picture = pictures.svg([row], "a <title>")
    (text,) = texts(picture)
    assert text.text == 'a <b> & "c"'
    assert float(text.attrib["x"]) == pytest.approx(16 + 2 * 8.4, abs=0.1)
    assert float(text.attrib["textLength"]) == pytest.approx(11 * 8.4, abs=0.1)
    assert ElementTree.fromstring(picture).attrib["aria-label"] == "a <title>"


def test_each_look_is_a_run_of_its_own(pictures: ModuleType) -> None:
    cell = pictures.Cell
    row = [cell("a", bold=True), cell("b", dim=True), cell("c", colour="#ff7b72"), cell("d")]
    shown = texts(pictures.svg([row], "looks"))
    assert [each.text for each in shown] == ["a", "b", "c", "d"]
    assert [each.attrib.get("class") for each in shown] == ["b", "d", None, None]
    assert [each.attrib.get("style") for each in shown] == [None, None, "fill: #ff7b72", None]


def test_reverse_swaps_the_colours(pictures: ModuleType) -> None:
    picture = pictures.svg([[pictures.Cell("x", colour="#ff7b72", reverse=True)]], "reverse")
    behind = ElementTree.fromstring(picture).findall(f"{SVG}rect")[1]
    assert behind.attrib["fill"] == "#ff7b72"
    assert texts(picture)[0].attrib["style"] == f"fill: {pictures._BACKGROUND}"


def test_bars_and_lines_are_drawn_and_join(pictures: ModuleType) -> None:
    row = [pictures.Cell(each) for each in "━━━╸█▁│"]
    picture = pictures.svg([row], "bars")
    assert texts(picture) == []
    bar, end, *blocks = ElementTree.fromstring(picture).findall(f"{SVG}rect")[1:5]
    right = float(bar.attrib["x"]) + float(bar.attrib["width"])
    assert right == pytest.approx(float(end.attrib["x"]), abs=0.5)
    assert bar.attrib["y"] == end.attrib["y"] and bar.attrib["height"] == end.attrib["height"]
    assert float(blocks[0].attrib["height"]) > float(blocks[1].attrib["height"])


def test_a_terminal_keeps_dim_bold_and_colours(pictures: ModuleType, tmp_path: Path) -> None:
    code = r"printf '\033[2mdim\033[0m \033[1;31mred\033[22m \033[38;5;2mgreen\033[0m\n'"
    terminal = pictures.Terminal(code, tmp_path)
    while terminal.read():
        pass
    terminal.close()
    looks = {cell.text: cell for cell in terminal.cells()[-1]}
    assert looks["i"].dim and not looks["i"].bold
    assert looks["r"].colour is not None
    red, green = terminal.cells()[-1][4], terminal.cells()[-1][8]
    assert red.bold and not red.dim and red.colour == pictures._COLOURS["red"]
    assert not green.bold and not green.dim and green.colour == "#00cd00"


@pytest.mark.parametrize(
    "path", sorted({*PICTURES.glob("*.svg")} - OF_EXAMPLES), ids=lambda path: path.name
)
def test_a_committed_picture_is_plain_and_small(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    assert len(content.encode()) <= LARGEST_BYTES
    for element in ElementTree.fromstring(content).iter():
        assert element.tag.removeprefix(SVG) in ("svg", "title", "style", "rect", "circle", "text")
        for name, value in element.attrib.items():
            assert not name.startswith("on") and "href" not in name and "url" not in value
    assert "http" not in content.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("path", sorted(OF_EXAMPLES), ids=lambda path: path.name)
def test_a_picture_of_an_example_is_small_and_loads_nothing(path: Path) -> None:
    assert path.stat().st_size <= LARGEST_BYTES
    for element in ElementTree.fromstring(path.read_text(encoding="utf-8")).iter():
        assert element.tag.rpartition("}")[2] not in ("script", "foreignObject", "a")
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert "url(" not in value or "url(#" in value
            if name.endswith("href"):
                assert value.startswith(("#", "data:image/png;base64,"))


def test_the_pictures_of_the_documents_are_there() -> None:
    assert {path.name for path in PICTURES.glob("*.svg")} >= {"training.svg", "repl.svg"}


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.png")), ids=lambda path: path.name)
def test_a_picture_of_the_page_is_small_and_in_both_themes(path: Path) -> None:
    assert path.stat().st_size <= LARGEST_BYTES_OF_PIXELS
    assert path.read_bytes().startswith(b"\x89PNG")
    name, _, theme = path.stem.rpartition("-")
    assert theme in ("light", "dark")
    assert {each.name for each in PICTURES.glob(f"{name}-*")} >= {
        f"{name}-light.png",
        f"{name}-dark.png",
    }
