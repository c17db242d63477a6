"""takes_options: makes the options that a configuration declares the options of a command."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Annotated, Any, Final, Literal, TypeVar, cast, get_args, get_origin

import typer

from charrnn.cli.escapes import unescaped
from charrnn.option_declaration import Option, Relations, options_of

T = TypeVar("T")


class Fields:
    """Which options of a configuration a command has, said in its annotation: those named, or all
    but those `without`; and defaults that differ from the configuration's."""

    def __init__(self, *names: str, without: Iterable[str] = (), **defaults: Any) -> None:
        self.names, self.without, self.defaults = names, {*without}, defaults

    def of(self, kind: type) -> Iterator[tuple[Field[Any], Option]]:
        """The fields of a configuration that are such, with what they declare."""
        options = options_of(kind)
        for each in fields(kind):
            wanted = not self.names or each.name in self.names
            if each.name in options and wanted and each.name not in self.without:
                yield each, options[each.name]


_ALL: Final = Fields()


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command that has an option for every field of its parameters that are configurations, and
    is called with these configurations made. Where it has an option `escapes`, that is heeded.

    A parameter is one where its annotation is a dataclass of options, or such a dataclass
    `Annotated` with Fields. What an option has to do with others is kept in the attribute
    `relations`; a command's own options may be annotated with Relations themselves.
    """
    parameters: list[inspect.Parameter] = []
    configurations: dict[str, tuple[type, dict[str, Option]]] = {}
    relations: dict[str, Relations] = {}
    for parameter in inspect.signature(command).parameters.values():
        kind, *said = _unwrapped(parameter.annotation)
        if not (isinstance(kind, type) and is_dataclass(kind)):
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            for each in said:
                if isinstance(each, Relations):
                    relations[parameter.name] = each
            continue
        chosen = next((each for each in said if isinstance(each, Fields)), _ALL)
        options = {}
        for field, option in chosen.of(kind):
            default = chosen.defaults.get(field.name, field.default)
            parameters.append(_parameter(field, option, default))
            options[field.name] = option
        configurations[parameter.name] = kind, options
        relations |= {name: option.relations for name, option in options.items()}

    @functools.wraps(command)
    def called(**values: Any) -> None:
        for name, (kind, options) in configurations.items():
            given = {each: values.pop(each) for each in options}
            values[name] = make(kind, given, escapes=bool(values.get("escapes")))
        command(**values)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    called.relations = relations  # type: ignore[attr-defined]
    return called


def make(kind: type[T], values: Mapping[str, Any], *, escapes: bool = False) -> T:
    """A configuration of what the command line gave for its options; it has its own defaults for
    what was left out. Raises ConfigError.

    Args:
        escapes: whether texts are read as what the escapes in them mean.
    """
    made: dict[str, Any] = {}
    for name, option in options_of(kind).items():
        value = values.get(name)
        if value is None:
            continue
        if option.none is not None and value == option.none:
            value = None
        elif option.read is not None:
            value = option.read(value)
        meant = unescaped if escapes and option.escapes else str
        if isinstance(value, list):
            made[name] = tuple(map(meant, value))
        else:
            made[name] = meant(value) if isinstance(value, str) else value
    return kind(**made)


def _unwrapped(annotation: Any) -> tuple[Any, ...]:
    """The type, and what it is Annotated with."""
    return get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)


def _parameter(field: Field[Any], option: Option, default: Any) -> inspect.Parameter:
    """The parameter that Typer makes a command's option of."""
    kind, literal = field.type, cast("Any", Literal)
    flag = f"--{field.name.replace('_', '-')}"
    if option.choices:
        words = option.choices if option.none is None else (option.none, *option.choices)
        kind = literal[words] | None
    elif option.read is not None:
        kind = str | None
    elif get_origin(kind) is tuple:
        kind, default = list[str] | None, default or None
    if option.unset is not None:
        kind, default = cast("Any", kind) | None, None
        flag += f"/--no-{flag[2:]}" if field.type is bool else ""
    elif default is None:
        default = option.none
    metavar = option.metavar
    if metavar is not None and str(option.range) and option.read is None:
        metavar += f" [{option.range}]"
    shown = typer.Option(
        default,
        *(option.flags or (flag,)),
        help=option.help,
        metavar=metavar,
        show_default=option.unset or True,
        rich_help_panel=option.panel,
    )
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=shown, annotation=kind
    )
