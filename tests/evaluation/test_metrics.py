import numpy as np
import pytest

from charrnn.errors import ConfigError
from charrnn.evaluation.metrics import (
    accuracy,
    character_error_rate,
    class_scores,
    confusion_matrix,
    macro_f1,
    r_squared,
    root_mean_squared_error,
)

# Three classes, worked out by hand: of 0, two of three are found; of 1, the one; of 2, none of two.
TRUTH = [0, 0, 0, 1, 2, 2]
PREDICTED = [0, 0, 1, 1, 0, 1]


def test_accuracy_by_hand() -> None:
    assert accuracy(TRUTH, PREDICTED) == 3 / 6


def test_rows_are_the_truth_and_columns_what_was_predicted() -> None:
    assert confusion_matrix(TRUTH, PREDICTED, 3).tolist() == [[2, 1, 0], [0, 1, 0], [1, 1, 0]]


def test_scores_of_each_class_by_hand() -> None:
    scores = class_scores(confusion_matrix(TRUTH, PREDICTED, 3))
    assert scores.precision.tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert scores.recall.tolist() == pytest.approx([2 / 3, 1, 0])
    assert scores.f1.tolist() == pytest.approx([2 / 3, 1 / 2, 0])
    assert scores.texts.tolist() == [3, 1, 2]


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    random = np.random.default_rng(0)
    truth, predicted = random.integers(5, size=(2, 200))
    scores = class_scores(confusion_matrix(truth, predicted, 5))
    mean = 2 / (1 / scores.precision + 1 / scores.recall)
    assert scores.f1.tolist() == pytest.approx(mean.tolist())


def test_macro_f1_counts_a_rare_class_as_much_as_a_frequent_one() -> None:
    assert macro_f1(confusion_matrix(TRUTH, PREDICTED, 3)) == pytest.approx((2 / 3 + 1 / 2) / 3)
    truth = [0] * 99 + [1]
    always_0 = confusion_matrix(truth, [0] * 100, 2)
    assert macro_f1(always_0) == pytest.approx(2 * 99 / (99 + 100) / 2)


def test_a_class_that_is_nowhere_is_left_out_of_the_mean() -> None:
    """Counted as 0, it would pull down a perfect result."""
    confusion = confusion_matrix([0, 2], [0, 2], 4)
    assert macro_f1(confusion) == 1
    assert class_scores(confusion).f1.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(("truth", "predicted"), [([0, 1], [0, 0]), ([0, 0], [0, 1])])
def test_a_class_that_is_missed_or_made_up_counts_as_nothing(
    truth: list[int], predicted: list[int]
) -> None:
    assert macro_f1(confusion_matrix(truth, predicted, 5)) == pytest.approx((2 / 3 + 0) / 2)


def test_root_mean_squared_error_by_hand() -> None:
    assert root_mean_squared_error([1.0, 2.0, 3.0], [1.0, 4.0, 1.0]) == pytest.approx(
        (8 / 3) ** 0.5
    )
    # Of two numbers each, the mean of their own.
    assert root_mean_squared_error([[0, 0], [0, 0]], [[3, 1], [3, 1]]) == 2


def test_r_squared_by_hand() -> None:
    # The mean is 2, the variance's sum 2, the errors' sum 1.
    assert r_squared([1, 2, 3], [1, 2, 2]) == pytest.approx(1 / 2)
    assert r_squared([1, 2, 3], [2, 2, 2]) == 0
    assert r_squared([1, 2, 3], [3, 2, 1]) == -3
    assert r_squared([[1, 5], [2, 6], [3, 7]], [[1, 6], [2, 6], [2, 6]]) == pytest.approx(1 / 4)


def test_r_squared_of_equal_numbers_divides_by_nothing() -> None:
    """0.1 added up is not a multiple of 0.1: its variance must not be some 1e-34."""
    equal = [0.1] * 7
    assert r_squared(equal, equal) == 1
    assert r_squared(equal, [0.1] * 6 + [0.2]) == 0
    assert r_squared([5.0], [5.0]) == 1
    assert r_squared([5.0], [4.0]) == 0


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"shape \(2,\) and truth of shape \(3,\)"):
        accuracy([0, 1, 1], [0, 1])
    with pytest.raises(ConfigError, match=r"shape \(2, 1\) and truth of shape \(2,\)"):
        r_squared([0, 1], [[0], [1]])  # which would be broadcast to (2, 2)
    with pytest.raises(ConfigError, match="no predictions"):
        accuracy([], [])
    with pytest.raises(ConfigError, match="no predictions"):
        root_mean_squared_error([], [])
    with pytest.raises(ConfigError, match="expected whole numbers"):
        accuracy([0.5], [0.5])
    with pytest.raises(ConfigError, match="predicted classes from 0 to 3: expected 0 to 2"):
        confusion_matrix([0, 1], [0, 3], 3)
    with pytest.raises(ConfigError, match="true classes from -1 to 1"):
        confusion_matrix([-1, 1], [0, 1], 3)


def test_scikit_learn_says_the_same() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(1)
    truth, predicted = random.integers(6, size=(2, 40))
    predicted[truth == 3] = 2
    confusion = confusion_matrix(truth, predicted, 6)
    assert accuracy(truth, predicted) == metrics.accuracy_score(truth, predicted)
    assert (confusion == metrics.confusion_matrix(truth, predicted, labels=range(6))).all()
    assert macro_f1(confusion) == pytest.approx(
        metrics.f1_score(truth, predicted, average="macro", zero_division=0)
    )
    for shape in ((30,), (30, 3)):
        numbers, guesses = random.normal(size=(2, *shape))
        assert r_squared(numbers, guesses) == pytest.approx(metrics.r2_score(numbers, guesses))
        assert root_mean_squared_error(numbers, guesses) == pytest.approx(
            metrics.root_mean_squared_error(numbers, guesses)
        )


def test_the_character_error_rate_by_hand() -> None:
    assert character_error_rate(["abcd", ""], ["abcd", ""]) == 0
    assert character_error_rate(["abcd", "ef"], ["abxd", "e"]) == 2 / 6
    assert character_error_rate(["a"], ["bcd"]) == 3
    with pytest.raises(ConfigError, match="1 predictions and 2 references: expected as many"):
        character_error_rate(["a", "b"], ["a"])
    for nothing in ([], [""]):
        with pytest.raises(ConfigError, match="there are no characters in the references"):
            character_error_rate(nothing, nothing)
