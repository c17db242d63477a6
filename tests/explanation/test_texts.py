from collections.abc import Callable

import numpy as np
import pytest

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.engines import NumPyEngine
from charrnn.explanation import texts
from charrnn.explanation.texts import ReadText, read_in_lanes
from charrnn.storage.model_directory import Model


def test_a_character_of_several_bytes_has_the_sum_of_their_numbers() -> None:
    text = ReadText.of("aéb", ByteTokenizer(), beginning=10)
    assert text.inputs.tolist() == [10, 97, 0xC3, 0xA9]
    assert text.starts.tolist() == [0, 1, 3]
    assert text.ends.tolist() == [0, 2, 3]
    assert text.per_character(np.array([1.0, 2.0, 4.0, 8.0])).tolist() == [1, 6, 8]


def test_a_byte_that_is_no_character_is_one_id() -> None:
    text = ReadText.of("a\udcffb", ByteTokenizer(), beginning=0)
    assert text.starts.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("count", "lanes"), [(1, 1), (600, 1), (301, 3), (302, 3), (303, 3)])
def test_lanes_give_what_one_stream_gives(
    count: int, lanes: int, make_model: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane that began from nothing, or was put in another's place, would show."""
    monkeypatch.setattr(texts, "WARM_UP", 100)
    model = make_model("\n abc", cell="gru")
    ids = np.random.default_rng(count).integers(0, 5, count)
    engine = NumPyEngine.of(model)
    expected = engine.advance(ids[None], None)[0][0]
    found = np.full_like(expected, np.nan)
    for part in read_in_lanes(engine, ids, lanes):
        assert np.isnan(found[part.positions[part.valid]]).all(), "a place was read twice"
        found[part.positions[part.valid]] = part.outputs[part.valid]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_short_texts_are_one_stream() -> None:
    tokenizer = CharTokenizer("ab")
    assert ReadText.of("ab" * 100, tokenizer, 0).lanes == 1
    assert ReadText.of("ab" * 100_000, tokenizer, 0).lanes == texts.LANES
