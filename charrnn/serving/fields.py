"""Fields of JSON requests. Each is declared once: it reads and checks a value, and describes itself
for the OpenAPI document.

    Body({"text": Field(Text(), "The text to score.", required=True)}).read(request)

Reading raises ApiError with the name of the field as `param`. JSON's null stands for a field that
is not given, unless the field is required.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, Protocol

from charrnn.option_declaration import LARGEST
from charrnn.serving.api_errors import ApiError, shown
from charrnn.wording import valid_text

Schema = dict[str, Any]


class Kind(Protocol):
    """A kind of value."""

    def read(self, value: Any, name: str) -> Any:
        """Return the checked value of the field of that name. Raises ApiError."""
        ...

    def schema(self) -> Schema:
        """Return its JSON Schema."""
        ...


def refuse(name: str, value: object, advice: str) -> NoReturn:
    """Raise ApiError for a value, with what to give instead."""
    raise ApiError(f"{name} {shown(value)}: {advice}", param=name)


@dataclass(frozen=True)
class Text:
    """A string without half of a surrogate pair, which is no character.

    Attributes:
        shortest, longest: the allowed numbers of characters; None is no limit of its own.
        choices: the allowed words; empty for any text.
    """

    shortest: int = 0
    longest: int | None = None
    choices: tuple[str, ...] = ()

    def read(self, value: Any, name: str) -> str:
        """See Kind."""
        if not isinstance(value, str):
            refuse(name, value, "give a string")
        if self.choices and value not in self.choices:
            refuse(name, value, f"choose {' or '.join(self.choices)}")
        if len(value) < self.shortest:
            refuse(name, value, f"give at least {self.shortest} characters")
        if self.longest is not None and len(value) > self.longest:
            refuse(name, value, f"give at most {self.longest:,} characters")
        if valid_text(value) != value:
            raise ApiError(f"{name}: it has half of a surrogate pair; leave it out", param=name)
        return value

    def schema(self) -> Schema:
        """See Kind."""
        made: Schema = {"type": "string"}
        if self.choices:
            made["enum"] = list(self.choices)
        if self.shortest:
            made["minLength"] = self.shortest
        if self.longest is not None:
            made["maxLength"] = self.longest
        return made


@dataclass(frozen=True)
class Number:
    """A finite number, or a whole one.

    Attributes:
        whole: whether only whole numbers are allowed.
        least, most, above: the allowed numbers; None is no limit.
    """

    whole: bool = False
    least: float | None = None
    most: float | None = None
    above: float | None = None

    def read(self, value: Any, name: str) -> Any:
        """See Kind."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            refuse(name, value, f"give a {'whole number' if self.whole else 'number'}")
        if not -LARGEST <= value <= LARGEST or math.isnan(value):
            raise ApiError(f"{name}: give a finite number up to 2**53", param=name)
        if self.whole and value != int(value):
            refuse(name, value, "give a whole number")
        if self.least is not None and value < self.least:
            refuse(name, value, f"choose {self.least:g} or above{self._up_to}")
        if self.above is not None and value <= self.above:
            refuse(name, value, f"choose a number above {self.above:g}{self._up_to}")
        if self.most is not None and value > self.most:
            refuse(name, value, f"choose up to {self.most:,g}")
        return int(value) if self.whole else float(value)

    @property
    def _up_to(self) -> str:
        return "" if self.most is None else f", and up to {self.most:,g}"

    def schema(self) -> Schema:
        """See Kind."""
        made: Schema = {"type": "integer" if self.whole else "number"}
        bounds = {
            "minimum": self.least,
            "maximum": LARGEST if self.most is None else self.most,
            "exclusiveMinimum": self.above,
        }
        if self.least is None and self.above is None:
            bounds["minimum"] = -LARGEST
        return made | {name: bound for name, bound in bounds.items() if bound is not None}


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, value: Any, name: str) -> bool:
        """See Kind."""
        if not isinstance(value, bool):
            refuse(name, value, "give true or false")
        return value

    def schema(self) -> Schema:
        """See Kind."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class ListOf:
    """A list of values of one kind.

    Attributes:
        item: the kind.
        least, most: the allowed numbers of items.
    """

    item: Kind
    least: int = 0
    most: int = 1 << 20

    def read(self, value: Any, name: str) -> list[Any]:
        """See Kind."""
        if not isinstance(value, list):
            refuse(name, value, "give a list")
        if not self.least <= len(value) <= self.most:
            many = f"{self.least:,} to {self.most:,}" if self.least else f"at most {self.most:,}"
            raise ApiError(f"{name} has {len(value):,} entries: give {many}", param=name)
        return [self.item.read(each, name) for each in value]

    def schema(self) -> Schema:
        """See Kind."""
        made: Schema = {"type": "array", "items": self.item.schema(), "maxItems": self.most}
        return made | ({"minItems": self.least} if self.least else {})


@dataclass(frozen=True)
class OneOrMore:
    """One value or a list of them; reads a list.

    Attributes:
        item: the kind of a value, none of which is a list.
        most: the largest number of values.
        least: the smallest number of values in a list.
    """

    item: Kind
    most: int
    least: int = 0

    def read(self, value: Any, name: str) -> list[Any]:
        """See Kind."""
        many = ListOf(self.item, self.least, self.most)
        return many.read(value, name) if isinstance(value, list) else [self.item.read(value, name)]

    def schema(self) -> Schema:
        """See Kind."""
        many = ListOf(self.item, self.least, self.most)
        return {"anyOf": [self.item.schema(), many.schema()]}


@dataclass(frozen=True)
class Field:
    """A field of a request.

    Attributes:
        kind: the kind of its value.
        help: what it does, in whole sentences.
        default: the value where it is not given.
        required: whether it has to be given.
        nullable: whether null may be given, which is as if it were not.
    """

    kind: Kind
    help: str
    default: Any = None
    required: bool = False
    nullable: bool = True

    def schema(self) -> Schema:
        """Return its JSON Schema, with the help."""
        made = self.kind.schema()
        if not self.required and self.nullable:
            kinds = made.pop("anyOf", None) or [made]
            made = {"anyOf": [*kinds, {"type": "null"}]}
        if self.default is not None:
            made["default"] = (
                list(self.default) if isinstance(self.default, tuple) else self.default
            )
        return {**made, "description": self.help}


_MISSING: Final = object()


@dataclass(frozen=True)
class Body:
    """The body of a request: a JSON object with these fields and no others.

    Attributes:
        fields: its fields, by name.
        ignored: names that are accepted without a check or an effect.
    """

    fields: Mapping[str, Field]
    ignored: Sequence[str] = field(default=())

    def read(self, given: Any) -> dict[str, Any]:
        """Return a value for each field. Raises ApiError, with OpenAI's message for a field that
        does not exist."""
        if not isinstance(given, dict):
            raise ApiError("the body of the request has to be a JSON object")
        for name in given:
            if name not in self.fields and name not in self.ignored:
                raise ApiError(
                    f"Unrecognized request argument supplied: {shown(name)[1:-1]}",
                    param=name if shown(name)[1:-1] == name else None,
                )
        values: dict[str, Any] = {}
        for name, each in self.fields.items():
            value = given.get(name, _MISSING)
            if value is _MISSING or (value is None and each.nullable):
                if each.required:
                    raise ApiError(f"you must provide a {name} parameter", param=name)
                values[name] = each.default
            else:
                values[name] = each.kind.read(value, name)
        return values

    def schema(self) -> Schema:
        """Return the JSON Schema of the object."""
        required = [name for name, each in self.fields.items() if each.required]
        made: Schema = {
            "type": "object",
            "properties": {
                **{name: each.schema() for name, each in self.fields.items()},
                **{name: {"description": "Accepted, and ignored."} for name in self.ignored},
            },
            "additionalProperties": False,
        }
        return made | ({"required": required} if required else {})
