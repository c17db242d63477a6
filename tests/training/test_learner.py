import copy
import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from charrnn.data.dataloader import IGNORED, Chunk
from charrnn.errors import DivergedError
from charrnn.model.cells import CELLS
from charrnn.model.config import ModelConfig
from charrnn.model.kernels import KERNELS
from charrnn.model.language_model import CharRNN, State
from charrnn.tasks.generate import task
from charrnn.training.config import TrainingConfig
from charrnn.training.learner import Learner, threads
from charrnn.training.options import PRECISIONS

MakeConfig = Callable[..., TrainingConfig]

V, B, T = 9, 4, 8

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def network(cell: str = "lstm", *, dropout: float = 0.0, kernel: str = "fused") -> CharRNN:
    config = ModelConfig(
        vocabulary_size=V, cell=cell, embedding_size=5, hidden_size=8, dropout=dropout
    )
    return CharRNN(config, kernel=kernel, generator=torch.Generator().manual_seed(0))


def chunk(seed: int = 0, *, first: bool = False, batch: int = B, time: int = T) -> Chunk:
    ids = np.random.default_rng(seed).integers(V, size=(batch, time + 1))
    return Chunk(
        ids[:, :-1],
        ids[:, 1:],
        starts_epoch=first,
        characters=batch * time,
        batch_size=batch,
        lanes=slice(0, batch),
    )


def weights(learner: Learner) -> dict[str, bytes]:
    """Bit by bit, for numbers that are no numbers are not even equal to themselves."""
    return {
        name: tensor.detach().cpu().numpy().tobytes()
        for name, tensor in learner.network.named_parameters()
    }


def same(one: State, other: State) -> bool:
    return all(torch.equal(*parts) for parts in zip(one, other, strict=True))


# One step


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_step_measures_the_loss_before_it_learns(
    kernel: str, cell: str, make_config: MakeConfig
) -> None:
    learner = Learner(network(cell, kernel=kernel), make_config())
    text = chunk(first=True)
    with torch.no_grad():
        logits, state = learner.network(torch.from_numpy(text.inputs))
    expected = cross_entropy(logits.flatten(0, 1), torch.from_numpy(text.targets).flatten())
    result = learner.step(text, 0)
    assert result.nats == pytest.approx(expected.item(), rel=1e-5)
    assert result.characters == B * T
    assert learner.state is not None
    torch.testing.assert_close(learner.state, state)
    assert not any(part.requires_grad for part in learner.state)


def test_targets_where_a_lane_has_ended_are_not_counted(make_config: MakeConfig) -> None:
    text = dataclasses.replace(chunk(first=True), characters=B * T - 2)
    text.targets[2:, -1] = IGNORED
    learner = Learner(network(), make_config())
    with torch.no_grad():
        logits, _ = learner.network(torch.from_numpy(text.inputs))
    nats = [
        cross_entropy(logits[lane, t], torch.tensor(text.targets[lane, t])).item()
        for lane in range(B)
        for t in range(T)
        if text.targets[lane, t] != IGNORED
    ]
    result = learner.step(text, 0)
    assert result.characters == B * T - 2 == len(nats)
    assert result.nats == pytest.approx(sum(nats) / len(nats), rel=1e-5)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_steps_learn(cell: str, precision: str, make_config: MakeConfig) -> None:
    learner = Learner(network(cell), make_config(precision=precision, learning_rate=0.03))
    nats = [learner.step(chunk(first=True), number).nats for number in range(60)]
    assert nats[-1] < 0.75 * nats[0]


