"""option(): declares a field of a configuration once for everything that sets it.

The command line, `/set` of the REPL, the environment variables, `docs/options.md` and the checks of
a configuration all read this declaration.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any, Final, TypeVar

from charrnn.errors import ConfigError

T = TypeVar("T")

LARGEST: Final = 2**53
"""Whole numbers up to this one are exact as float64. Limits from this number on are not shown."""


@dataclass(frozen=True, kw_only=True)
class Relations:
    """The relations of an option to others, by the names of their fields or parameters.

    Attributes:
        excludes: options that cannot be given together with it; either of the two may name the
            other.
        needs: options of which one must be given as well.
        decided_by: options that decide the same; with one of them, a value from the environment is
            ignored.
    """

    excludes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    decided_by: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Range:
    """The allowed numbers of an option: `least` and `most` are allowed, `above` and `below` are
    not. None is no limit."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: Any) -> bool:
        return (
            -math.inf < value < math.inf
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """Return the range as in mathematics: `x>=1`, `0<x<=1`; empty without limits."""
        low = f"{self.above}<" if self.above is not None else ""
        low = f"{self.least}<=" if self.least is not None else low
        high = f"<{self.below}" if self.below is not None and self.below < LARGEST else ""
        high = f"<={self.most}" if self.most is not None and self.most < LARGEST else high
        if high or not low:
            return f"{low}x{high}" if low or high else ""
        return f"x>={self.least}" if self.least is not None else f"x>{self.above}"

    @property
    def words(self) -> str:
        """Describe the range for a sentence that begins with "choose"."""
        high = f"below {self.below}" if self.below is not None and self.below < LARGEST else ""
        high = f"up to {self.most}" if self.most is not None and self.most < LARGEST else high
        if self.above is not None:
            return f"above {self.above}{f' and {high}' if high else ''}"
        if self.least is not None:
            return f"{self.least} or above{f', and {high}' if high else ''}"
        return high


@dataclass(frozen=True, kw_only=True)
class Option:
    """The declaration of a field; see `option`."""

    help: str
    panel: str | None
    flags: tuple[str, ...]
    metavar: str | None
    unset: str | None
    none: str | int | None
    choices: tuple[str, ...]
    range: Range
    read: Callable[[str], Any] | None
    escapes: bool
    relations: Relations


def option(
    default: T,
    help: str,
    *,
    panel: str | None = None,
    flags: tuple[str, ...] = (),
    metavar: str | None = None,
    unset: str | None = None,
    none: str | int | None = None,
    choices: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    read: Callable[[str], Any] | None = None,
    escapes: bool = False,
    excludes: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    decided_by: tuple[str, ...] = (),
    **metadata: Any,
) -> T:
    """Return a field of a dataclass that people can set. Type checkers see its default.

    Args:
        help: what the option does, in whole sentences.
        panel: the heading of its panel in `--help`.
        flags: its flags on the command line, where they are not `--its-name`.
        metavar: the placeholder of its value in `--help`, with the unit.
        unset: what is used when the option is not given, if that is not the default: the recipe's
            choice, or the command's.
        none: the word or number for None.
        choices: the allowed words.
        least, most, above, below: the Range.
        read: converts text to a value. Raises ConfigError.
        escapes: whether it is a text in which `\\n` stands for a newline.
        excludes, needs, decided_by: the Relations.
        metadata: other metadata of the field.
    """
    declared = Option(
        help=help,
        panel=panel,
        flags=flags,
        metavar=metavar,
        unset=unset,
        none=none,
        choices=choices,
        range=Range(least=least, most=most, above=above, below=below),
        read=read,
        escapes=escapes,
        relations=Relations(excludes=excludes, needs=needs, decided_by=decided_by),
    )
    made: T = field(default=default, metadata={**metadata, "option": declared})
    return made


def options_of(kind: type) -> dict[str, Option]:
    """Return the options among the fields of a dataclass, by name."""
    return {
        each.name: each.metadata["option"] for each in fields(kind) if "option" in each.metadata
    }


def documented(kind: type[T]) -> type[T]:
    """Add the options of a dataclass to its docstring."""
    lines = [f"    {name}: {each.help}" for name, each in options_of(kind).items()]
    kind.__doc__ = "\n".join([f"{kind.__doc__}\n", "Attributes:", *lines])
    return kind


def limits(
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> dict[str, Any]:
    """Return the metadata of a number that `check` checks and that is not an option."""
    return {"range": Range(least=least, most=most, above=above, below=below)}


def check(settings: Any, *, declared_by: type | None = None) -> None:
    """Raise ConfigError for a number out of its range, a word that is not among the choices, or
    options that exclude each other.

    Args:
        declared_by: the dataclass that declares the options of the same names.
    """
    own = options_of(type(settings))
    declared = own if declared_by is None else options_of(declared_by) | own
    for each in fields(settings):
        value = getattr(settings, each.name)
        if value is None:
            continue
        known = declared.get(each.name)
        name = _shown(each.name, known)
        if known is not None and known.choices and value not in known.choices:
            raise ConfigError(f"{name} {value!r}: choose from {', '.join(known.choices)}")
        allowed = known.range if known is not None else each.metadata.get("range")
        if allowed is not None and each.type in (*_WHOLE, *_REAL):
            _check_number(name, value, allowed, whole=each.type in _WHOLE)
    for name, option_ in own.items():
        for other in option_.relations.excludes:
            if _is_set(settings, name) and _is_set(settings, other):
                both = f"{_shown(name, option_)} and {_shown(other, own[other])}"
                raise ConfigError(f"{both} exclude each other; choose one")


_WHOLE: Final = (int, int | None)
_REAL: Final = (float, float | None)


def _shown(name: str, known: Option | None) -> str:
    """Return how messages call a field: its name, and its flag where that is another."""
    name = name.replace("_", "-")
    if known is None or not known.flags or f"--{name}" in known.flags:
        return name
    return f"{name} ({known.flags[0]})"


def _check_number(name: str, value: Any, allowed: Range, *, whole: bool) -> None:
    if whole and type(value) is not int:
        raise ConfigError(f"{name} {value!r}: choose a whole number")
    if not isinstance(value, Real) or value not in allowed:
        advice = allowed.words or "a number"
        too_large = isinstance(value, int) and value >= LARGEST
        raise ConfigError(f"{name} {value!r}: choose {'a smaller number' if too_large else advice}")


def _is_set(settings: Any, name: str) -> bool:
    defaults = {each.name: each.default for each in fields(settings)}
    return name in defaults and getattr(settings, name) != defaults[name]
