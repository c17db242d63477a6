from collections.abc import Callable

import numpy as np
import pytest
import torch

from charrnn.model.config import ModelConfig
from charrnn.model.language_model import CharRNN
from charrnn.storage.model_directory import read_model
from charrnn.training.checkpoint import WEIGHTS, read_checkpoint
from charrnn.training.plan import arrays
from charrnn.training.trainer import Trainer
from charrnn.training.weight_average import DENSE, STRETCH, STRIDE, WeightAverage


@pytest.fixture
def network() -> CharRNN:
    """The smallest network there is."""
    config = ModelConfig(vocabulary_size=3, cell="rnn", layers=1, hidden_size=2, embedding_size=1)
    return CharRNN(config, generator=torch.Generator().manual_seed(0))


def set_all(network: CharRNN, value: float) -> None:
    for weight in network.parameters():
        torch.nn.init.constant_(weight, value)


def averaged(network: CharRNN, values: dict[int, float]) -> float:
    """The average after steps that left all weights at these values."""
    average = WeightAverage(network)
    for step, value in values.items():
        set_all(network, value)
        average.add(network, step)
    values_there = {
        weight.item() for each in average.network.parameters() for weight in each.view(-1)
    }
    assert len(values_there) == 1
    return float(values_there.pop())


def test_the_first_step_leaves_nothing_of_the_fresh_weights(network: CharRNN) -> None:
    assert averaged(network, {1: 5.0}) == 5.0


def test_each_step_moves_it_by_the_share_of_the_paper(network: CharRNN) -> None:
    expected = 0.0
    for step in range(1, 31):
        share = STRETCH / (step + STRETCH - 1)
        expected += share * (step**2 - expected)
    values = {step: float(step**2) for step in range(1, 31)}
    assert averaged(network, values) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("last", [200, 1000, 4000])
def test_it_is_of_about_the_last_tenth(last: int, network: CharRNN) -> None:
    """The mean of weights that grow steadily lies that far back. Every eighth step alone hardly
    changes that."""
    value = averaged(network, {step: float(step) for step in range(1, last + 1)})
    assert 0.88 * last < value < 0.95 * last


def test_weights_that_stand_still_are_their_average(network: CharRNN) -> None:
    assert averaged(network, dict.fromkeys(range(1, 300), 0.1)) == pytest.approx(0.1, rel=1e-6)


def test_later_every_eighth_step_counts(network: CharRNN) -> None:
    average = WeightAverage(network)
    for step in range(DENSE + 1, DENSE + 3 * STRIDE):
        before = arrays(average.network)["head.bias"]
        set_all(network, float(step))
        average.add(network, step)
        moved = (arrays(average.network)["head.bias"] != before).any()
        assert moved == (step % STRIDE == 0)


def test_the_average_is_a_network_of_its_own(network: CharRNN) -> None:
    average = WeightAverage(network)
    set_all(network, 7.0)
    assert not any((weight == 7.0).any() for weight in average.network.parameters())
    assert not average.network.training
    assert not any(weight.requires_grad for weight in average.network.parameters())


def test_the_average_is_what_is_saved_as_the_model(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer("run")
    average = WeightAverage(trainer.learner.network)
    for progress in trainer:
        average.add(trainer.learner.network, progress.step)
    saved, training = read_model(trainer.run.last), read_checkpoint(trainer.run.last)
    expected, weights = arrays(average.network), arrays(trainer.learner.network)
    for name in weights:
        np.testing.assert_array_equal(saved.tensors[name], expected[name])
        np.testing.assert_array_equal(training.tensors[f"{WEIGHTS}.{name}"], weights[name])
        assert (expected[name] != weights[name]).any()
