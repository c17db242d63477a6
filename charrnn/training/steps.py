"""The steps of a training whose settings are given as arguments, as in a script or a notebook."""

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.data.folders import warn_of_surprises
from charrnn.data.read_options import PAIRS, ReadOptions
from charrnn.errors import ConfigError
from charrnn.storage.model_directory import Model
from charrnn.storage.run import Run
from charrnn.training.options import TrainingOptions, parse_duration

if TYPE_CHECKING:
    from charrnn.training.progress import Progress


def training_steps(
    corpus: str | Path | Sequence[str | Path] = (),
    *,
    name: str | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    start_from: str | Path | Model | None = None,
    tokenizer: str | None = None,
    min_count: int = 1,
    read: ReadOptions | None = None,
    text: str | None = None,
    label: str | None = None,
    budget: str | float | None = None,
    log: str | None = None,
    progress_bar: bool = True,
    **options: Any,
) -> "Generator[Progress, None, Run]":
    """Train, and yield Progress after each step; see `charrnn.stream_train`."""
    from charrnn.training.parallel.torchrun import join_group
    from charrnn.training.progress_bar import reading_bar, with_bar
    from charrnn.training.session import resume_training, start_training

    names = [str(item) for item in ([corpus] if isinstance(corpus, str | Path) else corpus)]
    if text is not None or label is not None:
        read = replace(read or ReadOptions(), column=text, label=label)
    if pairs := {name: options.pop(name) for name in PAIRS if name in options}:
        read = replace(read or ReadOptions(), **pairs)
    group = join_group()
    if group.rank > 0:
        group.follow()
        assert group.run_directory is not None
        return Run(group.run_directory)
    with group.failures_reported(), reading_bar(progress_bar) as reading:
        if resume is not None:
            others = (name, out, start_from, tokenizer, budget, read if not names else None)
            if options or min_count != 1 or any(each is not None for each in others):
                raise ConfigError(
                    "resume keeps the run's own settings; leave out all but the corpus"
                )
            trainer = resume_training(
                str(resume), names, read, group=group, progress=reading, log=log
            )
        else:
            seconds = parse_duration(budget) if isinstance(budget, str) else budget
            trainer, _ = start_training(
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
                log=log,
            )
    with contextlib.closing(trainer):
        if names:
            with group.failures_reported():
                warn_of_surprises(
                    trainer.corpus.folders, classes=trainer.corpus.options.label is not None
                )
        yield from with_bar(trainer) if progress_bar else trainer
    return trainer.run
