"""What people are told of the folders that a command reads."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.data.sources import ReadOptions


def say_what_is_read(names: Sequence[str], options: "ReadOptions") -> None:
    """Says of each folder among the names how many of its files are read, how many are left out, and why.

    Raises CorpusError where a folder cannot be read.
    """
    from charrnn.cli.display import say, warn
    from charrnn.data.folders import find_files
    from charrnn.data.sources import find_corpus

    for name in names:
        path = find_corpus(name)
        if path is None or not path.is_dir():
            continue
        found = find_files(path, options.glob)
        if not found.files:  # which is an error where they are read
            continue
        if found.has_surprises:
            warn(found.summary)
        else:
            say(found.summary, "dim")
        if options.label is not None and found.empty_folders:
            shown = ", ".join(found.empty_folders)
            warn(f"{path}: no file is read of {shown}, and so there is no such class")
