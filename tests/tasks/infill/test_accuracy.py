import numpy as np
import numpy.typing as npt
import pytest

from charrnn.errors import CorpusError
from charrnn.tasks.infill.accuracy import CONTEXT, masked_accuracy


class Counting:
    """Knows that each character is one more than the one before, but guesses from that alone."""

    vocabulary_size = mask = 50

    def read(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] = self.log_probabilities(np.asarray(ids)[None])[0]
        return found

    def log_probabilities(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        ids = np.asarray(ids)
        before = np.roll(ids, 1, axis=1)
        expected = np.where(before == self.mask, 0, (before + 1) % 50)
        found = np.full((*ids.shape, 50), -9.0, dtype=np.float32)
        np.put_along_axis(found, expected[..., None], -1.0, axis=-1)
        # Its second guess is always the one after.
        np.put_along_axis(found, (expected[..., None] + 1) % 50, -2.0, axis=-1)
        return found


def test_only_what_is_missing_counts() -> None:
    text = (np.arange(3000) % 50).astype(np.uint8)
    assert masked_accuracy(Counting(), text) == 1
    # The first of two is known from the character before, the second guessed to be 0.
    assert masked_accuracy(Counting(), text, 2) == pytest.approx(0.5 + 0.01, abs=0.02)


def test_the_best_few_count() -> None:
    text = (np.arange(3000) * 2 % 50).astype(np.uint8)  # always the second guess
    assert masked_accuracy(Counting(), text) == 0
    assert masked_accuracy(Counting(), text, top_k=2) == 1


def test_places_are_the_same_each_time() -> None:
    text = np.random.default_rng(0).integers(3, size=3000).astype(np.uint8)
    assert masked_accuracy(Counting(), text) == masked_accuracy(Counting(), text)


def test_a_text_without_context_is_refused() -> None:
    masked_accuracy(Counting(), np.zeros(2 * CONTEXT + 4, dtype=np.uint8), 4, spans=3)
    with pytest.raises(CorpusError, match="132 characters"):
        masked_accuracy(Counting(), np.zeros(2 * CONTEXT + 3, dtype=np.uint8), 4)
