"""Progress bars of tqdm, for scripts and notebooks; the command line has displays of its own."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from charrnn.data.two_pass_reading import LARGEST_IN_MEMORY, ReadingProgress, no_progress

if TYPE_CHECKING:
    from charrnn.training.progress import Progress
    from charrnn.training.trainer import Trainer


@contextlib.contextmanager
def reading_bar(wanted: bool) -> Iterator[ReadingProgress]:
    """Show how far the reading of a large corpus has come: one bar for each pass over it."""
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


def with_bar(trainer: "Trainer") -> "Iterator[Progress]":
    """Yield what a Trainer does, beside a bar of its steps that names the last evaluation."""
    from tqdm.auto import tqdm

    with (
        tqdm(total=trainer.schedule.steps, initial=trainer.position.step, unit="step") as bar,
        contextlib.closing(iter(trainer)) as steps,
    ):
        for progress in steps:
            if progress.revision is not None:
                bar.total = progress.steps
            bar.update()
            if progress.validation_nats is not None:
                bar.set_postfix(_measures(trainer, progress.validation_nats), refresh=False)
            yield progress


def _measures(trainer: "Trainer", loss: float) -> dict[str, str]:
    """Return the first measures of the last evaluation by name; where there are none, its loss."""
    if measures := trainer.task.measures():
        return {name: f"{value:.4g}" for name, value in list(measures.items())[:2]}
    unit = trainer.task.definition.loss_unit(trainer.corpus.tokenizer)
    return {unit.name.replace(" ", "_"): unit.show(loss)}
