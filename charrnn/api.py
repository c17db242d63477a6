"""From what a person says to a training: names and options in, a Trainer out."""

import contextlib
import math
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.ambient import as_usual
from charrnn.data.corpus import (
    LARGEST_IN_MEMORY,
    ReadingProgress,
    no_progress,
)
from charrnn.data.sources import ReadOptions, folders_of
from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.signals import STOP_SIGNALS, signals_blocked
from charrnn.storage.new_run import new_run
from charrnn.storage.run_lookup import find_run, load
from charrnn.tasks.classify.documents import open_any
from charrnn.training.config import TrainingOptions, parse_duration
from charrnn.training.parallel.torchrun import place

if TYPE_CHECKING:
    from charrnn.training.parallel.group import Group
    from charrnn.training.plan import Plan
    from charrnn.training.trainer import Progress, Trainer


@as_usual
def begin(
    corpus: Sequence[str],
    options: TrainingOptions,
    *,
    name: str | None = None,
    out: Path | None = None,
    start_from: str | Path | None = None,
    tokenizer: str | None = None,
    min_count: int = 1,
    read: ReadOptions | None = None,
    group: "Group | None" = None,
    progress: ReadingProgress = no_progress,
) -> "tuple[Trainer, Plan]":
    """A new training, planned, in a run directory of its own; see `train`.

    `group` is that of `join`; the other processes are told what this one fails with. `progress` is
    told how far the reading of the corpus has come. Raises CorpusError, ConfigError, ModelError,
    TrainingError, StorageError.
    """
    progress = _heard_by(group, progress)
    text = open_any(corpus, read)
    with new_run(text.name, name=name, out=out) as new:
        base = load(start_from) if start_from is not None else None
        with signals_blocked():
            # Only from here on is PyTorch needed: what is misspelt is told at once.
            from charrnn.tasks.classify.plan import make_any_plan
            from charrnn.training.checkpoint import check_sources
            from charrnn.training.trainer import start

        check_sources(text)  # before it is read
        plan = make_any_plan(
            text,
            options,
            kind=tokenizer,
            min_count=min_count,
            base=base,
            keep=new.keep_ids,
            group=group,
            progress=progress,
        )
        return start(plan, new.claim(), group), plan


@as_usual
def go_on(
    run: str,
    corpus: Sequence[str] = (),
    read: ReadOptions | None = None,
    *,
    group: "Group | None" = None,
    progress: ReadingProgress = no_progress,
) -> "Trainer":
    """The training of a run, as it was at its newest checkpoint; see `Trainer.resume`.

    `corpus` is where its text is now, when it was moved. `progress` is told how far its reading has
    come, and `group` is that of `join`.
    """
    progress = _heard_by(group, progress)
    found = find_run(run)
    text = open_any(corpus, read) if corpus else None
    with signals_blocked():
        from charrnn.training.trainer import Trainer

    return Trainer.resume(found, text, group=group, progress=progress)


def _heard_by(group: "Group | None", progress: ReadingProgress) -> ReadingProgress:
    """The progress of a reading that the other processes wait for, who are told that it goes on."""
    if group is None:
        return progress

    def told(what: str, done: int, total: int | None) -> None:
        group.say_busy(in_steps=False)
        progress(what, done, total)

    return told


def join() -> "Group | None":
    """Meets the processes that torchrun has started for the same training; None without torchrun.

    The first of them leads: `begin` or `go_on`, within `failures_told`. The others `follow`. Raises
    ConfigError, TrainingError.
    """
    if place().size == 1:
        return None
    with signals_blocked():
        from charrnn.training.parallel.group import Group

    with _signals_at_once():
        return Group.join()


def follow(group: "Group") -> int | None:
    """Takes part in what the first process of the group leads; see `companions.follow`."""
    with signals_blocked():
        from charrnn.training.parallel import leader_follower

    return leader_follower.follow(group)


@contextlib.contextmanager
def failures_told(group: "Group | None") -> Iterator[None]:
    """Ends the processes that wait for this one to begin, when it fails in here."""
    try:
        yield
    except BaseException as error:
        if group is not None:
            group.fail(error, in_steps=False)
        raise


