"""bf16 learns what float32 learns."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from charrnn.data.dataloader import Chunk, Lanes
from charrnn.model.config import ModelConfig
from charrnn.model.language_model import CharRNN
from charrnn.training.config import TrainingConfig
from charrnn.training.learner import Learner

STEPS, B, T = 500, 16, 32


@pytest.mark.slow
def test_500_steps_in_bf16_end_where_those_in_float32_do(
    prose: str, make_config: Callable[..., TrainingConfig]
) -> None:
    # Words in any order: something to learn (from 3.6 nats to 1.1), and nothing to learn by heart,
    # where two trainings would part. Between bf16 and float32 there were 0.0013 nats at most in
    # three seeds, between those seeds 0.06.
    words = prose.split()
    order = np.random.default_rng(0).integers(len(words), size=12_000)
    text = " ".join(words[number] for number in order)
    characters = sorted(set(text))
    lanes = Lanes(np.array([characters.index(one) for one in text]), B, T)

    def last_nats(kernel: str, precision: str) -> float:
        config = ModelConfig(
            vocabulary_size=len(characters), hidden_size=32, embedding_size=16, layers=1
        )
        network = CharRNN(config, kernel=kernel, generator=torch.Generator().manual_seed(0))
        learner = Learner(
            network,
            make_config(kernel=kernel, precision=precision, steps=STEPS, warmup_steps=20, clip=1.0),
        )
        nats = []
        for step in range(STEPS):
            number = step % len(lanes)
            inputs, targets = lanes[number]
            chunk = Chunk(
                inputs,
                targets,
                starts_epoch=number == 0,
                characters=lanes.characters(number),
                batch_size=B,
                lanes=slice(0, B),
            )
            nats.append(learner.step(chunk, step).nats)
        return float(np.mean(nats[-50:]))

    exact = last_nats("fused", "fp32")
    assert exact < 1.5
    assert last_nats("native", "bf16") == pytest.approx(exact, abs=0.01)
