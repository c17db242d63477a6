"""Notes for the user about a plan, before the training begins."""

from typing import Final

import numpy as np

from charrnn.data.corpus import TokenizedCorpus, newline_id
from charrnn.data.excerpt import AnyIds
from charrnn.data.memmap import chunks
from charrnn.data.splitting import count_repeated
from charrnn.data.tokenizer import Tokenizer
from charrnn.evaluation.copies import LENGTH
from charrnn.training.config import TrainingConfig
from charrnn.training.options import TrainingOptions
from charrnn.training.recipe import DEFAULT_BUDGET

MANY_CHARACTERS: Final = 4096
"""Distinct characters beyond which most of a step goes into their probabilities; a Chinese novel
has about as many."""

RARE: Final = 0.01
MIN_COUNTS: Final = (2, 3, 5, 10, 20, 50, 100)
"""The share of a text that may be folded into U+FFFD, and the values of --min-count to choose
from."""

OVERRUN: Final = 1.2
"""A training that takes this many times its budget gets a note."""

LARGEST_COUNTED: Final = 20_000_000
"""Characters. In longer texts, repeated held-out lines and copied passages are not counted before
the training begins; counting in this many takes a second."""

MUCH_COPIED: Final = 0.05
"""The share of a text from which people are told that it is copied from the training text. Copies
that cost nothing lower the loss by their share, which is more than most settings do. Fables have
none, python-docs with each paragraph once 0.4 %, its topics as they are 9 %."""


def advise_on_alphabet(text: TokenizedCorpus, batch_size: int, sequence_length: int) -> list[str]:
    """Return notes on an alphabet so large that it makes steps slow and large."""
    size = text.tokenizer.vocabulary_size
    if size <= MANY_CHARACTERS:
        return []
    counts = np.zeros(size, np.int64)
    for piece in chunks(text.ids):
        counts += np.bincount(piece, minlength=size)
    # For each position: the logits, their log-probabilities, and the gradients of both.
    megabytes = 4 * 4 * batch_size * sequence_length * size / 1e6
    fold = ""
    for least in MIN_COUNTS:
        rare = counts < least
        share = counts[rare].sum() / counts.sum()
        if share <= RARE and rare.sum() > size / 10:
            left = size - int(rare.sum()) + 1
            fold = (
                f"--min-count {least} leaves {left:,} and reads {100 * share:.2g} % of the text as "
                "U+FFFD; "
            )
    advice = (
        f"{size:,} distinct characters make a step slow, and take some {megabytes:,.0f} MB in "
        f"each: {fold}--tokenizer byte needs 256, and more of them for each character"
    )
    return [advice]


def advise_on_budget(options: TrainingOptions, config: TrainingConfig, seconds: float) -> list[str]:
    """Return notes on a budget that is too short for the shortest training.

    Args:
        seconds: the estimated duration, from the probe to the last save.
    """
    budget = options.budget or DEFAULT_BUDGET
    if seconds <= OVERRUN * budget:
        return []
    steps = "1 training step" if config.steps == 1 else f"{config.steps:,} training steps"
    advice = (
        f"the budget of {budget:g} s is too short for this text on this machine as it is now: "
        f"measuring it, {steps} and an evaluation take about {seconds:,.0f} s; give it more time "
        "with --budget, or a smaller --hidden-size"
    )
    return [advice]


def describe_held_out(
    training: AnyIds,
    held_out: AnyIds,
    tokenizer: Tokenizer,
    *,
    lines: bool,
    copied: float | None,
) -> list[str]:
    """Describe how many lines are held out, how many of them also occur in the training text, where
    it is short enough to count, and that much of the held-out text is copied from it.

    `copied` is the share that is copied; None where it was not measured.
    """
    if len(training) > LARGEST_COUNTED:
        ids = f"{len(held_out):,} of {len(training) + len(held_out):,} ids"
        return [f"lines with {ids} are held out"] if lines else []
    notes, repeated = [], 0.0
    if lines:
        newline = newline_id(tokenizer)
        assert newline is not None
        count, among = count_repeated(training, held_out, newline)
        held = "1 line is" if count == 1 else f"{count:,} lines are"
        others = {0: "none of them is", 1: "1 of them is"}.get(among, f"{among:,} of them are")
        as_well = " as well" if among else ""
        notes.append(f"{held} held out; {others} among the training lines{as_well}")
        repeated = among / max(count, 1)
    if copied is not None and is_much_copied(copied, repeated_lines=repeated):
        notes.append(describe_copies(copied))
    return notes


def is_much_copied(share: float, *, repeated_lines: float = 0.0) -> bool:
    """Return whether so large a share of a text is copied from the training text that people are
    told. `repeated_lines` is the share of repeated lines, which is reported on its own."""
    return share - repeated_lines >= MUCH_COPIED


def describe_copies(share: float, file: str | None = None) -> str:
    """Describe what it means that this share of the held-out text, or of a file, is copied from the
    training text, and what to do."""
    advice = (
        "remove repeated passages from the corpus, or evaluate the model on another text: "
        "charrnn evaluate NAME FILE"
        if file is None
        else "evaluate the model on a text that it has not learned"
    )
    return (
        f"{100 * share:.0f} % of {file or 'the held-out text'} stands word for word in the "
        f"training text, in passages of {LENGTH} characters or more, so the loss is lower than on "
        f"new text: {advice}"
    )
