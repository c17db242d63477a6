"""charrnn train: a model from text."""

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from charrnn.cli.options import TEXT, Column, Encoding, Glob, complete_corpora, complete_runs

if TYPE_CHECKING:
    from charrnn.data.corpus import ReadingProgress
    from charrnn.data.sources import ReadOptions
    from charrnn.training.distributed import Group
    from charrnn.training.plan import Plan
    from charrnn.training.trainer import Trainer

_RUN, _NETWORK, _LEARNING, _LENGTH = (
    "The run",
    "The network",
    "Learning",
    "How long, and what is kept",
)
_CHOSEN = "chosen for the text"

_BESIDE_RESUME = {"corpus", "resume", "quiet", "encoding", "glob", "column"}
"""What may be given with --resume: where the text now is, and how to show progress."""

_NOT_TRAINING_OPTIONS = {
    *("corpus", "name", "out", "resume", "start_from", "quiet"),
    *("tokenizer", "min_count", "encoding", "glob", "column"),
}


def train(
    context: typer.Context,
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CORPUS]...",
            help="Files, folders, names in corpora/, - (stdin), python-docs (Python's manual) or "
            "hf:owner/name:split:column; several are joined.",
            autocompletion=complete_corpora,
            show_default="python-docs",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Of the run under checkpoints/.",
            show_default="the corpus's",
            rich_help_panel=_RUN,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder, instead.", rich_help_panel=_RUN)
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help="Go on with this run, exactly where it stopped.",
            autocompletion=complete_runs,
            rich_help_panel=_RUN,
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Fine-tune this model instead of starting afresh.",
            autocompletion=complete_runs,
            rich_help_panel=_RUN,
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Plain lines only.", rich_help_panel=_RUN)
    ] = False,
    tokenizer: Annotated[
        Literal["char", "byte"] | None,
        typer.Option(
            help="Unicode characters, or the bytes of any file.",
            show_default="char",
            rich_help_panel=TEXT,
        ),
    ] = None,
    lines: Annotated[
        bool,
        typer.Option("--lines", help="Each line is a document of its own.", rich_help_panel=TEXT),
    ] = False,
    min_count: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Fold characters seen less often into U+FFFD.",
            rich_help_panel=TEXT,
        ),
    ] = 1,
    validation_fraction: Annotated[
        float,
        typer.Option(metavar="X", help="The share at the end to hold out.", rich_help_panel=TEXT),
    ] = 0.1,
    encoding: Encoding = "utf-8",
    glob: Glob = "*.txt",
    column: Column = None,
    cell: Annotated[
        Literal["rnn", "gru", "lstm"] | None,
        typer.Option(help="The recurrent unit.", show_default="lstm", rich_help_panel=_NETWORK),
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Cells on top of each other.",
            show_default="2",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    hidden_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Of each layer.", show_default=_CHOSEN, rich_help_panel=_NETWORK
        ),
    ] = None,
    embedding_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Of a character.", show_default="64", rich_help_panel=_NETWORK
        ),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Share of each layer's output to drop, one mask over time.",
            show_default=_CHOSEN,
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Lanes read side by side.",
            show_default="32",
            rich_help_panel=_LEARNING,
        ),
    ] = None,
    sequence_length: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Characters of a lane in one step; backpropagation ends there.",
            show_default="48",
            rich_help_panel=_LEARNING,
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="At its highest.", show_default=_CHOSEN, rich_help_panel=_LEARNING
        ),
    ] = None,
    clip: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Largest norm of the gradient; 0 is off.",
            show_default="1",
            rich_help_panel=_LEARNING,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Of everything random.", rich_help_panel=_LEARNING),
    ] = 0,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        typer.Option(
            help="auto: the faster, by measuring where there is a time budget.",
            rich_help_panel=_LEARNING,
        ),
    ] = "auto",
    device: Annotated[
        str, typer.Option(help="cpu, cuda, or auto: the best.", rich_help_panel=_LEARNING)
    ] = "auto",
    budget: Annotated[
        str | None,
        typer.Option(
            help="Time to take, like 90s, 10m or 2h.", show_default="5m", rich_help_panel=_LENGTH
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(metavar="X", help="Times to read the text, instead.", rich_help_panel=_LENGTH),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Steps to take, instead.", rich_help_panel=_LENGTH),
    ] = None,
    evaluate_every: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Steps.", show_default="about 20 times", rich_help_panel=_LENGTH
        ),
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Steps.",
            show_default="at evaluations, and every 5 minutes",
            rich_help_panel=_LENGTH,
        ),
    ] = None,
    keep: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Newest checkpoints to keep, beside the best.",
            rich_help_panel=_LENGTH,
        ),
    ] = 2,
) -> None:
    """Train a model on your own text.

    What is left open is chosen for the text and the time.
    Ctrl-C saves the model on the way, and --resume goes on from there.
    """
    from charrnn.cli.display import messages, reading, say
    from charrnn.training.session import failures_told, join

    if resume is not None:
        _refuse_with_resume(context)
    group = join()
    if group is not None and group.rank > 0:
        _follow(group)
        return
    with failures_told(group), reading("reading and measuring ...") as progress:
        begin = _resume if resume is not None else _start
        trainer, plan = begin(context.params, group, progress)
    try:
        with failures_told(group):
            if plan is not None:
                _describe(plan, context.params, processes=1 if group is None else group.size)
            else:
                say(f"going on after step {trainer.position.step:,} of {trainer.config.steps:,}")
        stopped_by = _run(trainer, quiet=quiet or not messages().is_terminal)
    finally:
        if trainer.position.step == 0:
            trainer.run.discard()
    position = trainer.position
    if stopped_by is None or position.evaluated == trainer.config.steps:
        _conclude(trainer)
    elif position.step == 0:
        say("stopped before the first step; nothing was kept")
    else:
        say(f"stopped and saved after step {position.step:,}; go on with:")
        say(f"  charrnn train --resume {trainer.run.argument}")
    if stopped_by is not None:
        raise typer.Exit(128 + stopped_by)


