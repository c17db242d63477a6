"""Messages about the folders that a command reads."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.data.folders import FolderFiles


def say_what_is_read(folders: "Iterable[FolderFiles]", *, classes: bool) -> None:
    """Print for each folder how many of its files are read, how many are left out, and why.

    Args:
        classes: whether the folders inside it are classes.
    """
    from charrnn.cli.display import say, warn

    for found in folders:
        if not found.files:  # reading it raises the error
            continue
        surprises = found.surprises(classes=classes)
        if found.summary not in surprises:
            say(found.summary, "dim")
        for surprise in surprises:
            warn(surprise)
