"""Log-mel features: the energies of sound by time and by pitch as the ear hears it.

Legend: S samples, T frames, W samples of a frame, F frequencies, E bands.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SECONDS: Final = 0.025
"""The length of a frame."""

HOP: Final = 0.010
"""The time from one frame to the next, in seconds."""

BANDS: Final = 40
LOWEST: Final = 60.0
HIGHEST: Final = 8000.0
"""The lowest and the highest frequency that a band hears, in Hz."""

FLOOR: Final = 1e-6
"""What is added to an energy before its logarithm, so that silence is not minus infinity. A sine of
full scale has about 50."""


def log_mel(samples: npt.ArrayLike, rate: int) -> npt.NDArray[np.float32]:
    """Compute the log energies (T, E) of sound, less the mean of each band.

    The mean goes because it tells of the microphone and of how loud one speaks, not of words.

    Args:
        samples: (S,) from -1 to 1; sound that is shorter than a frame ends in silence.
        rate: samples per second, twice HIGHEST at least.

    Source: Davis & Mermelstein, 1980, IEEE Transactions on Acoustics, Speech, and Signal
    Processing 28, without their cosine transform.
    """
    samples = np.asarray(samples, np.float64)
    width, hop = round(SECONDS * rate), round(HOP * rate)
    samples = np.pad(samples, (0, max(width - len(samples), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, width)[::hop]  # (T, W)
    size = 1 << (width - 1).bit_length()
    power: Array = np.abs(np.fft.rfft(frames * np.hanning(width), size)) ** 2 / width  # (T, F)
    bands = mel_bands(np.fft.rfftfreq(size, 1 / rate))  # (F, E)
    logs = np.log(np.matmul(power, bands) + FLOOR)  # (T, E)
    features: npt.NDArray[np.float32] = (logs - logs.mean(0)).astype(np.float32)
    return features


def mel_bands(frequencies: npt.ArrayLike) -> Array:
    """Return the weights (F, E) of frequencies (F,), in Hz, in each band: triangles on the mel
    scale, each from the middle of the band below to the middle of the band above."""
    middles = np.linspace(hz_to_mel(LOWEST), hz_to_mel(HIGHEST), BANDS + 2)[1:-1]
    distances = np.abs(hz_to_mel(frequencies)[:, None] - middles) / (middles[1] - middles[0])
    weights: Array = np.maximum(1 - distances, 0)
    return weights


def hz_to_mel(frequency: npt.ArrayLike) -> Array:
    """Convert Hz to mel, on which pitches that sound equally far apart are (O'Shaughnessy, 1987,
    Speech Communication)."""
    return np.asarray(2595 * np.log10(1 + np.asarray(frequency) / 700))
