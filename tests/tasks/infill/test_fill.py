import itertools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.errors import ConfigError, ModelError
from charrnn.storage.model_directory import Model
from charrnn.tasks.infill.config import FillConfig
from charrnn.tasks.infill.engine import InfillEngine
from charrnn.tasks.infill.fill import fill, fill_gaps, likeliest_combinations
from charrnn.tasks.infill.proofread import find_mistakes, proofread
from tests.conftest import PROSE
from tests.masked_models import Arbitrary, KnownText

TOKENIZER = CharTokenizer(sorted(set(PROSE)))
KNOWN = KnownText(TOKENIZER, PROSE)


@given(text=st.text())
def test_a_text_without_gaps_comes_back_as_it_is(text: str) -> None:
    text = text.replace("_", "")
    (filling,) = fill_gaps(KNOWN, TOKENIZER, text, FillConfig(alternatives=3))
    assert (filling.text, filling.probability, filling.gaps) == (text, 1.0, ())


@pytest.mark.parametrize(
    "gapped",
    [
        "The her_n stood in the shallows",
        "_he heron stood in the shallows",
        "the ant walked over i_",
        "Robbers hea__ the bells, of c____e.",
        "On the st_ep ro_d the be_ls w_re proud",
    ],
)
def test_gaps_are_filled_with_what_stood_there(gapped: str) -> None:
    filling = fill_gaps(KNOWN, TOKENIZER, gapped)[0]
    assert filling.text in PROSE
    assert 0.5 < filling.probability <= 1
    for gap in filling.gaps:
        assert gapped[gap.position : gap.position + gap.length] == "_" * len(gap.filled)
        assert filling.probability <= gap.probability + 1e-9 <= 1 + 1e-9


def test_what_the_model_has_never_seen_stays_where_it_is() -> None:
    """Skipping it, as prompts do, would lose text."""
    filling = fill_gaps(KNOWN, TOKENIZER, "☃ The her_n stood\x00 in the sh_llows ☃☃")[0]
    assert filling.text == "☃ The heron stood\x00 in the shallows ☃☃"


def test_another_character_can_be_the_gap() -> None:
    filling = fill_gaps(KNOWN, TOKENIZER, "The her*n st__d", FillConfig(gap="*"))[0]
    assert filling.text == "The heron st__d"
    assert [gap.filled for gap in filling.gaps] == ["o"]


def test_alternatives_are_distinct_and_the_likeliest_come_first() -> None:
    masked_lm, tokenizer = Arbitrary(3), CharTokenizer("abc")
    text = "a_b__" + "c" * 40 + "_a"
    fillings = fill_gaps(masked_lm, tokenizer, text, FillConfig(alternatives=100, context=8))
    assert len({each.text for each in fillings}) == len(fillings) == 81
    probabilities = [each.probability for each in fillings]
    assert probabilities == sorted(probabilities, reverse=True)
    assert math.fsum(probabilities) == pytest.approx(1, abs=1e-5)
    for gap in range(3):
        shares = {each.gaps[gap].filled: each.gaps[gap].probability for each in fillings}
        assert math.fsum(shares.values()) == pytest.approx(1, abs=1e-5)


def test_near_gaps_are_filled_together_and_far_ones_alone() -> None:
    """The probability of a text is not the product of its gaps' where they lean on each other."""
    masked_lm, tokenizer = Arbitrary(3), CharTokenizer("abc")
    far = fill_gaps(masked_lm, tokenizer, "a_" + "b" * 60 + "_c", FillConfig(context=8))[0]
    product = math.prod(gap.probability for gap in far.gaps)
    assert far.probability == pytest.approx(product, rel=1e-6)
    near = fill_gaps(masked_lm, tokenizer, "a_b_c", FillConfig(context=8))[0]
    assert near.probability != pytest.approx(
        math.prod(gap.probability for gap in near.gaps), rel=1e-3
    )


def test_of_bytes_only_those_that_are_text_are_told() -> None:
    tokenizer = ByteTokenizer()
    text = "Über die Brücke fährt ein Zug, über die Brücke geht ein Weg."
    known = KnownText(tokenizer, text)
    filling, *others = fill_gaps(
        known, tokenizer, "Über die Br__cke fährt", FillConfig(alternatives=4)
    )
    assert filling.text == "Über die Brücke fährt"
    assert filling.gaps[0].position == 11
    for other in others:
        other.text.encode()


def test_a_long_text_with_many_gaps_is_filled_by_windows() -> None:
    text = PROSE * 4
    gapped = "".join("_" if place % 97 == 50 else each for place, each in enumerate(text))
    filling = fill_gaps(KNOWN, TOKENIZER, gapped, FillConfig(width=2, context=12))[0]
    wrong = [a != b for a, b in zip(filling.text, text, strict=True)]
    assert sum(wrong) <= 2
    assert len(filling.gaps) == gapped.count("_")


def test_progress_ends_with_all() -> None:
    told: list[tuple[int, int]] = []
    fill_gaps(
        KNOWN, TOKENIZER, "The h_r_n", progress=lambda done, total: told.append((done, total))
    )
    assert told == [(1, 2), (2, 2)]


@given(
    st.lists(
        st.lists(st.floats(-9, 0), min_size=1, max_size=4).map(lambda x: sorted(x, reverse=True)),
        min_size=1,
        max_size=4,
    )
)
def test_combinations_come_in_order_and_all_of_them(scores: list[list[float]]) -> None:
    found = list(likeliest_combinations(scores))
    every = list(itertools.product(*(range(len(each)) for each in scores)))
    assert sorted(picked for _, picked in found) == sorted(every)
    sums = [total for total, _ in found]
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(sums))
    for total, picked in found:
        expected = sum(each[place] for each, place in zip(scores, picked, strict=True))
        assert total == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "settings",
    [{"gap": ""}, {"gap": "__"}, {"alternatives": 0}, {"longest": 0}, {"width": 0}],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        FillConfig(**settings)  # type: ignore[arg-type]


def test_numbers_that_overflow_are_the_models_fault() -> None:
    class Broken(Arbitrary):
        def log_probabilities(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
            return np.full((*np.shape(ids), self.vocabulary_size), np.nan, dtype=np.float32)

        def read(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
            return np.full((*np.shape(ids), self.vocabulary_size), np.nan, dtype=np.float32)

    with pytest.raises(ModelError, match="overflow"):
        fill_gaps(Broken(3), CharTokenizer("abc"), "a_c")
    with pytest.raises(ModelError, match="overflow"):
        find_mistakes(Broken(3), CharTokenizer("abc"), "abc")


def test_the_verbs_take_a_model_first_and_refuse_another_task(
    make_model: Callable[..., Model],
) -> None:
    model = make_model(task="restore")
    engine = InfillEngine.of(model)
    assert fill(model, "b_d c_f") == fill_gaps(engine, model.tokenizer, "b_d c_f")
    assert proofread(model, "bad caf") == find_mistakes(engine, model.tokenizer, "bad caf")
    for verb in (fill, proofread):
        with pytest.raises(ModelError, match="charrnn sample"):
            verb(make_model(), "b_d")
