"""The errors that charrnn raises on purpose.

    CharRNNError
    ├── ConfigError               a setting is out of range or contradicts another
    │   └── NotFittedError        an estimator is used before it is fitted
    ├── CorpusError               a text cannot be read, or cannot be trained on
    ├── HubError                  a hub cannot be reached, or refuses what is asked for
    ├── ModelError                a model directory, run or checkpoint cannot be used
    ├── StorageError              a file cannot be written
    ├── TrainingError             a training cannot start or continue
    │   └── DivergedError         the loss or its gradient is not finite
    └── UnknownCharacterError     a text has characters the model has never seen

Each message is one line: what is wrong, where, and what to do. Where work can continue, a
CharRNNWarning is given instead.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final

LONGEST_MESSAGE: Final = 1000
"""The most characters of a message; names and values from strangers can be a megabyte long."""


class CharRNNError(Exception):
    """The base class: `except CharRNNError` catches all of the above and nothing else."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.splitlines())
        super().__init__(line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}...")


class ConfigError(CharRNNError, ValueError):
    """A setting is out of range or contradicts another."""


class NotFittedError(ConfigError, AttributeError):
    """An estimator is used before it is fitted.

    Where scikit-learn is installed, this is also its error of the same name.
    """


class CorpusError(CharRNNError):
    """A text cannot be read, or cannot be trained on."""


class HubError(CharRNNError):
    """A hub cannot be reached, or refuses what is asked for."""


class ModelError(CharRNNError):
    """A model directory, run or checkpoint cannot be used."""


class StorageError(CharRNNError):
    """A file cannot be written."""


class TrainingError(CharRNNError):
    """A training cannot start or continue."""


class DivergedError(TrainingError):
    """The loss or its gradient is not finite; the weights were not changed."""


class UnknownCharacterError(CharRNNError, ValueError):
    """A text has characters that are not in the vocabulary.

    `characters` holds them, each once, in order of first appearance; `shown` lists them on one
    line, with another spelling that the model knows, if there is one.

    Args:
        hint: the spelling that the model knows (see charrnn.data.spelling); empty if there is none.
    """

    def __init__(self, characters: Sequence[str], hint: str = "") -> None:
        self.characters = tuple(characters)
        shown = " ".join(map(shown_character, self.characters[:10]))
        more = f" and {len(self.characters) - 10} more" if len(self.characters) > 10 else ""
        self.shown = shown + more + (f" (it knows {hint})" if hint else "")
        super().__init__(f"the model has never seen {self.shown}; leave these characters out")


def shown_character(character: str) -> str:
    """Return a character, or a symbol of several, in quotes, so that it can be seen: a combining
    mark stands on a dotted circle."""
    if len(character) == 1 and unicodedata.category(character).startswith("M"):
        return f"'\N{DOTTED CIRCLE}{character}' (U+{ord(character):04X})"
    return "'\\'" if character == "\\" else repr(character)


class CharRNNWarning(UserWarning):
    """Something is wrong, and work continues without it."""
