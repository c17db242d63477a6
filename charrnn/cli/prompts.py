"""Prompts from the command line or stdin."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.data.tokenizer import Tokenizer


def read_prompt(prompt: str | None, tokenizer: "Tokenizer", *, escapes: bool = False) -> str:
    """Return the prompt that was given; for `-`, the text of stdin without its last newline.

    Raises ConfigError, and CorpusError if stdin cannot be read or is not valid UTF-8 (for a
    character model).

    Args:
        escapes: whether to replace backslash escapes in a prompt that was typed.
    """
    from charrnn.cli.escapes import unescaped

    if prompt != "-":
        return unescaped(prompt or "") if escapes else prompt or ""
    return _from_stdin(tokenizer).removesuffix("\n").removesuffix("\r")


def _from_stdin(tokenizer: "Tokenizer") -> str:
    from charrnn.data.standard_input import NAME, read_standard_input
    from charrnn.errors import CorpusError

    content = read_standard_input()
    if tokenizer.kind == "byte":
        return content.decode("utf-8", "surrogateescape")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{NAME}: byte {error.start} of the prompt is not valid utf-8; convert it to UTF-8"
        ) from error


def known_characters(tokenizer: "Tokenizer", prompt: str, *, strict: bool) -> str:
    """Return the prompt without characters the model has never seen, after a warning about them.

    Raises UnknownCharacterError instead if `strict`.
    """
    from charrnn.cli.display import warn
    from charrnn.data.tokenizer import unknown_error

    unknown = tokenizer.unknown(prompt)
    if not unknown:
        return prompt
    if strict:
        raise unknown_error(tokenizer, unknown, prompt)
    known = tokenizer.without_unknown(prompt)
    done = "read as U+FFFD, like rare characters" if known == prompt else "skipped"
    warn(f"the model has never seen {unknown_error(tokenizer, unknown, prompt).shown}: {done}")
    return known
