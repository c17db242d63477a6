"""How well speech is recognized in voices that training never hears. It needs espeak-ng.

    python -m benchmarks.speech digits
    python -m benchmarks.speech phrases

digits: RecurrentClassifier() with its defaults. Each of the heard voices says each of the ten
digits once, each unseen voice three times. phrases: RecurrentTranscriber() decodes greedily, by
prefix beam search, and with a language model that learned the same phrases; the unseen voices say
phrases that are not among them. It prints the character error rates (CER) in per cent, of each
voice that of the last way.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import charrnn
from benchmarks.log_mel import HOP
from benchmarks.phrases import DIGITS, draw_phrases
from benchmarks.spoken import Spoken, heard_and_unseen, speak
from charrnn.evaluation.metrics import character_error_rate

Strings = npt.NDArray[np.str_]

BUDGET: Final = "60s"
"""The time for training the language model."""

WAYS: Final[dict[str, dict[str, Any]]] = {
    "greedy": {"beam_width": 1},
    "beam search": {"language_model_weight": 0.0},
    "with language model": {},
}
"""The ways to transcribe with what one fit has learned, as the parameters that each changes."""


def spoken_digits(repetitions: int = 3) -> tuple[Spoken, Spoken]:
    """Return the digits of the heard voices, once each, and of the unseen ones, several times."""
    heard, unseen = heard_and_unseen()
    return _in_turn(DIGITS, heard, 0), _in_turn(DIGITS * repetitions, unseen, 1)


def _in_turn(texts: tuple[str, ...], voices: list[str], seed: int) -> Spoken:
    """Return each text in each voice. A frame every 20 ms is enough to tell ten words apart."""
    spoken = speak(texts * len(voices), [each for each in voices for _ in texts], seed)
    return spoken._replace(features=[each[::2] for each in spoken.features])


def spoken_phrases(count: int, tested: int) -> tuple[Spoken, Spoken]:
    """Return phrases of the heard voices, and others of the unseen ones."""
    voices = heard_and_unseen()
    phrases = draw_phrases(count + tested, np.random.default_rng(0))
    parts = phrases[tested:], phrases[:tested]
    heard, unseen = (
        speak(texts, np.resize(names, len(texts)).tolist(), seed)
        for seed, (texts, names) in enumerate(zip(parts, voices, strict=True))
    )
    return heard, unseen


def digits(arguments: argparse.Namespace) -> None:
    """Print the accuracy of digits."""
    heard, unseen = spoken_digits()
    began = time.perf_counter()
    classifier = charrnn.RecurrentClassifier().fit(heard.features, heard.texts)
    seconds = time.perf_counter() - began
    right = classifier.predict(unseen.features) == unseen.texts
    print(
        f"{len(heard.texts)} digits heard, {len(unseen.texts)} unseen; fitted in {seconds:.0f} s: "
        f"accuracy {right.mean():.4f}"
    )
    _by_voice(unseen, lambda chosen: f"{right[chosen].mean():.3f}")


def phrases(arguments: argparse.Namespace) -> None:
    """Print the character error rates of phrases."""
    heard, unseen = spoken_phrases(arguments.utterances, arguments.tested)
    with tempfile.TemporaryDirectory() as folder:
        model = language_model(heard.texts.tolist(), Path(folder))
    began = time.perf_counter()
    transcriber = charrnn.RecurrentTranscriber(
        beam_width=arguments.beam_width, language_model=model, verbose=True
    )
    transcriber.fit(heard.features, heard.texts)
    seconds = time.perf_counter() - began
    minutes = sum(map(len, heard.features)) * HOP / 60
    print(
        f"{len(heard.texts)} phrases heard ({minutes:.0f} minutes), {len(unseen.texts)} unseen; "
        f"fitted in {seconds:.0f} s: {transcriber.settings_}"
    )
    given = transcriber.get_params()
    for way, parameters in WAYS.items():
        transcriber.set_params(**given | parameters)
        began = time.perf_counter()
        transcribed = transcriber.predict(unseen.features)
        seconds = time.perf_counter() - began
        print(f"{way:20} CER {_rate(unseen.texts, transcribed):.2f} %, in {seconds:.1f} s")
    _by_voice(unseen, lambda chosen: f"{_rate(unseen.texts[chosen], transcribed[chosen]):.2f}")


def language_model(texts: list[str], folder: Path) -> charrnn.Model:
    """Return a language model that learned the texts, as lines."""
    (folder / "phrases.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    run = charrnn.train(
        folder / "phrases.txt", out=folder / "run", lines=True, budget=BUDGET, progress_bar=False
    )
    return run.best_model()


def _rate(wanted: Strings, transcribed: Strings) -> float:
    """Return the character error rate in per cent."""
    return 100 * character_error_rate(wanted.tolist(), transcribed.tolist())


def _by_voice(spoken: Spoken, figure: Callable[[npt.NDArray[np.bool_]], str]) -> None:
    """Print a figure of each voice."""
    names = np.unique(spoken.voices)
    print("  ".join(f"{name} {figure(spoken.voices == name)}" for name in names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["digits", "phrases"])
    parser.add_argument("--utterances", type=int, default=4000, help="phrases of the training")
    parser.add_argument("--tested", type=int, default=340, help="phrases of the unseen voices")
    parser.add_argument("--beam-width", type=int, default=16)
    arguments = parser.parse_args()
    (digits if arguments.what == "digits" else phrases)(arguments)


if __name__ == "__main__":
    main()
