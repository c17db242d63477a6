"""What of a configuration a model can never write: characters it has never seen, or that never
come."""

import re
from collections.abc import Iterator, Sequence

from charrnn.data.tokenizer import Ids, Tokenizer, unknown_error
from charrnn.errors import shown_character
from charrnn.generation.config import SamplingConfig


def dropped(config: SamplingConfig, tokenizer: Tokenizer) -> list[str]:
    """What of a configuration has no effect, as the model can never write it: a line for each."""
    return list(dict.fromkeys(line for line, _ in ineffective(config, tokenizer)))


def ineffective(config: SamplingConfig, tokenizer: Tokenizer) -> Iterator[tuple[str, bool]]:
    """What can never be written, a line for each, and whether it was to end the text."""
    for name, characters in (("ban", config.ban or ""), ("only", config.only or "")):
        if unknown := tokenizer.unknown(characters):
            folded = tokenizer.without_unknown(characters) == characters
            follows = "is read as U+FFFD, as rare ones were" if folded else "changes nothing"
            shown = unknown_error(tokenizer, unknown, characters).shown
            yield f"{name}: the model has never seen {shown}, which {follows}", False
    if config.regex is not None:
        return  # a pattern says by itself where a text ends
    banned = set(encoded(config.ban or "", tokenizer).tolist())
    for stop in config.stops:
        quoted = shown_character(stop) if len(stop) == 1 else repr(stop)
        named = f"stop {quoted}" if stop in config.stop else "lines"
        if unknown := tokenizer.unknown(stop):
            shown = unknown_error(tokenizer, unknown, stop).shown
            yield f"{named}: the model has never seen {shown}, so that it ends no text", True
        elif kept := [each for each in dict.fromkeys(stop) if banned & {*tokenizer.encode(each)}]:
            shown = " ".join(map(shown_character, kept))
            yield f"{named}: {shown} never comes, so that it ends no text", True


def skipped_characters(tokenizer: Tokenizer, unknown: Sequence[str], text: str) -> str:
    """What becomes of the characters of a text that the model has never seen."""
    folded = tokenizer.without_unknown(text) == text
    done = "read as U+FFFD, as rare ones were" if folded else "skipped"
    return f"the model has never seen {unknown_error(tokenizer, unknown, text).shown}: {done}"


def with_returns(config: SamplingConfig) -> Iterator[str]:
    """All strings that end a text, those with newlines also with a carriage return before each."""
    for stop in config.stops:
        yield stop
        if "\n" in stop and (config.regex is None):
            returned = re.sub("\r?\n", "\r\n", stop)
            if returned != stop:
                yield returned


def _line_ends(characters: str, tokenizer: Tokenizer) -> str:
    """Characters, with the carriage return that goes with a newline, where the model knows it."""
    if "\n" in characters and not tokenizer.unknown("\r"):
        characters += "\r"
    return characters


def encoded(characters: str, tokenizer: Tokenizer) -> Ids:
    """The ids of characters, less those that the model has never seen."""
    return tokenizer.encode(tokenizer.without_unknown(_line_ends(characters, tokenizer)))
