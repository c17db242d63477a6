"""The options of SamplingConfig as `/set` reads them and `/show` prints them."""

import shlex
import types
from dataclasses import fields, replace
from functools import cache
from typing import Any, Final, Union, get_args, get_origin

from charrnn.cli.escapes import escaped, unescaped
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.option_declaration import options_of

OFF: Final = "off"

_BOOLEANS: Final = {"on": True, "yes": True, "true": True, OFF: False, "no": False, "false": False}


def option_help() -> dict[str, str]:
    """Return the help of each option by name."""
    return {name.replace("_", "-"): each.help for name, each in options_of(SamplingConfig).items()}


@cache
def option_kinds() -> dict[str, tuple[type, bool]]:
    """Return for each option by name the type of its value, and whether it may be None."""
    options = options_of(SamplingConfig)
    return {
        each.name.replace("_", "-"): _kind(each.type)
        for each in fields(SamplingConfig)
        if each.name in options
    }


def option_choices(name: str) -> list[str]:
    """Return the words that an option accepts besides numbers and texts, for completion."""
    kind, optional = option_kinds().get(name, (str, False))
    if kind is bool:
        return ["on", OFF]
    return [OFF] if optional or kind is tuple else []


def changed(config: SamplingConfig, name: str, value: str) -> SamplingConfig:
    """Return the configuration with one option set from text. Raises ConfigError."""
    field = _field(name)
    setting: dict[str, Any] = {field: _parse(field.replace("_", "-"), value.strip())}
    return replace(config, **setting)


def shown(config: SamplingConfig, name: str) -> str:
    """Return the value of an option as text that `/set` reads. Raises ConfigError."""
    value = getattr(config, _field(name))
    if value is None or value is False or value == ():
        return OFF
    if value is True:
        return "on"
    if isinstance(value, tuple):
        return " ".join(_quoted(each) for each in value)
    return _quoted(value) if isinstance(value, str) else str(value)


def _kind(hint: Any) -> tuple[type, bool]:
    """Return the type within a hint such as `int | None`, and whether None is allowed."""
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = [each for each in choices if each is not type(None)]
    return get_origin(kinds[0]) or kinds[0], len(kinds) < len(choices)


def _field(name: str) -> str:
    known = name.strip().replace("_", "-").lower()
    if known not in option_kinds():
        raise ConfigError(f"{name}: no such option; choose one of {', '.join(option_kinds())}")
    return known.replace("-", "_")


def _parse(name: str, value: str) -> Any:
    kind, optional = option_kinds()[name]
    declared = options_of(SamplingConfig)[name.replace("-", "_")]
    if kind is bool:
        if value.lower() not in _BOOLEANS:
            raise ConfigError(f"{name} {value}: choose on or off")
        return _BOOLEANS[value.lower()]
    if kind is tuple:
        return () if value.lower() == OFF else tuple(_words(value))
    if optional and value.lower() == OFF:
        return None
    if kind in (int, float):
        try:
            number = kind(value)
        except ValueError as error:
            raise ConfigError(f"{name}: {value!r} is not a number") from error
        return None if declared.none is not None and number == declared.none else number
    if kind is str:
        quoted = len(value) > 1 and value[0] in "'\"" and value.find(value[0], 1) == len(value) - 1
        written = value[1:-1] if quoted else value
        # A regular expression has its own escapes, so here only \\ is one.
        return unescaped(written) if declared.escapes else written.replace("\\\\", "\\")
    raise ConfigError(f"{name} cannot be set here")


def _words(value: str) -> list[str]:
    """Return the words of a value without quotes and with their escapes replaced."""
    lexer = shlex.shlex(value, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.escape, lexer.commenters = True, "", ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise ConfigError(f"{value}: a quote is not closed") from error
    return [unescaped(word) for word in words]


def _quoted(word: str) -> str:
    word = escaped(word)
    plain = word and not set(word) & set(" '\"") and word.lower() != OFF
    if plain:
        return word
    return f'"{word}"' if '"' not in word else f"'{word}'"
