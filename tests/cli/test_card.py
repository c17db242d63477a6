"""charrnn card: where a card goes, and how it asks for the licence."""

import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from charrnn.export.card import model_card
from tests.cli.conftest import Charrnn

pytestmark = pytest.mark.usefixtures("here")


def test_a_card_is_written_to_a_file_or_to_stdout(run: Charrnn) -> None:
    printed = run("card", "small", "--licence", "mit")
    assert printed.exit_code == 0
    assert printed.stdout == model_card("small", licence="mit")
    written = run("card", "small", "--licence", "mit", "-o", "CARD.md")
    assert (written.exit_code, written.stdout) == (0, "")
    assert Path("CARD.md").read_text() == printed.stdout
    page = run("export", "small", "--html", "page.html", "--card", "CARD.md")
    assert page.exit_code == 0


def test_the_samples_are_what_the_commands_print(run: Charrnn) -> None:
    card = run("card", "small", "--licence", "mit").stdout
    printed = run("sample", "small", "--length", "300", "--seed", "1").stdout
    assert f"\n```text\n{printed}\n```\n" in card


def test_without_a_terminal_a_missing_licence_is_said_and_not_asked(run: Charrnn) -> None:
    result = run("card", "small", "-o", "CARD.md", stdin="mit\n")
    assert result.exit_code == 0
    assert "it names no licence" in result.stderr
    assert "license:" not in Path("CARD.md").read_text()


def test_what_is_no_licence_is_refused_before_anything_is_read(run: Charrnn) -> None:
    result = run("card", "nothing", "--licence", "my own: all")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: licence 'my own: all'")
    assert run("card", "nothing", "--licence", "mit").exit_code == 3


@pytest.mark.parametrize(("answer", "licence"), [("cc0-1.0", "cc0-1.0"), ("", None)])
def test_on_a_terminal_the_licence_is_asked_for(answer: str, licence: str | None) -> None:
    arguments = ["-m", "charrnn", "card", "small", "-o", "CARD.md"]
    terminal: Any = pexpect.spawn(sys.executable, arguments, timeout=60)
    terminal.expect("licence of the model")
    terminal.sendline(answer)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert Path("CARD.md").read_text() == model_card("small", licence=licence)
