"""How good a model `charrnn train` makes in a given time.

    python -m benchmarks.quality FILE --budget 112s [--budget 300s ...] [--json]

Runs the command as a person would, with nothing but the budget; then loads what it wrote into a
plain module of torch.nn (plain.py), reads the last 10 % of the file as one stream, and prints the
nats per character, beside those that the run itself reported. Nothing of charrnn takes part in the
scoring.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.plain import Plain


def train(file: Path, budget: str, run: Path, arguments: list[str]) -> float:
    """Trains from the command line; the seconds that the whole command took."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "charrnn", "train", str(file), "--budget", budget]
    subprocess.run([*command, "--out", str(run), *arguments], check=True)
    return time.perf_counter() - began


@torch.inference_mode()
def score(file: Path, directory: Path) -> float:
    """Nats per character on the last 10 % of the file, read as one stream."""
    network = Plain.load(directory)
    characters = json.loads((directory / "tokenizer.json").read_text())["characters"]
    text = file.read_bytes().decode()
    held_out = text[int(len(text) * 0.9) :]
    numbers = {character: number for number, character in enumerate(characters)}
    ids = torch.tensor([[numbers[character] for character in held_out]])
    state, total = None, 0.0
    for begin in range(0, ids.shape[1] - 1, 1000):
        piece = ids[:, begin : begin + 1001]
        logits, state = network(piece[:, :-1], state)
        total += torch.nn.functional.cross_entropy(logits[0], piece[0, 1:], reduction="sum").item()
    return total / (ids.shape[1] - 1)


def main() -> None:
    """Prints one line for each budget."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--budget", action="append", help="like 112s; may be given several times")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("arguments", nargs="*", help="more for charrnn train, after --")
    options = parser.parse_args()
    for budget in options.budget or ["112s"]:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder, "run")
            seconds = train(options.file, budget, run, options.arguments)
            nats = score(options.file, run / "best")
            lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        reported = min(line["validation_nats"] for line in lines if "validation_nats" in line)
        speeds = [line["characters_per_second"] for line in lines if "train_nats" in line]
        record = {
            "file": options.file.name,
            "budget": budget,
            "seconds": round(seconds, 1),
            "nats": round(nats, 4),
            "bits": round(nats / math.log(2), 4),
            "nats_reported": round(reported, 4),
            "characters_per_second": sorted(speeds)[len(speeds) // 2],
        }
        if options.json:
            print(json.dumps(record), flush=True)
        else:
            print("  ".join(f"{name} {value}" for name, value in record.items()), flush=True)


if __name__ == "__main__":
    main()
