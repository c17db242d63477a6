"""Settings without effect: they name characters that the model has never seen or may never
write."""

from collections.abc import Iterator
from typing import NamedTuple

from charrnn.data.tokenizer import Ids, Tokenizer, unknown_error
from charrnn.errors import shown_character
from charrnn.generation.config import SamplingConfig


class IneffectiveSetting(NamedTuple):
    """A setting without effect."""

    message: str  # the setting and the reason
    ends_text: bool  # whether the setting should end the text


def ineffective_settings(config: SamplingConfig, tokenizer: Tokenizer) -> list[IneffectiveSetting]:
    """Return the settings of a configuration that have no effect, each once."""
    return list(dict.fromkeys(_ineffective_settings(config, tokenizer)))


def _ineffective_settings(
    config: SamplingConfig, tokenizer: Tokenizer
) -> Iterator[IneffectiveSetting]:
    for name, characters in (("ban", config.ban or ""), ("only", config.only or "")):
        if unknown := tokenizer.unknown(characters):
            folded = tokenizer.without_unknown(characters) == characters
            follows = "is read as U+FFFD, like rare characters" if folded else "has no effect"
            shown = unknown_error(tokenizer, unknown, characters).shown
            message = f"{name}: the model has never seen {shown}, which {follows}"
            yield IneffectiveSetting(message, ends_text=False)
    if config.regex is not None:
        return  # a pattern says by itself where a text ends
    banned = set(encode_known(config.ban or "", tokenizer).tolist())
    for stop in config.stops:
        quoted = shown_character(stop) if len(stop) == 1 else repr(stop)
        named = f"stop {quoted}" if stop in config.stop else "lines"
        if unknown := tokenizer.unknown(stop):
            why = f"the model has never seen {unknown_error(tokenizer, unknown, stop).shown}"
        elif kept := [each for each in dict.fromkeys(stop) if banned & {*tokenizer.encode(each)}]:
            why = f"ban excludes {' '.join(map(shown_character, kept))}"
        else:
            continue
        yield IneffectiveSetting(f"{named}: {why}, so it never ends a text", ends_text=True)


def encode_known(characters: str, tokenizer: Tokenizer) -> Ids:
    """Return the ids of characters, without unknown ones. A newline adds the carriage return."""
    if "\n" in characters and not tokenizer.unknown("\r"):
        characters += "\r"
    return tokenizer.encode(tokenizer.without_unknown(characters))