@pytest.mark.parametrize("number", [0, 3, 50, 99])
def test_a_step_uses_the_learning_rate_of_its_number(number: int, make_config: MakeConfig) -> None:
    config = make_config(warmup_steps=10, readout_scale=1.5)
    learner = Learner(network(), config)
    before = {name: each.detach().clone() for name, each in learner.network.named_parameters()}
    result = learner.step(chunk(first=True), number)
    assert result.learning_rate == config.learning_rate_at(number)
    # Adam's first step moves each weight by its learning rate.
    for name, weight in learner.network.named_parameters():
        moved = (weight - before[name]).abs().max().item()
        scale = 1.5 if name in ("rnn.weight_ih_l1", "head.weight") else 1.0
        assert moved == pytest.approx(scale * config.learning_rate_at(number), rel=1e-2), name


def test_the_gradient_is_clipped_and_its_norm_is_that_before(make_config: MakeConfig) -> None:
    def norms(clip: float) -> tuple[float, float]:
        learner = Learner(network(), make_config(clip=clip))
        reported = learner.step(chunk(first=True), 0).gradient_norm
        gradients = [p.grad.flatten() for p in learner.network.parameters() if p.grad is not None]
        return reported, torch.cat(gradients).norm().item()

    reported, whole = norms(clip=0)  # 0 is off
    assert reported == pytest.approx(whole, rel=1e-5)
    assert norms(clip=whole / 10) == pytest.approx((whole, whole / 10), rel=1e-4)
    assert norms(clip=whole * 10) == pytest.approx((whole, whole), rel=1e-4)


# The state


def test_the_state_is_carried_from_chunk_to_chunk(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "COLD_STARTS", 0.0)
    learner = Learner(network(), make_config())
    learner.step(chunk(0, first=True), 0)
    carried = learner.state
    with torch.no_grad():
        _, expected = learner.network(torch.from_numpy(chunk(1).inputs), carried)
    learner.step(chunk(1), 1)
    assert learner.state is not None and carried is not None
    torch.testing.assert_close(learner.state, expected)


def test_an_epoch_begins_with_a_cold_state(make_config: MakeConfig) -> None:
    learner = Learner(network(), make_config())
    learner.step(chunk(0, first=True), 0)
    with torch.no_grad():
        _, expected = learner.network(torch.from_numpy(chunk(1).inputs), None)
    learner.step(chunk(1, first=True), 1)
    assert learner.state is not None
    torch.testing.assert_close(learner.state, expected)


def test_about_one_lane_in_a_hundred_starts_cold(make_config: MakeConfig) -> None:
    # Without, a network is lost where every sample begins: after nothing.
    learner = Learner(network(), make_config())
    learner.step(chunk(0, first=True, batch=3000, time=2), 0)
    text = chunk(1, batch=3000, time=1)
    with torch.no_grad():
        inputs = torch.from_numpy(text.inputs)
        _, warm = learner.network(inputs, learner.state)
        _, cold = learner.network(inputs, None)
    learner.step(text, 1)
    assert learner.state is not None

    def near(other: State) -> torch.Tensor:
        assert learner.state is not None
        difference = (learner.state[0] - other[0]).abs().amax(dim=(0, 2))
        return difference < 1e-6  # (B,)

    assert (near(warm) ^ near(cold)).all()
    assert 10 < near(cold).sum() < 60


def test_other_lanes_start_cold_in_other_steps(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "COLD_STARTS", 0.5)
    learner = Learner(network(), make_config())
    learner.step(chunk(0, first=True, batch=64), 0)
    ends = []
    for number in (1, 2):
        other = copy.deepcopy(learner)
        other.step(chunk(1, batch=64), number)
        assert other.state is not None
        ends.append(other.state)
    assert not same(*ends)


# Randomness


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_is_a_function_of_the_seed_and_its_number(
    cell: str, precision: str, make_config: MakeConfig
) -> None:
    def step(number: int, seed: int = 0) -> float:
        config = make_config(seed=seed, precision=precision)
        return Learner(network(cell, dropout=0.5), config).step(chunk(first=True), number).nats

    assert step(3) == step(3)
    assert len({step(3), step(4), step(5), step(3, seed=1)}) == 4


