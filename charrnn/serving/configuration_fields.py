"""Request fields for the options that a configuration declares, so that the two never differ."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, get_args, get_origin

from charrnn.option_declaration import Option, options_of
from charrnn.serving.fields import Field, Flag, Kind, Number, OneOrMore, Text

LONGEST_SETTING: Final = 4096
"""The most characters of a text among the settings, such as a pattern."""

MOST_TEXTS: Final = 64
"""The most texts of a setting that takes several."""


def fields_of(
    configuration: type, *, without: Iterable[str] = (), help: Mapping[str, str] | None = None
) -> dict[str, Field]:
    """Return a request field for each option of a configuration, by name.

    The default of each is None, which leaves the configuration's own.

    Args:
        without: options to leave out.
        help: other descriptions, by name.
    """
    options, left_out = options_of(configuration), {*without}
    return {
        each.name: Field(
            _kind(each.type, options[each.name]),
            (help or {}).get(each.name, options[each.name].help),
        )
        for each in fields(configuration)
        if each.name in options and each.name not in left_out
    }


def _kind(annotation: Any, option: Option) -> Kind:
    """Return the kind of the values of an option."""
    kinds = {each for each in get_args(annotation) if each is not type(None)} or {annotation}
    limits = option.range
    if get_origin(annotation) is tuple:
        return OneOrMore(Text(shortest=1, longest=LONGEST_SETTING), MOST_TEXTS)
    if bool in kinds:
        return Flag()
    if float in kinds or int in kinds:
        return Number(
            whole=float not in kinds, least=limits.least, most=limits.most, above=limits.above
        )
    assert kinds == {str}, f"no kind of field for {annotation}"
    return Text(longest=LONGEST_SETTING, choices=option.choices)
