"""charrnn export: a page in one file, and what it refuses."""

from pathlib import Path

import pytest

from charrnn.export.html import html_page
from charrnn.export.page_config import SETTINGS, PageConfig
from charrnn.generation.config import SamplingConfig
from charrnn.storage.run_lookup import load
from tests.cli.conftest import Charrnn


def test_a_page_is_written_to_a_file(run: Charrnn, here: Path) -> None:
    result = run("export", "small", "--html", "page.html")
    content = (here / "page.html").read_bytes()
    assert result.exit_code == 0 and result.stdout == ""
    assert f"page.html: {len(content):,} bytes" in result.stderr
    assert content == html_page(load("small"), sampling=SamplingConfig(length=200))


def test_options_say_what_it_shows(run: Charrnn, here: Path) -> None:
    (here / "card.md").write_text("# Fables\n")
    result = run(
        *("export", "small", "--html", "page.html", "--title", "Foxes", "--description", "Hens."),
        *("--prompt", "The ", "--prompt", "Was", "--card", "card.md", "--temperature", "0.6"),
    )
    assert result.exit_code == 0
    config = PageConfig(title="Foxes", description="Hens.", prompt=("The ", "Was"))
    sampling = SamplingConfig(length=200, temperature=0.6)
    expected = html_page(load("small"), config, sampling=sampling, card="# Fables\n")
    assert (here / "page.html").read_bytes() == expected


def test_a_page_goes_to_stdout(run: Charrnn) -> None:
    result = run("export", "small", "--html", "-")
    assert result.stdout_bytes == html_page(load("small"), sampling=SamplingConfig(length=200))
    assert result.stderr == ""


def test_every_slider_has_an_option(run: Charrnn) -> None:
    help_text = run("export", "--help").stdout
    for name in SETTINGS:
        assert f"--{name.replace('_', '-')}" in help_text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "what to write is missing"),
        (("--html", "page.html", "--prompt", "~"), "has never seen"),
        (("--html", "page.html", "--length", "0"), "length 0"),
        (("--html", "page.html", "--title", ""), "title"),
        (("--html", "page.html", "--card", "none.md"), "none.md: cannot be read"),
        (("--html", "none/page.html"), "none/page.html: cannot be written"),
        (("--card", "card.md"), "--html"),
    ],
)
def test_what_cannot_be_written_is_a_line(
    run: Charrnn, here: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = run("export", "small", *arguments)
    assert result.exit_code in (1, 2) and message in result.stderr
    assert not (here / "page.html").exists()
