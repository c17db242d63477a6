"""How well RecurrentTranscriber reads lines of text in fonts that it has not seen.

    apt-get install PACKAGES        # the fonts; `--packages` prints the list
    python -m benchmarks.text_lines [--lines 12000] [--epochs 6] [--text FILE] [--save DIRECTORY]

Lines are drawn (benchmarks/drawn_lines.py) in about sixty families of fonts to train on, and in the
others to test on: no family and no line is in both. A character model of charrnn is trained on the
texts without the test lines (benchmarks/line_texts.py), and is the prior of a prefix beam search.

The table has the character error rate of each family, greedy, by beam search, and by beam search
with the language model; then for unseen lines in the fonts of training.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import charrnn
from benchmarks.drawn_lines import Pixels, draw_lines, find_fonts, split_families
from benchmarks.line_texts import CHARACTERS, language_lines, test_lines, training_lines
from charrnn.evaluation.metrics import character_error_rate

TEST_LINES: Final = 136
"""The lines of which each family shows some."""

LINES_OF_A_FAMILY: Final = 30

BEAM: Final = 16


class Lines(NamedTuple):
    """Drawn lines.

    Attributes:
        columns: N arrays (T, E).
        texts: N strings.
        families: the family of the font of each.
    """

    columns: list[Pixels]
    texts: list[str]
    families: list[str]


def draw_training(
    fonts: dict[str, list[Path]], families: Sequence[str], texts: Sequence[str]
) -> Lines:
    """Draw each text in a font of one of the families."""
    random = Random(2)
    drawn = [random.choice(families) for _ in texts]
    paths = [random.choice(fonts[family]) for family in drawn]
    return Lines(draw_lines(texts, paths, seed=3), list(texts), drawn)


def draw_tests(
    fonts: dict[str, list[Path]], families: Sequence[str], texts: Sequence[str], each: int
) -> Lines:
    """Draw some of the texts in each of the families."""
    random = Random(4)
    drawn = [family for family in families for _ in range(each)]
    chosen = [text for _ in families for text in random.sample(texts, each)]
    paths = [random.choice(fonts[family]) for family in drawn]
    return Lines(draw_lines(chosen, paths, seed=5), chosen, drawn)


def train_language_model(folder: Path, text: Path | None, steps: int) -> charrnn.Run:
    """Train a character model on lines that have no line of the test."""
    corpus = folder / "lines.txt"
    corpus.write_text("\n".join(language_lines(path=text)) + "\n", encoding="utf-8")
    return charrnn.train(
        corpus,
        out=folder / "language_model",
        lines=True,
        steps=steps,
        progress_bar=False,
    )


def report(name: str, transcriber: Any, tests: Lines, *, with_model: bool) -> None:
    """Print the error rates of a set of lines, and of each of its families."""
    weight = transcriber.language_model_weight
    ways: dict[str, dict[str, Any]] = {"greedy": {"beam_width": 1}}
    if with_model:
        ways["beam"] = {"beam_width": BEAM, "language_model_weight": 0.0}
        ways["with model"] = {"beam_width": BEAM, "language_model_weight": weight}
    read = {}
    for way, settings in ways.items():
        began = time.perf_counter()
        read[way] = transcriber.set_params(**settings).predict(tests.columns).tolist()
        print(f"{name}: {way} took {time.perf_counter() - began:.0f} s")
    transcriber.set_params(language_model_weight=weight)
    print(f"{name:24}" + "".join(f"{way:>12}" for way in ways) + f"{'characters':>12}")
    for family in [*sorted(set(tests.families)), "all"]:
        places = [n for n, each in enumerate(tests.families) if family in (each, "all")]
        texts = [tests.texts[n] for n in places]
        rates = [character_error_rate(texts, [each[n] for n in places]) for each in read.values()]
        shown = "".join(f"{100 * rate:11.2f}%" for rate in rates)
        print(f"  {family:22}{shown}{sum(map(len, texts)):12}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=12000, help="lines to train on")
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--hidden-size", type=int)
    parser.add_argument("--text", type=Path, help="a text in place of the fables")
    parser.add_argument("--steps", type=int, default=1500, help="of the language model; 0: none")
    parser.add_argument("--save", type=Path, help="where the transcriber is saved")
    arguments = parser.parse_args()
    fonts = find_fonts(CHARACTERS)
    seen, unseen = split_families(fonts)
    print(f"{len(seen)} families to train on; to test on: {', '.join(unseen)}")
    tests = test_lines(TEST_LINES, path=arguments.text)
    texts = training_lines(arguments.lines, path=arguments.text)
    began = time.perf_counter()
    training = draw_training(fonts, seen, texts)
    print(f"drew {len(texts)} lines in {time.perf_counter() - began:.0f} s")
    with tempfile.TemporaryDirectory() as folder:
        model = None
        if arguments.steps:
            began = time.perf_counter()
            run = train_language_model(Path(folder), arguments.text, arguments.steps)
            model = run.best_model()
            print(f"trained the language model in {time.perf_counter() - began:.0f} s")
        transcriber = charrnn.RecurrentTranscriber(
            hidden_size=arguments.hidden_size,
            epochs=arguments.epochs,
            language_model=model,
            beam_width=BEAM if model else 1,
            verbose=True,
        )
        began = time.perf_counter()
        transcriber.fit(training.columns, training.texts)
        print(f"fitted in {time.perf_counter() - began:.0f} s: {transcriber.settings_}")
        if arguments.save:
            transcriber.save(arguments.save)
        for name, families in (("unseen families", unseen), ("families of training", seen)):
            each = LINES_OF_A_FAMILY if families is unseen else 5
            drawn = draw_tests(fonts, families, tests, each)
            report(name, transcriber, drawn, with_model=model is not None)


if __name__ == "__main__":
    main()
