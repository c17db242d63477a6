"""What people are told of the folders that a command reads."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.data.sources import ReadOptions


def say_what_is_read(names: Sequence[str], options: "ReadOptions") -> None:
    """Says of each folder among the names how many of its files are read, how many are left out,
    and why.

    Raises CorpusError where a folder cannot be read.
    """
    from charrnn.cli.display import say, warn
    from charrnn.data.sources import folders_of

    for found in folders_of(names, options):
        if not found.files:  # which is an error where they are read
            continue
        surprises = found.surprises(classes=options.label is not None)
        if found.summary not in surprises:
            say(found.summary, "dim")
        for surprise in surprises:
            warn(surprise)
