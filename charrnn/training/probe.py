"""The probe: how fast this machine trains a network of given sizes, and in which precision."""

import dataclasses
import math
import time
from collections.abc import Iterator

import torch

from charrnn.data.dataloader import TBPTTLoader
from charrnn.data.tokenizer import Ids
from charrnn.errors import ConfigError
from charrnn.evaluation.scoring import score_in_steps
from charrnn.generation.engines import TorchEngine
from charrnn.model.config import ModelConfig
from charrnn.model.network import CharRNN
from charrnn.training.config import TrainingOptions
from charrnn.training.learner import Learner, autocast, threads
from charrnn.training.recipe import DEFAULT_BUDGET, Machine, choose_training

HANDICAPS = {"fp32": 1.0, "bf16": 1.15}
"""What a step's time is multiplied with: bf16 must be so much faster to be worth its rounding."""

ALL_THREADS = torch.get_num_threads()
"""What PyTorch would use by itself, before any training has set it."""

SLOW = 50e9
"""Operations a second that any machine does, for a guess at the time of a step."""

HOPELESS_RATIO = 3
"""A candidate with a step so much slower than the best so far is not measured further."""

VALIDATION_LANES = 64


def measure(
    options: TrainingOptions,
    model_config: ModelConfig,
    *,
    training: Ids,
    validation: Ids,
    batch_size: int,
    sequence_length: int,
) -> Machine:
    """What this machine does with such a network.

    Under a time budget, throw-away networks are trained for a moment: 5 % of it, 10 seconds at
    most. Without one, nothing is measured, so that the same command gives the same bytes twice.
    """
    began = time.perf_counter()
    device = choose_device(options.device)
    characters = batch_size * sequence_length
    reckoned = Machine(
        device=device,
        precision=options.precision or _usual_precision(device, model_config, batch_size),
        kernel="fused",
        threads=1 if model_config.hidden_size <= 128 else _most_threads(device, model_config),
        step_seconds=6 * model_config.parameters * characters / SLOW,
        evaluation_seconds=0.0,
        save_seconds=0.05 + 12 * model_config.parameters / 100e6,  # weights and two moments
        probe_seconds=0.0,
    )
    if options.steps is not None or options.epochs is not None:
        return reckoned
    most = _most_threads(device, model_config)
    candidates = list(_candidates(reckoned, options.precision, most))
    allowed = min(0.05 * (options.budget or DEFAULT_BUDGET), 10.0)

    # Whatever learning rate was asked for, measuring must not diverge.
    trial = dataclasses.replace(
        options, steps=1_000_000, epochs=None, budget=None, learning_rate=1e-3
    )

    def step_seconds(machine: Machine, seconds: float, patience: float = math.inf) -> float:
        config = choose_training(
            trial, machine, batch_size=batch_size, sequence_length=sequence_length
        )
        network = CharRNN(model_config, generator=torch.Generator().manual_seed(0))
        loader = TBPTTLoader(
            training, batch_size=batch_size, sequence_length=sequence_length, seed=0
        )
        with threads(machine.threads):
            return _time_steps(Learner(network, config), loader, seconds, patience)

    best, fewest = candidates[0], math.inf
    for candidate in candidates:
        handicap = HANDICAPS[candidate.precision]
        measured = step_seconds(
            candidate, allowed / 3 / len(candidates), HOPELESS_RATIO * fewest / handicap
        )
        if measured * handicap < fewest:
            best, fewest = candidate, measured * handicap
    # The fastest of several measurements is a lucky one: what is planned with is measured anew.
    best = dataclasses.replace(best, step_seconds=step_seconds(best, allowed * 2 / 3))
    return dataclasses.replace(
        best,
        evaluation_seconds=_evaluation_seconds(best, model_config, validation),
        probe_seconds=time.perf_counter() - began,
    )


def _most_threads(device: str, config: ModelConfig) -> int:
    """The threads of the CPU on which the same training gives the same bits every time.

    An LSTM is one operation of oneDNN, and does on any number. GRU and RNN are made of products
    that on two threads came out one bit off in 2 of 60 fresh processes (PyTorch 2.13 with MKL).
    """
    return ALL_THREADS if config.cell == "lstm" or device != "cpu" else 1


def _candidates(machine: Machine, precision: str | None, most: int) -> Iterator[Machine]:
    """What may be fastest: each precision, on one thread and on all.

    Where other programs keep the cores busy, PyTorch's threads lose far more by waiting for each
    other than they gain.
    """
    threads = {1, most} if machine.device == "cpu" else {machine.threads}
    for kind in [precision] if precision else _precisions(machine.device):
        for count in sorted(threads):
            yield dataclasses.replace(machine, precision=kind, threads=count)


def _usual_precision(device: str, config: ModelConfig, batch_size: int) -> str:
    """The precision that is usually faster, where the clock is not asked.

    On a CPU with bf16 instructions that is bf16 for an LSTM of 16 lanes or more (1.3 to 2.4 times
    as fast), for a GRU from a hidden size of 256 on, for a plain RNN from 512 on.
    """
    smallest = {"lstm": 1, "gru": 256, "rnn": 512}[config.cell]
    suits = device == "cpu" and batch_size >= 16 and config.hidden_size >= smallest
    return "bf16" if suits and "bf16" in _precisions(device) else "fp32"


def choose_device(device: str | None) -> str:
    """The device asked for, or the best there is. Raises ConfigError when it is not to be had."""
    if device in (None, "auto"):
        return "cuda" if torch.cuda.is_available() else "cpu"
    assert device is not None
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {device!r} cannot be used here: {reason}") from error
    return device


def validation_lanes(characters: int) -> int:
    """Lanes that a validation text is read in while training: up to 64, each long enough that its
    cold start does not show."""
    return max(1, min(VALIDATION_LANES, characters // 1000))


def _precisions(device: str) -> Iterator[str]:
    yield "fp32"
    if device.startswith("cuda"):
        if torch.cuda.is_bf16_supported():
            yield "bf16"
    elif device == "cpu":
        capabilities = (
            torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        )
        if any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")):
            yield "bf16"


def _time_steps(learner: Learner, loader: TBPTTLoader, seconds: float, patience: float) -> float:
    """Seconds of one step, data and all. The first three, which allocate, are not counted; one
    of the later that takes longer than `patience` ends it."""
    for number in range(3):
        learner.step(next(loader), number)
    total, steps = 0.0, 0
    while steps < 3 or total < seconds:
        began = time.perf_counter()
        learner.step(next(loader), steps)
        took = time.perf_counter() - began
        if took > patience:
            return took
        total, steps = total + took, steps + 1
    return total / steps


def _evaluation_seconds(machine: Machine, model_config: ModelConfig, validation: Ids) -> float:
    """Seconds of one pass over the validation text, reckoned from a part of it."""
    part = validation[: max(2, min(len(validation), 20_000))]
    lanes = validation_lanes(len(validation))
    network = CharRNN(model_config, generator=torch.Generator().manual_seed(0))
    engine = TorchEngine(network.to(machine.device))
    began = time.perf_counter()
    with threads(machine.threads), autocast(machine.device, machine.precision):
        for _ in score_in_steps(engine, part, lanes=lanes):
            pass
    return (time.perf_counter() - began) * len(validation) / len(part)
