"""The argument FILE|-|TEXT: an existing file or folder, stdin, or the text itself."""

import os
from pathlib import Path


def is_there(name: str) -> bool:
    """Return whether an argument is stdin or the name of an existing file or folder."""
    return name == "-" or os.path.exists(name)


def check_text(name: str) -> None:
    """Raise CorpusError for an argument that is nothing that exists and looks like the name of a
    file, not like a text."""
    from charrnn.data.tables import is_table
    from charrnn.errors import CorpusError

    spaced = any(map(str.isspace, name))
    if not spaced and (is_table(name) or Path(name).suffix.lower() == ".txt"):
        raise CorpusError(f"{name}: no such file")
    if os.path.lexists(name):
        raise CorpusError(f"{name}: broken symbolic link")
