"""How well speech is recognized in voices that training never hears. It needs espeak-ng.

    python -m benchmarks.speech digits
    python -m benchmarks.speech phrases

digits: RecurrentClassifier() with its defaults. Each of the heard voices says each of the ten
digits once, each unseen voice three times. phrases: RecurrentTranscriber() decodes greedily, by
prefix beam search, and with a language model that learned the same phrases; the unseen voices say
phrases that are not among them. It prints the character error rates (CER) in per cent, also of
learned phrases and of others of the heard voices, and of each unseen voice that of the last way.
With --directory DIR, both models are kept there and not made again.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

import charrnn
from benchmarks.log_mel import HOP
from benchmarks.phrases import DIGITS, draw_phrases
from benchmarks.spoken import Spoken, heard_and_unseen, speak
from charrnn.evaluation.metrics import character_error_rate

Strings = npt.NDArray[np.str_]

TUNED: Final = 200
"""The phrases by which the weight of the language model is chosen."""

LANGUAGE_MODEL: Final[dict[str, Any]] = {"hidden_size": 128, "epochs": 8}
"""The settings of the language model."""

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


class SpokenPhrases(NamedTuple):
    """Different phrases: those of unseen voices, those of the training, and others of its voices,
    by which the weight of the language model is chosen."""

    unseen: Spoken
    heard: Spoken
    tuned: Spoken


def spoken_phrases(unseen: int, heard: int, tuned: int) -> SpokenPhrases:
    """Return as many spoken phrases."""
    phrases = draw_phrases(unseen + heard + tuned, np.random.default_rng(0))
    voices, others = heard_and_unseen()

    def spoken(begin: int, count: int, names: list[str], seed: int) -> Spoken:
        return speak(phrases[begin : begin + count], np.resize(names, count).tolist(), seed)

    return SpokenPhrases(
        spoken(0, unseen, others, 1),
        spoken(unseen, heard, voices, 2),
        spoken(unseen + heard, tuned, voices, 3),
    )


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
    spoken = spoken_phrases(arguments.tested, arguments.utterances, TUNED)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.directory or temporary)
        transcriber = fitted(spoken.heard, arguments.epochs, folder / "transcriber")
        model = language_model(spoken.heard.texts.tolist(), folder)
    transcriber.set_params(beam_width=arguments.beam_width, language_model=model)
    transcriber.fit_language_model(spoken.tuned.features, spoken.tuned.texts)
    print(
        f"weight of the language model {transcriber.language_model_weight_:.2f}, bonus for each "
        f"character {transcriber.insertion_bonus_:.2f} nats"
    )
    given = transcriber.get_params()
    unseen = spoken.unseen
    transcriber.set_params(beam_width=1)
    for what, said in (("learned", spoken.heard), ("other phrases of heard voices", spoken.tuned)):
        part = said.texts[: arguments.tested]
        rate = _rate(part, transcriber.predict(said.features[: arguments.tested]))
        print(f"greedy, {what}: CER {rate:.2f} %")
    for way, parameters in WAYS.items():
        transcriber.set_params(**given | parameters)
        began = time.perf_counter()
        transcribed = transcriber.predict(unseen.features)
        seconds = time.perf_counter() - began
        print(f"{way:20} CER {_rate(unseen.texts, transcribed):.2f} %, in {seconds:.1f} s")
    _by_voice(unseen, lambda chosen: f"{_rate(unseen.texts[chosen], transcribed[chosen]):.2f}")


def fitted(heard: Spoken, epochs: int | None, directory: Path) -> charrnn.RecurrentTranscriber:
    """Return the transcriber in a directory, or fit one and save it there."""
    if directory.exists():
        return charrnn.RecurrentTranscriber.load(directory)
    began, began_computing = time.perf_counter(), time.process_time()
    transcriber = charrnn.RecurrentTranscriber(epochs=epochs, verbose=True)
    transcriber.fit(heard.features, heard.texts)
    seconds, computing = time.perf_counter() - began, time.process_time() - began_computing
    minutes = sum(map(len, heard.features)) * HOP / 60
    print(
        f"{len(heard.texts)} phrases, {minutes:.0f} minutes of speech: fitted in {seconds:.0f} s, "
        f"{computing:.0f} s of one processor"
    )
    print(transcriber.settings_, f"steps joined: {transcriber.subsampling_}", flush=True)
    transcriber.save(directory)
    return transcriber


def language_model(texts: list[str], folder: Path) -> charrnn.Model:
    """Return the language model in a folder, or one that learns texts there, as lines."""
    run = folder / "language-model"
    if not run.exists():
        lines = folder / "phrases.txt"
        lines.write_text("\n".join(texts) + "\n", encoding="utf-8")
        charrnn.train(lines, out=run, lines=True, progress_bar=False, **LANGUAGE_MODEL)
    return charrnn.load(run)


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
    parser.add_argument("--epochs", type=int, help="of the transcriber; by default its own choice")
    parser.add_argument("--directory", help="where the models of phrases are kept")
    parser.add_argument("--beam-width", type=int, default=16)
    arguments = parser.parse_args()
    (digits if arguments.what == "digits" else phrases)(arguments)


if __name__ == "__main__":
    main()
