import numpy as np
import pytest

from charrnn.explanation import embeddings
from charrnn.explanation.embeddings import explain_embeddings


def test_points_lie_on_the_plane_of_the_largest_variance() -> None:
    """Four points of a rectangle in three dimensions, which is 6 by 2."""
    weight = np.array([[3, 1, 7], [3, -1, 7], [-3, 1, 7], [-3, -1, 7]], np.float32)
    found = explain_embeddings(weight, np.zeros(0, np.uint8))
    points = np.array([(each.x, each.y) for each in found.characters])
    np.testing.assert_allclose(np.abs(points), [[3, 1]] * 4, atol=1e-6)
    assert list(found.variance) == pytest.approx([0.9, 0.1])
    assert points.max(axis=0).tolist() == pytest.approx([3, 1])


def test_neighbours_are_the_nearest_by_angle() -> None:
    weight = np.array([[1, 0], [10, 1], [0, 1], [-1, 0]], np.float32)
    found = explain_embeddings(weight, np.zeros(0, np.uint8))
    assert [id_ for id_, _ in found.characters[0].neighbours] == [1, 2, 3]
    assert found.characters[0].neighbours[0][1] == pytest.approx(10 / np.sqrt(101))


def test_of_a_large_vocabulary_the_frequent_ones_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embeddings, "LARGEST", 2)
    found = explain_embeddings(np.eye(5, dtype=np.float32), np.array([4, 4, 1, 2, 1], np.uint8))
    assert [each.id for each in found.characters] == [1, 4]
    assert [id_ for id_, _ in found.characters[0].neighbours] == [4]


@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (3, 3)])
def test_few_or_equal_embeddings_are_a_point(shape: tuple[int, int]) -> None:
    found = explain_embeddings(np.ones(shape, np.float32), np.zeros(0, np.uint8))
    assert {(each.x, each.y) for each in found.characters} == {(0.0, 0.0)}
    assert found.variance == (0, 0)
