"""charrnn train: trains a model on text."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from charrnn.cli.environment import BESIDE_RESUME, refuse_unused
from charrnn.cli.interruption import say_what_is_kept, signals
from charrnn.cli.options_from_fields import takes_options
from charrnn.cli.plan_table import plan_table
from charrnn.cli.several_models import plan_or_find, train_several
from charrnn.cli.shared_arguments import Corpora, MinCount, TokenizerKind, complete_runs
from charrnn.data.read_options import ReadOptions
from charrnn.option_declaration import Relations
from charrnn.training.options import TrainingOptions

if TYPE_CHECKING:
    from charrnn.data.two_pass_reading import ReadingProgress
    from charrnn.training.parallel.group import Group
    from charrnn.training.plan import Plan
    from charrnn.training.trainer import Trainer

RUN: Final = "Run"
"""The panel of `--help` for options about the run's folder."""


@takes_options
def train(
    *,
    context: typer.Context,
    corpus: Corpora = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name the run, a folder under checkpoints/.",
            show_default="the corpus's name",
            rich_help_panel=RUN,
        ),
        Relations(excludes=("out",)),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Save the run in this folder instead. Several machines must share the folder if "
            "the text is large.",
            rich_help_panel=RUN,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help="Resume this run exactly where it stopped.",
            autocompletion=complete_runs,
            rich_help_panel=RUN,
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Fine-tune this model instead of training a new one.",
            autocompletion=complete_runs,
            rich_help_panel=RUN,
        ),
    ] = None,
    models: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            help="Train N models of pairs with N seeds, NAME-1 to NAME-N, each for the whole "
            "--budget; NAME lists them, and translates with all of them together.",
            show_default="one model",
            rich_help_panel=RUN,
        ),
        Relations(needs=("source",)),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Print plain lines, without a live display.", rich_help_panel=RUN
        ),
    ] = False,
    log: Annotated[
        Literal["tensorboard"] | None,
        typer.Option(
            help="Write the measurements for TensorBoard as well, in the run's folder tensorboard; "
            "with the extra charrnn-lm\\[tensorboard].",
            show_default="metrics.jsonl only",
            rich_help_panel=RUN,
        ),
    ] = None,
    tokenizer: TokenizerKind = None,
    min_count: MinCount = 1,
    read: ReadOptions,
    options: TrainingOptions,
) -> None:
    """Train a model on your own text.

    Settings that are not given are chosen for the text and the time budget. Ctrl-C stops the
    training and saves the model; --resume continues it.
    """
    from charrnn.cli.longer_training import longer_training
    from charrnn.training.next_commands import LONGER
    from charrnn.training.parallel.torchrun import join_group
    from charrnn.training.session import start_training

    if resume is not None:
        _refuse_with_resume(context)
    if corpus or resume is None:
        refuse_unused(context, tokenizer=tokenizer)
    group = join_group()
    if group.rank > 0:
        _follow(group)
        return
    settings: dict[str, Any] = {
        "start_from": start_from,
        "tokenizer": tokenizer,
        "min_count": min_count,
    }
    lead = partial(_lead, corpus=corpus or (), read=read, group=group, quiet=quiet)
    several = plan_or_find(
        models, resume, corpus or (), options, read, name=name, out=out, **settings
    )
    start: Callable[..., tuple[Trainer, Plan | None]] = partial(
        start_training, corpus or (), options, name=name, out=out, read=read, log=log, **settings
    )
    if resume is not None:
        start = partial(_resume, resume, corpus or (), read, log=log)
    with signals(None):  # before the training begins there is nothing to save
        if several is not None:
            moved = corpus or () if resume is not None else ()
            stopped_by = train_several(several, lead, moved, read, log=log)
        else:
            longer = longer_training(context, LONGER) if group.size == 1 else None
            stopped_by = lead(start, resumes=resume is not None, longer=longer)
    if stopped_by is not None:
        raise typer.Exit(128 + stopped_by)


