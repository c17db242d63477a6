"""How well what is missing is restored, and how well what is wrong is found.

    python -m benchmarks.restoration tinyshakespeare.txt --budget 300s
    python -m benchmarks.restoration tinyshakespeare.txt --model checkpoints/both --forward
    checkpoints/one

On the last 10 % of a text, which neither model has read. Two models learn from the rest, with the
same
budget and the same flags of `charrnn train`: one that restores (`--bidirectional`) and one that
reads forward. Prints

- of single characters and of spans of 2, 4 and 8 at seeded places: how often the best fill has the
  character that stood there (top 1), one of the five best has (top 5), and how often all of the
  span is right (exact). `forward` is the language model alone, which reads the left side, a beam of
  its likeliest fills; `forward, weighed` chooses among those by how likely they and what follows
  are together; `n-gram` is modified Kneser-Ney.
- of seeded typos, one in 200 characters, of four kinds in turn: how many are found, and put right,
  and of what is found how much is a typo. Thresholds are chosen, for each model by itself, on the
  first half of the text with typos (for the best F1), and counted on the other half.

Legend: N characters, V vocabulary.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import charrnn
from benchmarks.left_to_right import ForwardRestorer, NGramRestorer
from benchmarks.quality_corpora import find_file
from benchmarks.quality_table import Budget, parse_budget
from benchmarks.typos import Score, Typo, score, with_typos
from charrnn.data.tokenizer import Tokenizer
from charrnn.engines import best_engine
from charrnn.evaluation.baselines import NGram
from charrnn.storage.model_directory import Model
from charrnn.tasks.infill.beam import Fills, Region, infill, rescore
from charrnn.tasks.infill.engine import InfillEngine
from charrnn.tasks.infill.fill import FillConfig
from charrnn.tasks.infill.masked_model import MaskedIds, MaskedLM, pseudo_log_likelihoods
from charrnn.tasks.infill.proofread import Finding, ProofreadConfig, proofread

LENGTHS: Final = (1, 2, 4, 8)

CONTEXT: Final = FillConfig().context
"""Characters on each side that are read."""

FOLLOWING: Final = 16
"""Characters after a span that fills are weighed by, where a model reads forward."""

Weigh = Callable[[MaskedLM, Region, Fills], Fills]


@dataclass(frozen=True)
class Contender:
    """What fills and proofreads.

    Attributes:
        restorer: what it reads with.
        ways: by the name that the table has, how its fills are weighed once they are whole.
        before, after: how many characters on each side of a span it reads.
    """

    restorer: MaskedLM
    ways: dict[str, Weigh | None]
    before: int = CONTEXT
    after: int = CONTEXT


def by_both_sides(restorer: MaskedLM, region: Region, fills: Fills) -> Fills:
    """As `charrnn fill` does."""
    return rescore(restorer, region, fills, reach=FillConfig().reach, context=CONTEXT)


def by_what_follows(restorer: MaskedLM, region: Region, fills: Fills) -> Fills:
    """By the likelihood of each fill and of what follows it: for models that read forward."""
    windows = np.tile(region.ids, (len(fills.values), 1))
    windows[:, region.places] = fills.values
    first = int(region.places[0])
    sums = [
        each[first:].sum(dtype=np.float64)
        for each in pseudo_log_likelihoods(restorer, list(windows))
    ]
    order = np.argsort(-np.array(sums), kind="stable")
    return Fills(fills.values[order], np.array(sums)[order])


@dataclass(frozen=True)
class Accuracy:
    """How often fills are right: their characters, one of five fills', and all of a span."""

    top_1: float
    top_5: float
    exact: float


