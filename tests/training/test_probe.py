import dataclasses
import itertools
import types
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.data.corpus import TokenizedCorpus
from charrnn.data.read_options import ReadOptions
from charrnn.data.tokenizer import CharTokenizer, Ids
from charrnn.errors import ConfigError
from charrnn.model.cells import CELLS
from charrnn.model.config import ModelConfig
from charrnn.tasks.generate.task import GenerationTask
from charrnn.training import probe as module
from charrnn.training.options import PRECISIONS, TrainingOptions
from charrnn.training.probe import Probe, _precisions, choose_device, kernels
from charrnn.training.recipe import Machine

IDS = np.random.default_rng(0).integers(9, size=900).astype(np.uint8)


def task_of(ids: Ids) -> GenerationTask:
    """The last ninth of them held out."""
    text = TokenizedCorpus(
        "digits", (), ReadOptions(), "", len(ids), CharTokenizer("abcdefghi"), ids
    )
    return GenerationTask(text, validation_fraction=1 / 9)


def probe(options: TrainingOptions, batch_size: int = 4) -> Probe:
    return Probe(
        options,
        task=task_of(IDS),
        batch_size=batch_size,
        sequence_length=8,
    )


def measured(options: TrainingOptions) -> Machine:
    model = ModelConfig(vocabulary_size=9, hidden_size=8, embedding_size=4)
    return probe(options).measure(model)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_precision_that_is_given_is_taken(precision: str) -> None:
    machine = measured(TrainingOptions(steps=5, precision=precision, device="cpu"))
    assert (machine.precision, machine.device) == (precision, "cpu")


def test_a_network_so_small_runs_on_one_thread() -> None:
    assert measured(TrainingOptions(steps=5, precision="fp32", device="cpu")).threads == 1


