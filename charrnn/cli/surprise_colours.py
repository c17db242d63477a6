"""A text in the colours of its characters' surprisals, for `/surprise`, `score` and `evaluate`."""

from bisect import bisect
from collections.abc import Iterator
from itertools import pairwise
from math import isnan, log
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from charrnn.cli.display import printable, results

if TYPE_CHECKING:
    from charrnn.explanation.explanation import Explanation

LIMITS: Final = (1.0, 3.0, 5.0, 8.0)
"""Surprisals in bits at which the colour changes."""

COLOURS: Final = ("dim", "", "yellow", "red", "bold red")
ATTRIBUTES: Final = ("dim", "", "underline", "bold", "bold reverse")
"""Styles for terminals without colours."""


def surprise(bits: list[tuple[str, float]], console: Console) -> Iterator[Text]:
    """Yield printable characters in the colours of their surprisals in bits, and a legend.

    Terminals without colours get other attributes; without attributes, digits below each line.
    """
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


def print_surprise(found: "Explanation") -> None:
    """Print the characters shown of an explanation in the colours of their surprisals."""
    surprisals = found.surprise
    assert surprisals is not None
    nats = surprisals.nats.tolist()
    bits = [
        (printable(character), each / log(2))
        for character, each in zip(found.text.text, nats, strict=True)
    ]
    for shown in surprise(bits, results()):
        results().print(shown, soft_wrap=True)


def surprise_record(found: "Explanation") -> list[dict[str, Any]]:
    """Return the surprisal of each character shown, as `charrnn score --json` does."""
    surprisals = found.surprise
    assert surprisals is not None
    return [
        {
            "text": character,
            "log_probability": -nats,
            "rank": rank,
            "alternatives": [
                {"text": found.alphabet[id_], "probability": probability}
                for id_, probability in zip(ids, probabilities, strict=True)
            ],
        }
        for character, nats, rank, ids, probabilities in zip(
            found.text.text,
            surprisals.nats.tolist(),
            surprisals.ranks.tolist(),
            surprisals.likeliest.tolist(),
            surprisals.probabilities.tolist(),
            strict=True,
        )
    ]
