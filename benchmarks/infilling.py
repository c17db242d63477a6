"""Measures how often masked characters are predicted, and how well typos are found.

    python -m benchmarks.infilling tinyshakespeare.txt --budget 300s
    python -m benchmarks.infilling tinyshakespeare.txt --model checkpoints/both \\
        --left-to-right checkpoints/one

Two models learn from the first 90 % of a text, with the same budget and flags of `charrnn train`: a
bidirectional one (`--bidirectional`) and one that reads from left to right. On the last 10 %, the
benchmark prints two tables:

- Filling single characters and spans of 2, 4 and 8 at seeded positions: how often the best fill has
  the right character (top 1), one of the five best fills has it (top 5), and the whole span is
  right (exact). `left to right` fills with a beam search from the left side alone; `left to right,
  rescored` chooses among the fills of its beam by the likelihood of the fill and the text after it;
  `n-gram` is modified Kneser-Ney.
- Finding seeded typos, one in 200 characters, of four kinds in turn: precision and recall of the
  findings and of their corrections. The threshold of each model is chosen on the first half of the
  text with typos (for the best F1), and scored on the second.

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
from benchmarks.left_to_right import LeftToRightLM, NGramLM
from benchmarks.quality_corpora import find_file
from benchmarks.quality_table import Budget, parse_budget
from benchmarks.typos import Score, Typo, score, with_typos
from charrnn.data.tokenizer import Tokenizer
from charrnn.engines import best_engine
from charrnn.evaluation.baselines import NGram
from charrnn.storage.model_directory import Model
from charrnn.tasks.infill.beam import Fills, Region, infill, rescore
from charrnn.tasks.infill.config import FillConfig, ProofreadConfig
from charrnn.tasks.infill.corrections import Finding
from charrnn.tasks.infill.engine import InfillEngine
from charrnn.tasks.infill.masked_model import MaskedIds, MaskedLM, pseudo_log_likelihoods
from charrnn.tasks.infill.proofread import find_mistakes

LENGTHS: Final = (1, 2, 4, 8)

CONTEXT: Final = FillConfig().context
"""The characters that are read on each side of a span."""

FOLLOWING: Final = 16
"""The characters after a span whose likelihood rescores the fills of a left-to-right model."""

Rescore = Callable[[MaskedLM, Region, Fills], Fills]


@dataclass(frozen=True)
class Contender:
    """A model that is compared.

    Attributes:
        masked_lm: its predictions.
        rescorings: the rows of the table by name, each with the rescoring of whole fills.
        before, after: how many characters on each side of a span it reads.
    """

    masked_lm: MaskedLM
    rescorings: dict[str, Rescore | None]
    before: int = CONTEXT
    after: int = CONTEXT


def by_both_sides(masked_lm: MaskedLM, region: Region, fills: Fills) -> Fills:
    """Rescore fills as `charrnn fill` does."""
    return rescore(masked_lm, region, fills, reach=FillConfig().reach, context=CONTEXT)


def by_text_after(masked_lm: MaskedLM, region: Region, fills: Fills) -> Fills:
    """Rescore fills by the likelihood of each fill and the text after it, from left to right."""
    windows = np.tile(region.ids, (len(fills.values), 1))
    windows[:, region.positions] = fills.values
    first = int(region.positions[0])
    sums = [
        each[first:].sum(dtype=np.float64)
        for each in pseudo_log_likelihoods(masked_lm, list(windows))
    ]
    order = np.argsort(-np.array(sums), kind="stable")
    return Fills(fills.values[order], np.array(sums)[order])


@dataclass(frozen=True)
class Accuracy:
    """The share of right characters in the best fill, in the five best, and of right spans."""

    top_1: float
    top_5: float
    exact: float


def accuracies(
    contender: Contender, ids: MaskedIds, starts: npt.NDArray[np.int64], length: int
) -> dict[str, Accuracy]:
    """Measure a contender, with each rescoring, on spans of a text (N,) that begin at `starts`."""
    before, masked_lm = contender.before, contender.masked_lm
    regions = []
    for start in starts:
        window = ids[start - before : start + length + contender.after].copy()
        window[before : before + length] = masked_lm.mask
        regions.append(Region(window, np.arange(before, before + length)))
    found = infill(
        masked_lm,
        regions,
        width=FillConfig().width,
        context=max(before, contender.after),
        allowed=np.ones(masked_lm.vocabulary_size, dtype=np.bool_),
    )
    counted: dict[str, list[tuple[float, float, float]]] = {
        name: [] for name in contender.rescorings
    }
    for start, region, fills in zip(starts, regions, found, strict=True):
        for name, rescoring in contender.rescorings.items():
            best = fills if rescoring is None else rescoring(masked_lm, region, fills)
            right = best.values[:5] == ids[start : start + length]  # (up to 5, length)
            counted[name].append(
                (float(right[0].mean()), float(right.any(axis=0).mean()), float(right[0].all()))
            )
    return {name: Accuracy(*np.mean(each, axis=0).tolist()) for name, each in counted.items()}


@dataclass(frozen=True)
class Proof:
    """How well typos were found.

    Attributes:
        threshold: the least gain of a finding.
        score: the score on the half that the threshold was not chosen on.
        characters_per_second: the speed of proofreading.
    """

    threshold: float
    score: Score
    characters_per_second: float


def proof(
    masked_lm: MaskedLM, tokenizer: Tokenizer, text: str, threshold: float | None = None
) -> Proof:
    """Score typos in the second half of a text; by default chooses the threshold on the first."""
    config = ProofreadConfig(threshold=0)
    tuning, counted = (with_typos(half, seed=seed) for seed, half in enumerate(halves(text)))
    if threshold is None:
        threshold = best_threshold(*tuning, find_mistakes(masked_lm, tokenizer, tuning[0], config))
    began = time.perf_counter()
    findings = find_mistakes(masked_lm, tokenizer, counted[0], config)
    seconds = time.perf_counter() - began
    return Proof(threshold, score(*counted, above(findings, threshold)), len(counted[0]) / seconds)


def halves(text: str) -> tuple[str, str]:
    """Return the two halves of a text."""
    return text[: len(text) // 2], text[len(text) // 2 :]


def middle(text: str, characters: int) -> str:
    """Return this many characters from the middle of a text. (Costs and threshold of proofreading
    were chosen on the beginning and the end of tinyshakespeare's held-out text.)"""
    begin = max(len(text) - characters, 0) // 2
    return text[begin : begin + characters]


def above(findings: Sequence[Finding], threshold: float) -> list[Finding]:
    """Keep the findings whose gain reaches a threshold."""
    return [each for each in findings if each.correction.gain >= threshold]


def best_threshold(text: str, typos: Sequence[Typo], findings: Sequence[Finding]) -> float:
    """Find the threshold with the best harmonic mean of precision and recall (F1)."""

    def f1(threshold: float) -> float:
        result = score(text, typos, above(findings, threshold))
        return 2 * result.detected / max(result.findings + result.typos, 1)

    return max((each / 2 for each in range(80)), key=f1)


def trained(corpus: Path, folder: Path, budget: Budget, **options: Any) -> Model:
    """Train a model on a text as `charrnn train` does."""
    if budget.in_steps:
        amount: dict[str, Any] = {"steps": int(budget.amount)}
    else:
        amount = {"budget": budget.amount}
    charrnn.train(corpus, out=folder, progress_bar=False, **amount, **options)
    return charrnn.load(folder)


def contenders(bidirectional: Model, left_to_right: Model, training: str) -> list[Contender]:
    """List the models to compare, which have the same alphabet."""
    tokenizer = bidirectional.tokenizer
    n_gram = NGram(tokenizer.encode(training), tokenizer.vocabulary_size)
    return [
        Contender(
            InfillEngine.of(bidirectional),
            {"bidirectional": by_both_sides, "bidirectional, beam alone": None},
        ),
        Contender(
            LeftToRightLM(best_engine(left_to_right)),
            {"left to right": None, "left to right, rescored": by_text_after},
            after=FOLLOWING,
        ),
        Contender(NGramLM(n_gram), {"n-gram": None}, before=n_gram.context, after=0),
    ]


def print_fills(
    rows: Sequence[Contender], ids: MaskedIds, positions: int, lengths: Sequence[int]
) -> None:
    """Print the table of spans."""
    print("| | " + " | ".join(f"{n}: top 1, top 5, exact" for n in lengths) + " |")
    print("|---|" + "---|" * len(lengths))
    generator = np.random.default_rng(0)
    starts = {n: generator.integers(CONTEXT, len(ids) - CONTEXT - n, positions) for n in lengths}
    for each in rows:
        cells: dict[str, list[str]] = {name: [] for name in each.rescorings}
        for length in lengths:
            for name, found in accuracies(each, ids, starts[length], length).items():
                shares = (found.top_1, found.top_5, found.exact)
                cells[name].append(", ".join(f"{share:.1%}" for share in shares))
        for name, row in cells.items():
            print(f"| {name} | {' | '.join(row)} |", flush=True)


def print_proofs(
    rows: Sequence[tuple[str, MaskedLM, float | None]], *, text: str, tokenizer: Tokenizer
) -> None:
    """Print the table of typos."""
    print(
        "| | threshold | detected: precision, recall | corrected: precision, recall "
        "| substitute, delete, insert, swap | characters/s |"
    )
    print("|---|---|---|---|---|---|")
    for name, masked_lm, threshold in rows:
        result = proof(masked_lm, tokenizer, text, threshold)
        s = result.score
        kinds = ", ".join(f"{share:.0%}" for share in s.detected_by_kind.values())
        print(
            f"| {name} | {result.threshold:.1f} | {s.precision:.1%}, {s.recall:.1%} "
            f"| {s.correction_precision:.1%}, {s.correction_recall:.1%} | {kinds} "
            f"| {result.characters_per_second:,.0f} |",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the models that are not given, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("corpus", help="a text file, or the name of one in corpora/")
    parser.add_argument("--budget", type=parse_budget, default="3000steps", help="or like 300s")
    parser.add_argument("--model", help="a bidirectional model of this text")
    parser.add_argument("--left-to-right", help="a left-to-right model of this text")
    parser.add_argument("--hidden-size", type=int, help="of both models")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--positions", type=int, default=300, help="spans of each length")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument(
        "--characters", type=int, default=40_000, help="to proofread, from the middle"
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
                ("left-to-right", options.left_to_right, False),
            )
        ]
    bidirectional, left_to_right = models
    bidirectional.require("restore")
    left_to_right.require("generate")
    text = path.read_bytes().decode("utf-8-sig")
    boundary = int(len(text) * 0.9)
    training, held_out = text[:boundary], text[boundary:]
    tokenizer = bidirectional.tokenizer
    print(f"{bidirectional.config.parameters:,} and {left_to_right.config.parameters:,} weights\n")
    rows = contenders(bidirectional, left_to_right, training)
    ids = tokenizer.encode(held_out).astype(np.int64)
    print_fills(rows, ids, options.positions, options.lengths)
    if options.characters:
        print()
        print_proofs(
            [
                ("bidirectional", rows[0].masked_lm, None),
                (
                    "bidirectional, default threshold",
                    rows[0].masked_lm,
                    ProofreadConfig().threshold,
                ),
                ("left to right", rows[1].masked_lm, None),
            ],
            text=middle(held_out, options.characters),
            tokenizer=tokenizer,
        )


if __name__ == "__main__":
    main()
