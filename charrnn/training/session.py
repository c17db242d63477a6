"""A training from its arguments to a Trainer that is ready to take steps.

`start_training` reads the corpus, makes a plan, and claims a run directory; `resume_training` finds
a run and reads its newest checkpoint. Both import PyTorch after the checks that do not need it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.ambient import as_usual
from charrnn.data.corpus import open_corpus
from charrnn.data.read_options import ReadOptions
from charrnn.data.two_pass_reading import ReadingProgress, no_progress
from charrnn.signals import signals_blocked
from charrnn.storage.model_directory import Model
from charrnn.storage.new_run import new_run
from charrnn.storage.run_lookup import find_run, load
from charrnn.training.options import TrainingOptions
from charrnn.training.parallel.group import Group
from charrnn.training.parallel.torchrun import progress_reported
from charrnn.training.tensorboard_log import TensorBoardLog, check_log

if TYPE_CHECKING:
    from charrnn.training.plan import Plan
    from charrnn.training.trainer import Trainer


@as_usual
def start_training(
    corpus: Sequence[str],
    options: TrainingOptions,
    *,
    name: str | None = None,
    out: Path | None = None,
    start_from: str | Path | Model | None = None,
    tokenizer: str | None = None,
    min_count: int = 1,
    read: ReadOptions | None = None,
    group: Group | None = None,
    progress: ReadingProgress = no_progress,
    log: str | None = None,
) -> "tuple[Trainer, Plan]":
    """Plan a new training and make a run directory for it; the Trainer has taken no step yet.

    Args:
        corpus, name, out, start_from, tokenizer, min_count, read: see `charrnn.train`.
        options: the settings that the plan must keep.
        group: the processes that train together, from `join_group`; None: this one alone.
        progress: called with how much of the corpus has been read.
        log: what else the measurements are written for, an entry of LOGS; None: metrics.jsonl only.

    Raises CorpusError, ConfigError, ModelError, TrainingError, StorageError.
    """
    check_log(log)
    group = group or Group()
    progress = progress_reported(group, progress)
    text = open_corpus(corpus, read)
    with new_run(text.name, name=name, out=out) as new:
        base = load(start_from) if start_from is not None else None
        with signals_blocked():
            # PyTorch is imported only here, so that mistakes in the arguments are reported at once.
            from charrnn.training.checkpoint import check_sources
            from charrnn.training.plan import make_plan
            from charrnn.training.trainer import Trainer

        check_sources(text)  # before it is read
        plan = make_plan(
            text,
            options,
            kind=tokenizer,
            min_count=min_count,
            base=base,
            keep=new.keep_ids,
            group=group,
            progress=progress,
        )
        trainer = Trainer(
            plan.corpus,
            plan.network,
            plan.config,
            new.claim(),
            group,
            budget=plan.budget,
            spent_seconds=plan.spent_seconds,
        )
        _observe(trainer, log)
        return trainer, plan


@as_usual
def resume_training(
    run: str,
    corpus: Sequence[str] = (),
    read: ReadOptions | None = None,
    *,
    group: Group | None = None,
    progress: ReadingProgress = no_progress,
    log: str | None = None,
) -> "Trainer":
    """Return the Trainer of a run as it was at its newest checkpoint; see `Trainer.resume`.

    Args:
        run: the name or directory of the run.
        corpus: where the text is now, if it was moved; empty: where it was.
        read: how to read `corpus`.
        group, progress, log: see `start_training`.

    Raises ModelError, CorpusError, ConfigError, TrainingError.
    """
    check_log(log)
    group = group or Group()
    progress = progress_reported(group, progress)
    found = find_run(run)
    text = open_corpus(corpus, read) if corpus else None
    with signals_blocked():
        from charrnn.training.trainer import Trainer

    trainer = Trainer.resume(found, text, group=group, progress=progress)
    _observe(trainer, log)
    return trainer


def _observe(trainer: "Trainer", log: str | None) -> None:
    """Write the measurements for another program as well."""
    if log is not None:
        trainer.run.observe(TensorBoardLog(trainer.run, after=trainer.position.step or -1))
