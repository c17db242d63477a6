import numpy as np
import pytest

from charrnn.data.tokenizer import REPLACEMENT, ByteTokenizer, CharTokenizer
from charrnn.tasks.infill.masked_model import (
    masked_ids,
    masked_log_probabilities,
    read_windows,
    writable_ids,
)
from tests.masked_models import Arbitrary

ABC = CharTokenizer("abc")


@pytest.mark.parametrize(
    ("text", "ids"),
    [("", []), ("abc", [0, 1, 2]), ("?a??c", [3, 0, 3, 3, 2]), ("☃", [3])],
)
def test_what_the_model_has_never_seen_is_a_mask(text: str, ids: list[int]) -> None:
    assert masked_ids(ABC, text, 3).tolist() == ids


def test_bytes_are_all_known_but_for_lone_surrogates() -> None:
    assert masked_ids(ByteTokenizer(), "é\udcff\ud800", 256).tolist() == [0xC3, 0xA9, 0xFF, 256]


def test_what_rare_characters_were_folded_into_is_never_written() -> None:
    assert writable_ids(ABC).tolist() == [True] * 3
    assert writable_ids(CharTokenizer(["a", REPLACEMENT, "b"])).tolist() == [True, False, True]
    assert writable_ids(ByteTokenizer()).all()


def test_windows_of_all_lengths_are_read_and_each_keeps_its_place() -> None:
    masked_lm = Arbitrary(4)
    generator = np.random.default_rng(0)
    windows = [generator.integers(5, size=length) for length in (3, 5, 3, 1, 5, 3)]
    seen = []
    for batch, read in read_windows(masked_lm, windows):
        for place, each in zip(batch, read, strict=True):
            np.testing.assert_array_equal(each, masked_lm.read(windows[place]))
            seen.append(place)
    assert sorted(seen) == list(range(6))
    places = [2, 0, 1, 0, 4, 2]
    expected = [masked_lm.read(w)[p] for w, p in zip(windows, places, strict=True)]
    np.testing.assert_array_equal(masked_log_probabilities(masked_lm, windows, places), expected)


def test_nothing_is_read_of_nothing() -> None:
    assert masked_log_probabilities(Arbitrary(4), [], []).shape == (0, 4)
