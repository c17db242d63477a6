"""python -m benchmarks.explain_speed FILE: how long `charrnn explain` takes, by kind of network.

The networks have random weights and are explained on the first million characters of a text, with
one line of JSON for each: how many characters it read, and the seconds that it took, of the clock
and of processors.
"""

import argparse
import json
import string
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import charrnn
from benchmarks.random_models import random_model
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.model.config import ModelConfig

CHARACTERS: Final = 1_000_000


class Sizes(NamedTuple):
    """A network: its cell, layers, units of a layer, tokenizer, and window of attention."""

    cell: str
    layers: int
    hidden_size: int
    tokenizer: str = "char"
    attention: int | None = None


NETWORKS: Final = (
    *(Sizes("rnn", 1, 256), Sizes("gru", 2, 256, "char", 64), Sizes("lstm", 2, 256)),
    *(Sizes("lstm", 2, 256, "byte"), Sizes("lstm", 2, 256, "char", 64), Sizes("lstm", 1, 512)),
    *(Sizes("rnn", 3, 512), Sizes("lstm", 2, 512), Sizes("gru", 3, 512, "byte")),
    *(Sizes("lstm", 2, 512, "byte", 64), Sizes("lstm", 3, 512, "byte")),
)


def measure(sizes: Sizes, text: str) -> dict[str, Any]:
    """Explain a text with a network; return its sizes and how long it took."""
    tokenizer = (
        ByteTokenizer()
        if sizes.tokenizer == "byte"
        else CharTokenizer(sorted({*text, *string.printable}))
    )
    config = ModelConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        cell=sizes.cell,
        embedding_size=64,
        hidden_size=sizes.hidden_size,
        layers=sizes.layers,
        attention=sizes.attention,
    )
    model = random_model(config, tokenizer)
    began, began_cpu = time.perf_counter(), time.process_time()
    found = charrnn.explain(model, text)
    return {
        **sizes._asdict(),
        "parameters": config.parameters,
        "characters": found.text.characters,
        "seconds": round(time.perf_counter() - began, 1),
        "processor_seconds": round(time.process_time() - began_cpu, 1),
    }


def main() -> None:
    """Measure the networks; print a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--network", type=int, action="append", help="numbers from 0; all without")
    options = parser.parse_args()
    text = options.file.read_text(encoding="utf-8")[:CHARACTERS]
    for number in options.network or range(len(NETWORKS)):
        print(json.dumps(measure(NETWORKS[number], text)), flush=True)


if __name__ == "__main__":
    main()
