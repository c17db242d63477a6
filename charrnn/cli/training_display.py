"""What a training looks like: a live line on a terminal, plain lines elsewhere."""

from typing import TYPE_CHECKING, Final

from charrnn.cli.display import duration, messages, printable, say, sparkline, thousands

if TYPE_CHECKING:
    from rich.console import Group

    from charrnn.training.progress import Progress
    from charrnn.training.trainer import Trainer

_SAMPLE_LINES: Final = 5


class PlainDisplay:
    """One line at each evaluation."""

    def __init__(self, trainer: "Trainer") -> None:
        self._smooth = _Smooth()
        self._unit = trainer.corpus.tokenizer.unit
        self._loss = _Loss(trainer)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, progress: "Progress") -> None:
        """Shows the progress after a step."""
        train = self._smooth.add(progress.train_nats)
        if progress.validation_nats is not None:
            best = " (best)" if progress.validation_nats == progress.best_nats else ""
            say(
                f"step {progress.step}/{progress.steps}  {duration(progress.seconds)}  training "
                f"{self._loss.training(train)}  validation "
                f"{self._loss.validation(progress.validation_nats)} "
                f"{self._loss.unit.name}{best}{self._loss.measured()}  "
                f"{thousands(progress.characters_per_second)} {self._unit}s/s"
            )


class LiveDisplay(PlainDisplay):
    """A bar with the time left, the two losses with a sparkline, the speed; samples scroll
    above."""

    def __init__(self, trainer: "Trainer") -> None:
        super().__init__(trainer)
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeLeft(compact=True),
            TextColumn("left"),
            console=messages(),
            expand=True,
        )
        self._task = self._bar.add_task(
            printable(trainer.run.name), total=trainer.config.steps, completed=trainer.position.step
        )
        self._validation = [
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
        """Shows the progress after a step."""
        train = self._smooth.add(progress.train_nats)
        if progress.validation_nats is not None:
            self._validation.append(progress.validation_nats)
            self._show_sample(progress)
        validation = self._loss.validation(self._validation[-1]) if self._validation else "..."
        speed = thousands(progress.characters_per_second)
        self._line = (
            f"{self._loss.unit.abbreviation}: training {self._loss.training(train)}, validation "
            f"{validation} {sparkline(self._validation, 10)}  {speed} {self._unit}s/s"
        )
        self._bar.update(self._task, completed=progress.step)

    def _show_sample(self, progress: "Progress") -> None:
        from rich.text import Text

        assert progress.validation_nats is not None
        best = ", the best so far" if progress.validation_nats == progress.best_nats else ""
        loss = self._loss.validation(progress.validation_nats)
        title = f"step {progress.step:,}: {loss} {self._loss.unit.name}{best}"
        messages().print(Text(title, style="bold"))
        lines = printable(progress.sample or "").strip("\n").splitlines()[:_SAMPLE_LINES]
        messages().print(Text("\n".join(lines) + "\n", style="dim"))

    def _render(self) -> "Group":
        from rich.console import Group
        from rich.text import Text

        return Group(self._bar, Text(self._line, no_wrap=True, overflow="crop"))


class _Loss:
    """How a loss is shown: in the unit of the training's task."""

    def __init__(self, trainer: "Trainer") -> None:
        self._task = trainer.task
        self.unit = trainer.task.definition.loss_unit(trainer.corpus.tokenizer)

    def training(self, loss: float) -> str:
        """The loss of a step, whose outputs are in the task's own unit."""
        return self.unit.show(loss * self._task.unit**2)

    def validation(self, loss: float) -> str:
        """The loss of an evaluation."""
        return self.unit.show(loss)

    def measured(self) -> str:
        """What the last evaluation measured beside the loss, where the task has that shown."""
        name = self._task.definition.shown_measure
        return "" if name is None else f", {name} {self._task.measures()[name]:.3f}"


class _Smooth:
    """An exponential moving average, right from its first value on."""

    def __init__(self) -> None:
        self._sum = self._weight = 0.0

    def add(self, value: float, decay: float = 0.95) -> float:
        """The average after one more value."""
        self._sum = decay * self._sum + (1 - decay) * value
        self._weight = decay * self._weight + (1 - decay)
        return self._sum / self._weight
