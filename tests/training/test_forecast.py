from collections.abc import Callable

import pytest

from charrnn.data.corpus import Corpus
from charrnn.evaluation.baselines import n_gram, unigram
from charrnn.training.forecast import Forecast, share_of_n_gram
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import Plan, make_plan


@pytest.fixture
def plan(corpus_of: Callable[..., Corpus], prose: str) -> Plan:
    return make_plan(corpus_of(prose), TrainingOptions(epochs=9, hidden_size=8, precision="fp32"))


def forecast(plan: Plan, epochs: float | None = None) -> Forecast:
    made = plan.task.forecast(plan.epochs if epochs is None else epochs)
    assert made is not None
    return made


def test_the_forecast_is_of_this_text(plan: Plan) -> None:
    training, validation = plan.corpus.split(0.1)
    reference = n_gram(training, validation, plan.corpus.tokenizer.vocabulary_size)
    expected = forecast(plan).nats_per_character
    share = share_of_n_gram(plan.epochs, plan.epochs * len(training))
    assert expected == pytest.approx(reference * share)


def test_the_forecast_lies_in_its_band(plan: Plan) -> None:
    made = forecast(plan)
    assert 0 < made.low_nats_per_character < made.nats_per_character < made.high_nats_per_character


def test_no_less_is_expected_than_frequencies_tell(plan: Plan) -> None:
    """After thirty steps, the law alone expected 30 bits per character."""
    training, validation = plan.corpus.split(0.1)
    made = forecast(plan, 1e-4)
    frequencies = unigram(training, validation, plan.corpus.tokenizer.vocabulary_size)
    assert made.nats_per_character == made.high_nats_per_character == pytest.approx(frequencies)


def test_more_reading_is_expected_to_do_better(plan: Plan) -> None:
    losses = [forecast(plan, epochs).nats_per_character for epochs in (0.5, 1, 8, 60)]
    assert losses == sorted(losses, reverse=True)
    assert share_of_n_gram(1, 1e7) < share_of_n_gram(1, 1e5)


@pytest.mark.parametrize(
    ("epochs", "characters", "measured"),
    [
        (1.5, 1.5e6, 1.033),  # tinyshakespeare, 30 seconds
        (4.0, 4.0e6, 0.957),  # 112
        (6.8, 6.9e6, 0.936),  # 300
        (8.4, 1.7e6, 0.960),  # names
        (5.7, 2.4e6, 0.967),  # Python's manual
        (60, 1.6e6, 0.948),  # fables
    ],
)
def test_the_law_is_close_to_what_it_was_fitted_to(
    epochs: float, characters: float, measured: float
) -> None:
    assert share_of_n_gram(epochs, characters) == pytest.approx(measured, abs=0.02)
