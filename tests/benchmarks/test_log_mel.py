"""Log-mel features know a sine by its band and silence by its floor."""

import numpy as np
import pytest

from benchmarks.log_mel import (
    BANDS,
    FLOOR,
    HIGHEST,
    HOP,
    LOWEST,
    SECONDS,
    hz_to_mel,
    log_mel,
    mel_bands,
)

RATE = 22050


def tone(frequency: float, seconds: float = 0.5) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)


def middle(band: int) -> float:
    """The frequency, in Hz, in the middle of a band."""
    mel = np.linspace(hz_to_mel(LOWEST), hz_to_mel(HIGHEST), BANDS + 2)[band + 1]
    return float(700 * (10 ** (mel / 2595) - 1))


def test_a_thousand_hz_are_a_thousand_mel() -> None:
    assert hz_to_mel(1000) == pytest.approx(1000, abs=0.1)


@pytest.mark.parametrize("band", [5, 20, 39])
def test_a_sine_is_loudest_in_its_band(band: int) -> None:
    """Two sines, one after the other: what the mean of each band takes away is the same."""
    other = (band + 15) % BANDS
    features = log_mel(np.concatenate([tone(middle(band)), tone(middle(other))]), RATE)
    assert features[10].argmax() == band
    assert features[-10].argmax() == other


def test_an_energy_is_the_square_of_the_amplitude() -> None:
    sound = tone(middle(20))
    features = log_mel(np.concatenate([0.01 * sound, sound]), RATE)
    assert features[-10, 20] - features[10, 20] == pytest.approx(np.log(100**2), abs=0.01)


def test_silence_beside_a_sine_is_at_the_floor() -> None:
    features = log_mel(np.concatenate([np.zeros(RATE), tone(middle(20))]), RATE)
    assert features[-10, 20] - features[10, 20] > -np.log(FLOOR)


def test_silence_is_zero_and_finite() -> None:
    features = log_mel(np.zeros(RATE), RATE)
    assert features.dtype == np.float32
    assert features == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("samples", [0, 1, 551, 552, 771, 772, 22050])
def test_there_is_a_frame_every_ten_milliseconds(samples: int) -> None:
    width, hop = round(SECONDS * RATE), round(HOP * RATE)
    frames = 1 + max(samples - width, 0) // hop
    assert log_mel(np.ones(samples), RATE).shape == (frames, BANDS)


def test_loudness_makes_no_difference() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, RATE)
    assert log_mel(0.5 * sound, RATE) == pytest.approx(log_mel(sound, RATE), abs=0.05)


def test_neighbouring_bands_share_a_frequency() -> None:
    """Between the middles of the first and the last band, the weights add up to one."""
    frequencies = np.linspace(middle(0), middle(BANDS - 1), 500)
    assert mel_bands(frequencies).sum(1) == pytest.approx(1)