def _refuse_with_resume(context: typer.Context) -> None:
    """Raises ConfigError for settings that --resume would have to ignore."""
    from charrnn.errors import ConfigError

    beside = _BESIDE_RESUME if context.params["corpus"] else {"resume", "quiet"}
    for name in context.params.keys() - beside:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--from" if name == "start_from" else f"--{name.replace('_', '-')}"
            raise ConfigError(f"--resume keeps the run's own settings; leave out {option}")


def _follow(group: "Group") -> None:
    """Takes part in what the first process does, and ends as it ends, without a word."""
    from charrnn.training.session import follow

    with _signals(group.ask_to_stop):
        stopped_by = follow(group)
    if stopped_by is not None:
        raise typer.Exit(128 + stopped_by)


def _resume(
    params: dict[str, Any], group: "Group | None", progress: "ReadingProgress"
) -> "tuple[Trainer, None]":
    from charrnn.training.session import go_on

    read = _read_options(params)
    corpus = params["corpus"] or ()
    return go_on(params["resume"], corpus, read, group=group, progress=progress), None


def _start(
    params: dict[str, Any], group: "Group | None", progress: "ReadingProgress"
) -> "tuple[Trainer, Plan]":
    from charrnn.training.config import TrainingOptions, parse_duration
    from charrnn.training.session import begin

    options = {key: value for key, value in params.items() if key not in _NOT_TRAINING_OPTIONS}
    for key in ("precision", "device"):
        options[key] = None if options[key] == "auto" else options[key]
    if options["budget"] is not None:
        options["budget"] = parse_duration(options["budget"])
    return begin(
        params["corpus"] or (),
        TrainingOptions(**options),
        name=params["name"],
        out=params["out"],
        start_from=params["start_from"],
        tokenizer=params["tokenizer"],
        min_count=params["min_count"],
        read=_read_options(params),
        group=group,
        progress=progress,
    )


def _read_options(params: dict[str, Any]) -> "ReadOptions":
    from charrnn.data.sources import ReadOptions

    return ReadOptions(params["encoding"], params["glob"], params["column"])


def _describe(plan: "Plan", params: dict[str, Any], *, processes: int) -> None:
    """Says what was chosen before the first step."""
    from charrnn.cli.display import facts, messages, say

    text, config, model = plan.corpus, plan.config, plan.network.config
    alphabet = "256 bytes" if text.tokenizer.kind == "byte" else f"{model.vocabulary_size} distinct"
    named = "" if params["corpus"] else " (none was named)"
    per_step = config.batch_size * config.sequence_length
    epochs = config.steps * per_step / (len(text.ids) * (1 - config.validation_fraction))
    network = (
        f"{model.cell} {model.layers} x {model.hidden_size}, embedding {model.embedding_size}, "
        f"dropout {model.dropout:.2g}: {model.parameters:,} parameters"
    )
    together = f" in {processes} processes" if processes > 1 else ""
    training = (
        f"{config.steps:,} steps of {config.batch_size} x {config.sequence_length} characters "
        f"({epochs:.3g} epochs), learning rate {config.learning_rate:g}, "
        f"{config.precision} on {config.device}{together}, seed {config.seed}"
    )
    rows = [
        ("corpus", f"{text.name}{named}: {len(text.ids):,} characters, {alphabet}"),
        ("network", network),
        ("training", training),
    ]
    messages().print(facts(rows))
    for note in plan.notes:
        say(note)


def _run(trainer: "Trainer", *, quiet: bool) -> int | None:
    """Trains to the end, or to the first signal; the signal's number, when there was one."""
    from charrnn.cli.training_display import LiveDisplay, PlainDisplay

    display = PlainDisplay(trainer) if quiet else LiveDisplay(trainer)
    with _signals(trainer.request_stop), display:
        for progress in trainer:
            display.show(progress)
    return trainer.stopped_by


@contextmanager
def _signals(stop: Callable[[int], None]) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP ask to stop, by their number; one more Ctrl-C stops at once."""
    received: list[int] = []

    def handle(number: int, _: object) -> None:
        if not received:
            received.append(number)
            stop(number)
        elif number == signal.SIGINT:  # a closed terminal sends several SIGHUPs
            raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _conclude(trainer: "Trainer") -> None:
    """Says how good the model is, beside simpler means, and what to type next."""
    from charrnn.cli.display import BASELINES, UNITS, messages, say
    from charrnn.evaluation.baselines import baselines

    position = trainer.position
    assert position.best_nats is not None
    bits = position.best_nats / math.log(2)
    unit = UNITS[trainer.corpus.tokenizer.kind]
    say(
        f"best model: {bits:.3f} bits per {unit} on the held-out text "
        f"(step {position.best_step:,})",
        "bold",
    )
    if len(trainer.corpus.ids) <= _LARGEST_FOR_BASELINES:
        with messages().status("comparing ..."):
            simpler = baselines(trainer.training, trainer.validation, trainer.corpus.tokenizer)
        shown = ", ".join(f"{BASELINES[k]} {v / math.log(2):.3f}" for k, v in simpler.items())
        say(f"for comparison: {shown}", "dim")
    name = trainer.run.argument
    say(f"now try: charrnn sample {name}   or   charrnn repl {name}")


_LARGEST_FOR_BASELINES = 3_000_000
"""Characters; beyond that the comparison takes long, and `charrnn evaluate` makes it."""
