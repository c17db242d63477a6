"""Commands to try after a training: what its model is for, ready to be typed."""

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from charrnn.data.sources import HUGGING_FACE
from charrnn.training.report import NextCommand

if TYPE_CHECKING:
    from charrnn.data.corpus import TokenizedCorpus
    from charrnn.data.excerpt import AnyIds
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.training.config import TrainingConfig
    from charrnn.training.task import Task

MOST: Final = 3

LONGER: Final = 4
WORTH_IT: Final = 0.05
"""A longer training is suggested where LONGER times the epochs are expected to lower the loss by
this share."""

SEARCHED: Final = 20_000
"""The most characters of a held-out text that are searched for a passage."""


def next_commands(
    task: "Task", config: "TrainingConfig", run: str, *, longer: str | None, stopped_early: bool
) -> list[NextCommand]:
    """Return up to MOST commands to try after a training, each with its purpose.

    Args:
        run: the run as an argument, quoted for a shell.
        longer: the command that trains LONGER times as long; None where there is none.
        stopped_early: whether the training ended because its validation loss was rising.
    """
    commands = [
        NextCommand(command.format(run=run), purpose) for command, purpose in task.next_commands()
    ]
    gain = 0.0 if stopped_early else task.gain_of_epochs(config, LONGER)
    if longer is not None and gain >= WORTH_IT:
        better = NextCommand(longer, "train longer, for a better model")
        return [*commands[: MOST - 1], better]
    return commands[:MOST]


def is_found_again(corpus: "TokenizedCorpus") -> bool:
    """Return whether a command finds a corpus by the run alone; see `Checkpoint.read_corpus`."""
    return not any(name == "-" or name.startswith(HUGGING_FACE) for name in corpus.sources)


def example_passage(tokenizer: "Tokenizer", ids: "AnyIds", length: int) -> str | None:
    """Return some words of a text (N,), at most `length` characters together, that a shell takes
    unchanged between quotes; None where there are none."""
    text = tokenizer.decode(np.asarray(ids[:SEARCHED]))
    for line in text.splitlines():
        between = rf"(?:[^\W_]|[ ,-]){{3,{length - 2}}}"  # an underscore may stand for a gap
        words = re.search(rf"(?<![\w'])[^\W\d_]{between}[^\W_](?![\w'])", line)
        if words is not None:
            return words[0]
    return None
