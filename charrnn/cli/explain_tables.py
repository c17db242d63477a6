"""The tables of `charrnn explain`: what is most telling of each part of an Explanation."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from charrnn.cli.display import key_value_table, printable, report_table, results
from charrnn.training.report import Table

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

    from charrnn.explanation.alignment_records import AlignedPair, Alignment
    from charrnn.explanation.copy_records import Copying
    from charrnn.explanation.explanation import Explanation
    from charrnn.explanation.network_records import Cells, Memory
    from charrnn.explanation.text_records import Attribution, GroupLoss, Learning, Surprise

_ROWS: Final = 12
_PAIRS: Final = 8
"""The most rows of a table, and tables of pairs."""

_LONGEST: Final = 60
"""The most characters of a passage in a table."""

_EFFECTS: Final = 3
_LEAST_EFFECT: Final = 0.5
"""The characters that are listed for a symbol, and the nats from which they are."""


def tables(found: "Explanation") -> "Iterator[RichTable | Group | Text]":
    """Yield the tables of the parts that were computed."""
    yield key_value_table(
        [
            ("model", f"of {found.model.corpus}, {found.model.parameters:,} parameters"),
            ("text", _describe_text(found)),
        ]
    )
    if found.surprise is not None:
        yield from _surprise(found.surprise)
    if found.cells is not None and found.cells.concepts:
        yield _cells(found.cells)
    if found.memory is not None:
        yield from _memory(found.memory)
    if found.copying is not None:
        yield from _copying(found.copying)
    if found.learning is not None:
        yield _learning(found.learning)
    if found.attribution is not None:
        yield from _attribution(found.attribution, found.text.text)
    if found.alignment is not None:
        for pair in found.alignment.pairs[:_PAIRS]:
            yield _pair(pair, found.text.text)
        yield from _unshown(found.alignment)


def _describe_text(found: "Explanation") -> str:
    text = found.text
    read = f"{text.source}, {text.characters:,} characters"
    return read if text.characters == text.of_characters else f"{read} of {text.of_characters:,}"


def _quoted(text: str) -> str:
    """Return a text on one line, cut to _LONGEST characters."""
    shown = text[:_LONGEST].replace("\n", "\\n").replace("\t", "\\t")
    return shown + "..." * (len(text) > _LONGEST)


def _surprise(found: "Surprise") -> "Iterator[RichTable | Group]":
    rows = [("bits per character", f"{found.bits_per_character:.4f}")]
    if found.histogram.samples_bits is not None:
        rows.append(("of its own samples", f"{found.histogram.samples_bits:.4f}"))
    yield key_value_table(rows)
    yield report_table(
        Table(
            "bits by kind of character",
            ("kind", "characters", "bits"),
            _group_rows(found.by_kind),
        )
    )
    yield report_table(
        Table(
            "the costliest words",
            ("word", "times", "bits"),
            tuple(
                (_quoted(each.word), str(each.count), f"{each.nats / math.log(2):.1f}")
                for each in found.costliest_words[:_ROWS]
            ),
        )
    )


def _group_rows(groups: "Sequence[GroupLoss]") -> tuple[tuple[str, ...], ...]:
    return tuple((each.name, f"{each.characters:,}", f"{each.bits:.2f}") for each in groups)


def _cells(found: "Cells") -> "Group":
    held = {
        each.held.concept: f"{each.held.nats_there:+.3f} / {each.held.nats_elsewhere:+.3f}"
        for each in found.units
        if each.held is not None
    }
    rows = []
    for each in found.concepts[:_ROWS]:
        best = each.units[0]
        rows.append(
            (
                each.description,
                f"layer {best.layer}, unit {best.unit}",
                "AUC" if each.kind == "binary" else "correlation",
                f"{best.score:.3f}",
                f"{each.sum_of_units.score:.3f}",
                f"{each.random_direction:.3f}",
                held.get(each.name, ""),
            )
        )
    header = ("concept", "best unit", "measure", "unit", "four units", "random", "nats if held")
    return report_table(
        Table(
            "what single units show, on text not used to choose them", header, tuple(rows), left=3
        )
    )


def _memory(found: "Memory") -> "Iterator[Group]":
    rows = [(f"{each.characters:,}", f"{each.bits:.3f}") for each in found.context]
    rows.append(("all", f"{found.full_bits:.3f}"))
    yield report_table(
        Table(
            "bits per character by characters of context", ("context", "bits"), tuple(rows), left=0
        )
    )
    if not found.forgetting:
        return
    layers = tuple(f"layer {each.layer}" for each in found.forgetting)
    distances = found.forgetting[0].distances
    yield report_table(
        Table(
            "what is left of a changed character after so many others",
            ("characters", *layers),
            tuple(
                (str(distance), *(f"{each.difference[place]:.0%}" for each in found.forgetting))
                for place, distance in enumerate(distances)
            ),
            left=0,
        )
    )


def _copying(found: "Copying") -> "Iterator[Group]":
    lengths = tuple(found.figures[0].shares) if found.figures else ()
    yield report_table(
        Table(
            "copies of the training text",
            ("texts", "characters", *(f"in {length}+" for length in lengths), "longest"),
            tuple(
                (
                    each.name.replace("_", " "),
                    f"{each.characters:,}",
                    *(f"{share:.1%}" for share in each.shares.values()),
                    str(each.longest[0].length if each.longest else 0),
                )
                for each in found.figures
            ),
        )
    )
    copies = found.figures[0].longest[:5] if found.figures else ()
    if copies:
        yield report_table(
            Table(
                f"the longest copies in the {found.figures[0].name}",
                ("passage", "length", "line"),
                tuple(
                    (_quoted(each.passage), str(each.length), f"{each.training_line:,}")
                    for each in copies
                ),
            )
        )


def _learning(found: "Learning") -> "Group":
    first, last = found.checkpoints[0], found.checkpoints[-1]
    rows = [
        (
            kind,
            f"{first.bits[place]:.2f}",
            f"{last.bits[place]:.2f}",
            "never" if step is None else f"{step:,}",
        )
        for place, (kind, step) in enumerate(found.learned)
    ]
    header = ("kind", f"bits at step {first.step:,}", f"at {last.step:,}", "nine tenths by step")
    return report_table(Table("what was learned when", header, tuple(rows)))


def _attribution(found: "Attribution", text: str) -> "Iterator[RichTable | Text]":
    from rich.text import Text

    if found.label is None:
        rows = [("number", f"{found.number:.7g}")]
    else:
        rows = [("class", f"{found.label}, {found.probabilities[found.label]:.4f}")]
    yield key_value_table(rows)
    largest = max((abs(each.effect) for each in found.pieces), default=0.0)
    shown = Text()
    plain = results().color_system is None
    for each in found.pieces:
        piece = printable(text[each.place : each.place + each.length])
        strength = each.effect / largest if largest > 0 else 0.0
        style = ""
        if abs(strength) > 0.1 and not plain:
            style = "bold " * (abs(strength) > 0.5) + ("green" if strength > 0 else "red")
        shown.append(piece, style)
    yield shown
    order = sorted(found.pieces, key=lambda each: -abs(each.effect))[:_ROWS]
    yield key_value_table(
        [
            (f"{each.effect:+.3f}", _quoted(text[each.place : each.place + each.length]))
            for each in order
        ]
    )


def _pair(pair: "AlignedPair", text: str) -> "Group":
    """Return the table of a translation: where each symbol was written, and what it hangs on."""
    source = text[pair.place : pair.place + pair.length]
    columns = [*source, *pair.features]
    title = f"{_quoted(source)} -> {pair.problem or _quoted(pair.target)}"
    if pair.problem is None:
        title += f", {pair.probability:.1%}"
    if pair.correct and pair.target not in pair.correct:
        title += f" (correct: {_quoted(' or '.join(pair.correct))})"
    rows = []
    for number, symbol in enumerate(pair.symbols):
        written = (f"{_at(columns, at)} {share:.0%}" for at, share in pair.written_at[number])
        effects = pair.effects[number]
        order = sorted(range(len(pair.pieces)), key=lambda each: -effects[each])
        hangs = (
            f"{_piece(columns, *pair.pieces[each])} {effects[each]:+.1f}"
            for each in order[:_EFFECTS]
            if effects[each] >= _LEAST_EFFECT
        )
        shown = ", ".join(list(written)[:_EFFECTS])
        rows.append((_quoted(symbol), f"{pair.nats[number]:.2f}", shown, ", ".join(hangs)))
    header = ("symbol", "nats", "written at", "nats more without")
    return report_table(Table(printable(title), header, tuple(rows), left=4))


def _at(columns: Sequence[str], number: int) -> str:
    """Return a character or feature of a source, with the number of those like it before it, as
    `l` and `l2`."""
    nth = columns[: number + 1].count(columns[number])
    shown = _quoted(columns[number]).replace(" ", "\u2423")  # a blank would not be seen
    return shown + (str(nth) if nth > 1 else "")


def _piece(columns: Sequence[str], number: int, count: int) -> str:
    return _at(columns, number) if count == 1 else _quoted("".join(columns[number:][:count]))


def _unshown(found: "Alignment") -> "Iterator[Text]":
    from rich.text import Text

    more = found.of_pairs - min(len(found.pairs), _PAIRS)
    if more:
        explained = f"; --json has {len(found.pairs):,}" if len(found.pairs) > _PAIRS else ""
        yield Text(f"and {more:,} more{explained}")
