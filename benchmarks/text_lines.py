"""How well RecurrentTranscriber reads lines of text in fonts that it has not seen.

    python -m benchmarks.text_lines [--lines 36000] [--epochs 3] [--text FILE] [--save DIRECTORY]

Lines are drawn (benchmarks/drawn_lines.py) in the fonts of 59 families to train on, and of 14 to
test on: no family and no text is in both (benchmarks/line_texts.py). A character model of charrnn
learns the texts of training, and is then the prior of a prefix beam search. Its weight is chosen
on lines of other texts in the fonts of training.

The table has the character error rate of each family, greedy, by beam search, and by beam search
with the language model, and then that of other lines in the fonts of training. The fonts are those
of Debian 12:

    apt-get install fonts-{adf-accanthis,adf-baskervald,adf-berenis,adf-gillius,adf-libris,\\
adf-mekanus,adf-romande,adf-tribun,adf-universalis,anonymous-pro,arapey,averia-sans-gwf,\\
averia-serif-gwf,b612,breip,cabin,cantarell,cardo,clear-sans,cmu,comfortaa,\\
comic-neue,courier-prime,crosextra-caladea,dejavu-core,dejavu-extra,dkg-handwriting,\\
dosis,essays1743,fanwood,firacode,go,goudybookletter,inconsolata,inter,\\
jetbrains-mono,junction,junicode,jura,karla,klee,lato,league-mono,liberation,\\
lindenhill,linuxlibertine,manrope,monofur,oldstandard,open-sans,opendyslexic,oxygen,\\
paratype,play,prociono,quattrocento,quicksand,roboto-slab,roboto-unhinted,rufscript,\\
sil-andika,sil-charis,sil-gentium-basic,sjfonts,smc-chilanka,sora,stix,\\
tlwg-purisa-ttf,tlwg-typist-ttf,tuffy,urw-base35,vollkorn,yrsa-rasa}
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import charrnn
from benchmarks.drawn_lines import Pixels, draw_lines, find_fonts, split_families
from benchmarks.line_texts import (
    CHARACTERS,
    Part,
    full_lines,
    read_parts,
    training_lines,
    wrapped,
)
from charrnn.evaluation.metrics import character_error_rate

BEAM_WIDTH: Final = 16

LINES_OF_A_FAMILY: Final = {"unseen": 30, "seen": 4}
"""The lines to test on, of each family."""


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


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the time of a block, and that of the processor."""
    began, worked = time.perf_counter(), time.process_time()
    yield
    seconds, work = time.perf_counter() - began, time.process_time() - worked
    print(f"{what}: {seconds:.0f} s, {work:.0f} s of a core", flush=True)


def draw_all(
    fonts: dict[str, list[Path]], families: Sequence[str], texts: Sequence[str], seed: int
) -> Lines:
    """Draw each text in a font of its family."""
    random = Random(seed)
    paths = [random.choice(fonts[family]) for family in families]
    return Lines(draw_lines(texts, paths, seed), list(texts), list(families))


def draw_tests(
    fonts: dict[str, list[Path]], families: Sequence[str], part: Part, each: int
) -> Lines:
    """Draw some lines of a part of the texts in each of the families."""
    texts, random = full_lines(part, 136, seed=1), Random(4)
    chosen = [text for _ in families for text in random.sample(texts, each)]
    return draw_all(fonts, [family for family in families for _ in range(each)], chosen, seed=5)


def train_language_model(folder: Path, part: Part, steps: int) -> charrnn.Model:
    """Train a character model on lines of a part of the texts, and on 3000 entries."""
    lines = wrapped(part.text) + full_lines(Part("", part.towns), 3000, seed=2)
    Random(0).shuffle(lines)
    corpus = folder / "lines.txt"
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = charrnn.train(
        corpus, out=folder / "language_model", lines=True, steps=steps, progress_bar=False
    )
    return run.best_model()


def report(name: str, tests: Lines, read: dict[str, list[str]]) -> None:
    """Print the error rates of lines that were read in several ways, by family."""
    print(f"{name:24}" + "".join(f"{way:>12}" for way in read) + f"{'characters':>12}")
    for family in [*sorted(set(tests.families)), "all"]:
        places = [n for n, each in enumerate(tests.families) if family in (each, "all")]
        texts = [tests.texts[n] for n in places]
        rates = [character_error_rate(texts, [each[n] for n in places]) for each in read.values()]
        shown = "".join(f"{100 * rate:11.2f}%" for rate in rates)
        print(f"  {family:22}{shown}{sum(map(len, texts)):12}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=36000, help="lines to train on")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--hidden-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--dropout", type=float)
    parser.add_argument("--text", type=Path, help="a text in place of the fables")
    parser.add_argument("--steps", type=int, default=300, help="of the language model; 0: none")
    parser.add_argument("--save", type=Path, help="where the transcriber is saved")
    arguments = parser.parse_args()
    fonts = find_fonts(CHARACTERS)
    seen, unseen = split_families(fonts)
    if len(seen) < 10 or not unseen:
        parser.error("there are too few fonts: install those that --help names")
    print(f"{len(seen)} families to train on; to test on: {', '.join(unseen)}")
    training, choosing, testing = read_parts(arguments.text)
    texts, random = training_lines(training, arguments.lines), Random(2)
    with timed(f"drawing {len(texts)} lines"):
        drawn = draw_all(fonts, [random.choice(seen) for _ in texts], texts, seed=3)
    transcriber = charrnn.RecurrentTranscriber(
        hidden_size=arguments.hidden_size,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        dropout=arguments.dropout,
        verbose=True,
    )
    with timed("fitting"):
        transcriber.fit(drawn.columns, drawn.texts)
    print(transcriber.settings_, f"joins {transcriber.subsampling_} columns")
    if arguments.save:
        transcriber.save(arguments.save)
    tests = {
        "unseen": draw_tests(fonts, unseen, testing, LINES_OF_A_FAMILY["unseen"]),
        "seen": draw_tests(fonts, seen, testing, LINES_OF_A_FAMILY["seen"]),
    }
    read: dict[str, dict[str, list[str]]] = {name: {} for name in tests}
    read_as(transcriber, tests, read, "greedy")
    if arguments.steps:
        with tempfile.TemporaryDirectory() as folder:
            with timed("training the language model"):
                model = train_language_model(Path(folder), training, arguments.steps)
            transcriber.set_params(beam_width=BEAM_WIDTH, language_model=model)
            chosen = draw_tests(fonts, seen, choosing, 2)
            with timed("choosing its weight"):
                transcriber.fit_language_model(chosen.columns, chosen.texts)
            print(f"weight {transcriber.language_model_weight_:.2f}")
            read_as(transcriber.set_params(language_model_weight=0.0), tests, read, "beam")
            transcriber.set_params(language_model_weight=None)
            read_as(transcriber, tests, read, "with model")
    for name in tests:
        report(f"families {name}", tests[name], read[name])


def read_as(
    transcriber: Any,
    tests: dict[str, Lines],
    read: dict[str, dict[str, list[str]]],
    way: str,
) -> None:
    """Read the lines in one way."""
    for name, each in tests.items():
        with timed(f"reading {len(each.texts)} lines, {way}"):
            read[name][way] = transcriber.predict(each.columns).tolist()


if __name__ == "__main__":
    main()
