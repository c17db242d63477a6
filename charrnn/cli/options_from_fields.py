"""takes_options: gives a command the options that its configuration dataclasses declare."""

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
    """The options of a configuration that a command has, for use in Annotated.

    Args:
        names: the fields to offer; all if none are named.
        without: fields to leave out.
        defaults: defaults that differ from the configuration's.
    """

    def __init__(self, *names: str, without: Iterable[str] = (), **defaults: Any) -> None:
        self.names, self.without, self.defaults = names, {*without}, defaults

    def of(self, kind: type) -> Iterator[tuple[Field[Any], Option]]:
        """Yield the selected fields of a configuration with the options they declare."""
        options = options_of(kind)
        for each in fields(kind):
            wanted = not self.names or each.name in self.names
            if each.name in options and wanted and each.name not in self.without:
                yield each, options[each.name]


_ALL: Final = Fields()


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter that is a configuration by one option for each of its fields.

    A parameter is a configuration if its annotation is a dataclass with options, plain or
    `Annotated` with Fields. The command is called with the configurations that the options make. If
    it has an option `escapes`, that applies to the texts among them.

    The returned command has an attribute `relations`: the Relations of its options by name. A
    parameter that is not a configuration is annotated with its own.
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
    """Return a configuration made of the values from the command line. Raises ConfigError.

    Args:
        values: values by field; None leaves the configuration's own default.
        escapes: whether to replace backslash escapes in texts.
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
    """Return the type of an annotation, and what it is Annotated with."""
    return get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)


def _parameter(field: Field[Any], option: Option, default: Any) -> inspect.Parameter:
    """Return the parameter from which Typer makes a command's option."""
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
