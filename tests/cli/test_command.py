"""What every command has in common: where values come from, and advice on what is mistyped."""

import pytest

from tests.cli.conftest import Charrnn


@pytest.mark.parametrize(
    "text", ["-5 degrees", "-x", "- item", "-hello", "--hello", "--foo bar", "--foo=bar", "-n_w"]
)
@pytest.mark.parametrize("command", ["predict", "fill"])
def test_a_text_that_begins_with_a_dash_is_told_from_an_option(
    run: Charrnn, command: str, text: str
) -> None:
    result = run(command, "small", text)
    assert result.exit_code == 2
    said = " ".join(result.stderr.replace("│", " ").split())
    assert "a text that begins with a dash comes last, behind --:" in said
    result = run(command, "small", "--", text)
    assert result.exit_code == 3  # it is not a model for that, but now it is a text


def test_a_file_that_begins_with_a_dash_is_told_from_an_option(run: Charrnn) -> None:
    for command in (("evaluate", "small"), ("train",), ("plan",)):
        said = " ".join(run(*command, "-old.txt").stderr.replace("│", " ").split())
        assert "a name that begins with a dash comes last, behind --:" in said
        assert said.count("-- -old.txt") == 1


@pytest.mark.parametrize(
    "given",
    [
        ("train", "--hiden-size", "3"),
        ("train", "--steps", "many"),
        ("predict", "small", "text", "--encoding"),
        ("predict", "small"),
        ("sample", "small", "--length", "-5"),
        ("predict", "small", "--", "one", "-two"),
    ],
)
def test_other_mistakes_get_no_such_hint(run: Charrnn, given: tuple[str, ...]) -> None:
    result = run(*given)
    assert result.exit_code == 2 and "begins with a dash" not in " ".join(result.stderr.split())