def accuracies(
    contender: Contender, ids: MaskedIds, starts: npt.NDArray[np.int64], length: int
) -> dict[str, Accuracy]:
    """Of spans of that length that begin at these places of a text (N,), for each of its ways."""
    before, restorer = contender.before, contender.restorer
    regions = []
    for start in starts:
        window = ids[start - before : start + length + contender.after].copy()
        window[before : before + length] = restorer.mask
        regions.append(Region(window, np.arange(before, before + length)))
    found = infill(
        restorer,
        regions,
        width=FillConfig().width,
        context=max(before, contender.after),
        allowed=np.ones(restorer.vocabulary_size, dtype=np.bool_),
    )
    counted: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contender.ways}
    for start, region, fills in zip(starts, regions, found, strict=True):
        for name, weigh in contender.ways.items():
            best = fills if weigh is None else weigh(restorer, region, fills)
            right = best.values[:5] == ids[start : start + length]  # (up to 5, length)
            counted[name].append(
                (float(right[0].mean()), float(right.any(axis=0).mean()), float(right[0].all()))
            )
    return {name: Accuracy(*np.mean(each, axis=0).tolist()) for name, each in counted.items()}


@dataclass(frozen=True)
class Proof:
    """How well typos were found.

    Attributes:
        threshold: the gain that was asked for.
        score: on the half that the threshold was not chosen on.
        characters_per_second: how fast it was.
    """

    threshold: float
    score: Score
    characters_per_second: float


def proof(
    restorer: MaskedLM, tokenizer: Tokenizer, text: str, threshold: float | None = None
) -> Proof:
    """Of typos in the second half of a text; the threshold is chosen on the first, unless given."""
    config = ProofreadConfig(threshold=0)
    tuning, counted = (with_typos(half, seed=seed) for seed, half in enumerate(halves(text)))
    if threshold is None:
        threshold = best_threshold(*tuning, proofread(restorer, tokenizer, tuning[0], config))
    began = time.perf_counter()
    findings = proofread(restorer, tokenizer, counted[0], config)
    seconds = time.perf_counter() - began
    return Proof(threshold, score(*counted, above(findings, threshold)), len(counted[0]) / seconds)


