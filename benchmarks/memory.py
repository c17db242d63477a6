"""Measures what a memory gains, and each of its parts.

    python -m benchmarks.memory checkpoints/book FILE

Each argument is a run directory, whose memory has read the training text and predicts the held-out
text together with the network (in int8), or a file, which a memory alone reads as bytes from its
first to its last.

The output is a table with a column for each: nats per character (or byte) of the network, of the
memory alone and of both, and by how many percent the last is higher without each part.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.array_types import Float32Array, Int64Array
from charrnn.data.read_options import ReadOptions
from charrnn.data.tokenizer import ByteTokenizer, Tokenizer
from charrnn.data.two_pass_reading import no_progress
from charrnn.engines import int8_engine
from charrnn.engines.engine import chunks
from charrnn.engines.memory import PARTS, Memory, MemoryConfig
from charrnn.evaluation.protocols import negative_log_likelihood
from charrnn.evaluation.scoring import held_out
from charrnn.storage.model_directory import Model
from charrnn.training.report import EvaluationRequest
from charrnn.training.saved_model_evaluation import read_evaluated, read_training_corpus

READ = 200_000
"""The most characters that are predicted of each text."""


@dataclass(frozen=True)
class Text:
    """A text to predict.

    Attributes:
        name: the name of its column.
        tokenizer: the tokenizer of the ids.
        training: the ids that the memory has read before.
        ids: (N,) the ids to predict but for the first, which is read.
        logits: (N - 1, V) those of a network; None without one.
    """

    name: str
    tokenizer: Tokenizer
    training: Int64Array
    ids: Int64Array
    logits: Float32Array | None

    def network(self) -> float:
        """Return the nats per character of the network alone; NaN without one."""
        if self.logits is None:
            return float("nan")
        return float(negative_log_likelihood(self.logits, self.ids[1:]).mean())

    def memory(self, left_out: frozenset[str] = frozenset(), *, alone: bool = False) -> float:
        """Return the nats per character of a memory without some parts."""
        memory = Memory.of(self.tokenizer, MemoryConfig(left_out=left_out))
        memory.learn(self.training)
        memory.learn(self.ids[:1])
        return float(memory.score(self.ids[1:], None if alone else self.logits).mean())


def read_run(run: Path) -> Text:
    """Read the texts of a run, and the logits of its network."""
    directory = run / "best"
    model, checkpoint = read_evaluated(directory)
    request = EvaluationRequest(
        model=model, read=ReadOptions(), directory=directory, checkpoint=checkpoint
    )
    training, validation = held_out(model, read_training_corpus(request, no_progress))
    ids = validation[:READ].astype(np.int64)
    known = training[:].astype(np.int64)
    return Text(run.name, model.tokenizer, known, ids, logits_of(model, ids))


def read_file(path: Path) -> Text:
    """Read the bytes of a file."""
    ids = np.frombuffer(path.read_bytes(), dtype=np.uint8)[:READ].astype(np.int64)
    return Text(path.name, ByteTokenizer(), ids[:0], ids, None)


def logits_of(model: Model, ids: Int64Array) -> Float32Array:
    """Return the logits (N - 1, V) of all ids but the first."""
    engine, state, found = int8_engine(model), None, []
    for chunk in chunks(ids[None, :-1], 1):
        logits, state = engine.advance(chunk, state)
        found.append(logits[0].copy())
    return np.concatenate(found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("texts", nargs="+", type=Path, metavar="RUN or FILE")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), metavar="PART")
    options = parser.parse_args(arguments)
    texts = [read_run(each) if each.is_dir() else read_file(each) for each in options.texts]
    print(f"| | {' | '.join(each.name for each in texts)} |")
    print("|---|" + "---|" * len(texts))
    print_row("network", [f"{each.network():.4f}" for each in texts])
    print_row("memory alone", [f"{each.memory(alone=True):.4f}" for each in texts])
    begin = time.perf_counter()
    whole = [each.memory() for each in texts]
    seconds = time.perf_counter() - begin
    print_row("all", [f"{each:.4f}" for each in whole])
    for part in options.parts:
        without = [each.memory(frozenset({part})) for each in texts]
        higher = [f"{100 * (a / b - 1):+.2f} %" for a, b in zip(without, whole, strict=True)]
        print_row(f"without {part}", higher)
    read = sum(len(each.training) + len(each.ids) for each in texts)
    print(f"\n{1e6 * seconds / read:.1f} microseconds a character, those read before included")


def print_row(name: str, cells: Sequence[str]) -> None:
    """Print a row of the table."""
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