@pytest.mark.parametrize("length", [{"steps": 5}, {"epochs": 2.0}], ids=str)
def test_without_a_budget_the_clock_decides_nothing(
    length: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured twice, a precision was chosen once and the other the next time: two models of one
    command and one seed."""
    monkeypatch.setattr("charrnn.training.probe._time_steps", None)
    options = TrainingOptions(**length)  # type: ignore[arg-type]
    assert measured(options) == measured(options)


def test_the_usual_precision_is_one_that_the_cpu_has(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModelConfig(vocabulary_size=9, hidden_size=256)
    for has, expected in ((["fp32"], "fp32"), (["fp32", "bf16"], "bf16")):
        monkeypatch.setattr("charrnn.training.probe._precisions", lambda _, has=has: iter(has))
        machine = probe(TrainingOptions(steps=5, device="cpu"), batch_size=32).measure(model)
        assert machine.precision == expected


def test_a_precision_that_the_machine_can_only_imitate_is_said_to_be_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Several times slower, and not a word of it."""
    options = TrainingOptions(steps=5, precision="bf16", device="cpu")
    for has, notes in ((["fp32"], 1), (["fp32", "bf16"], 0)):
        monkeypatch.setattr("charrnn.training.probe._precisions", lambda _, has=has: iter(has))
        assert len(probe(options).notes) == notes
        assert probe(TrainingOptions(steps=5, device="cpu")).notes == []


def test_bf16_that_a_gpu_emulates_is_none_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return including_emulation  # as before Ampere

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert list(_precisions("cuda")) == ["fp32"]


@pytest.mark.parametrize("length", [{"steps": 5}, {"budget": 0.5}], ids=str)
@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_what_is_not_exact_on_two_threads_is_trained_on_one(
    cell: str, length: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.training.probe.ALL_THREADS", 2)
    monkeypatch.setenv("CHARRNN_NATIVE", "0")
    model = ModelConfig(vocabulary_size=9, hidden_size=160, embedding_size=4, cell=cell)
    options = TrainingOptions(**length, device="cpu", precision="fp32")
    machine = probe(options).measure(model)
    assert machine.threads == 1


@pytest.mark.parametrize("native", [True, False], ids=["native", "not native"])
@pytest.mark.parametrize("length", [{"steps": 5}, {"budget": 0.5}], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_a_kernel_is_chosen_that_can_be_had(
    cell: str, length: dict[str, Any], native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native:
        monkeypatch.setenv("CHARRNN_NATIVE", "0")
    model = ModelConfig(vocabulary_size=9, hidden_size=160, embedding_size=4, cell=cell)
    machine = probe(TrainingOptions(**length, device="cpu"), batch_size=4).measure(model)
    assert machine.kernel in kernels("cpu", cell, machine.precision)
    assert native or machine.kernel != "native"


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_the_usual_kernel_goes_step_by_step_through_autograd_nowhere(
    cell: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kernels("cuda:1", cell, precision) == ["fused"]
    monkeypatch.setattr("charrnn.model.kernels.native.kinds", lambda: {"avx512": 1, "amx": 3})
    monkeypatch.delenv("CHARRNN_NATIVE", raising=False)
    assert kernels("cpu", cell, precision)[0] == "native"
    monkeypatch.setattr("charrnn.model.kernels.native.kinds", lambda: {"avx2": 0})  # no bf16
    usual = "fused" if cell == "lstm" else "sequence"
    assert kernels("cpu", cell, precision)[0] == ("native" if precision == "fp32" else usual)
    monkeypatch.setenv("CHARRNN_NATIVE", "0")
    assert kernels("cpu", cell, precision)[0] == usual


def test_a_budget_needs_every_time_measured() -> None:
    machine = measured(TrainingOptions(budget=2.0, precision="fp32", device="cpu"))
    assert 0 < machine.step_seconds < machine.probe_seconds
    guessed = measured(TrainingOptions(steps=5, precision="fp32", device="cpu"))
    for name in ("step_seconds", "evaluation_speed", "probe_seconds"):
        assert getattr(machine, name) != getattr(guessed, name)


def test_what_can_be_read_is_measured_under_a_budget_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "charrnn.training.probe._time_steps",
        lambda learner, *_, **__: learner.network.config.hidden_size / 1000,
    )
    model = ModelConfig(vocabulary_size=9, hidden_size=8, embedding_size=4)
    assert probe(TrainingOptions(steps=5)).characters(model) == 5 * 4 * 8
    assert probe(TrainingOptions(epochs=2.5)).characters(model) == 2.5 * 800
    larger = dataclasses.replace(model, hidden_size=256)
    timed = probe(TrainingOptions(budget=60.0, device="cpu"))
    assert timed.characters(model) == pytest.approx(60 / 0.008 * 4 * 8)
    assert timed.characters(larger) == pytest.approx(60 / 0.256 * 4 * 8)


def test_the_precision_is_chosen_when_it_is_left_open() -> None:
    assert measured(TrainingOptions(budget=1.0, device="cpu")).precision in PRECISIONS


def test_measuring_survives_a_learning_rate_that_diverges() -> None:
    options = TrainingOptions(budget=0.5, precision="fp32", device="cpu", learning_rate=1e30)
    machine = measured(options)
    assert machine.step_seconds > 0


def test_measuring_takes_nothing_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    measured(TrainingOptions(budget=0.5, precision="fp32", device="cpu"))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("device", [None, "auto"])
def test_the_best_device_is_chosen(device: str | None) -> None:
    assert choose_device(device) == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize("device", ["warp", "cuda:99", ""])
def test_a_device_that_is_not_there_is_refused_by_name(device: str) -> None:
    with pytest.raises(ConfigError, match=f"'{device}'") as caught:
        choose_device(device)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("steps", "seconds", "longest", "expected"),
    [
        (
            [9, 9, 9, 2, 8, 3],
            0.0,
            100.0,
            3,
        ),  # the first three do not count, and of three the median does
        ([9, 9, 9, 2, 8, 3, 7], 15.0, 100.0, 5),
        ([9, 9, 9, 2, 30], 0.0, 100.0, 30),  # slower than it has patience for
        ([9, 6], 0.0, 5.0, 6),  # so slow that more of them would take too much of the budget
    ],
)
def test_a_moment_in_which_the_machine_is_busy_does_not_count(
    steps: list[float],
    seconds: float,
    longest: float,
    expected: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    def step(*_: object) -> None:
        nonlocal now
        now += steps.pop(0)

    monkeypatch.setattr(module, "time", types.SimpleNamespace(perf_counter=lambda: now))
    learner: Any = types.SimpleNamespace(step=step)
    loader: Any = itertools.repeat(None)
    assert module._time_steps(learner, loader, seconds, 20.0, longest) == expected
    assert steps == []


def sizes_tried(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], *, takes: float = 0.0
) -> list[tuple[int, int, float]]:
    """Ask for the characters of networks of 64, 96 and 128 units; return the threads tried, the
    size and the characters read, where a step takes so long on one and two threads, and measuring
    it takes `takes` seconds."""
    made = probe(TrainingOptions(budget=10.0, device="cpu"))
    spent, tried = 0.0, list[tuple[int, int, float]]()

    def step_seconds(config: ModelConfig, machine: Machine, *_: float, **__: float) -> float:
        nonlocal spent
        spent += takes
        tried.append((machine.threads, config.hidden_size, 0.0))
        return seconds[machine.threads]

    monkeypatch.setattr(module, "most_threads", lambda *_: 2)
    monkeypatch.setattr(Probe, "spent_seconds", property(lambda _: spent))
    monkeypatch.setattr(made, "_step_seconds", step_seconds)
    for size in (64, 96, 128):
        read = made.characters(ModelConfig(vocabulary_size=9, hidden_size=size, embedding_size=4))
        tried[-1] = (*tried[-1][:2], read)
    return tried


def test_one_thread_is_tried_for_each_size_while_it_is_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside a busy program, two threads were so slow that 2 x 64 was chosen where 2 x 256 fits."""
    tried = sizes_tried(monkeypatch, {1: 0.01, 2: 0.05})
    assert [(threads, size) for threads, size, _ in tried] == [
        (2, 64), (1, 64), (2, 96), (1, 96), (2, 128), (1, 128)
    ]  # fmt: skip
    assert tried[-1][2] == 10.0 / 0.01 * 32


def test_one_thread_is_tried_once_on_an_idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = sizes_tried(monkeypatch, {1: 0.05, 2: 0.01})
    assert [threads for threads, *_ in tried] == [2, 1, 2, 2]


def test_where_measuring_takes_too_long_no_larger_network_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside a busy program and a compiler, measuring took all of a budget of 20 seconds."""
    tried = sizes_tried(monkeypatch, {1: 0.01, 2: 0.05}, takes=1.0)
    assert [size for _, size, _ in tried] == [64, 64]
    assert tried[-1][2] == 0.0
