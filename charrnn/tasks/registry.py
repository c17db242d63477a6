"""TASKS and LOSSES: what a network can be trained for, by the names of `model.config.TASKS`."""

from collections.abc import Callable
from typing import Any, Final

from charrnn.data.corpus import TokenizedCorpus
from charrnn.tasks.classify.task import LabelledTask, labelled_loss
from charrnn.tasks.generate.task import Generation, generation_loss
from charrnn.tasks.infill.task import Restoration, restoration_loss
from charrnn.training.config import TrainingConfig, TrainingOptions
from charrnn.training.task import Learned, Loader, Loss, Task

TASKS: Final[dict[str, Callable[..., Task]]] = {
    "generate": Generation,
    "classify": LabelledTask,
    "regress": LabelledTask,
    "restore": Restoration,
}

LOSSES: Final[dict[str, Loss]] = {
    "generate": generation_loss,
    "classify": labelled_loss,
    "regress": labelled_loss,
    "restore": restoration_loss,
}
"""How the network of a task learns from a batch."""


def make_task(
    name: str,
    corpus: TokenizedCorpus,
    settings: TrainingConfig | TrainingOptions,
    *,
    split_seed: int | None,
) -> Task:
    """The task of that name on a corpus; `split_seed` is that of TrainingConfig.

    Raises CorpusError when the text is not enough for it.
    """
    more: dict[str, Any] = {"split_seed": split_seed}
    if name in ("classify", "regress"):
        seed = settings.seed if split_seed is None else split_seed
        more = {"seed": seed, "class_weights": settings.class_weights}
    return TASKS[name](
        corpus, validation_fraction=settings.validation_fraction, lines=settings.lines, **more
    )


__all__ = [
    "LOSSES",
    "TASKS",
    "Generation",
    "LabelledTask",
    "Learned",
    "Loader",
    "Loss",
    "Restoration",
    "Task",
    "make_task",
]
