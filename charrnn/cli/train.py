"""charrnn train: a model from text."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from charrnn.cli.environment import BESIDE_RESUME
from charrnn.cli.interruption import say_what_is_kept, signals
from charrnn.cli.options import (
    Column,
    Delimiter,
    Encoding,
    Glob,
    Label,
    complete_runs,
    refuse_unused,
)
from charrnn.cli.plan import plan_table, read_options, training_options
from charrnn.cli.training_options import (
    RUN,
    Attention,
    BatchSize,
    Bidirectional,
    Budget,
    Cell,
    CheckpointEvery,
    ClassWeights,
    Clip,
    Corpora,
    Device,
    Dropout,
    EmbeddingSize,
    Epochs,
    EvaluateEvery,
    HiddenSize,
    Keep,
    Layers,
    LearningRate,
    Lines,
    MinCount,
    Patience,
    Pooling,
    Precision,
    ReadoutScale,
    Regress,
    SequenceLength,
    StartFrom,
    Steps,
    TokenizerKind,
    TrainingSeed,
    ValidationFraction,
    WeightDropout,
)

if TYPE_CHECKING:
    from charrnn.data.two_pass_reading import ReadingProgress
    from charrnn.training.parallel.group import Group
    from charrnn.training.plan import Plan
    from charrnn.training.trainer import Trainer

_NOT_TRAINING_OPTIONS: Final = {
    *("corpus", "name", "out", "resume", "start_from", "quiet"),
    *("tokenizer", "min_count", "encoding", "glob", "column", "label", "delimiter"),
}


def train(
    context: typer.Context,
    corpus: Corpora = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Of the run under checkpoints/.",
            show_default="the corpus's",
            rich_help_panel=RUN,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run's folder, instead. Processes on several machines must all see it, "
            "where the text is large.",
            rich_help_panel=RUN,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help="Go on with this run, exactly where it stopped.",
            autocompletion=complete_runs,
            rich_help_panel=RUN,
        ),
    ] = None,
    start_from: StartFrom = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Plain lines only.", rich_help_panel=RUN)
    ] = False,
    tokenizer: TokenizerKind = None,
    lines: Lines = False,
    min_count: MinCount = 1,
    validation_fraction: ValidationFraction = 0.1,
    encoding: Encoding = "utf-8",
    glob: Glob = "*.txt",
    column: Column = None,
    label: Label = None,
    delimiter: Delimiter = None,
    cell: Cell = None,
    layers: Layers = None,
    hidden_size: HiddenSize = None,
    embedding_size: EmbeddingSize = None,
    dropout: Dropout = None,
    weight_dropout: WeightDropout = None,
    bidirectional: Bidirectional = False,
    pooling: Pooling = None,
    attention: Attention = None,
    batch_size: BatchSize = None,
    sequence_length: SequenceLength = None,
    learning_rate: LearningRate = None,
    readout_scale: ReadoutScale = None,
    clip: Clip = None,
    regress: Regress = False,
    class_weights: ClassWeights = "none",
    seed: TrainingSeed = 0,
    precision: Precision = "auto",
    device: Device = "auto",
    budget: Budget = None,
    epochs: Epochs = None,
    steps: Steps = None,
    evaluate_every: EvaluateEvery = None,
    checkpoint_every: CheckpointEvery = None,
    patience: Patience = None,
    keep: Keep = 2,
) -> None:
    """Train a model on your own text.

    What is left open is chosen for the text and the time.
    Ctrl-C saves the model on the way, and --resume goes on from there.
    """
    from charrnn.data.sources import PYTHON_DOCS
    from charrnn.training.parallel.processes import join_group

    if resume is not None:
        _refuse_with_resume(context)
    if corpus or resume is None:
        refuse_unused(context, corpus or [PYTHON_DOCS], tokenizer=tokenizer)
    group = join_group()
    if group.rank > 0:
        _follow(group)
        return
    with signals(None):  # until the training begins, there is nothing to be saved
        stopped_by = _lead(context.params, group)
    if stopped_by is not None:
        raise typer.Exit(128 + stopped_by)


def _lead(params: dict[str, Any], group: "Group") -> int | None:
    """Begins a training or goes on with one, to its end or the first signal; the signal's
    number."""
    from charrnn.cli.display import messages, reading, say
    from charrnn.cli.folders import say_what_is_read

    begin = _start if params["resume"] is None else _resume
    try:
        with group.failures_reported(), reading("reading and measuring ...") as progress:
            trainer, plan = begin(params, group, progress)
    except KeyboardInterrupt:
        kept = "nothing was kept" if params["resume"] is None else "the run is as it was"
        say(f"stopped before the training began; {kept}")
        raise
    try:
        with group.failures_reported():
            if params["corpus"]:
                text = trainer.corpus
                say_what_is_read(text.folders, classes=text.options.label is not None)
            if plan is not None:
                shown = plan_table(plan, named=bool(params["corpus"]), processes=group.size)
                messages().print(shown)
                for note in plan.notes:
                    say(note)
            else:
                say(f"going on after step {trainer.position.step:,} of {trainer.config.steps:,}")
        return _run(trainer, quiet=params["quiet"] or not messages().is_terminal)
    except KeyboardInterrupt:
        say_what_is_kept(trainer)
        raise
    finally:
        if trainer.position.step == 0:
            trainer.run.discard()


def _refuse_with_resume(context: typer.Context) -> None:
    """Raises ConfigError for settings that --resume would have to ignore."""
    from charrnn.errors import ConfigError

    beside = BESIDE_RESUME if context.params["corpus"] else {"resume", "quiet"}
    for name in context.params.keys() - beside:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--from" if name == "start_from" else f"--{name.replace('_', '-')}"
            raise ConfigError(f"--resume keeps the run's own settings; leave out {option}")


def _follow(group: "Group") -> None:
    """Takes part in what the first process does, and ends as it ends, without a word."""
    with signals(group.request_stop):
        stopped_by = group.follow()
    if stopped_by is not None:
        raise typer.Exit(128 + stopped_by)


def _resume(
    params: dict[str, Any], group: "Group", progress: "ReadingProgress"
) -> "tuple[Trainer, None]":
    from charrnn.training.session import resume_training

    read = read_options(params)
    corpus = params["corpus"] or ()
    return resume_training(params["resume"], corpus, read, group=group, progress=progress), None


def _start(
    params: dict[str, Any], group: "Group", progress: "ReadingProgress"
) -> "tuple[Trainer, Plan]":
    from charrnn.training.session import start_training

    return start_training(
        params["corpus"] or (),
        training_options(params, *_NOT_TRAINING_OPTIONS),
        name=params["name"],
        out=params["out"],
        start_from=params["start_from"],
        tokenizer=params["tokenizer"],
        min_count=params["min_count"],
        read=read_options(params),
        group=group,
        progress=progress,
    )


def _run(trainer: "Trainer", *, quiet: bool) -> int | None:
    """Trains to the end, or to the first signal, and says how it ended; the signal's number, when
    there was one."""
    from charrnn.cli.training_display import LiveDisplay, PlainDisplay

    display = PlainDisplay(trainer) if quiet else LiveDisplay(trainer)
    with signals(trainer.request_stop) as all_is_saved:
        with display:
            for progress in trainer:
                display.show(progress)
        all_is_saved()
        _say_how_it_ended(trainer)
    return trainer.stopped_by


def _say_how_it_ended(trainer: "Trainer") -> None:
    from charrnn.cli.display import say
    from charrnn.cli.summaries import conclude

    position = trainer.position
    finished = trainer.turned or position.evaluated == trainer.config.steps
    if trainer.stopped_by is None or finished:
        conclude(trainer)
    elif position.step == 0:
        say("stopped before the first step; nothing was kept")
    else:
        say(f"stopped and saved after step {position.step:,}; go on with:")
        say(f"  charrnn train --resume {trainer.run.argument}")
