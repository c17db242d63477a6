"""Phrases as the voices of espeak-ng say them: log-mel features, for benchmarks/speech.py.

A voice is a variant of espeak-ng: formants, pitch, breath and roughness of a speaker. Every
utterance of it has another of eight accents of English, another speed and pitch, and noise.

Legend: N utterances, S samples, T frames, E bands.
"""

import io
import subprocess
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.log_mel import log_mel
from charrnn.cores import usable_threads

ACCENTS: Final = (
    "en-029",
    "en-gb",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-gb-x-rp",
    "en-us",
    "en-us-nyc",
)

_NAMES: Final = """
Alex Alicia Andrea Andy Annie AnxiousAndy Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario
Michael Mike Nguyen Storm Tweaky adam anika antonio aunty belinda benjamin boris caleb david ed
edward edward2 f1 f2 f3 f4 f5 grandma grandpa gustave iven iven2 iven3 iven4 john kaukovalta klatt
klatt2 klatt3 klatt4 klatt5 klatt6 linda m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel miguel norbert
pablo paul pedro quincy rob robert sandro shelby steph steph2 steph3 travis victor zac
"""

VOICES: Final = tuple(_NAMES.split())
"""The variants of espeak-ng 1.51, less those that do not sound like a person who talks: whispers,
croaks, robots, announcements, effects of RicishayMax, and a test."""

SPEEDS: Final = (130, 200)
"""The slowest and the fastest speech, in words per minute."""

PITCHES: Final = (30, 70)
"""The lowest and the highest pitch, where 50 is the voice's own."""

NOISES: Final = (15.0, 35.0)
"""The least and the largest ratio of speech to noise, in decibels."""

PAUSE: Final = 0.1
"""The seconds of silence that are kept at the end."""


class Spoken(NamedTuple):
    """Spoken phrases.

    Attributes:
        features: N arrays (T, E), see log_mel.
        texts: (N,), what is said.
        voices: (N,), who says it, entries of VOICES.
    """

    features: list[npt.NDArray[np.float32]]
    texts: npt.NDArray[np.str_]
    voices: npt.NDArray[np.str_]


def family(voice: str) -> str:
    """Return the name under which like voices are kept together: edward and edward2 differ little.
    The numbered voices m1 to m8 and f1 to f5 are different people."""
    return voice if voice[0] in "fm" and voice[1:].isdigit() else voice.rstrip("0123456789")


def fold(voice: str, folds: int = 5) -> int:
    """Return the fold of a voice: its family's place in the alphabet, modulo the folds."""
    return sorted({family(each) for each in VOICES}).index(family(voice)) % folds


def heard_and_unseen() -> tuple[list[str], list[str]]:
    """Split the voices into those of the training, and every fifth family, unseen in it."""
    return [each for each in VOICES if fold(each)], [each for each in VOICES if not fold(each)]


def speak(texts: Sequence[str], voices: Sequence[str], seed: int = 0) -> Spoken:
    """Return the features of texts, each in the voice beside it. An utterance depends on its text,
    its voice, its place and the seed."""
    seeds = np.random.SeedSequence(seed).spawn(len(texts))
    with ThreadPoolExecutor(usable_threads()) as pool:
        features = list(pool.map(_utterance, texts, voices, seeds))
    return Spoken(features, np.array(texts), np.array(voices))


def _utterance(text: str, voice: str, seed: np.random.SeedSequence) -> npt.NDArray[np.float32]:
    """Return the features (T, E) of a text in some accent, speed, pitch and noise."""
    random = np.random.default_rng(seed)
    accent = ACCENTS[random.integers(len(ACCENTS))]
    speed, pitch = (int(random.integers(*each, endpoint=True)) for each in (SPEEDS, PITCHES))
    samples, rate = say(text, f"{accent}+{voice}", speed=speed, pitch=pitch)
    noise = samples.std() * 10 ** (-random.uniform(*NOISES) / 20)
    return log_mel(samples + random.normal(0, noise, samples.shape), rate)


def say(
    text: str, voice: str, speed: int = 160, pitch: int = 50
) -> tuple[npt.NDArray[np.float64], int]:
    """Say a text with espeak-ng.

    Args:
        text: one phrase.
        voice: a language, and after a plus sign a variant.
        speed: in words per minute.
        pitch: from 0 to 99.

    Returns:
        The samples (S,) from -1 to 1, less the silence at the end, and how many are a second.

    Raises SystemExit where espeak-ng is not installed, or refuses the voice.
    """
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    try:
        result = subprocess.run(command, capture_output=True, check=True)
    except FileNotFoundError:
        raise SystemExit(
            "espeak-ng is not installed: install it, on Debian with apt install espeak-ng"
        ) from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"espeak-ng -v {voice}: {error.stderr.decode().strip()}") from None
    with wave.open(io.BytesIO(result.stdout)) as sound:
        rate = sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32768
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max(initial=0))
    return samples[: loud[-1] + round(PAUSE * rate) if len(loud) else None], rate
