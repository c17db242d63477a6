"""option(): a field of a configuration, declared once for everyone who may set it.

The command line, `/set` of the REPL, the environment variables, `docs/options.md` and the checks of
a configuration all read what a field says of itself here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any, Final, TypeVar

from charrnn.errors import ConfigError

T = TypeVar("T")

LARGEST: Final = 2**53
"""Whole numbers up to this one are exact wherever they are written. People are not shown limits
from here on."""


@dataclass(frozen=True, kw_only=True)
class Relations:
    """What an option has to do with others, all by the names of their fields or parameters.

    Attributes:
        excludes: options that cannot be given beside it; either of the two may name the other.
        needs: options of which one must be given beside it.
        decided_by: options that decide what it would; one that comes from the environment is
            ignored beside them.
    """

    excludes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    decided_by: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Range:
    """The numbers that an option may be: `least` and `most` are among them, `above` and `below` are
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
        """As in mathematics: `x>=1`, `0<x<=1`; empty without limits."""
        low = f"{self.above}<" if self.above is not None else ""
        low = f"{self.least}<=" if self.least is not None else low
        high = f"<{self.below}" if self.below is not None and self.below < LARGEST else ""
        high = f"<={self.most}" if self.most is not None and self.most < LARGEST else high
        if high or not low:
            return f"{low}x{high}" if low or high else ""
        return f"x>={self.least}" if self.least is not None else f"x>{self.above}"

    @property
    def words(self) -> str:
        """As in a sentence that begins with "choose"."""
        high = f"below {self.below}" if self.below is not None and self.below < LARGEST else ""
        high = f"up to {self.most}" if self.most is not None and self.most < LARGEST else high
        if self.above is not None:
            return f"above {self.above}{f' and {high}' if high else ''}"
        if self.least is not None:
            return f"{self.least} or above{f', and {high}' if high else ''}"
        return high


@dataclass(frozen=True, kw_only=True)
class Option:
    """What a field says of itself; see `option`."""

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
    """A field of a dataclass that people can set. Type checkers see its default.

    Args:
        help: what it does, in whole sentences.
        panel: the heading under which `--help` lists it.
        flags: how it is written on the command line, where that is not `--its-name`.
        metavar: what stands for a value in `--help`, with its unit.
        unset: what is used where nothing is given, where that is not the default: the recipe's
            choice, or what the command decides.
        none: what is written for None.
        choices: the words it may be.
        least, most, above, below: its Range.
        read: makes a value of what is written. Raises ConfigError.
        escapes: whether it is a text, in which `\\n` may be written for a newline.
        excludes, needs, decided_by: its Relations.
        metadata: other things that the field is to say.
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
    """The options among the fields of a dataclass, by name."""
    return {
        each.name: each.metadata["option"] for each in fields(kind) if "option" in each.metadata
    }


def documented(kind: type[T]) -> type[T]:
    """Adds what the options of a dataclass do to its docstring."""
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
    """The metadata of a number that `check` is to check, and that nobody sets as an option."""
    return {"range": Range(least=least, most=most, above=above, below=below)}


def check(settings: Any, *, declared_by: type | None = None) -> None:
    """Raises ConfigError for a number out of its range, a word that is not among the choices, or
    options that exclude each other.

    Args:
        declared_by: the dataclass whose options those of the same name are.
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
    """What messages call a field: its name, and its flag where that is another."""
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
