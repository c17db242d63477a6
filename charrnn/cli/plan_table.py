"""The table of a plan: each setting that was chosen, written as the option that changes it."""

from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from charrnn.training.plan import Plan

_NAME_WIDTH: Final = 12
"""Columns for the name of a row, two spaces included."""

_TIED: Final = "\N{NO-BREAK SPACE}"
"""The space between an option and its value, where no line is broken."""


def plan_table(plan: "Plan", *, named: bool, processes: int = 1) -> Any:
    """Return the settings of a plan, for Rich to print with `soft_wrap`: it breaks its own lines.

    Args:
        named: whether the corpus was named on the command line.
        processes: how many processes train together.
    """
    return _Rows(_rows(plan, named=named, processes=processes))


class _Rows:
    """Rows of a name and words; on a terminal, lines are broken between options, never between an
    option and its value."""

    def __init__(self, rows: list[tuple[str, str]]) -> None:
        self._rows = rows

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.text import Text

        from charrnn.cli.display import printable

        # In a log, a row is one line.
        width = max(options.max_width - _NAME_WIDTH, 20) if console.is_terminal else 10_000
        for name, words in self._rows:
            lines = wrap(printable(words), width, break_on_hyphens=False)
            for number, line in enumerate(lines):
                shown = Text().append(("" if number else name).ljust(_NAME_WIDTH), "dim")
                for word in line.split(" "):
                    option, tied, value = word.partition(_TIED)
                    shown.append(option, "dim" if word.startswith("--") else "")
                    shown.append(f" {value} " if tied else " ")
                shown.rstrip()
                shown.no_wrap, shown.overflow = True, "ignore"
                yield shown


def _option(name: str, value: object) -> str:
    return f"--{name}{_TIED}{value}"


def _rows(plan: "Plan", *, named: bool, processes: int) -> list[tuple[str, str]]:
    from charrnn.cli.display import duration
    from charrnn.wording import counted

    text, config, model = plan.corpus, plan.config, plan.network.config
    pairs = plan.task.definition.pairs  # they describe their symbols, and have no such option
    alphabet = "256 bytes" if text.tokenizer.kind == "byte" else f"{model.vocabulary_size} distinct"
    unnamed = "" if named else " (no corpus was named)"
    time = f", about {duration(plan.seconds)}" if plan.seconds is not None else ""
    epochs = f"{plan.epochs:.3g} epoch" + "s" * (f"{plan.epochs:.3g}" != "1")
    members = f"{model.members} members, " if model.members > 1 else ""
    network = [
        _option("cell", model.cell),
        _option("layers", model.layers),
        _option("hidden-size", model.hidden_size),
        _option("embedding-size", model.embedding_size),
        *(["--bidirectional"] if model.bidirectional and not pairs else []),
        *([_option("pooling", model.pooling)] if model.pooling is not None else []),
        *([_option("attention", model.attention)] if model.attention is not None else []),
        f"({members}{model.parameters:,} parameters)".replace(" ", _TIED),
    ]
    options = {
        "network": network,
        "dropout": [
            _option("dropout", f"{model.dropout:.2g}"),
            _option("weight-dropout", f"{model.weight_dropout:.2g}"),
        ],
        "batch": [
            _option("batch-size", config.batch_size),
            *([] if pairs else [_option("sequence-length", config.sequence_length)]),
            f"({plan.task.describe_batch(config)})",
        ],
        "optimizer": [
            _option("learning-rate", f"{config.learning_rate:.2g}"),
            _option("readout-scale", f"{config.readout_scale:g}"),
            _option("clip", f"{config.clip:g}"),
        ],
        "duration": [
            _option("steps", config.steps),
            f"({epochs}{time}); or --epochs, --budget",
        ],
        "evaluation": [
            _option("evaluate-every", config.evaluate_every),
            _option("patience", config.patience),
        ],
        "machine": [
            _option("precision", config.precision),
            _option("device", config.device),
            f"({counted(config.threads, 'thread')}{_without_native(config.device)})",
        ],
        "seed": [_option("seed", config.seed)],
    }
    corpus = f"{text.name}{unnamed}: {plan.task.describe_corpus()}"
    corpus += "" if pairs else f", {alphabet}"
    heading = [("corpus", corpus)]
    if processes > 1:
        heading.append(("processes", str(processes)))
    return heading + [(name, " ".join(words)) for name, words in options.items()]


def _without_native(device: str) -> str:
    """Return what a person should know where charrnn's own C is not used."""
    from charrnn.model.kernels import native

    slower = device == "cpu" and not native.available()
    return "; charrnn's own C code, which is faster, is not available here" if slower else ""
