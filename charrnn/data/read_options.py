"""ReadOptions: how to read the text of a corpus."""

from dataclasses import dataclass
from typing import Final

from charrnn.errors import ConfigError
from charrnn.option_declaration import documented, option

TEXT: Final = "Text"
"""The panel of `--help`."""


@documented
@dataclass(frozen=True)
class ReadOptions:
    """How to read a corpus. Raises ConfigError for a delimiter that is not one character.

    The encoding is any text codec of Python. For labels, see `documents.py`.
    """

    encoding: str = option(
        "utf-8", "Decode plain files and tables of text from this encoding.", panel=TEXT
    )
    glob: str = option(
        "*.txt",
        "Read only the files of a folder whose names match this pattern.",
        panel=TEXT,
        metavar="PATTERN",
    )
    column: str | None = option(
        None,
        "Take the text from this column of a table or data set.",
        panel=TEXT,
        flags=("--column", "--text"),
        metavar="COLUMN",
    )
    label: str | None = option(
        None,
        "Predict this column of a table, a class or a number, from the text; `folder` takes the "
        "folders inside a folder as classes.",
        panel=TEXT,
        metavar="COLUMN",
        later=True,
    )
    delimiter: str | None = option(
        None,
        "Separate the cells of a .csv or .tsv file at this character; \\t is a tab.",
        panel=TEXT,
        metavar="CHAR",
        unset="a comma, or a tab",
        later=True,
    )

    def __post_init__(self) -> None:
        if self.delimiter not in (None, r"\t") and (
            len(self.delimiter or "") != 1 or self.delimiter in ('"', "\n", "\r", "\0")
        ):
            raise ConfigError(
                f"delimiter {self.delimiter!r}: choose one character, such as ';', or '\\t' for "
                "a tab"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a table must have."""
        return tuple(name for name in (self.column, self.label) if name is not None)
