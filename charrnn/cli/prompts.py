"""Prompts: what a text begins with, as it is given on the command line."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.data.tokenizer import Tokenizer


def read_prompt(prompt: str | None, tokenizer: "Tokenizer", *, escapes: bool = False) -> str:
    """The prompt given; where that is -, what comes in on stdin, less the newline that ends it.

    With `escapes`, a prompt that is given may have some. Raises ConfigError, and CorpusError
    where stdin cannot be read, or has no text for a model of characters.
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
    """The prompt without characters the model has never seen, after a warning that shows them.

    Raises UnknownCharacterError instead when `strict`.
    """
    from charrnn.cli.display import warn
    from charrnn.data.tokenizer import unknown_error

    unknown = tokenizer.unknown(prompt)
    if not unknown:
        return prompt
    if strict:
        raise unknown_error(tokenizer, unknown, prompt)
    known = tokenizer.without_unknown(prompt)
    done = "read as U+FFFD, as rare ones were" if known == prompt else "skipped"
    warn(f"the model has never seen {unknown_error(tokenizer, unknown, prompt).shown}: {done}")
    return known
