import math
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from charrnn.data.tokenizer import Ids
from charrnn.engines import best_engine
from charrnn.errors import ConfigError
from charrnn.evaluation import dynamic_evaluation
from charrnn.evaluation.dynamic_evaluation import AdaptationConfig, Adapter
from charrnn.evaluation.protocols import score
from charrnn.model import language_model
from charrnn.model.cells import CELLS
from charrnn.storage.model_directory import TENSORS, Model, read_model, write_model

MakeModel = Callable[..., Model]
FAST = AdaptationConfig(segment=8, learning_rate=0.02)


def some_ids(model: Model, count: int, seed: int = 0) -> Ids:
    """Random, but that each is often followed by the next in the alphabet."""
    random = np.random.default_rng(seed)
    size = model.config.vocabulary_size
    steps = np.where(random.random(count) < 0.6, 1, random.integers(size, size=count))
    return (np.cumsum(steps) % size).astype(np.uint8)


class Plain(nn.Module):
    """The module of network.py's docstring, for all cells."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        config = model.config
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size)
        rnn = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[config.cell]
        self.rnn = rnn(config.embedding_size, config.hidden_size, config.layers, batch_first=True)
        self.head = nn.Linear(config.hidden_size, config.vocabulary_size)
        self.load_state_dict({name: torch.tensor(array) for name, array in model.tensors.items()})
        self.double()

    def forward(self, ids: Tensor, state: object) -> tuple[Tensor, object]:
        outputs, state = self.rnn(self.embedding(ids[None]), state)
        return log_softmax(self.head(outputs[0]), dim=-1), state


def detached(state: object) -> object:
    return state.detach() if isinstance(state, Tensor) else tuple(map(detached, state))  # type: ignore[call-overload]


def by_pytorch(model: Model, ids: Ids, config: AdaptationConfig) -> npt.NDArray[np.float64]:
    """The nats of each character but the first, as the docstrings have it: plainly, in float64."""
    adapted, trained = Plain(model), Plain(model)
    weights = list(adapted.parameters())
    squares = [torch.zeros_like(weight) for weight in weights]
    state = trained_state = None
    trust, nats, steps = 0.5, [], 0.0
    stream = torch.tensor(ids.astype(np.int64))
    for begin in range(0, len(ids) - 1, config.segment):
        inputs = stream[begin : begin + config.segment]
        targets = stream[begin + 1 : begin + config.segment + 1]
        inputs = inputs[: len(targets)]
        logs, after = adapted(inputs, state)
        with torch.no_grad():
            trained_logs, trained_state = trained(inputs, trained_state)
        for place, target in enumerate(targets):
            p, q = logs[place, target].exp().item(), trained_logs[place, target].exp().item()
            mixed = trust * p + (1 - trust) * q
            nats.append(-math.log(mixed))
            trust = (1 - config.share) * trust * p / mixed + config.share / 2
        loss = -logs[torch.arange(len(targets)), targets].mean()
        gradients = torch.autograd.grad(loss, weights)
        part = len(targets) / config.segment
        state, steps = detached(after), steps + part
        with torch.no_grad():
            for square, gradient in zip(squares, gradients, strict=True):
                square += part * gradient**2
            usual = [(square / steps).sqrt() for square in squares]
            mean = torch.cat([each.flatten() for each in usual]).mean()
            for weight, start, gradient, r in zip(
                weights, trained.parameters(), gradients, usual, strict=True
            ):
                weight.sub_(part * config.learning_rate * gradient / (r + config.damping * mean))
                weight.add_((part * config.decay * r / mean).clamp(max=1) * (start - weight))
    return np.array(nats)


# What it computes


@pytest.mark.parametrize("kernel", ["native", "equations"])
@pytest.mark.parametrize("cell", CELLS)
def test_it_is_what_plain_pytorch_computes(
    cell: str, kernel: str, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = language_model.CharRNN
    monkeypatch.setattr(
        language_model,
        "CharRNN",
        lambda config, **settings: made(config, **{**settings, "kernel": kernel}),
    )
    model = make_model(cell=cell)
    config = AdaptationConfig(segment=16, learning_rate=0.01, decay=0.05, damping=0.3, share=0.02)
    ids = some_ids(model, 203)  # the last segment is not full
    adapter = Adapter(model, config)
    nats = np.concatenate([adapter.read(ids), adapter.finish()])
    expected = by_pytorch(model, ids, config)
    np.testing.assert_allclose(nats, expected, atol=2e-4)
    static = by_pytorch(model, ids, AdaptationConfig(learning_rate=1e-12))
    assert abs(nats - static).max() > 0.1  # or nothing would be shown


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 150), max_size=6))
def test_reading_in_pieces_is_reading_at_once(cuts: list[int], make_model: MakeModel) -> None:
    """To the last bit: else a number would depend on how a file happened to be read."""
    model = make_model()
    ids = some_ids(model, 150)
    whole, pieces = Adapter(model, FAST), Adapter(model, FAST)
    at_once = [whole.read(ids), whole.finish()]
    ends = [0, *sorted(cuts), len(ids)]
    piecewise = [pieces.read(ids[a:b]) for a, b in pairwise(ends)]
    piecewise.append(pieces.finish())
    np.testing.assert_array_equal(np.concatenate(at_once), np.concatenate(piecewise))
    assert whole.learned == pieces.learned == 149


def test_the_number_of_threads_changes_no_bit_and_stays_as_it_was(make_model: MakeModel) -> None:
    model = make_model(hidden_size=64)
    ids = some_ids(model, 100)
    before, random = torch.get_num_threads(), torch.get_rng_state()
    given = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            given.append(Adapter(model).read(ids))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(given[0], given[1])
    assert torch.equal(torch.get_rng_state(), random)  # PyTorch's own random numbers are the user's


@pytest.mark.parametrize("attention", [None, 24])
def test_each_segment_is_predicted_before_it_is_learned_from(
    attention: int | None, make_model: MakeModel
) -> None:
    """A text that is learned from before it is predicted would be predicted far too well."""
    model = make_model(attention=attention)
    ids = some_ids(model, 60)
    changed = ids.copy()
    changed[33:] = changed[33:][::-1]
    config = AdaptationConfig(segment=16, learning_rate=0.05)
    first, second = Adapter(model, config).read(ids), Adapter(model, config).read(changed)
    np.testing.assert_array_equal(first[:32], second[:32])
    static = Adapter(model, AdaptationConfig(segment=16, learning_rate=1e-12)).read(ids)
    np.testing.assert_allclose(first[:16], static[:16], atol=1e-5)
    assert abs(first[16:] - static[16:]).max() > 0.05


@pytest.mark.parametrize("attention", [None, 24])
def test_it_learns(attention: int | None, make_model: MakeModel) -> None:
    model = make_model(attention=attention)
    ids = some_ids(model, 1500)
    nats = Adapter(model, FAST).read(ids)
    assert nats[-500:].mean() < score(best_engine(model), ids[-501:]) - 0.3


def test_where_learning_does_harm_it_costs_next_to_nothing(make_model: MakeModel) -> None:
    """The bound of the fixed share (Herbster & Warmuth, 1998), with weights gone astray."""
    model = make_model(sharpness=1.0)
    ids = np.random.default_rng(0).integers(9, size=600).astype(np.uint8)
    astray = AdaptationConfig(segment=8, learning_rate=10.0, decay=0.0)
    adapter = Adapter(model, astray)
    nats = np.concatenate([adapter.read(ids), adapter.finish()])
    at_most = score(best_engine(model), ids) * 599
    at_most += math.log(2) - 599 * math.log(1 - astray.share / 2)
    assert nats.sum() <= at_most + 1e-3
    assert score(best_engine(adapter.adapted()), ids) * 599 > at_most + 100  # it did go astray


def test_an_alphabet_of_one_has_nothing_to_learn(make_model: MakeModel) -> None:
    adapter = Adapter(make_model("a"), FAST)
    np.testing.assert_array_equal(adapter.read([0] * 50), np.zeros(48))
    for array in adapter.adapted().tensors.values():
        assert np.isfinite(array).all()  # 0 / 0, once


def test_weights_stay_finite_when_numbers_overflow(make_model: MakeModel) -> None:
    model = make_model()
    model.tensors["head.weight"][:] = 3e38
    adapter = Adapter(model, FAST)
    adapter.read(some_ids(model, 40))
    for name, array in adapter.adapted().tensors.items():
        np.testing.assert_array_equal(array, model.tensors[name])


# What it leaves alone


def test_the_model_is_never_changed(make_model: MakeModel, tmp_path: Path) -> None:
    write_model(tmp_path / "model", make_model())
    files = {path: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    model = read_model(tmp_path / "model")
    before = {name: array.copy() for name, array in model.tensors.items()}
    adapter = Adapter(model, FAST)
    adapter.read(some_ids(model, 200))
    earlier = adapter.adapted()
    kept = {name: array.copy() for name, array in earlier.tensors.items()}
    adapter.read(some_ids(model, 200, seed=1))
    for name, array in model.tensors.items():
        np.testing.assert_array_equal(array, before[name])
        np.testing.assert_array_equal(earlier.tensors[name], kept[name])
        assert (adapter.adapted().tensors[name] != kept[name]).any()
        assert array.flags.writeable == earlier.tensors[name].flags.writeable
    assert {path: path.read_bytes() for path in (tmp_path / "model").iterdir()} == files
    assert TENSORS in {path.name for path in files}


def test_what_it_begins_behind_is_not_learned_from(make_model: MakeModel) -> None:
    model = make_model()
    ids = some_ids(model, 100)
    adapter = Adapter(model, FAST)
    adapter.begin(ids[:91])
    assert adapter.learned == 0
    for name, array in adapter.adapted().tensors.items():
        np.testing.assert_array_equal(array, model.tensors[name])
    logits, _ = best_engine(model).advance([ids[:-1]], None)
    nats = -log_softmax(torch.tensor(logits[0]), dim=-1)
    assert adapter.read(ids[91:]) == pytest.approx(
        nats[np.arange(90, 98), ids[91:99].astype(int)].numpy(), abs=1e-5
    )
    adapter.begin()  # what was pending is forgotten, what was learned is not
    assert (adapter.finish().size, adapter.learned) == (0, 8)


def test_a_segment_that_is_not_full_is_learned_from_less(make_model: MakeModel) -> None:
    """A step's length does not depend on the gradient's: three letters once counted as a line."""
    model = make_model()
    moved = []
    for count in (3, 9):
        adapter = Adapter(model, AdaptationConfig(segment=8, damping=100.0))
        adapter.read(some_ids(model, count))
        adapter.finish()
        assert adapter.learned == count - 1
        tensors = adapter.adapted().tensors
        moved.append(sum(abs(tensors[name] - model.tensors[name]).sum() for name in tensors))
    assert moved[0] == pytest.approx(moved[1] * 2 / 8, rel=0.1)


def test_nothing_of_it_needs_torch_before_it_adapts() -> None:
    code = "import sys, charrnn.evaluation.dynamic_evaluation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("segment", 0),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("damping", -1.0),
        ("damping", math.inf),
        ("decay", 1.1),
        ("decay", math.nan),
        ("share", 0.0),
        ("share", 2.0),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name.replace("_", "-")):
        AdaptationConfig(**{name: value})  # type: ignore[arg-type]


def test_a_long_text_is_read_in_pieces_and_goes_on_as_if_it_were_not(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [place * place % 5 for place in range(100)]
    whole = Adapter(make_model())
    whole.begin(ids)
    monkeypatch.setattr(dynamic_evaluation, "_PIECE", 16)
    pieces = Adapter(make_model())
    lengths, advance = [], pieces._engine.advance

    def counted(ids: Any, state: Any) -> Any:
        lengths.append(len(ids[0]))
        return advance(ids, state)

    monkeypatch.setattr(pieces._engine, "advance", counted)
    pieces.begin(ids)
    assert sum(lengths) == 99 and max(lengths) == 16
    np.testing.assert_allclose(pieces.read(ids), whole.read(ids), rtol=1e-5)
