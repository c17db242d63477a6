"""The display of a training: a progress bar on a terminal, a line for each evaluation elsewhere."""

from typing import TYPE_CHECKING, Final

from charrnn.cli.display import clock, messages, printable, say, sparkline
from charrnn.wording import thousands

if TYPE_CHECKING:
    from rich.console import Group

    from charrnn.training.progress import Progress
    from charrnn.training.trainer import Trainer

_SAMPLE_LINES: Final = 5
_SPARKLINE: Final = 10
_LONGEST_NAME: Final = 24
"""The most lines of a sample, the most losses of the sparkline, and the most characters of the
run's name that are shown."""


class PlainDisplay:
    """A display of one line for each evaluation."""

    def __init__(self, trainer: "Trainer") -> None:
        self._smooth = _Smooth()
        self._unit = trainer.corpus.tokenizer.unit
        self._loss = _Loss(trainer)
        self._clock, self._speed = _Column(len("0:00")), _Column(len("950k"))
        self._training, self._validation = _Column(len("0.000")), _Column(len("0.000"))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, progress: "Progress") -> None:
        """Show the progress after a step."""
        train = self._smooth.add(progress.train_nats)
        if progress.revision is not None:
            say(progress.revision)
        if progress.validation_nats is None:
            return
        step = f"{progress.step:,}".rjust(len(f"{progress.steps:,}"))
        training = self._training.align(self._loss.training(train))
        validation = self._validation.align(self._loss.validation(progress.validation_nats))
        best = " (best)" if progress.validation_nats == progress.best_nats else ""
        say(
            f"step {step}/{progress.steps:,}  {self._clock.align(clock(progress.seconds))}  "
            f"{self._characters_per_second(progress)}  training {training}  validation "
            f"{validation} {self._loss.unit.name}{best}{self._loss.measured()}"
        )

    def _characters_per_second(self, progress: "Progress") -> str:
        return f"{self._speed.align(thousands(progress.characters_per_second))} {self._unit}s/s"


class LiveDisplay(PlainDisplay):
    """A display with a progress bar and the time left, both losses, a sparkline of the validation
    losses and the speed.

    Samples are printed above it.
    """

    def __init__(self, trainer: "Trainer") -> None:
        super().__init__(trainer)
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[step]}"),
            TaskProgressColumn(),
            TimeLeft(compact=True),
            TextColumn("left"),
            console=messages(),
            expand=True,
        )
        step, steps = trainer.position.step, trainer.schedule.steps
        self._task = self._bar.add_task(
            shortened(printable(trainer.run.name), _LONGEST_NAME),
            total=steps,
            completed=step,
            step=_step(step, steps),
        )
        self._losses = [
            line["validation_nats"]
            for line in trainer.run.measurements()
            if "validation_nats" in line
        ]
        self._line = ""
        self._live = Live(console=messages(), refresh_per_second=4, get_renderable=self._render)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, progress: "Progress") -> None:
        """Show the progress after a step."""
        train = self._smooth.add(progress.train_nats)
        if progress.revision is not None:
            say(progress.revision)
        if progress.validation_nats is not None:
            self._losses.append(progress.validation_nats)
            self._show_sample(progress)
        validation = self._loss.validation(self._losses[-1]) if self._losses else "..."
        self._line = (
            f"training {self._training.align(self._loss.training(train))}  validation "
            f"{self._validation.align(validation)} {self._loss.unit.abbreviation}  "
            f"{sparkline(self._losses, _SPARKLINE):{_SPARKLINE}}  "
            f"{self._characters_per_second(progress)}"
        )
        self._bar.update(
            self._task,
            completed=progress.step,
            total=progress.steps,
            step=_step(progress.step, progress.steps),
        )

    def _show_sample(self, progress: "Progress") -> None:
        from rich.text import Text

        assert progress.validation_nats is not None
        best = ", the best so far" if progress.validation_nats == progress.best_nats else ""
        loss = self._loss.validation(progress.validation_nats)
        title = f"step {progress.step:,}: validation {loss} {self._loss.unit.name}{best}"
        messages().print(Text(title, style="bold"))
        lines = printable(progress.sample or "").strip("\n").splitlines()[:_SAMPLE_LINES]
        messages().print(Text("\n".join(lines) + "\n", style="dim"))

    def _render(self) -> "Group":
        from rich.console import Group
        from rich.text import Text

        return Group(self._bar, Text(self._line, no_wrap=True, overflow="crop"))


def _step(step: int, steps: int) -> str:
    """Return the step and the number of steps, in a constant number of columns."""
    return f"step {f'{step:,}':>{len(f'{steps:,}')}}/{steps:,}"


def shortened(name: str, length: int) -> str:
    """Return a name of at most `length` characters; the end of a longer one becomes an ellipsis."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


class _Column:
    """Values aligned on the right, in a column that grows for a wider value and never shrinks.

    Args:
        width: of the column at first, in characters.
    """

    def __init__(self, width: int) -> None:
        self._width = width

    def align(self, value: str) -> str:
        """Return the value, as wide as the column."""
        self._width = max(self._width, len(value))
        return value.rjust(self._width)


class _Loss:
    """A formatter of losses in the unit of the training's task."""

    def __init__(self, trainer: "Trainer") -> None:
        self._task = trainer.task
        self.unit = trainer.task.definition.loss_unit(trainer.corpus.tokenizer)

    def training(self, loss: float) -> str:
        """Return the loss of a step as text; it is in the unit of the network's outputs."""
        show = self.unit.show_training or self.unit.show
        return show(loss * self._task.unit**2)

    def validation(self, loss: float) -> str:
        """Return the loss of an evaluation as text."""
        return self.unit.show(loss)

    def measured(self) -> str:
        """Return the metric of the last evaluation that the task shows beside the loss, as text."""
        name = self._task.definition.shown_measure
        return "" if name is None else f", {name} {self._task.measures()[name]:.3f}"


class _Smooth:
    """An exponential moving average, bias-corrected as in Adam."""

    def __init__(self) -> None:
        self._sum = self._weight = 0.0

    def add(self, value: float, decay: float = 0.95) -> float:
        """Add a value, and return the average."""
        self._sum = decay * self._sum + (1 - decay) * value
        self._weight = decay * self._weight + (1 - decay)
        return self._sum / self._weight
