"""The lines of metrics.jsonl with the baselines of the held-out text, which curves show beside the
loss.

Baselines that take a small share of a time budget are computed at the first evaluation, so that a
live run has them; the others at the end of the training, outside of the budget. Which ones follows
from the text and the budget alone, not from the clock: a resumed training writes the same lines.
"""

from typing import Final

from charrnn.storage.metrics_file import baseline_name
from charrnn.storage.run import Run
from charrnn.training.checkpoint import TrainingState
from charrnn.training.parallel.group import Group
from charrnn.training.schedule import TimeBudget
from charrnn.training.task import Task

BUDGET_SHARE: Final = 0.01
SECONDS: Final = 2.0
"""The most that baselines may take at the first evaluation: a share of the budget, or seconds where
there is no time budget."""


class BaselineLog:
    """The baselines of a training, each of which is computed and written once.

    Args:
        run: the run of the training.
        task: the task, which computes them.
        budget: the time budget, if there is one.
    """

    def __init__(self, run: Run, task: Task, budget: TimeBudget | None) -> None:
        self._run, self._task = run, task
        self._left = BUDGET_SHARE * budget.seconds if budget is not None else SECONDS
        self._missing = list(task.baselines)

    def forget_known(self) -> None:
        """Leave out the baselines that the run has, as a resumed training does."""
        for line in self._run.measurements():
            self._missing = [each for each in self._missing if baseline_name(each) not in line]

    def log_quick(self, state: TrainingState, group: Group) -> None:
        """Write those that are quick, at the first evaluation."""
        if state.evaluated >= 0 or not self._missing:
            return
        quick = []
        for name in self._missing:
            self._left -= self._task.baselines[name].seconds
            if self._left >= 0:
                quick.append(name)
        self._log(quick, state, group)

    def log_rest(self, state: TrainingState, group: Group) -> None:
        """Write the others, at the end; none where a stop is requested meanwhile."""
        self._log(list(self._missing), state, group, may_stop=True)

    def _log(
        self, names: list[str], state: TrainingState, group: Group, *, may_stop: bool = False
    ) -> None:
        nats = {}
        for name in names:
            if may_stop and group.stopped_by is not None:
                return
            group.say_busy()
            nats[baseline_name(name)] = self._task.baselines[name].nats()
        if nats:
            self._run.log({"step": state.step, "seconds": round(state.seconds, 3), **nats})
        self._missing = [name for name in self._missing if name not in names]
