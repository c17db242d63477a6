"""What is said at the end of a training: how good the model is, beside simpler means, and what to
type next."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from charrnn.cli.display import BASELINES, UNITS, messages, say

if TYPE_CHECKING:
    from charrnn.training.trainer import Trainer


def conclude(trainer: "Trainer") -> None:
    """Says how a training ended."""
    _CONCLUSIONS[trainer.learner.network.config.task](trainer)


def _generate(trainer: "Trainer") -> None:
    from charrnn.evaluation.baselines import baselines
    from charrnn.tasks.registry import Generation

    task = trainer.task
    assert isinstance(task, Generation)
    _say_best(trainer)
    if len(trainer.corpus.ids) <= _LARGEST_FOR_BASELINES:
        with messages().status("comparing ..."):
            simpler = baselines(task.training, task.validation, trainer.corpus.tokenizer)
        shown = ", ".join(f"{BASELINES[k]} {v / math.log(2):.3f}" for k, v in simpler.items())
        say(f"for comparison: {shown}", "dim")
    name = trainer.run.argument
    say(f"now try: charrnn sample {name}   or   charrnn repl {name}")


def _restore(trainer: "Trainer") -> None:
    from charrnn.storage.model_directory import read_model
    from charrnn.tasks.infill.accuracy import CONTEXT, masked_accuracy
    from charrnn.tasks.infill.engine import RestoringEngine
    from charrnn.tasks.registry import Restoration

    task = trainer.task
    assert isinstance(task, Restoration)
    _say_best(trainer)
    if len(task.validation) > 2 * CONTEXT + max(_IN_A_ROW):
        with messages().status("restoring ..."):
            engine = RestoringEngine.of(read_model(trainer.run.models()[0]))
            shares = [masked_accuracy(engine, task.validation, span) for span in _IN_A_ROW]
        shown = ", ".join(
            f"{100 * share:.0f} % {'where' if span == 1 else 'of'} {_IN_A_ROW[span]}"
            for span, share in zip(_IN_A_ROW, shares, strict=True)
        )
        say(f"it restores of the held-out text's characters {shown}", "dim")
    name = trainer.run.argument
    say(f"now try: charrnn fill {name} TEXT   or   charrnn proofread {name} FILE")


def _say_best(trainer: "Trainer") -> None:
    """The loss of the best model, and whether the training ended for it."""
    position = trainer.position
    assert position.best_nats is not None
    bits = position.best_nats / math.log(2)
    unit = UNITS[trainer.corpus.tokenizer.kind]
    read, held_out = trainer.config.evaluation_characters, trainer.task.validation_characters
    text = "the held-out text"
    if read < held_out:
        text = f"{read:,} of the {held_out:,} {unit}s of {text}"
    say(
        f"best model: {bits:.3f} bits per {unit} on {text} (step {position.best_step:,})",
        "bold",
    )
    _say_turned(trainer)


def _tell(trainer: "Trainer") -> None:
    from charrnn.cli.classification_report import LARGEST_AT_THE_END, show
    from charrnn.storage.model_directory import read_model
    from charrnn.tasks.classify.report import predict_documents
    from charrnn.tasks.registry import LabelledTask

    task, position = trainer.task, trainer.position
    assert isinstance(task, LabelledTask)
    with messages().status("reading what was held out ..."):
        predictions, targets = predict_documents(
            read_model(trainer.run.models()[0]),
            task.corpus,
            task.validation.numbers,
            at_most=LARGEST_AT_THE_END,
        )
    say(f"best model: that of step {position.best_step:,}", "bold")
    learned = task.corpus.targets[task.training.numbers]
    show(messages(), predictions, targets, learned, task.corpus.labels)
    _say_turned(trainer)
    name = trainer.run.argument
    say(f"now try: charrnn predict {name} TEXT   or   charrnn predict {name} FILE --lines")


def _say_turned(trainer: "Trainer") -> None:
    position = trainer.position
    if trainer.turned:
        assert position.validation_nats is not None and position.best_nats is not None
        risen = position.validation_nats / position.best_nats - 1
        say(
            f"it ended at step {position.step:,} of {trainer.config.steps:,}: the loss on what "
            "is held "
            f"out was lowest at step {position.best_step:,} and has risen by {100 * risen:.0f} "
            "% since. What "
            "may help: more text; else a smaller --hidden-size, or more --dropout and "
            "--weight-dropout"
        )


_CONCLUSIONS: Final[dict[str, Callable[["Trainer"], None]]] = {
    "generate": _generate,
    "restore": _restore,
    "classify": _tell,
    "regress": _tell,
}

_IN_A_ROW: Final = {1: "one is missing", 2: "two in a row", 4: "four in a row"}

_LARGEST_FOR_BASELINES: Final = 3_000_000
"""Characters; beyond that the comparison takes long, and `charrnn evaluate` makes it."""
