"""Small labelled documents, and trainings on them."""

import json
import random
from pathlib import Path
from typing import Any

from charrnn.data.corpus import open_corpus
from charrnn.data.read_options import ReadOptions
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import make_plan
from charrnn.training.trainer import Trainer
from tests.trainings import start

TABLE = ReadOptions(column="text", label="kind")
NUMBERS = ReadOptions(column="text", label="number")


def rows(count: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    """Words of vowels or of consonants, or both; and how many vowels there are, from 1990 on."""
    chosen = random.Random(seed)
    made = []
    for number in range(count):
        kind = ("soft", "hard", "both")[number % 3]
        letters = {"soft": "aeiou", "hard": "bcdfg", "both": "aeioubcdfg"}[kind]
        text = "".join(chosen.choices(letters, k=chosen.randint(2, 12)))
        vowels = sum(letter in "aeiou" for letter in text)
        made.append({"text": text, "kind": kind, "number": 1990 + 10 * vowels})
    return made


def write_rows(path: Path, made: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return str(path)


def make_trainer(folder: Path, name: str, *, regress: bool = False, **options: Any) -> Trainer:
    """A new training of a tiny network, in `checkpoints/` in the folder."""
    defaults: dict[str, Any] = {
        "steps": 12,
        "hidden_size": 8,
        "embedding_size": 5,
        "dropout": 0.2,
        "batch_size": 8,
        "precision": "fp32",
        "device": "cpu",
        "evaluate_every": 6,
        "learning_rate": 0.01,
        "patience": 0,
    }
    path = folder / "rows.jsonl"
    if not path.exists():
        write_rows(path, rows())
    corpus = open_corpus([str(path)], NUMBERS if regress else TABLE)
    wishes = TrainingOptions(**(defaults | {"regress": regress} | options))
    plan = make_plan(corpus, wishes)
    return start(plan, folder / "checkpoints" / name)
