"""Vowels as speakers of different size and pitch say them: sequences of spectra, for
benchmarks/sequences.py and tests.

A vowel is two targets of three formants (the same one twice, for a monophthong), between which a
speaker moves. A speaker has a length of the vocal tract, which divides all formants, a pitch, a
tempo, a loudness, a tilt of the spectrum, and a small shift of each vowel's formants. A step, every
10 ms, has the log energies of 16 bands on the mel scale: resonances of the formants, seen through
the harmonics of the pitch, in noise. The average formants are those of American English (Peterson &
Barney, 1952, Journal of the Acoustical Society of America 24), rounded.

Legend: N sequences, T steps, E bands.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

FORMANTS: Final = {
    "i": (300, 2300, 3000),
    "ɪ": (430, 2050, 2600),
    "ɛ": (570, 1850, 2500),
    "æ": (700, 1750, 2430),
    "ɑ": (760, 1100, 2500),
    "ɔ": (580, 850, 2450),
    "ʊ": (450, 1050, 2300),
    "u": (320, 900, 2250),
}

VOWELS: Final = ("i", "ɪ", "ɛ", "æ", "ɑ", "ɔ", "ʊ", "u", "ɑɪ", "ɔɪ", "ɑʊ", "ɛɪ")

BANDS: Final = 16
WIDTH: Final = 90.0
"""The half width of a formant, in Hz."""


class Vowels(NamedTuple):
    """Spoken vowels.

    Attributes:
        spectra: N arrays (T, E) of log energies.
        labels: (N,), the vowels, entries of VOWELS.
        speakers: (N,), the numbers of the speakers.
    """

    spectra: list[npt.NDArray[np.float64]]
    labels: npt.NDArray[np.str_]
    speakers: npt.NDArray[np.int64]


def speak(speakers: int = 30, repetitions: int = 4, seed: int = 0) -> Vowels:
    """Return every vowel of every speaker, several times."""
    random = np.random.default_rng(seed)
    spectra, labels, numbers = [], [], []
    for speaker in range(speakers):
        tract, pitch = random.uniform(0.82, 1.18), random.uniform(85, 250)
        tempo, tilt = random.uniform(0.7, 1.4), random.uniform(0.5, 2.0)
        habits = {vowel: random.normal(1, 0.03, 3) for vowel in FORMANTS}
        for vowel in VOWELS * repetitions:
            ends = [np.array(FORMANTS[each]) * habits[each] for each in (vowel[0], vowel[-1])]
            steps = int(random.uniform(12, 30) / tempo)
            moved = 1 / (1 + np.exp(-10 * (np.linspace(0, 1, steps) - random.uniform(0.35, 0.65))))
            formants = (ends[0] + moved[:, None] * (ends[1] - ends[0])) / tract
            formants = formants * random.normal(1, 0.02, 3) * random.normal(1, 0.01, (steps, 3))
            tone = pitch * random.normal(1, 0.1) * np.linspace(1.05, 0.9, steps)
            spectra.append(_spectrum(formants, tone, tilt, random))
            labels.append(vowel)
            numbers.append(speaker)
    return Vowels(spectra, np.array(labels), np.array(numbers))


def _spectrum(
    formants: npt.NDArray[np.float64],
    tone: npt.NDArray[np.float64],
    tilt: float,
    random: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Return the log energies (T, E) of formants (T, 3) over a pitch (T,), both in Hz."""
    harmonics = tone[:, None] * np.arange(1, 61)  # (T, 60)
    distances = (harmonics[:, :, None] - formants[:, None]) / WIDTH
    energies = (1 / (1 + distances**2)).sum(2) * (harmonics / 500) ** -tilt
    bands = np.linspace(_mel(150), _mel(4500), BANDS)
    near = np.abs(_mel(harmonics)[:, :, None] - bands) / (bands[1] - bands[0])
    seen = (energies[:, :, None] * np.maximum(1 - near, 0)).sum(1)
    loudness = random.normal() - 2 * np.linspace(-1, 1, len(tone))[:, None] ** 2
    noise = random.normal(0, 0.3, seen.shape)
    spectrum: npt.NDArray[np.float64] = loudness + noise
    spectrum += np.log(seen + 10 ** random.uniform(-2.5, -1.5))
    return spectrum


def _mel(frequency: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Convert Hz to mel (O'Shaughnessy, 1987)."""
    return np.asarray(2595 * np.log10(1 + np.asarray(frequency) / 700))