def halves(text: str) -> tuple[str, str]:
    """The two halves of a text."""
    return text[: len(text) // 2], text[len(text) // 2 :]


def middle(text: str, characters: int) -> str:
    """So many characters in the middle of a text. (Costs and threshold of proofreading were chosen
    on the beginning and the end of tinyshakespeare's held-out text.)"""
    begin = max(len(text) - characters, 0) // 2
    return text[begin : begin + characters]


def above(findings: Sequence[Finding], threshold: float) -> list[Finding]:
    """Those that a threshold leaves of what was found without one."""
    return [each for each in findings if each.correction.gain >= threshold]


def best_threshold(text: str, typos: Sequence[Typo], findings: Sequence[Finding]) -> float:
    """The threshold with the best harmonic mean of precision and recall (F1)."""

    def f1(threshold: float) -> float:
        result = score(text, typos, above(findings, threshold))
        return 2 * result.detected / max(result.findings + result.typos, 1)

    return max((each / 2 for each in range(80)), key=f1)


def trained(corpus: Path, folder: Path, budget: Budget, **options: Any) -> Model:
    """A model of a text, as `charrnn train` makes it."""
    if budget.in_steps:
        amount: dict[str, Any] = {"steps": int(budget.amount)}
    else:
        amount = {"budget": budget.amount}
    charrnn.train(corpus, out=folder, progress_bar=False, **amount, **options)
    return charrnn.load(folder)


def contenders(restoring: Model, forward: Model, training: str) -> list[Contender]:
    """All that are compared. The models have one alphabet."""
    tokenizer = restoring.tokenizer
    n_gram = NGram(tokenizer.encode(training), tokenizer.vocabulary_size)
    return [
        Contender(
            InfillEngine.of(restoring), {"restorer": by_both_sides, "restorer, beam alone": None}
        ),
        Contender(
            ForwardRestorer(best_engine(forward)),
            {"forward": None, "forward, weighed": by_what_follows},
            after=FOLLOWING,
        ),
        Contender(NGramRestorer(n_gram), {"n-gram": None}, before=n_gram.context, after=0),
    ]


def print_fills(
    rows: Sequence[Contender], ids: MaskedIds, positions: int, lengths: Sequence[int]
) -> None:
    """The table of spans."""
    print("| | " + " | ".join(f"{n}: top 1, top 5, exact" for n in lengths) + " |")
    print("|---|" + "---|" * len(lengths))
    generator = np.random.default_rng(0)
    starts = {n: generator.integers(CONTEXT, len(ids) - CONTEXT - n, positions) for n in lengths}
    for each in rows:
        cells: dict[str, list[str]] = {name: [] for name in each.ways}
        for length in lengths:
            for name, found in accuracies(each, ids, starts[length], length).items():
                shares = (found.top_1, found.top_5, found.exact)
                cells[name].append(", ".join(f"{share:.1%}" for share in shares))
        for name, row in cells.items():
            print(f"| {name} | {' | '.join(row)} |", flush=True)


def print_proofs(
    rows: Sequence[tuple[str, MaskedLM, float | None]], *, text: str, tokenizer: Tokenizer
) -> None:
    """The table of typos."""
    print(
        "| | threshold | detected: precision, recall | put right: precision, recall "
        "| substitute, delete, insert, swap | characters/s |"
    )
    print("|---|---|---|---|---|---|")
    for name, restorer, threshold in rows:
        result = proof(restorer, tokenizer, text, threshold)
        s = result.score
        kinds = ", ".join(f"{share:.0%}" for share in s.detected_by_kind.values())
        print(
            f"| {name} | {result.threshold:.1f} | {s.precision:.1%}, {s.recall:.1%} "
            f"| {s.correction_precision:.1%}, {s.correction_recall:.1%} | {kinds} "
            f"| {result.characters_per_second:,.0f} |",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains what is not given, and prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("corpus", help="a text file, or the name of one in corpora/")
    parser.add_argument("--budget", type=parse_budget, default="3000steps", help="or like 300s")
    parser.add_argument("--model", help="a model that restores, trained already on this text")
    parser.add_argument("--forward", help="one that reads forward")
    parser.add_argument("--hidden-size", type=int, help="of both that are trained")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--positions", type=int, default=300, help="spans of each length")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument(
        "--characters", type=int, default=40_000, help="that are proofread, in the middle"
    )
    options = parser.parse_args(arguments)
    path = find_file(options.corpus)
    if path is None:
        parser.error(f"{options.corpus}: no such file")
    sizes = {name: getattr(options, name) for name in ("hidden_size", "layers")}
    sizes = {name: value for name, value in sizes.items() if value is not None}
    with tempfile.TemporaryDirectory() as folder:
        models = [
            charrnn.load(named)
            if named
            else trained(path, Path(folder, kind), options.budget, bidirectional=both, **sizes)
            for kind, named, both in (
                ("both", options.model, True),
                ("forward", options.forward, False),
            )
        ]
    restoring, forward = models
    restoring.require("restore")
    forward.require("generate")
    text = path.read_bytes().decode("utf-8-sig")
    boundary = int(len(text) * 0.9)
    training, held_out = text[:boundary], text[boundary:]
    tokenizer = restoring.tokenizer
    print(f"{restoring.config.parameters:,} and {forward.config.parameters:,} weights\n")
    rows = contenders(restoring, forward, training)
    ids = tokenizer.encode(held_out).astype(np.int64)
    print_fills(rows, ids, options.positions, options.lengths)
    if options.characters:
        print()
        print_proofs(
            [
                ("restorer", rows[0].restorer, None),
                ("restorer, as is usual", rows[0].restorer, ProofreadConfig().threshold),
                ("forward", rows[1].restorer, None),
            ],
            text=middle(held_out, options.characters),
            tokenizer=tokenizer,
        )


if __name__ == "__main__":
    main()
