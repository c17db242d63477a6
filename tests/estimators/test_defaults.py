"""What estimators choose for their data, where they are told nothing."""

import math
from typing import Any

import numpy as np
import pytest

import charrnn
from benchmarks.vowels import BANDS, VOWELS, speak
from charrnn.errors import ConfigError
from charrnn.estimators.defaults import MEASURED_POOLINGS, Settings, choose_settings
from charrnn.estimators.sequences import read_sequences

OPEN: dict[str, Any] = dict.fromkeys(
    ("hidden_size", "pooling", "given_dropout", "batch_size", "learning_rate", "epochs")
)


def chosen(count: int, steps: int = 8, **given: Any) -> Settings:
    sequences = read_sequences(np.zeros((count, steps, 2)))
    return choose_settings(sequences, **{"outputs": 3, "dropout": 0.5, **OPEN, **given})


def test_settings_follow_the_data() -> None:
    few, some, many = chosen(50), chosen(1200), chosen(20_000)
    assert few.hidden_size < some.hidden_size < many.hidden_size <= 256
    assert few.batch_size < some.batch_size < many.batch_size
    assert few.dropout == some.dropout == 0.5 > many.dropout > 0
    assert few.learning_rate > some.learning_rate
    assert few.patience * math.ceil(50 / few.batch_size) >= 100
    assert (some.epochs, some.poolings) == (None, ("last",))
    assert chosen(1200, steps=30).poolings == MEASURED_POOLINGS
    assert chosen(1200, dropout=0.1).learning_rate > some.learning_rate


def test_given_settings_are_kept() -> None:
    settings = chosen(
        1200, hidden_size=7, pooling="mean", given_dropout=0.2, batch_size=9, learning_rate=0.1
    )
    assert settings.hidden_size == 7 and settings.poolings == ("mean",)
    assert (settings.dropout, settings.batch_size, settings.learning_rate) == (0.2, 9, 0.1)
    given = chosen(1200, epochs=3)
    assert (given.epochs, given.poolings, given.dropout) == (3, ("last",), 0.0)
    assert chosen(1200, steps=200, epochs=3).poolings == ("attention",)


def test_too_few_sequences_to_hold_some_out_are_all_learned() -> None:
    settings = chosen(20)
    assert settings.epochs is not None and settings.epochs * 2 >= 400


def test_the_epochs_end_where_the_held_out_loss_does_and_the_best_pooling_is_taken() -> None:
    """The largest number of a long sequence is seen by "max" at once."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 20, 1))
    y = x.max((1, 2))
    regressor = charrnn.RecurrentRegressor(hidden_size=8, cell="rnn", learning_rate=0.02)
    regressor.fit(x, y)
    measured = regressor.validation_losses_
    assert np.mean(measured[-3:]) == min(np.convolve(measured, np.ones(3) / 3, "valid"))
    assert len(regressor.losses_) == 2 * len(measured)
    assert regressor.network_config_.pooling == "max"
    assert regressor.score(x, y) > 0.8


def test_units_of_the_inputs_do_not_matter() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(30, 5, 3))
    y = x.sum((1, 2))
    units = np.array([1e-6, 1.0, 1e9])
    plain, scaled = (
        charrnn.RecurrentRegressor(hidden_size=8, epochs=2).fit(each, y).predict(each)
        for each in (x, x * units + 5 * units)
    )
    assert scaled == pytest.approx(plain, abs=1e-4)
    raw = charrnn.RecurrentRegressor(hidden_size=8, epochs=2, standardize=False).fit(x, y)
    assert raw.input_mean_.tolist() == [0, 0, 0] and raw.input_scale_.tolist() == [1, 1, 1]


def test_a_number_that_is_nearly_always_the_same_stays_small() -> None:
    x = np.zeros((10, 10, 3))
    x[..., 1] = 4.2
    x[0, 0, 2] = 100.0
    mean, scale = read_sequences(x).scaling()
    assert mean == pytest.approx([0, 4.2, 1])
    assert scale[:2].tolist() == [1, 1]
    assert scale[2] == pytest.approx(9.95, rel=0.01)
    assert abs(read_sequences(x).scaled(mean, scale).vectors[0]).max() <= 10.0001


def test_numbers_that_overflow_when_standardized_are_refused() -> None:
    x = np.random.default_rng(0).normal(size=(10, 3, 1)) * 1e-6
    regressor = charrnn.RecurrentRegressor(hidden_size=4, epochs=1).fit(x, x.sum((1, 2)))
    with pytest.raises(ConfigError, match=r"sequence 0 of X, standardized, has inf at \[0, 0\]"):
        regressor.predict(np.full((1, 3, 1), 1e38))


def test_vowels_are_the_same_for_the_same_seed_and_differ_by_speaker() -> None:
    first, again, other = (speak(3, 1, seed) for seed in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(first.spectra, again.spectra, strict=True))
    assert len(first.spectra) == 3 * len(VOWELS) and set(first.labels) == set(VOWELS)
    assert first.spectra[0].shape[1] == BANDS
    assert np.bincount(first.speakers).tolist() == [len(VOWELS)] * 3
    assert (
        first.spectra[0].shape != other.spectra[0].shape
        or first.spectra[0][0, 0] != (other.spectra[0][0, 0])
    )
