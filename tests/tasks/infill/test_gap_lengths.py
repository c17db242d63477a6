import numpy as np
import pytest

from charrnn.data.tokenizer import CharTokenizer
from charrnn.tasks.infill.config import FillConfig
from charrnn.tasks.infill.fill import fill_gaps
from charrnn.tasks.infill.gap_lengths import joint_scores, pseudo_scores
from tests.conftest import PROSE
from tests.masked_models import Arbitrary, KnownText

TOKENIZER = CharTokenizer(sorted(set(PROSE)))
KNOWN = KnownText(TOKENIZER, PROSE)
ANY = FillConfig(longest=6, width=4)


@pytest.mark.parametrize(
    ("gapped", "restored"),
    [
        ("The her_ stood in the shallows", "The heron stood in the shallows"),
        ("The he___n stood in the shallows", "The heron stood in the shallows"),
        ("Robbers he_ the bells, of c_se.", "Robbers heard the bells, of course."),
        ("the oats said _", "the oats said n"),
    ],
)
def test_the_length_is_found(gapped: str, restored: str) -> None:
    filling = fill_gaps(KNOWN, TOKENIZER, gapped, ANY)[0]
    if restored.endswith("n"):  # nothing follows that would tell where it ends
        assert filling.text.startswith("the oats said ")
    else:
        assert filling.text == restored


def test_probabilities_of_all_that_was_found_add_up_to_one() -> None:
    config = FillConfig(longest=3, width=400, alternatives=400)
    fillings = fill_gaps(Arbitrary(3), CharTokenizer("abc"), "ab_ca", config)
    assert len({each.text for each in fillings}) == len(fillings) == 3 + 9 + 27
    assert sum(each.probability for each in fillings) == pytest.approx(1)


def test_two_gaps_that_can_make_the_same_text_give_it_once() -> None:
    config = FillConfig(longest=2, alternatives=50)
    fillings = fill_gaps(Arbitrary(1), CharTokenizer("a"), "_a_", config)
    assert sorted(each.text for each in fillings) == ["aaa", "aaaa", "aaaaa"]


def test_the_joint_score_is_the_chain_rule() -> None:
    masked_lm = Arbitrary(3)
    left, right = np.array([0, 1]), np.array([2, 0])
    value = np.array([1])
    (score,) = joint_scores(masked_lm, left, [value], right)
    m, whole = 3, [0, 1, 1, 2, 0]
    expected = 0.0
    for place in (2, 3, 4):
        window = [*whole[:place], *[m] * (5 - place)]
        expected += float(masked_lm.read(np.array(window))[place, whole[place]])
    assert score == pytest.approx(expected, rel=1e-6)


def test_what_follows_and_is_unknown_counts_for_nothing() -> None:
    masked_lm = Arbitrary(3)
    left, right = np.array([0]), np.array([3, 3])
    scores = joint_scores(masked_lm, left, [np.array([1]), np.array([2])], right)
    read = masked_lm.read(np.array([0, 3, 3, 3]))[1]
    np.testing.assert_allclose(scores, read[1:], rtol=1e-6)


def test_how_well_a_fill_fits_counts_it_and_what_is_around_it() -> None:
    masked_lm = Arbitrary(3)
    left, right = np.arange(12) % 3, np.array([2, 3, 0])
    value = np.array([1, 1])
    (score,) = pseudo_scores(masked_lm, left, [value], right)
    whole = np.concatenate([left, value, right])
    read = masked_lm.read(whole)
    expected = sum(float(read[place, whole[place]]) for place in range(4, 17) if whole[place] < 3)
    assert score == pytest.approx(expected, rel=1e-5)
