"""The output of `/surprise`: a text in the colours of its characters' surprisals."""

from bisect import bisect
from collections.abc import Iterator
from itertools import pairwise
from math import isnan
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from charrnn.cli.display import messages

LIMITS: Final = (1.0, 3.0, 5.0, 8.0)
"""Surprisals in bits at which the colour changes."""

COLOURS: Final = ("dim", "", "yellow", "red", "bold red")
ATTRIBUTES: Final = ("dim", "", "underline", "bold", "bold reverse")
"""Styles for terminals without colours."""


def surprise(bits: list[tuple[str, float]]) -> Iterator[Text]:
    """Yield characters in the colours of their surprisals in bits, and a legend.

    Terminals without colours get other attributes; without attributes, digits below each line.
    """
    console = messages()
    if console.color_system is None:
        yield from _digits(bits, console.width)
        styles = ("",) * len(COLOURS)
    else:
        styles = ATTRIBUTES if console.no_color else COLOURS
        text = Text()
        for character, cost in bits:
            text.append(character, styles[_level(cost)])
        yield text
    names = [
        f"under {LIMITS[0]:g}",
        *(f"{low:g}-{high:g}" for low, high in pairwise(LIMITS)),
        f"over {LIMITS[-1]:g}",
    ]
    legend = Text()
    legend.append("bits: ", "dim" if any(styles) else "")
    for level, name in enumerate(names):
        legend.append(name if any(styles) else f"{level} {name}", styles[level])
        legend.append("  ")
    yield legend


def _digits(bits: list[tuple[str, float]], width: int) -> Iterator[Text]:
    line, below = "", ""
    for character, cost in bits:
        if character == "\n" or cell_len(line) + cell_len(character) > width:
            yield Text(f"{line}\n{below}")
            line, below = "", ""
        if character != "\n":
            line += " " if character == "\t" else character
            below += str(_level(cost)).ljust(cell_len(character))[: cell_len(character)]
    yield Text(f"{line}\n{below}")


def _level(cost: float) -> int:
    return 1 if isnan(cost) else bisect(LIMITS, cost)
