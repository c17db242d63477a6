"""Models with random weights, for measurements that depend only on their size."""

import string
from pathlib import Path
from typing import Final

import numpy as np

from charrnn.data.tokenizer import CharTokenizer, Tokenizer
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model, Provenance, write_model

ALPHABET: Final = "\n !,.?" + string.ascii_letters


def write_fresh_model(directory: Path, layers: int, hidden_size: int) -> None:
    """Write a model with random weights, which is as fast as a trained one."""
    tokenizer = CharTokenizer(sorted(ALPHABET))
    config = ModelConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        cell="lstm",
        embedding_size=64,
        hidden_size=hidden_size,
        layers=layers,
    )
    model = random_model(config, tokenizer)
    newline = int(tokenizer.encode("\n")[0])
    model.tensors["head.bias"][newline] = -20.0  # a newline would end every ghost text
    write_model(directory, model)


def random_model(config: ModelConfig, tokenizer: Tokenizer) -> Model:
    """Return a model with random weights."""
    generator = np.random.default_rng(0)
    tensors = {
        name: generator.normal(0, 0.1, shape).astype(np.float32)
        for name, shape in config.tensor_shapes().items()
    }
    provenance = Provenance(
        corpus="benchmark",
        sha256="0" * 64,
        corpus_bytes=0,
        corpus_characters=0,
        validation_fraction=0.1,
        lines=False,
        step=0,
        characters=0,
        seconds=0.0,
        seed=0,
        validation_nats=None,
    )
    return Model(config, tokenizer, tensors, provenance)
