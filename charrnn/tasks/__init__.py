"""The registry of tasks: what a network can be trained for, one folder each.

It lies on the lowest floor, imports a task's folder only on request, and is the only place below
the tasks that knows their names. A new task is a new folder and an entry here.
"""

from importlib import import_module
from typing import Any, Final

TASKS: Final[dict[str, str]] = {
    "generate": "charrnn.tasks.generate.definition:GENERATE",
    "restore": "charrnn.tasks.infill.definition:RESTORE",
    "classify": "charrnn.tasks.classify.definition:CLASSIFY",
    "regress": "charrnn.tasks.classify.definition:REGRESS",
    "transduce": "charrnn.tasks.transduce.definition:TRANSDUCE",
}
"""The location of each task's definition (module:variable), by the task's name in config.json."""


def find_task(name: str) -> Any:
    """Return the TaskDefinition (charrnn.training.task) of an entry of TASKS. This does not load
    torch."""
    module, variable = TASKS[name].split(":")
    return getattr(import_module(module), variable)


def choose_task(
    *, labelled: bool, regress: bool, bidirectional: bool, base: str | None, pairs: bool = False
) -> str:
    """Return the entry of TASKS that a training is for, where the options do not name it.

    Args:
        labelled: whether each document has a label.
        regress: whether labels are numbers.
        bidirectional: whether text is read in both directions.
        base: the task of the model that the training starts from; None for a fresh network.
        pairs: whether the corpus is pairs of strings.
    """
    if pairs:
        return "transduce"
    if labelled:
        return "regress" if regress else "classify"
    return "restore" if bidirectional or base == "restore" else "generate"
