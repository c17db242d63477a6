"""The end of a training: how good the model is, and which commands to try next."""

import dataclasses
from typing import TYPE_CHECKING, Final

from charrnn.cli.display import key_value_table, messages, report_table, say, say_command
from charrnn.training.next_commands import next_commands

if TYPE_CHECKING:
    from charrnn.training.trainer import Trainer

_LINE: Final = 80
"""Characters of a line on which a command has its purpose beside it."""


def conclude(trainer: "Trainer", longer: str | None = None) -> None:
    """Print how a training ended, and the commands to try next.

    Args:
        longer: the command that trains for longer, see `next_commands`.
    """
    task = trainer.task
    # First, as Ctrl-C may interrupt the measurements below.
    say(task.headline(trainer.position, trainer.config), "bold")
    if trainer.turned:
        _say_turned(trainer)
    with messages().status("measuring the best model ..."):
        summary = task.summarize(trainer.run)
    if summary.rows:
        messages().print(key_value_table(summary.rows))
    if summary.table is not None:
        messages().print(report_table(summary.table))
    if summary.remark is not None:
        say(summary.remark, "dim")
    _say_next_commands(trainer, longer)


def _say_next_commands(trainer: "Trainer", longer: str | None) -> None:
    commands = next_commands(
        trainer.task,
        dataclasses.replace(trainer.config, steps=trainer.schedule.steps),
        trainer.run.argument,
        longer=longer,
        stopped_early=trainer.turned,
    )
    say("now try:")
    width = max(len(each.command) for each in commands)
    beside = width + max(len(each.purpose) for each in commands) + 4 <= _LINE
    for each in commands:
        if beside:
            say_command(each.command.ljust(width), each.purpose)
            continue
        say_command(each.command)
        if each.purpose:
            say(f"      {each.purpose}", "dim")


def _say_turned(trainer: "Trainer") -> None:
    """Print why a training ended before its last step."""
    position = trainer.position
    assert position.validation_nats is not None and position.best_nats is not None
    risen = position.validation_nats / position.best_nats - 1
    say(
        f"training stopped early, at step {position.step:,} of {trainer.schedule.steps:,}: the "
        f"validation loss was lowest at step {position.best_step:,} and has risen by "
        f"{100 * risen:.0f} % since. More text helps most; a smaller --hidden-size, or a higher "
        "--dropout and --weight-dropout, may help as well"
    )
