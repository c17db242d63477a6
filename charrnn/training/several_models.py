"""Training of several models that work together: one after the other, each with a seed of its own.

Each model is a run of its own, NAME-1, NAME-2, ...; the directory NAME only lists them (see
`charrnn.storage.model_list`), with what is needed to train those that have not begun. The trainer
knows nothing of it: what is finished stays, an unfinished model is a run that is resumed, and the
others are new trainings.
"""

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.data.corpus import open_corpus
from charrnn.data.read_options import ReadOptions
from charrnn.data.two_pass_reading import ReadingProgress, no_progress
from charrnn.errors import ConfigError, ModelError
from charrnn.storage.json_file import from_json
from charrnn.storage.model_list import (
    MODELS,
    MOST_MODELS,
    is_model_list,
    models_of,
    read_model_list,
    write_model_list,
)
from charrnn.storage.new_run import run_directory
from charrnn.storage.run import RUNS, Run, check_unused, is_run
from charrnn.training.options import TrainingOptions
from charrnn.training.parallel.group import Group
from charrnn.training.session import resume_training, start_training

if TYPE_CHECKING:
    from charrnn.training.plan import Plan
    from charrnn.training.trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """What all models are trained with; the fields are arguments of `start_training`."""

    corpus: tuple[str, ...]
    options: TrainingOptions
    read: ReadOptions
    start_from: str | None = None
    tokenizer: str | None = None
    min_count: int = 1


class SeveralModels:
    """Models that are trained one after the other; `plan_models` and `find_models` return it.

    Attributes:
        directory: the list.
        members: the runs of the models.
        settings: what they are trained with.
    """

    def __init__(
        self, directory: Path, members: Sequence[Path], settings: CommonSettings, *, listed: bool
    ) -> None:
        self.directory, self.members, self.settings = directory, tuple(members), settings
        self._listed = listed

    @property
    def argument(self) -> str:
        """The list as an argument on the command line."""
        return Run(self.directory).argument

    def trained(self) -> int:
        """Return how many models there are, finished or not."""
        return sum(bool(models_of(member)) for member in self.members)

    def start(
        self,
        number: int,
        corpus: Sequence[str] = (),
        read: ReadOptions | None = None,
        *,
        group: Group | None = None,
        progress: ReadingProgress = no_progress,
        log: str | None = None,
    ) -> "tuple[Trainer, Plan | None]":
        """Start or resume the training of a model, by its number from 0; there is no plan where it
        is resumed.

        Args:
            corpus, read: where the text is now, if it was moved.
            group, progress, log: see `start_training`.

        Raises as `start_training` and `resume_training`.
        """
        member, common = self.members[number], self.settings
        if is_run(member):
            resumed = resume_training(
                str(member), corpus, read, group=group, progress=progress, log=log
            )
            return resumed, None
        options = dataclasses.replace(
            common.options,
            seed=common.options.seed + number,
            # All hold out the same part, on which they can be measured together.
            split_seed=common.options.seed,
        )
        trainer, plan = start_training(
            corpus or common.corpus,
            options,
            out=member,
            start_from=common.start_from,
            tokenizer=common.tokenizer,
            min_count=common.min_count,
            read=read if corpus else common.read,
            group=group,
            progress=progress,
            log=log,
        )
        if not self._listed:
            # Only now, as most mistakes in the arguments are found while the corpus is read.
            try:
                write_model_list(self.directory, list(self.members), asdict(common))
            except BaseException:
                trainer.close()
                raise
            self._listed = True
        return trainer, plan

    def is_finished(self, number: int) -> bool:
        """Return whether a model, by its number from 0, has been trained to its end. Raises
        ModelError where none of its checkpoints can be read."""
        from charrnn.training.checkpoint import read_newest
        from charrnn.training.resuming import how_it_ended

        run = Run(self.members[number])
        return is_run(run.directory) and how_it_ended(read_newest(run)) is not None

    def discard(self) -> None:
        """Delete the list where none of its models was kept."""
        if self._listed and not any(member.exists() for member in self.members):
            with contextlib.suppress(OSError):
                (self.directory / MODELS).unlink()
                self.directory.rmdir()
            self._listed = False


def plan_models(
    count: int, settings: CommonSettings, *, name: str | None = None, out: Path | None = None
) -> SeveralModels:
    """Return models to train; their list is written when the first of them begins.

    Args:
        count: how many models there are.
        name, out: the name or the folder of the list, as that of a run; the models lie beside it.

    Raises ConfigError where one of the names is taken.
    """
    if not 2 <= count <= MOST_MODELS:
        raise ConfigError(
            f"models {count}: choose from 2 to {MOST_MODELS}, or leave it out for one"
        )
    if settings.options.seed + count >= 2**63:
        raise ConfigError(f"seed {settings.options.seed}: too large for {count} models")
    if name is None and out is None:
        corpus, number = open_corpus(settings.corpus, settings.read).name, 1
        name = corpus
        while not _is_free(RUNS / name, count):
            number += 1
            name = f"{corpus}-{number}"
    directory = out or RUNS / (name or "")
    if is_model_list(directory):
        raise ConfigError(
            f"{directory} lists models already; continue with --resume {Run(directory).argument}, "
            "or choose another --name"
        )
    directory = run_directory("", name=name, out=out)
    for member in _members(directory, count):
        check_unused(member)
    return SeveralModels(directory, _members(directory, count), settings, listed=False)


def find_models(name: str) -> SeveralModels | None:
    """Return the models of the list of that name, or at that path; None where there is no such
    list. Raises ModelError."""
    for path in (Path(name), RUNS / name):
        if is_model_list(path):
            members, training = read_model_list(path)
            where = f"{path / MODELS}: training"
            return SeveralModels(path, members, _from_json(training, where), listed=True)
    return None


def _members(directory: Path, count: int) -> list[Path]:
    directory = directory if directory.name else directory.resolve()
    return [directory.with_name(f"{directory.name}-{number + 1}") for number in range(count)]


def _is_free(directory: Path, count: int) -> bool:
    try:
        for path in (directory, *_members(directory, count)):
            check_unused(path)
    except ConfigError:
        return False
    return True


def _from_json(data: object, where: str) -> CommonSettings:
    match data:
        case {
            "corpus": [*corpus],
            "options": options,
            "read": read,
            "start_from": (str() | None) as start_from,
            "tokenizer": (str() | None) as tokenizer,
            "min_count": int() as min_count,
            **others,
        } if not others and all(isinstance(each, str) for each in corpus):
            pass
        case None:
            raise ModelError(f"{where}: it is missing; train each of its models by itself")
        case _:
            raise ModelError(f"{where}: expected the settings of a training")
    return CommonSettings(
        corpus=tuple(corpus),
        options=from_json(TrainingOptions, options, where=f"{where}: options"),
        read=from_json(ReadOptions, read, where=f"{where}: read"),
        start_from=start_from,
        tokenizer=tokenizer,
        min_count=min_count,
    )
