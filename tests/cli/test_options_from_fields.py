"""takes_options: a command has the options that configurations declare."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from charrnn.cli.options_from_fields import Fields, takes_options
from charrnn.errors import ConfigError
from charrnn.option_declaration import Relations, check, option


@dataclass(frozen=True, kw_only=True)
class Baking:
    """How to bake."""

    degrees: int = option(180, "Heat to this.", flags=("--degrees", "-d"), metavar="C", least=50)
    minutes: float | None = option(None, "Bake this long.", unset="until it is brown")
    shape: str | None = option(None, "Shape it.", choices=("round", "long"), none="any")
    slices: int | None = option(8, "Cut it.", none=0, least=0)
    toppings: tuple[str, ...] = option((), "Put this on it.")
    crisp: bool = option(False, "Bake it twice.", excludes=("minutes",))
    vegan: bool = option(False, "Leave the butter out.", unset="as the recipe says")
    weight: float | None = option(None, "Weigh it.", read=lambda text: float(text.rstrip("g")))
    secret: int = 3

    def __post_init__(self) -> None:
        check(self)


def baked(*arguments: str, only: Fields | None = None) -> tuple[Baking, bool, Any]:
    """What a command is called with."""
    app, called = typer.Typer(), []
    annotation: Any = Baking if only is None else Annotated[Baking, only]

    def bake(*, context: typer.Context, baking: Any, quiet: bool = False) -> None:
        called.append((baking, quiet, context.params))

    bake.__annotations__["baking"] = annotation
    app.command()(takes_options(bake))
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    (one,) = called
    return one


def test_without_arguments_it_is_the_default_configuration() -> None:
    assert baked()[:2] == (Baking(), False)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-d", "200"), Baking(degrees=200)),
        (("--minutes", "2.5"), Baking(minutes=2.5)),
        (("--shape", "long"), Baking(shape="long")),
        (("--shape", "any"), Baking(shape=None)),
        (("--slices", "0"), Baking(slices=None)),
        (("--toppings", "a", "--toppings", "b"), Baking(toppings=("a", "b"))),
        (("--crisp",), Baking(crisp=True)),
        (("--vegan",), Baking(vegan=True)),
        (("--no-vegan",), Baking(vegan=False)),
        (("--weight", "500g"), Baking(weight=500.0)),
    ],
    ids=str,
)
def test_what_is_typed_is_in_the_configuration(
    arguments: tuple[str, ...], expected: Baking
) -> None:
    assert baked(*arguments, "--quiet")[:2] == (expected, True)


def test_a_command_may_have_some_of_the_options_and_defaults_of_its_own() -> None:
    only = Fields("degrees", "slices", degrees=250)
    baking, _, params = baked(only=only)
    assert baking == Baking(degrees=250)
    assert {*params} == {"degrees", "slices", "quiet"}
    _, _, params = baked(only=Fields(without=("degrees", "crisp")))
    assert "degrees" not in params and "crisp" not in params and "shape" in params


def test_what_is_left_open_is_seen_to_be() -> None:
    assert baked()[2]["vegan"] is None
    assert baked("--no-vegan")[2]["vegan"] is False


@pytest.mark.parametrize("arguments", [("-d", "20"), ("--crisp", "--minutes", "3")], ids=str)
def test_what_the_configuration_refuses_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        baked(*arguments)


def test_relations_are_those_of_the_configuration_and_of_the_command() -> None:
    @takes_options
    def bake(
        *,
        baking: Baking,
        hurry: Annotated[bool, typer.Option(), Relations(needs=("minutes",))] = False,
    ) -> None:
        pass

    relations = bake.relations  # type: ignore[attr-defined]
    assert relations["crisp"].excludes == ("minutes",)
    assert relations["hurry"].needs == ("minutes",)
