"""Trains several models that work together, one after the other, and says how far that is."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from charrnn.data.read_options import ReadOptions
from charrnn.training.options import TrainingOptions

if TYPE_CHECKING:
    from charrnn.training.several_models import SeveralModels


class Lead(Protocol):
    """Trains a model and prints how it ended; returns the number of the signal that stopped it."""

    def __call__(self, start: Callable[..., Any], *, resumes: bool, is_one_of_several: bool) -> Any:
        """Train what `start` starts."""
        ...


def plan_or_find(
    count: int | None,
    resume: str | None,
    corpus: Sequence[str],
    options: TrainingOptions,
    read: ReadOptions,
    *,
    name: str | None,
    out: Path | None,
    **others: Any,
) -> "SeveralModels | None":
    """Return the models to train, or whose training is resumed; None where the command is for a
    single one.

    Args:
        count: how many models; None: one.
        others: other settings that all models are trained with.

    Raises ConfigError, ModelError.
    """
    from charrnn.training.several_models import CommonSettings, find_models, plan_models

    if resume is not None:
        return find_models(resume)
    if count is None:
        return None
    settings = CommonSettings(corpus=tuple(corpus), options=options, read=read, **others)
    return plan_models(count, settings, name=name, out=out)


def train_several(
    several: "SeveralModels",
    lead: Lead,
    corpus: Sequence[str],
    read: ReadOptions,
    *,
    log: str | None,
) -> int | None:
    """Train the models that are not finished, until the first signal. Returns its number, or None.

    Args:
        corpus, read: where the text is now, if a training is resumed and it was moved.

    Raises TrainingError where all of them are finished already.
    """
    from charrnn.cli.display import say
    from charrnn.errors import TrainingError

    count = len(several.members)
    waiting = [number for number in range(count) if not several.is_finished(number)]
    if not waiting:
        raise TrainingError(f"{several.directory}: all its {count} models have been trained")
    if len(waiting) < count:
        say(f"{count - len(waiting)} of {count} models have been trained already")
    stopped_by: int | None = None
    try:
        for number in waiting:
            say(f"model {number + 1} of {count}: {several.members[number]}", "bold")
            start = partial(several.start, number, corpus, read, log=log)
            stopped_by = lead(start, resumes=number > 0, is_one_of_several=True)
            if stopped_by is not None:
                break
    finally:
        several.discard()
        _say_how_far(several)
    return stopped_by


def _say_how_far(several: "SeveralModels") -> None:
    """Print how many of the models are finished, and the commands to try next."""
    from charrnn.cli.display import say, say_command
    from charrnn.storage.model_directory import read_config
    from charrnn.storage.model_list import models_of
    from charrnn.training.task import task_definition

    trained = [models for models in map(models_of, several.members) if models]
    if not trained:
        return
    count, argument = len(several.members), several.argument
    finished = sum(several.is_finished(number) for number in range(count))
    if finished < count:
        say(f"{finished} of {count} models have been trained to their end; to train the others:")
        say_command(f"charrnn train --resume {argument}")
        return
    say(f"all {count} models have been trained, and {argument} works with them together; now try:")
    for usage in task_definition(read_config(trained[0][0])[0].task).usage:
        say_command(f"charrnn {usage.format(run=argument)}")
