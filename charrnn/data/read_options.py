"""ReadOptions: how to read the text of a corpus."""

import re
import shlex
from dataclasses import dataclass
from typing import Final

from charrnn.errors import ConfigError
from charrnn.option_declaration import documented, option

TEXT: Final = "Text"
"""The panel of `--help`."""

PAIRS: Final = ("source", "target", "features", "target_separator")
"""The options on reading pairs of strings."""

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
"""The number of a column of a table without a header."""


@documented
@dataclass(frozen=True)
class ReadOptions:
    """How to read a corpus. Raises ConfigError for a delimiter that is not one character, and for
    options on pairs that contradict others.

    The encoding is any text codec of Python. For labels, see `documents.py`; for pairs,
    `tasks/transduce/pairs.py`.
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
    source: str | None = option(
        None,
        "Translate from this column of a table, a name, or a number from 1 on in a .csv or .tsv "
        "file without a header.",
        panel=TEXT,
        metavar="COLUMN",
        later=True,
        excludes=("column", "label"),
        needs=("target",),
    )
    target: str | None = option(
        None,
        "Translate into this column. Several rows may have the same source.",
        panel=TEXT,
        metavar="COLUMN",
        later=True,
        needs=("source",),
    )
    features: str | None = option(
        None,
        "Take features of each source from this column, such as V;PST, divided by ; or blanks.",
        panel=TEXT,
        metavar="COLUMN",
        later=True,
        needs=("source",),
    )
    target_separator: str | None = option(
        None,
        "Divide each target into symbols at this character, such as ' ' for phones.",
        panel=TEXT,
        metavar="CHAR",
        unset="each character is a symbol",
        later=True,
        needs=("source",),
    )

    def __post_init__(self) -> None:
        if self.delimiter not in (None, r"\t") and (
            len(self.delimiter or "") != 1 or self.delimiter in ('"', "\n", "\r", "\0")
        ):
            raise ConfigError(
                f"delimiter {self.delimiter!r}: choose one character, such as ';', or '\\t' for "
                "a tab"
            )
        self._check_pairs()

    def _check_pairs(self) -> None:
        columns = [name for name in (self.source, self.target, self.features) if name is not None]
        if (self.source is None) != (self.target is None):
            given, missing = ("target", "source") if self.source is None else ("source", "target")
            raise ConfigError(f"--{given} needs --{missing}; name both columns")
        for name in ("features", "target_separator"):
            if self.source is None and getattr(self, name) is not None:
                option = "--" + name.replace("_", "-")
                raise ConfigError(f"{option} needs --source and --target; name their columns")
        for name, flag in (("column", "--text"), ("label", "--label")):
            if self.source is not None and getattr(self, name) is not None:
                raise ConfigError(f"--source and {flag} exclude each other; choose one")
        if len({*columns}) < len(columns):
            raise ConfigError("--source, --target and --features: name a different column for each")
        separator = self.target_separator
        if separator is not None and not is_separator(separator):
            raise ConfigError(
                f"target separator {separator!r:.50}: choose one character of a line, such as ' '"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a table must have."""
        own = (self.column, self.label, self.source, self.target, self.features)
        return tuple(name for name in own if name is not None)

    @property
    def text_column(self) -> str | None:
        """The column that holds the text, or the source of each pair."""
        return self.column if self.source is None else self.source

    @property
    def are_numbers(self) -> bool:
        """Whether the columns may be numbers of columns, since all are numbers, and of pairs."""
        return self.source is not None and all(map(_NUMBER.fullmatch, self.columns))

    @property
    def learned(self) -> str:
        """What a table, or the folders, hold besides plain text, as it is typed: `--label kind`;
        empty for plain text."""
        names: tuple[str, ...] = ()
        if self.label is not None:
            names = ("label", "column")
        elif self.source is not None:
            names = PAIRS
        flags = {"column": "text"}
        return " ".join(
            f"--{flags.get(name, name).replace('_', '-')} {shlex.quote(getattr(self, name))}"
            for name in names
            if getattr(self, name) is not None
        )


def is_separator(text: str) -> bool:
    """Return whether a text may divide a target into symbols."""
    return len(text) == 1 and text not in "\0\n\r" and not "\ud800" <= text <= "\udfff"
