"""option(): what a field says of itself, and what is checked."""

import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from charrnn.errors import ConfigError
from charrnn.option_declaration import LARGEST, Range, check, documented, limits, option, options_of


@documented
@dataclass(frozen=True, kw_only=True)
class Oven:
    """An oven."""

    degrees: int = option(180, "Heat to this.", least=50, most=300)
    minutes: float | None = option(None, "Bake this long.", above=0, excludes=("eggs",))
    fan: str = option("off", "Turn the fan on or off.", choices=("on", "off"), later=True)
    eggs: int = option(0, "Boil eggs instead.", least=0, most=LARGEST)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Settled:
    """An oven whose settings are decided, and one more number."""

    degrees: int
    rack: int = field(metadata=limits(least=1, most=4))

    def __post_init__(self) -> None:
        check(self, declared_by=Oven)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"degrees": 49}, "degrees 49: choose 50 or above, and up to 300"),
        ({"degrees": 301}, "degrees 301: choose 50 or above, and up to 300"),
        ({"degrees": 180.0}, "degrees 180.0: choose a whole number"),
        ({"degrees": True}, "degrees True: choose a whole number"),
        ({"minutes": 0}, "minutes 0: choose above 0"),
        ({"minutes": math.nan}, "minutes nan: choose above 0"),
        ({"minutes": math.inf}, "minutes inf: choose above 0"),
        ({"minutes": "long"}, "minutes 'long': choose above 0"),
        ({"fan": "slow"}, "fan 'slow': choose from on, off"),
        ({"eggs": -1}, "eggs -1: choose 0 or above"),
        ({"eggs": 2**60}, "eggs 1152921504606846976: choose a smaller number"),
        ({"minutes": 3.0, "eggs": 1}, "minutes and eggs exclude each other; choose one"),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Oven(**settings)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "settings", [{}, {"degrees": 50}, {"minutes": 3}, {"minutes": None}, {"fan": "on"}], ids=str
)
def test_what_is_in_range_passes(settings: dict[str, Any]) -> None:
    Oven(**settings)


@pytest.mark.parametrize(("degrees", "rack"), [(49, 1), (180, 0), (180, 5), (180, 1.0)])
def test_the_options_of_another_dataclass_check_as_well(degrees: int, rack: int) -> None:
    Settled(180, 4)
    with pytest.raises(ConfigError):
        Settled(degrees, rack)


def test_a_field_says_what_it_is() -> None:
    assert list(options_of(Oven)) == ["degrees", "minutes", "fan", "eggs"]
    assert options_of(Oven)["fan"].choices == ("on", "off")
    assert Oven.__dataclass_fields__["fan"].metadata["later"] is True


def test_the_docstring_lists_the_options() -> None:
    assert Oven.__doc__ == (
        "An oven.\n\nAttributes:\n    degrees: Heat to this.\n    minutes: Bake this long.\n"
        "    fan: Turn the fan on or off.\n    eggs: Boil eggs instead."
    )


@pytest.mark.parametrize(
    ("limits", "shown", "words"),
    [
        ({}, "", ""),
        ({"least": 1}, "x>=1", "1 or above"),
        ({"above": 0}, "x>0", "above 0"),
        ({"most": 9}, "x<=9", "up to 9"),
        ({"above": 0, "most": 1}, "0<x<=1", "above 0 and up to 1"),
        ({"least": 0, "below": 1}, "0<=x<1", "0 or above, and below 1"),
        ({"least": 1, "most": LARGEST}, "x>=1", "1 or above"),
    ],
    ids=str,
)
def test_ranges_are_shown(limits: dict[str, float], shown: str, words: str) -> None:
    assert (str(Range(**limits)), Range(**limits).words) == (shown, words)


def test_messages_name_the_flag_where_it_is_not_the_name() -> None:
    @dataclass(frozen=True)
    class Eggs:
        number: int = option(1, "Boil N eggs.", flags=("-n",), least=1)

    with pytest.raises(ConfigError, match=r"^number \(-n\) 0: choose 1 or above$"):
        check(Eggs(0))
