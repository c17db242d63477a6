"""The registry of tasks: what a network can be trained for, one folder each.

It stands on the ground floor, imports a task's folder only when it is asked for, and is the one
place below the tasks that knows them by name. A new task is a new folder and its entry here.
"""

from importlib import import_module
from typing import Any, Final

TASKS: Final[dict[str, str]] = {
    "generate": "charrnn.tasks.generate.definition:GENERATE",
    "restore": "charrnn.tasks.infill.definition:RESTORE",
    "classify": "charrnn.tasks.classify.definition:CLASSIFY",
    "regress": "charrnn.tasks.classify.definition:REGRESS",
}
"""Where the definition of each task is (module:variable), by its name in config.json."""


def find_task(name: str) -> Any:
    """The TaskDefinition (charrnn.training.task) of an entry of TASKS. It loads no torch."""
    module, variable = TASKS[name].split(":")
    return getattr(import_module(module), variable)


def choose_task(*, labelled: bool, regress: bool, bidirectional: bool, base: str | None) -> str:
    """The entry of TASKS that a training is for, where it is not named.

    Args:
        labelled: whether each document has a label.
        regress: whether labels are numbers.
        bidirectional: whether text is read from its end as well.
        base: the task of the model that the training starts from, None for a fresh network.
    """
    if labelled:
        return "regress" if regress else "classify"
    return "restore" if bidirectional or base == "restore" else "generate"
