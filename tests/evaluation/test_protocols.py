"""The protocols."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from charrnn.data.dataloader import IGNORED
from charrnn.data.tokenizer import Ids
from charrnn.engines import ENGINES, Array, State
from charrnn.evaluation import protocols
from charrnn.evaluation.protocols import (
    WINDOW,
    WINDOWS,
    negative_log_likelihood,
    score,
    score_in_steps,
    score_windows,
)
from charrnn.model.cells import CELLS
from charrnn.storage.model_directory import Model

MakeModel = Callable[..., Model]


def some_ids(model: Model, count: int, seed: int = 0) -> Ids:
    random = np.random.default_rng(seed)
    size = model.config.vocabulary_size
    return random.integers(size, size=count).astype(np.uint8)


def by_pytorch(model: Model, ids: Ids) -> float:
    """Nats per character of the whole stream, by a plain loop over a plain module."""
    config = model.config
    embedding = nn.Embedding(config.vocabulary_size, config.embedding_size)
    rnn = getattr(nn, config.cell.upper())(
        config.embedding_size, config.hidden_size, config.layers, batch_first=True
    )
    head = nn.Linear(config.hidden_size, config.vocabulary_size)
    plain = nn.ModuleDict({"embedding": embedding, "rnn": rnn, "head": head})
    plain.load_state_dict({name: torch.from_numpy(array) for name, array in model.tensors.items()})
    plain.double()
    stream = torch.from_numpy(ids.astype(np.int64))
    losses, state = [], None
    with torch.no_grad():
        for position in range(len(stream) - 1):
            outputs, state = rnn(embedding(stream[position].view(1, 1)), state)
            losses.append(cross_entropy(head(outputs[0]), stream[position + 1].view(1)).item())
    return math.fsum(losses) / len(losses)


class Bigram:
    """An engine that only looks at the last character, so that no cold start shows. It keeps what
    it is given in `read`."""

    def __init__(self, size: int) -> None:
        self.vocabulary_size = size
        self.table = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
        self.read: list[npt.NDArray[np.int64]] = []

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        self.read.append(np.asarray(ids))
        return self.table[np.asarray(ids)], ()

    def nats(self, ids: Ids) -> float:
        logits = self.table.astype(np.float64)
        log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return float(-log_probabilities[ids[:-1], ids[1:]].mean())


# The stream


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("engine", ENGINES)
def test_score_is_the_cross_entropy_of_a_plain_loop_over_the_whole_stream(
    engine: str, cell: str, layers: int, make_model: MakeModel
) -> None:
    model = make_model(cell=cell, layers=layers, sharpness=10.0)
    ids = some_ids(model, 1300)  # more than two chunks
    running = ENGINES[engine](model)
    near = {"float32": 1e-5, "int8": 0.05}[
        running.precision
    ]  # the head makes errors ten times as large
    assert score(running, ids) == pytest.approx(by_pytorch(model, ids), abs=near)


@pytest.mark.parametrize("chunk", [1, 7, 100, 10_000])
def test_one_stream_does_not_depend_on_how_it_is_cut(
    chunk: int, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(sharpness=10.0)
    engine, ids = ENGINES["numpy"](model), some_ids(model, 600)
    expected = score(engine, ids)
    monkeypatch.setattr(protocols, "_CHUNK", chunk)
    assert score(engine, ids) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("lanes", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("count", [2, 3, 65, 129, 1300])
def test_lanes_count_every_target_exactly_once(count: int, lanes: int) -> None:
    engine = Bigram(9)
    ids = np.random.default_rng(1).integers(9, size=count).astype(np.uint8)
    assert score(engine, ids, lanes=lanes) == pytest.approx(engine.nats(ids), rel=1e-5)
    assert {len(batch) for batch in engine.read} == {min(lanes, count - 1)}


def test_lanes_begin_cold_and_cost_a_little(make_model: MakeModel) -> None:
    model = make_model(sharpness=10.0)
    engine, ids = ENGINES["numpy"](model), some_ids(model, 900)
    halves = [score(engine, ids[:450]), score(engine, ids[449:])]
    assert score(engine, ids, lanes=2) == pytest.approx(
        (449 * halves[0] + 450 * halves[1]) / 899, abs=1e-5
    )


def test_the_steps_of_a_score_lead_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "_CHUNK", 10)
    engine = Bigram(9)
    ids = np.random.default_rng(1).integers(9, size=101).astype(np.uint8)
    steps = list(score_in_steps(engine, ids))
    assert [count for _, count in steps] == [10 * n for n in range(1, 11)]
    assert [nats for nats, _ in steps] == [
        pytest.approx(engine.nats(ids[: 10 * n + 1]), rel=1e-5) for n in range(1, 11)
    ]


# Negative log-likelihood


def test_negative_log_likelihood_by_hand() -> None:
    logits = np.log(np.array([[[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]]], dtype=np.float32))
    nats = negative_log_likelihood(logits + 3, np.array([[2, 1]]))
    np.testing.assert_allclose(nats, [[-math.log(0.7), -math.log(0.25)]], rtol=1e-6)


def test_ignored_targets_cost_nothing() -> None:
    logits = np.zeros((1, 3, 4), dtype=np.float32)
    nats = negative_log_likelihood(logits, np.array([[0, IGNORED, 3]]))
    np.testing.assert_allclose(nats, [[math.log(4), 0, math.log(4)]], rtol=1e-6)


def test_huge_logits_neither_warn_nor_overflow() -> None:
    logits = np.array([[[3e4, -3e4], [3e4, -3e4]]], dtype=np.float32)
    np.testing.assert_allclose(negative_log_likelihood(logits, np.array([[0, 1]])), [[0, 6e4]])


# Windows


@pytest.mark.parametrize("count", [2, 40, WINDOW, WINDOW + 1, WINDOW + 2, 2000])
def test_windows_predict_so_many_characters(count: int) -> None:
    engine = Bigram(9)
    ids = np.random.default_rng(2).integers(9, size=count).astype(np.uint8)
    nats, predicted = score_windows(engine, ids)
    length = min(WINDOW, count - 1)
    assert predicted == WINDOWS * length == sum(batch.size for batch in engine.read)
    assert all(batch.shape[1] == length for batch in engine.read)
    if count <= WINDOW + 1:  # then every window is the whole text
        assert nats == pytest.approx(engine.nats(ids), rel=1e-5)


def test_windows_begin_cold(make_model: MakeModel) -> None:
    model = make_model(sharpness=10.0)
    engine, ids = ENGINES["numpy"](model), some_ids(model, WINDOW + 1)
    nats, _ = score_windows(engine, ids)
    assert nats == pytest.approx(score(engine, ids), abs=1e-5)


def test_windows_are_the_same_every_time() -> None:
    ids = np.random.default_rng(2).integers(9, size=900).astype(np.uint8)
    assert score_windows(Bigram(9), ids) == score_windows(Bigram(9), ids)


@pytest.mark.parametrize("lanes", [1, 5])
def test_a_large_alphabet_is_read_in_short_chunks(lanes: int) -> None:
    # 64 lanes of 512 characters of Chinese made gigabytes of logits.
    engine = Bigram(6000)
    ids = np.arange(6000, dtype=np.uint16)
    list(score_in_steps(engine, ids, lanes=lanes))
    assert max(read.size for read in engine.read) * 6000 <= 1 << 22


@pytest.mark.parametrize("lanes", [1, 5])
def test_no_more_is_read_at_once_than_is_asked_for(lanes: int) -> None:
    # 64 lanes of 512 characters take more than a step of 32 lanes of 128, gradients and all.
    ids = np.arange(600, dtype=np.uint16)
    whole, parts = Bigram(600), Bigram(600)
    *_, expected = score_in_steps(whole, ids, lanes=lanes)
    *_, (nats, count) = score_in_steps(parts, ids, lanes=lanes, at_once=100)
    assert max(read.size for read in parts.read) <= 100 < max(read.size for read in whole.read)
    assert nats == pytest.approx(expected[0]) and count == expected[1]
