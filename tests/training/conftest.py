"""Small trainings: seconds where real ones take minutes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from charrnn.data.corpus import Corpus
from charrnn.training.config import TrainingConfig, TrainingOptions
from charrnn.training.plan import make_plan
from charrnn.training.trainer import Trainer, start


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """All that is small is slower with more."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_config() -> Callable[..., TrainingConfig]:
    """A TrainingConfig, all but what is given."""

    def make(**changes: Any) -> TrainingConfig:
        defaults: dict[str, Any] = {
            "steps": 100,
            "batch_size": 4,
            "sequence_length": 8,
            "learning_rate": 0.01,
            "warmup_steps": 0,
            "clip": 0.25,
            "seed": 0,
            "precision": "fp32",
            "device": "cpu",
            "kernel": "fused",
            "threads": 1,
            "validation_fraction": 0.1,
            "lines": False,
            "evaluate_every": 10,
            "evaluation_characters": 1_000_000,
            "checkpoint_every": 10,
            "patience": 0,
            "keep": 2,
        }
        return TrainingConfig(**(defaults | changes))

    return make


@pytest.fixture
def make_trainer(
    tmp_path: Path, corpus_of: Callable[..., Corpus], prose: str
) -> Callable[..., Trainer]:
    """A new training of a tiny network on a little prose, in a run directory of that name."""

    def make(name: str, text: str | None = None, *, kind: str = "char", **options: Any) -> Trainer:
        defaults: dict[str, Any] = {
            "steps": 12,
            "hidden_size": 8,
            "embedding_size": 5,
            "layers": 2,
            "dropout": 0.0,
            "weight_dropout": 0.0,
            "batch_size": 4,
            "sequence_length": 10,
            "precision": "fp32",
            "device": "cpu",
            "evaluate_every": 6,
            "learning_rate": 0.01,
            "clip": 0.25,
            "patience": 0,
        }
        corpus = corpus_of(prose[:330] if text is None else text)
        plan = make_plan(corpus, TrainingOptions(**(defaults | options)), kind=kind)
        return start(plan, tmp_path / "checkpoints" / name)

    return make
