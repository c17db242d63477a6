"""Where attention is worth what it costs.

    python -m benchmarks.attention tinyshakespeare.txt names.txt:lines repetitive stdlib@1000000

Each text is learned without attention, and in the same time with each window: the time of a step is
measured first, by turns, and networks with attention take so many steps fewer. All are trained as
the recipe trains such a size, on the same chunks in the same order, and read the last 10 % of the
text.
Prints a row for each text and window: nats per character, and how much less than without that is.

`repetitive` is made from a seed (repetition.py): names of random letters, defined and used again,
in nested brackets.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.architectures import Trial, Variant
from benchmarks.quality import parse_seeds
from benchmarks.quality_corpora import CorpusName, parse_corpus, read_corpus
from benchmarks.quality_table import parse_budget
from charrnn.data.corpus import open_corpus, tokenize


def compare(
    name: CorpusName, windows: Sequence[int], *, hidden_size: int, steps: int, seeds: Sequence[int]
) -> Iterator[str]:
    """The rows of a text: without attention, in so many steps, and with each window in that
    time."""
    with tempfile.TemporaryDirectory() as folder:
        text = tokenize(open_corpus([str(read_corpus(name, Path(folder)).path)]))
    trial = Trial(text, hidden_size, parse_budget(f"{steps}steps"), lines=name.lines)
    variants = [Variant(), *(Variant(attention=window) for window in windows)]
    seconds = trial.step_seconds(variants, seeds[0])
    plain = None
    for variant, step_seconds in zip(variants, seconds, strict=True):
        affordable = max(1, round(steps * seconds[0] / step_seconds))
        results = [
            trial.train(variant, seed, steps=affordable, step_seconds=step_seconds)
            for seed in seeds
        ]
        nats = statistics.fmean(result.nats for result in results)
        plain = nats if plain is None else plain
        row = [
            str(name),
            "none" if variant.attention is None else str(variant.attention),
            ", ".join(f"{result.nats:.4f}" for result in results),
            f"{100 * (plain - nats) / plain:+.1f} %",
            f"{affordable:,}",
            f"{1000 * step_seconds:.1f}",
            f"{step_seconds / seconds[0]:.2f}",
            f"{results[0].parameters:,}",
        ]
        yield f"| {' | '.join(row)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("corpora", nargs="+", type=parse_corpus, help="as in benchmarks.quality")
    parser.add_argument("--windows", type=parse_seeds, default=[64, 256], help="like 64,256")
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=1500, help="without attention")
    parser.add_argument("--seeds", type=parse_seeds, default=[0], help="like 0,1,2")
    options = parser.parse_args(arguments)
    print("| text | window | nats, a seed each | gained | steps | ms a step | x plain | weights |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.corpora:
        for row in compare(
            name,
            options.windows,
            hidden_size=options.hidden_size,
            steps=options.steps,
            seeds=options.seeds,
        ):
            print(row, flush=True)


if __name__ == "__main__":
    main()
