"""Fixtures of all tests: a text of our own, and models with random weights."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import charrnn
from charrnn.data.corpus import Corpus, open_corpus
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.model.config import ModelConfig
from charrnn.storage.manifest import MANIFEST, with_manifest
from charrnn.storage.model_directory import Model
from tests.provenance import make_provenance

if TYPE_CHECKING:
    from charrnn.training.config import TrainingConfig
    from charrnn.training.trainer import Trainer

# PyTorch's threads wait for each other by spinning: where another program keeps a core busy, small
# steps take a hundred times longer. To be set before it is imported, here and in what is started.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PROSE = """\
The heron stood in the shallows all morning, and the frogs grew used to it.
"It is only a reed," said the oldest, "a reed with two eyes." By noon they sang again.
By evening there was one frog fewer, and the reed had moved a little to the left.

A miller owned two mules: the first carried oats, the second carried bells.
On the steep road the bells were proud of their noise; the oats said nothing.
Robbers heard the bells, of course. They left the oats alone, and took the mule that rang.

The ant asked the river for a loan of water until spring. "And what," asked the river,
"will you pay me?" -- "Seven crumbs." The river laughed so long that it froze, and
the ant walked over it, dry, with all seven crumbs still in its bag.
"""


def reseal(directory: Path) -> None:
    """Writes the manifest of a checkpoint anew, over the files as they are now.

    For a file that a test has changed: what the manifest would refuse as damaged, whatever it is,
    comes through to the checks behind it, as it would from somebody who means harm.
    """
    sealed = with_manifest(
        {path.name: path.read_bytes() for path in directory.iterdir() if path.name != MANIFEST}
    )
    (directory / MANIFEST).write_bytes(sealed[MANIFEST])


@pytest.fixture(scope="session")
def prose() -> str:
    """Some 800 characters of fables."""
    return PROSE


@pytest.fixture
def corpus_of(tmp_path: Path) -> Callable[..., Corpus]:
    """The corpus of a text, written to a file of that name."""

    def make(text: str, name: str = "corpus") -> Corpus:
        path = tmp_path / f"{name}.txt"
        path.write_bytes(text.encode())
        return open_corpus([str(path)])

    return make


def brief_run(folder: Path, text: str) -> Path:
    """Writes text.txt into a folder, trains a small model on it, and returns the run's folder."""
    (folder / "text.txt").write_text(text)
    return charrnn.train(
        folder / "text.txt",
        out=folder / "run",
        steps=2,
        hidden_size=8,
        precision="fp32",
        progress_bar=False,
    ).directory


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Model]:
    """A model with fresh weights, for an alphabet (all bytes when None)."""

    def make(
        characters: str | None = "\n abcdefgh",
        *,
        cell: str = "lstm",
        layers: int = 2,
        hidden_size: int = 12,
        embedding_size: int = 7,
        attention: int | None = None,
        sharpness: float = 4.0,
        seed: int = 0,
        task: str = "generate",
    ) -> Model:
        import torch

        from charrnn.model.networks import build_network
        from charrnn.training.task import task_definition

        torch.set_num_threads(1)  # all that is small is slower with more
        tokenizer: Tokenizer = CharTokenizer(characters) if characters else ByteTokenizer()
        config = ModelConfig(
            vocabulary_size=tokenizer.vocabulary_size,
            cell=cell,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            layers=layers,
            task=task,
            bidirectional=bool(task_definition(task).bidirectional),
            attention=attention,
        )
        generator = torch.Generator().manual_seed(seed)
        network = build_network(config, generator=generator)
        tensors = {name: tensor.detach().numpy() for name, tensor in network.named_parameters()}
        # Biases start at zero, where a mistake in them would not show; a fresh head hardly prefers
        # one character to another.
        random = np.random.default_rng(seed)
        for name, tensor in tensors.items():
            if "bias" in name:
                tensor += random.normal(0, 0.3, tensor.shape).astype(np.float32)
        tensors["head.weight"] *= sharpness
        provenance = make_provenance(seed=seed)
        return Model(config, tokenizer, tensors, provenance)

    return make


@pytest.fixture(scope="session")
def make_config() -> "Callable[..., TrainingConfig]":
    """A TrainingConfig, all but what is given."""
    from charrnn.training.config import TrainingConfig

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
) -> "Callable[..., Trainer]":
    """A new training of a tiny network on a little prose, in a run directory of that name."""
    from charrnn.training.options import TrainingOptions
    from charrnn.training.plan import make_plan
    from tests.trainings import start

    def make(
        name: str, text: str | None = None, *, kind: str = "char", **options: Any
    ) -> "Trainer":
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
