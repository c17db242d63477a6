import numpy as np
import pytest

from charrnn.engines.engine import CHARACTERS_AT_ONCE, chunk_length, chunks


@pytest.mark.parametrize(
    ("lanes", "characters", "length"),
    [(1, 96, 96), (3, 96, 32), (5, 96, 19), (97, 96, 1), (0, 96, 96), (2, 0, 1)],
)
def test_a_chunk_has_as_many_steps_as_its_characters_allow(
    lanes: int, characters: int, length: int
) -> None:
    assert chunk_length(lanes, characters=characters) == length


def test_chunks_are_the_whole_in_order() -> None:
    ids = np.arange(2 * 1000).reshape(2, 1000)
    cut = list(chunks(ids, lanes=2))
    assert [each.shape[1] for each in cut] == [CHARACTERS_AT_ONCE // 2] * 3 + [232]
    np.testing.assert_array_equal(np.concatenate(cut, axis=1), ids)
    assert list(chunks(ids[:, :0], lanes=2)) == []