def test_a_step_neither_reads_nor_changes_the_global_generator(make_config: MakeConfig) -> None:
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        learner = Learner(network(dropout=0.5), make_config())
        results.append(learner.step(chunk(first=True), 0))
        assert torch.equal(before, torch.get_rng_state())
    assert results[0] == results[1]


# Precision


def test_weights_and_state_stay_float32_under_bf16(make_config: MakeConfig) -> None:
    learner = Learner(network(), make_config(precision="bf16"))
    learner.step(chunk(first=True), 0)
    learner.step(chunk(1), 1)
    assert learner.state is not None
    kinds = {p.dtype for p in learner.network.parameters()} | {p.dtype for p in learner.state}
    assert kinds == {torch.float32}


@pytest.mark.parametrize("cell", CELLS)
def test_bf16_is_another_computation_and_a_near_one(cell: str, make_config: MakeConfig) -> None:
    exact, rounded = (
        Learner(network(cell), make_config(precision=precision)).step(chunk(first=True), 0).nats
        for precision in ("fp32", "bf16")
    )
    assert exact != rounded
    assert rounded == pytest.approx(exact, rel=0.01)


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_gpu_takes_the_same_steps(cell: str, precision: str, make_config: MakeConfig) -> None:
    def nats(device: str) -> list[float]:
        learner = Learner(network(cell), make_config(device=device, precision=precision))
        return [learner.step(chunk(n, first=n == 0), n).nats for n in range(5)]

    assert nats("cuda") == pytest.approx(nats("cpu"), rel=0.02)


# Divergence


def assert_untouched_by(learner: Learner, text: Chunk) -> None:
    before, state = weights(learner), learner.state
    moments = copy.deepcopy([*learner.optimizer.state.values()])
    with pytest.raises(DivergedError, match="step 8"):
        learner.step(text, 7)
    assert weights(learner) == before
    assert learner.state is state
    for parts, after in zip(moments, learner.optimizer.state.values(), strict=True):
        assert parts.keys() == after.keys()
        assert all(torch.equal(part, after[name]) for name, part in parts.items())


@pytest.mark.parametrize("clip", [0.0, 0.25])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_does_not_touch_the_weights(
    value: float, clip: float, make_config: MakeConfig
) -> None:
    learner = Learner(network(), make_config(clip=clip))
    learner.step(chunk(first=True), 0)
    with torch.no_grad():
        learner.network.embedding.weight[0, 0] = value
        learner.network.head.bias[:] = value
    assert_untouched_by(learner, chunk(1))


def test_a_hopeless_loss_does_not_touch_the_weights(make_config: MakeConfig) -> None:
    learner = Learner(network(), make_config())
    learner.step(chunk(first=True), 0)
    with torch.no_grad():
        learner.network.head.weight *= 1e30
    assert_untouched_by(learner, chunk(1))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("clip", [0.0, 0.25])
def test_a_gradient_that_is_not_finite_does_not_touch_the_weights(
    clip: float, value: float, make_config: MakeConfig
) -> None:
    # The loss may be sound and its gradient not; clipping would spread it to every weight.
    learner = Learner(network(), make_config(clip=clip))
    learner.step(chunk(first=True), 0)
    embedding = learner.network.embedding.weight
    embedding.register_hook(lambda gradient: gradient * value)  # type: ignore[no-untyped-call]
    assert_untouched_by(learner, chunk(1))


# Threads


def test_no_more_threads_are_begun_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run said `threads 1024`, and took minutes for a step."""
    monkeypatch.setattr("charrnn.training.learner.usable_threads_each", lambda: 1)
    with threads(1024):
        assert torch.get_num_threads() == 1


def test_pytorchs_own_threads_are_no_more_than_may_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PyTorch begins with all cores of the machine, whatever the quota of a container is; where a
    run named the same number, it kept them."""
    monkeypatch.setattr("charrnn.training.learner.usable_threads_each", lambda: 2)
    torch.set_num_threads(4)
    with threads(4):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 4
    torch.set_num_threads(1)
