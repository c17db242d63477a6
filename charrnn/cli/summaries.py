"""What is said at the end of a training: how good the model is, and what to type next."""

from typing import TYPE_CHECKING

from charrnn.cli.display import key_value_table, messages, report_table, say

if TYPE_CHECKING:
    from charrnn.training.trainer import Trainer


def conclude(trainer: "Trainer") -> None:
    """Says how a training ended."""
    task = trainer.task
    say(task.headline(trainer.position, trainer.config), "bold")  # before what may be interrupted
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
    commands = (
        f"charrnn {each.format(run=trainer.run.argument)}" for each in task.definition.usage
    )
    say(f"now try: {'   or   '.join(commands)}")


def _say_turned(trainer: "Trainer") -> None:
    """Says why a training ended before its last step."""
    position = trainer.position
    assert position.validation_nats is not None and position.best_nats is not None
    risen = position.validation_nats / position.best_nats - 1
    say(
        f"it ended at step {position.step:,} of {trainer.config.steps:,}: the validation loss was "
        f"lowest at step {position.best_step:,} and has risen by {100 * risen:.0f} % since. What "
        "may help: more text; else a smaller --hidden-size, or more --dropout and --weight-dropout"
    )