@as_usual
def train(
    corpus: str | Path | Sequence[str | Path] = (),
    *,
    name: str | None = None,
    out: str | Path | None = None,
    resume: str | None = None,
    start_from: str | Path | None = None,
    tokenizer: str | None = None,
    min_count: int = 1,
    read: ReadOptions | None = None,
    text: str | None = None,
    label: str | None = None,
    budget: str | float | None = None,
    progress_bar: bool = True,
    **options: Any,
) -> "Iterator[Progress]":
    """Trains a model on text; gives Progress after each step.

    In a script that torchrun has started, its processes train together, and the first of them gives
    Progress.

    An interrupt (Ctrl-C, a notebook's stop button) in the middle of a step raises KeyboardInterrupt
    once that step has been taken and saved; a second one at once, and what was learned since the
    last checkpoint is lost then. After a `break`, or what is raised in the loop, it is saved as
    well, as soon as nothing refers to the iterator any more (or it is closed). `resume` goes on
    from there.

    >>> for progress in charrnn.train("fables", budget="1m", name="fables"):
    ...     pass
    >>> print(charrnn.sample("fables", "The fox"))

    Args:
        corpus: files, folders, names in `corpora/`, `hf:owner/name`; Python's manual when empty.
        name: of the run under `checkpoints/`; made up from the corpus's when None.
        out: the run directory, instead.
        resume: the name of a run to go on with; all else but `corpus` must be left out.
        start_from: a model to fine-tune.
        tokenizer, min_count, read: how to read the corpus; see `tokenize` and ReadOptions.
        text, label: the columns of a table that hold a text, and the class or number that is to be
            told of it; `label="folder"` for a folder with a folder for each class. They take the
            place of `column` and `label` of `read`.
        budget: like "10m", or seconds.
        progress_bar: show one (tqdm's, which suits a notebook).
        options: the other attributes of TrainingOptions.

    Raises CorpusError, ConfigError, ModelError, TrainingError, StorageError.
    """
    names = [str(item) for item in ([corpus] if isinstance(corpus, str | Path) else corpus)]
    if text is not None or label is not None:
        read = replace(read or ReadOptions(), column=text, label=label)
    group = join()
    if group is not None and group.rank > 0:
        follow(group)
        return
    _warn_of_folders(names, read or ReadOptions())
    with failures_told(group), _reading_bar(progress_bar) as reading:
        if resume is not None:
            others = (name, out, start_from, tokenizer, budget, read if not names else None)
            if options or min_count != 1 or any(each is not None for each in others):
                raise ConfigError(
                    "resume keeps the run's own settings; leave out all but the corpus"
                )
            trainer = go_on(resume, names, read, group=group, progress=reading)
        else:
            seconds = parse_duration(budget) if isinstance(budget, str) else budget
            trainer, _ = begin(
                names,
                TrainingOptions(budget=seconds, **options),
                name=name,
                out=Path(out) if out is not None else None,
                start_from=start_from,
                tokenizer=tokenizer,
                min_count=min_count,
                read=read,
                group=group,
                progress=reading,
            )
    if not progress_bar:
        yield from trainer
        return
    from tqdm.auto import tqdm

    with tqdm(total=trainer.config.steps, initial=trainer.position.step, unit="step") as bar:
        for progress in trainer:
            bar.update()
            if progress.validation_nats is not None:
                bar.set_postfix(_measured(trainer, progress.validation_nats), refresh=False)
            yield progress


def _warn_of_folders(names: Sequence[str], read: ReadOptions) -> None:
    """Warns of what is left out of folders, where that may not be meant."""
    for found in folders_of(names, read):
        for surprise in found.surprises(classes=read.label is not None):
            warnings.warn(surprise, CharRNNWarning, stacklevel=3)


def _measured(trainer: "Trainer", nats: float) -> dict[str, str]:
    """What the last evaluation found, by what it is."""
    from charrnn.tasks.registry import LabelledTask

    if isinstance(trainer.task, LabelledTask):
        return {name: f"{value:.4g}" for name, value in list(trainer.task.measures().items())[:2]}
    return {"bits_per_character": f"{nats / math.log(2):.3f}"}


@contextlib.contextmanager
def _reading_bar(wanted: bool) -> Iterator[ReadingProgress]:
    """Shows how far the reading of a large corpus has come, one bar for each thing done with it."""
    if not wanted:
        yield no_progress
        return
    from tqdm.auto import tqdm

    with contextlib.ExitStack() as shown:
        bars: dict[str, tqdm[Any]] = {}

        def show(what: str, done: int, total: int | None) -> None:
            if (total or done) < LARGEST_IN_MEMORY:
                return
            if what not in bars:
                shown.close()
                bar = tqdm(total=total, desc=what, unit="B", unit_scale=True, leave=False)
                bars[what] = shown.enter_context(bar)
            bars[what].update(done - bars[what].n)

        yield show


@contextlib.contextmanager
def _signals_at_once() -> Iterator[None]:
    """Has a signal end the process, which may be waiting where Python would not hear of it."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        yield
        return
    heeded = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