def _lead(
    start: "Callable[..., tuple[Trainer, Plan | None]]",
    *,
    corpus: Sequence[str],
    read: ReadOptions,
    group: "Group",
    resumes: bool,
    quiet: bool,
    longer: str | None = None,
    is_one_of_several: bool = False,
) -> int | None:
    """Start or resume a training, and train until its end or the first signal. Of one of several
    trainings, the end is said in a line.

    Returns the signal's number, or None.
    """
    from charrnn.cli.display import messages, reading, say
    from charrnn.cli.folders import say_what_is_read

    try:
        with group.failures_reported(), reading("reading and measuring ...") as progress:
            trainer, plan = start(group=group, progress=progress)
    except KeyboardInterrupt:
        kept = "the run is as it was" if resumes else "nothing was kept"
        say(f"stopped before the training began; {kept}")
        raise
    try:
        with group.failures_reported():
            if corpus:
                text = trainer.corpus
                say_what_is_read(text.folders, classes=text.options.label is not None)
            if plan is not None:
                shown = plan_table(plan, named=bool(corpus), processes=group.size)
                messages().print(shown, soft_wrap=True)
                for note in plan.notes:
                    say(note)
            else:
                say(f"resuming after step {trainer.position.step:,} of {trainer.schedule.steps:,}")
        say_end = _say_end_in_a_line if is_one_of_several else partial(_say_how_it_ended, longer)
        return _run(trainer, quiet=quiet or not messages().is_terminal, say_end=say_end)
    except KeyboardInterrupt:
        say_what_is_kept(trainer)
        raise
    finally:
        trainer.close()


def _refuse_with_resume(context: typer.Context) -> None:
    """Raise ConfigError for typed settings that --resume would have to ignore."""
    from charrnn.errors import ConfigError

    beside = BESIDE_RESUME if context.params["corpus"] else {"resume", "quiet", "log"}
    for name in context.params.keys() - beside:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--from" if name == "start_from" else f"--{name.replace('_', '-')}"
            raise ConfigError(f"--resume keeps the run's own settings; leave out {option}")


def _follow(group: "Group") -> None:
    """Train as one of the other processes of a group, without output."""
    with signals(group.request_stop):
        stopped_by = group.follow()
    if stopped_by is not None:
        raise typer.Exit(128 + stopped_by)


def _resume(
    run: str,
    corpus: Sequence[str],
    read: ReadOptions,
    *,
    log: str | None,
    group: "Group",
    progress: "ReadingProgress",
) -> "tuple[Trainer, None]":
    from charrnn.training.session import resume_training

    return resume_training(run, corpus, read, group=group, progress=progress, log=log), None


def _run(trainer: "Trainer", *, quiet: bool, say_end: "Callable[[Trainer], None]") -> int | None:
    """Train until the end or the first signal, and print how it ended. Returns the signal's
    number."""
    from charrnn.cli.training_display import LiveDisplay, PlainDisplay

    display = PlainDisplay(trainer) if quiet else LiveDisplay(trainer)
    with signals(trainer.request_stop) as all_is_saved:
        with display:
            for progress in trainer:
                display.show(progress)
        all_is_saved()
        say_end(trainer)
    return trainer.stopped_by


def _say_end_in_a_line(trainer: "Trainer") -> None:
    from charrnn.cli.display import say

    if trainer.position.step == 0:
        say("stopped before the first step")
    else:
        say(trainer.task.headline(trainer.position, trainer.config))


def _say_how_it_ended(longer: str | None, trainer: "Trainer") -> None:
    from charrnn.cli.display import say, say_command
    from charrnn.cli.summaries import conclude

    position = trainer.position
    finished = trainer.turned or position.evaluated == trainer.schedule.steps
    if trainer.stopped_by is None or finished:
        conclude(trainer, longer)
    elif position.step == 0:
        say("stopped before the first step; nothing was kept")
    else:
        say(f"stopped and saved after step {position.step:,}; to resume:")
        say_command(f"charrnn train --resume {trainer.run.argument}")
