"""What restoring asks of a model, and how texts are read of which characters are missing.

Legend: N characters, B batch, T time, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import REPLACEMENT, Tokenizer
from charrnn.errors import UnknownCharacterError
from charrnn.generation.draw import check_finite

Array = npt.NDArray[np.floating[Any]]
MaskedIds = npt.NDArray[np.int64]
"""Ids (N,), a mask where a character is not known."""

_MOST_AT_ONCE: Final = 1 << 14
"""Characters of all windows that are read side by side."""

_LARGEST_AT_ONCE: Final = 1 << 22
"""Numbers that come of it: of a large alphabet, fewer are read side by side."""


class MaskedLM(Protocol):
    """A model that tells each character from those on both sides of it."""

    @property
    def vocabulary_size(self) -> int:
        """V."""
        ...

    @property
    def mask(self) -> int:
        """The id of a character that is not known: V."""
        ...

    def log_probabilities(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Of texts (B, T), masks among them: the log-probabilities (B, T, V) of the character at
        each place, given all others of its text, and never itself.
        """
        ...

    def read(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """The same of one text of any length: ids (N,) -> (N, V)."""
        ...


def masked_ids(tokenizer: Tokenizer, text: str, mask: int) -> MaskedIds:
    """The ids (N,) of a text; a mask for each character that the model has never seen."""
    try:
        return tokenizer.encode(text).astype(np.int64)
    except UnknownCharacterError as error:
        unknown = frozenset(error.characters)
    pieces = []
    for is_unknown, characters in groupby(text, key=unknown.__contains__):
        piece = "".join(characters)
        if is_unknown:
            pieces.append(np.full(len(piece), mask, dtype=np.int64))
        else:
            pieces.append(tokenizer.encode(piece).astype(np.int64))
    return np.concatenate(pieces)


def writable(tokenizer: Tokenizer) -> npt.NDArray[np.bool_]:
    """Which ids (V,) may be written: all but what rare characters were folded into."""
    allowed = np.ones(tokenizer.vocabulary_size, dtype=np.bool_)
    if not tokenizer.unknown(REPLACEMENT):
        folded = tokenizer.encode(REPLACEMENT)
        if len(folded) == 1:
            allowed[int(folded[0])] = False
    return allowed


def read_windows(
    restorer: MaskedLM, windows: Sequence[MaskedIds]
) -> Iterator[tuple[list[int], npt.NDArray[np.float32]]]:
    """Reads windows, each (T,) of its own, many of one length side by side.

    Gives which of them were read, B places in `windows`, and their log-probabilities (B, T, V).
    Raises ModelError when the model's numbers overflow.
    """
    by_length: dict[int, list[int]] = {}
    for place, window in enumerate(windows):
        by_length.setdefault(len(window), []).append(place)
    for length, places in sorted(by_length.items()):
        most = min(_MOST_AT_ONCE, _LARGEST_AT_ONCE // restorer.vocabulary_size)
        at_once = max(most // max(length, 1), 1)
        for begin in range(0, len(places), at_once):
            batch = places[begin : begin + at_once]
            read = restorer.log_probabilities(np.stack([windows[place] for place in batch]))
            check_finite(read)
            yield batch, read


def masked_log_probabilities(
    restorer: MaskedLM, windows: Sequence[MaskedIds], places: Sequence[int]
) -> npt.NDArray[np.float32]:
    """The log-probabilities (B, V) of the character at one place of each of B windows."""
    result = np.empty((len(windows), restorer.vocabulary_size), dtype=np.float32)
    for batch, read in read_windows(restorer, windows):
        at = [places[each] for each in batch]
        result[batch] = read[np.arange(len(batch)), at]
    return result


def pseudo_log_likelihoods(
    restorer: MaskedLM, windows: Sequence[MaskedIds]
) -> list[npt.NDArray[np.float32]]:
    """The log-probability (T,) of what stands at each place of each window, given all others of it;
    0 where that is a mask. Their sum is a pseudo-log-likelihood (Besag, 1975)."""
    result = [np.empty(0, dtype=np.float32)] * len(windows)
    for batch, read in read_windows(restorer, windows):
        of_each = gather_log_probabilities(read, np.stack([windows[place] for place in batch]))
        for place, each in zip(batch, of_each, strict=True):
            result[place] = each
    return result


def gather_log_probabilities(
    read: npt.NDArray[np.float32], ids: MaskedIds
) -> npt.NDArray[np.float32]:
    """Of log-probabilities (..., T, V) those (..., T) of these ids, 0 where they are masks."""
    known = ids < read.shape[-1]
    chosen = np.take_along_axis(read, np.where(known, ids, 0)[..., None], axis=-1)[..., 0]
    return np.where(known, chosen, np.float32(0))
