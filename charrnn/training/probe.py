"""The probe: how fast this machine trains a network of given sizes, and in which precision."""

import dataclasses
import time
from collections.abc import Iterator

import numpy as np
import torch

from charrnn.data.dataloader import TBPTTLoader
from charrnn.data.tokenizer import Ids
from charrnn.errors import ConfigError
from charrnn.evaluation.scoring import score_in_steps
from charrnn.generation.engines import TorchEngine
from charrnn.model.config import ModelConfig
from charrnn.model.network import CharRNN
from charrnn.training.config import TrainingOptions
from charrnn.training.learner import Learner
from charrnn.training.recipe import DEFAULT_BUDGET, Machine, choose_training

BF16_GAIN = 1.15
"""How much faster bf16 must be to be worth its rounding."""

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
    """Trains throw-away networks for a moment: about 4 % of a time budget, 10 seconds at most."""
    began = time.perf_counter()
    device = choose_device(options.device)
    budget = options.budget or DEFAULT_BUDGET
    candidates = [options.precision] if options.precision else list(_precisions(device))
    seconds = min(0.04 * budget, 10.0) / len(candidates)
    timed = options.steps is None and options.epochs is None
    if not timed:
        seconds = 1.0 if len(candidates) > 1 else 0.0

    unmeasured = Machine(
        device=device,
        precision=candidates[0],
        kernel="fused",
        threads=torch.get_num_threads(),
        step_seconds=0.0,
        evaluation_seconds=0.0,
        save_seconds=0.05 + 12 * model_config.parameters / 100e6,  # weights and two moments
        probe_seconds=0.0,
    )
    # Whatever learning rate was asked for, measuring must not diverge.
    trial = dataclasses.replace(
        options, steps=1_000_000, epochs=None, budget=None, learning_rate=1e-3
    )
    config = choose_training(
        trial, unmeasured, batch_size=batch_size, sequence_length=sequence_length
    )
    step_seconds: dict[str, float] = {}
    for precision in candidates:
        network = CharRNN(model_config, generator=torch.Generator().manual_seed(0))
        learner = Learner(network, dataclasses.replace(config, precision=precision))
        loader = TBPTTLoader(
            training, batch_size=batch_size, sequence_length=sequence_length, seed=0
        )
        step_seconds[precision] = _time_steps(learner, loader, seconds)
    precision = candidates[0]
    if len(candidates) > 1 and step_seconds["fp32"] > BF16_GAIN * step_seconds["bf16"]:
        precision = "bf16"
    return dataclasses.replace(
        unmeasured,
        precision=precision,
        step_seconds=step_seconds[precision],
        evaluation_seconds=_time_evaluation(network, validation) if timed else 0.0,
        probe_seconds=time.perf_counter() - began,
    )


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


def _time_steps(learner: Learner, loader: TBPTTLoader, seconds: float) -> float:
    """Seconds of one step, data and all; the first three, which allocate, are not counted."""
    for number in range(3):
        learner.step(next(loader), number)
    began, steps = time.perf_counter(), 0
    while steps < 3 or time.perf_counter() - began < seconds:
        learner.step(next(loader), steps)
        steps += 1
    return (time.perf_counter() - began) / steps


def _time_evaluation(network: CharRNN, validation: Ids) -> float:
    """Seconds of one pass over the validation text, reckoned from a part of it."""
    part = np.ascontiguousarray(validation[: max(2, min(len(validation), 20_000))])
    lanes = validation_lanes(len(validation))
    began = time.perf_counter()
    for _ in score_in_steps(TorchEngine(network), part, lanes=lanes):
        pass
    return (time.perf_counter() - began) * len(validation) / len(part)
