"""The interface of a masked language model, and functions that read its probabilities for many
windows.

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
"""Ids (N,) with the mask's id where a character is missing or unknown."""

_MOST_CHARACTERS: Final = 1 << 14
"""The most characters of all windows in one batch."""

_MOST_LOGITS: Final = 1 << 22
"""The most logits of one batch: with a large vocabulary, a batch has fewer characters."""


class MaskedLM(Protocol):
    """A masked language model: it predicts each character from the characters on both sides."""

    @property
    def vocabulary_size(self) -> int:
        """V."""
        ...

    @property
    def mask(self) -> int:
        """The id of the mask, V."""
        ...

    def log_probabilities(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the log-probabilities (B, T, V) of the character at each position of texts (B, T),
        given all other characters of its text but never itself. The texts may contain masks."""
        ...

    def read(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the log-probabilities (N, V) of one text (N,) of any length."""
        ...


def masked_ids(tokenizer: Tokenizer, text: str, mask: int) -> MaskedIds:
    """Encode a text as ids (N,), with a mask for each character that is not in the vocabulary."""
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


def writable_ids(tokenizer: Tokenizer) -> npt.NDArray[np.bool_]:
    """Return which ids (V,) may be written: all except the one for rare characters."""
    allowed = np.ones(tokenizer.vocabulary_size, dtype=np.bool_)
    if not tokenizer.unknown(REPLACEMENT):
        folded = tokenizer.encode(REPLACEMENT)
        if len(folded) == 1:
            allowed[int(folded[0])] = False
    return allowed


def read_windows(
    masked_lm: MaskedLM, windows: Sequence[MaskedIds]
) -> Iterator[tuple[list[int], npt.NDArray[np.float32]]]:
    """Read windows, each (T,) with its own T, in batches of equal length.

    Yields the indices of the B windows of a batch and their log-probabilities (B, T, V). Raises
    ModelError when the model's numbers overflow.
    """
    by_length: dict[int, list[int]] = {}
    for index, window in enumerate(windows):
        by_length.setdefault(len(window), []).append(index)
    for length, indices in sorted(by_length.items()):
        most = min(_MOST_CHARACTERS, _MOST_LOGITS // masked_lm.vocabulary_size)
        batch_size = max(most // max(length, 1), 1)
        for begin in range(0, len(indices), batch_size):
            batch = indices[begin : begin + batch_size]
            read = masked_lm.log_probabilities(np.stack([windows[index] for index in batch]))
            check_finite(read)
            yield batch, read


def masked_log_probabilities(
    masked_lm: MaskedLM, windows: Sequence[MaskedIds], positions: Sequence[int]
) -> npt.NDArray[np.float32]:
    """Return the log-probabilities (B, V) of the character at one position of each of B windows."""
    result = np.empty((len(windows), masked_lm.vocabulary_size), dtype=np.float32)
    for batch, read in read_windows(masked_lm, windows):
        at = [positions[index] for index in batch]
        result[batch] = read[np.arange(len(batch)), at]
    return result


def pseudo_log_likelihoods(
    masked_lm: MaskedLM, windows: Sequence[MaskedIds]
) -> list[npt.NDArray[np.float32]]:
    """Return the log-probability (T,) of each character of each window, given all others; 0 for a
    mask. Their sum is the pseudo-log-likelihood of the window (Besag, 1975)."""
    result = [np.empty(0, dtype=np.float32)] * len(windows)
    for batch, read in read_windows(masked_lm, windows):
        gathered = gather_log_probabilities(read, np.stack([windows[index] for index in batch]))
        for index, each in zip(batch, gathered, strict=True):
            result[index] = each
    return result


def gather_log_probabilities(
    read: npt.NDArray[np.float32], ids: MaskedIds
) -> npt.NDArray[np.float32]:
    """Take the log-probabilities (..., T) of ids (..., T) from those of all characters (..., T, V);
    0 for a mask."""
    known = ids < read.shape[-1]
    chosen = np.take_along_axis(read, np.where(known, ids, 0)[..., None], axis=-1)[..., 0]
    return np.where(known, chosen, np.float32(0))
