"""Fitting: trains the networks of a forecaster, for given epochs or for as many as the held-out end
of the series asks for.

Legend: B windows, T time, E inputs of a step, V variables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from charrnn.array_types import Float32Array
from charrnn.errors import DivergedError
from charrnn.estimators.fitting import load_tensors, tensors_of
from charrnn.estimators.forecasting.examples import CONTEXT, Example, linear_autoregression
from charrnn.estimators.forecasting.network import ForecastNetwork
from charrnn.estimators.forecasting.network_config import ForecastConfig
from charrnn.estimators.forecasting.parameters import Settings
from charrnn.storage.tensor_file import Tensors
from charrnn.training.learner import threads
from charrnn.training.loss import BETAS
from charrnn.training.probe import choose_device, kernels, usual_threads

WARM_UP: Final = 64
"""The first steps of a window that do not count, but in the first window of a series."""

HELD_OUT: Final = 0.2
"""The share of each series, at its end, that is held out to measure the epochs."""


@dataclass(frozen=True)
class Learned:
    """A trained network: its weights, and its mean losses in nats for each value."""

    tensors: dict[str, Float32Array]
    losses: list[float]
    validation_losses: list[float]


@dataclass(frozen=True)
class Windows:
    """Windows of equal length of the series, padded at the end.

    Attributes:
        inputs: (T, N, E).
        targets: (T, N, V).
        counted: (T, N), 1 for a step of the loss, and 0 for others.
        held_out: the same for the held-out steps.
    """

    inputs: Tensor
    targets: Tensor
    counted: Tensor
    held_out: Tensor


def fit_member(
    config: ForecastConfig,
    settings: Settings,
    examples: Sequence[Example],
    *,
    begin: Tensors | None,
    longest_lag: int,
    random: np.random.Generator,
    device: str,
) -> Learned:
    """Train one network.

    The epochs are measured by a network that learns all but the last fifth of each series; another
    one then learns all of them for as many epochs.

    Raises DivergedError; ConfigError for a device that cannot be used.
    """
    chosen = choose_device(device)
    kernel = kernels(chosen, config.cell, "fp32")[0]
    windows = _cut(examples, chosen)

    def start(seed: int, held_out: float) -> Training:
        weights, scale = linear_autoregression(examples, longest_lag, held_out)
        network = ForecastNetwork(
            config,
            autoregression=weights,
            scale=scale,
            dropout=settings.dropout,
            kernel=kernel,
            generator=torch.Generator().manual_seed(seed),
        ).to(chosen)
        if begin is not None:
            load_tensors(network, begin)
        return Training(network, windows, settings, np.random.default_rng(seed), chosen)

    seed = int(random.integers(2**31))
    with threads(usual_threads(chosen, kernel, config.cell, config.hidden_size)):
        measured: list[float] = []
        epochs = settings.epochs
        if epochs is None:
            measured = _measure(start(seed, HELD_OUT), settings)
            epochs = len(measured) - 1
        training = start(seed, 0.0)
        losses = [training.epoch(windows.counted + windows.held_out) for _ in range(epochs)]
    return Learned(tensors_of(training.network), losses, measured)


def _measure(training: "Training", settings: Settings) -> list[float]:
    """Train on all but the held-out steps; return their losses before the first epoch and after
    each one up to the best."""
    held_out = training.windows.held_out
    losses = [training.loss(held_out)]
    for epoch in range(1, settings.longest + 1):
        training.epoch(training.windows.counted)
        losses.append(training.loss(held_out))
        best = int(np.argmin(losses))
        if epoch - best >= settings.patience:
            break
    return losses[: int(np.argmin(losses)) + 1]


class Training:
    """A training of one network."""

    def __init__(
        self,
        network: ForecastNetwork,
        windows: Windows,
        settings: Settings,
        random: np.random.Generator,
        device: str,
    ) -> None:
        self.network, self.windows, self.settings, self.random = network, windows, settings, random
        self._steps = torch.optim.AdamW(
            network.parameters(),
            lr=settings.learning_rate,
            betas=BETAS,
            weight_decay=settings.weight_decay,
        )
        self._masks = torch.Generator(device).manual_seed(int(random.integers(2**31)))

    def epoch(self, counted: Tensor) -> float:
        """Take a step for each batch of windows in random order; return the mean loss before the
        steps. Raises DivergedError."""
        self.network.train()
        total = 0.0
        order = self.random.permutation(counted.shape[1])
        for at in range(0, len(order), self.settings.batch_size):
            places = torch.from_numpy(order[at : at + self.settings.batch_size])
            places = places.to(counted.device)
            loss = self._sum(places, counted[:, places], self._masks)
            count = counted[:, places].sum().clamp_min(1)
            self._steps.zero_grad(set_to_none=True)
            (loss / count).backward()  # type: ignore[no-untyped-call]
            limit = float("inf") if self.settings.clip is None else self.settings.clip
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit)
            self._steps.step()
            total += float(loss.detach())
        mean = total / float(counted.sum())
        if not np.isfinite(mean):
            raise DivergedError(
                f"the loss is {mean:.3g}; choose a learning_rate below "
                f"{self.settings.learning_rate:g}"
            )
        return mean

    @torch.no_grad()
    def loss(self, counted: Tensor) -> float:
        """Compute the mean loss of some steps, in nats for each value."""
        self.network.eval()
        total, size = 0.0, self.settings.batch_size
        for at in range(0, counted.shape[1], size):
            places = torch.arange(at, min(at + size, counted.shape[1]), device=counted.device)
            total += float(self._sum(places, counted[:, places], None))
        return total / float(counted.sum())

    def _sum(self, places: Tensor, counted: Tensor, masks: torch.Generator | None) -> Tensor:
        """Sum the losses of some windows; of several variables, their mean."""
        distribution = self.network(self.windows.inputs[:, places], generator=masks)
        losses = distribution.negative_log_likelihood(self.windows.targets[:, places])
        total: Tensor = (losses.mean(-1) * counted).sum()
        return total


def _cut(examples: Sequence[Example], device: str) -> Windows:
    """Cut series into windows; each but the first of a series begins with some steps of the one
    before, from which its state is warm."""
    longest = min(CONTEXT, max(len(each.targets) for each in examples))
    inputs, targets, counted, held_out = [], [], [], []
    for each in examples:
        steps = len(each.targets)
        learned = each.counted.astype(np.float32)
        late = each.last(HELD_OUT)
        starts = range(0, max(steps - WARM_UP, 1), longest - WARM_UP) if steps > longest else (0,)
        for start in starts:
            part = slice(start, start + longest)
            fresh = learned[part].copy()
            if start > 0:
                fresh[:WARM_UP] = 0
            inputs.append(_padded(each.inputs[part], longest))
            targets.append(_padded(each.targets[part], longest))
            counted.append(_padded(fresh * ~late[part], longest))
            held_out.append(_padded(fresh * late[part], longest))
    return Windows(
        *(
            torch.from_numpy(np.stack(each, axis=1)).to(device)
            for each in (inputs, targets, counted, held_out)
        )
    )


def _padded(values: Float32Array, steps: int) -> Float32Array:
    """Append zeros to values (T, ...)."""
    padding = [(0, steps - len(values))] + [(0, 0)] * (values.ndim - 1)
    return np.pad(values, padding)
