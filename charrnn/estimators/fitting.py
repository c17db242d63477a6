"""Fitting: trains the network of an estimator, for given epochs or for as many as a held-out part
asks for.

Legend: N sequences, B batch, K outputs.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Final

import numpy as np
import torch
from torch import Tensor

from charrnn.array_types import Float32Array, Float64Array, Int64Array
from charrnn.errors import DivergedError
from charrnn.estimators.defaults import HELD_OUT_SHARE, Settings
from charrnn.estimators.network_config import NetworkConfig
from charrnn.estimators.sequences import Sequences, Targets
from charrnn.model.many_to_many import ManyToMany
from charrnn.model.many_to_one import ManyToOne
from charrnn.model.recurrent import StackConfig
from charrnn.storage.tensor_file import Tensors
from charrnn.training.learner import threads
from charrnn.training.loss import BETAS
from charrnn.training.probe import choose_device, kernels, usual_threads

OPTIMIZERS: Final[dict[str, Callable[..., torch.optim.Optimizer]]] = {
    # Loshchilov & Hutter, 2019, with the settings of the text trainer.
    "adamw": partial(torch.optim.AdamW, betas=BETAS, weight_decay=0.0),
    # Hinton's lecture of 2012, with averages over about a hundred steps.
    "rmsprop": torch.optim.RMSprop,
}

WARM_UP: Final = 0.05
"""The share of a training with a falling rate in which the rate first rises."""

FAR: Final = 1.6
"""The multiple of the lowest held-out loss from which on another pooling is given up."""

AVERAGED: Final = 3
"""The epochs over which held-out losses are averaged: those of few sequences vary by chance."""

EVALUATED_AT_ONCE: Final = 256


Losses = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Computes the losses (B, K or 1) of outputs (B, K), or (T, B, K) without pooling, of targets
(B, ...), and of the lengths (B,) of the sequences, None where all have T steps."""


@dataclass(frozen=True)
class Learned:
    """A trained network.

    Attributes:
        pooling: its pooling, an entry of POOLINGS.
        tensors: its weights, by name.
        losses: the mean losses (K or 1,) during each epoch.
        validation_losses: the mean losses (K or 1,) of the held-out part after each epoch, where
            the epochs were measured up to the best one; empty where nothing was held out.
    """

    pooling: str | None
    tensors: dict[str, Float32Array]
    losses: list[Float64Array]
    validation_losses: list[Float64Array]


def fit_network(
    config: NetworkConfig,
    settings: Settings,
    sequences: Sequences,
    targets: Targets,
    losses: Losses,
    *,
    optimizer: str,
    clip: float | None,
    seed: int | None,
    device: str,
    verbose: bool,
    begin: Tensors | None = None,
    held_out: Int64Array | None = None,
    readout_scale: float = 1.0,
) -> Learned:
    """Train a network: for the epochs of the settings at the same rate, or for as many as a
    held-out part asks for.

    The pooling and the epochs are measured by networks that learn all but a tenth of the sequences:
    the best epoch is the one after which the loss of that tenth no longer falls. From there, the
    best network learns all sequences for twice as many epochs again, at a rate that falls to zero
    (Hu et al., 2024, MiniCPM, call the two parts stable and decay).

    Args:
        begin: the weights with which every network begins; None draws them.
        held_out: the places of sequences that are not learned, but measured after each epoch. The
            rate then falls to zero over the given epochs.
        readout_scale: what fresh readout weights, and the learning rate of all readout weights, are
            multiplied by; see `scale_readout`.

    Raises DivergedError; ConfigError for a device that cannot be used.
    """
    random = np.random.default_rng(seed)
    chosen = choose_device(device)
    kernel = kernels(chosen, config.cell, "fp32")[0]
    values = torch.from_numpy(targets.values).to(chosen)

    def start(pooling: str | None) -> Fitting:
        generator = torch.Generator().manual_seed(int(random.integers(2**63)))
        network = make_network(
            replace(config, pooling=pooling),
            kernel=kernel,
            dropout=settings.dropout,
            generator=generator,
            tensors=begin,
        ).to(chosen)
        if begin is None:
            network.scale_readout(readout_scale)
        return Fitting(
            network, sequences, values, losses, settings, optimizer, clip, random, readout_scale
        )

    with threads(usual_threads(chosen, kernel, config.cell, config.hidden_size)):
        measured: list[Float64Array] = []
        epochs, pooling = settings.epochs, settings.poolings[0]
        if epochs is None:
            shown = _shown(settings.longest, "measuring", verbose)
            fittings = {each: start(each) for each in settings.poolings}
            pooling, measured = _measure(fittings, targets.order, shown)
            fitting, epochs = fittings[pooling], 2 * len(measured)
        else:
            fitting = start(pooling)
        falls = epochs if settings.epochs is None or held_out is not None else None
        passes = _shown(epochs, "fitting", verbose)
        places = np.arange(len(sequences))
        if held_out is not None:
            places = np.setdiff1d(places, held_out)
        trained = []
        for loss in fitting.train(places, passes, falls=falls):
            trained.append(loss)
            if held_out is not None and len(held_out):
                measured.append(fitting.loss(held_out))
    return Learned(pooling, tensors_of(fitting.network), trained, measured)


@dataclass
class Fitting:
    """A training of one network.

    Attributes:
        network: the network.
        sequences: the sequences, standardized.
        targets: what it is to compute for them, (N, ...).
        losses: see Losses.
        settings: the settings of the training.
        optimizer: the entry of OPTIMIZERS.
        clip: the largest norm of a gradient; None is off.
        random: draws the batches, and the seed of the dropout masks.
        readout_scale: the factor on the learning rate of the readout weights; see `scale_readout`.
    """

    network: ManyToOne | ManyToMany
    sequences: Sequences
    targets: Tensor
    losses: Losses
    settings: Settings
    optimizer: str
    clip: float | None
    random: np.random.Generator
    readout_scale: float = 1.0

    def __post_init__(self) -> None:
        self._device = self.targets.device
        readout = self.network.readout_weights()
        others = [
            each for each in self.network.parameters() if all(each is not one for one in readout)
        ]
        self._scales = (1.0, self.readout_scale)  # of the learning rates
        self._steps = OPTIMIZERS[self.optimizer](
            [{"params": others}, {"params": readout}], lr=self.settings.learning_rate
        )
        self._set_factor(1.0)
        seed = int(self.random.integers(2**63))
        self._masks = torch.Generator(self._device).manual_seed(seed)

    def train(
        self, places: Int64Array, epochs: Iterable[int], *, falls: int | None = None
    ) -> Iterator[Float64Array]:
        """Yield the mean losses (K or 1,) during each epoch over the sequences at some places.

        Args:
            places: the places of the sequences.
            epochs: the numbers of the epochs.
            falls: the number of epochs over which the learning rate rises shortly, and then falls
                to zero as a cosine does; None keeps it.

        Raises DivergedError.
        """
        batches = math.ceil(len(places) / self.settings.batch_size)
        for epoch in epochs:
            self.network.train()
            total = torch.zeros((), device=self._device)
            shuffled = self.sequences.shuffled(self.settings.batch_size, self.random, places)
            for number, chosen in enumerate(shuffled):
                if falls is not None:
                    self._set_rate((epoch * batches + number) / (falls * batches))
                total = total + self._step(chosen)
            loss: Float64Array = total.double().cpu().numpy() / len(places)
            if not np.isfinite(loss).all():
                raise DivergedError(
                    f"epoch {epoch + 1}: the loss is {loss.max():.3g}; choose a learning_rate "
                    f"below {self.settings.learning_rate:g}"
                )
            yield loss

    def _set_rate(self, share: float) -> None:
        """Set the learning rate for a step after some share of the training."""
        self._set_factor(min(1.0, (share + 1e-3) / WARM_UP) * (1 + math.cos(math.pi * share)) / 2)

    def _set_factor(self, factor: float) -> None:
        for group, scale in zip(self._steps.param_groups, self._scales, strict=True):
            group["lr"] = self.settings.learning_rate * factor * scale

    def _step(self, chosen: Int64Array) -> Tensor:
        """Take one step; return the sums (K or 1,) of the losses before it."""
        batch, lengths = as_batch(self.sequences, chosen, self._device)
        outputs = self.network(batch, lengths, generator=self._masks)
        losses = self.losses(outputs, self._chosen(chosen), lengths)
        self._steps.zero_grad(set_to_none=True)
        losses.mean().backward()  # type: ignore[no-untyped-call]
        limit = math.inf if self.clip is None else self.clip
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        self._steps.step()
        return losses.detach().sum(0)

    @torch.no_grad()
    def loss(self, places: Int64Array) -> Float64Array:
        """Compute the mean losses (K or 1,) of the sequences at some places."""
        self.network.eval()
        total = torch.zeros((), device=self._device)
        for chosen in self.sequences.sorted(EVALUATED_AT_ONCE, places):
            batch, lengths = as_batch(self.sequences, chosen, self._device)
            outputs = self.network(batch, lengths)
            total = total + self.losses(outputs, self._chosen(chosen), lengths).sum(0)
        mean: Float64Array = total.double().cpu().numpy() / len(places)
        return mean

    def snapshot(self) -> list[Tensor]:
        """Return a copy of the weights and of the optimizer's averages."""
        return [each.detach().clone() for each in self._state()]

    @torch.no_grad()
    def restore(self, snapshot: list[Tensor]) -> None:
        """Return to what `snapshot` returned."""
        for tensor, kept in zip(self._state(), snapshot, strict=True):
            tensor.copy_(kept)

    def _state(self) -> list[Tensor]:
        averages = (each for state in self._steps.state.values() for each in state.values())
        return [*self.network.parameters(), *averages]

    def _chosen(self, chosen: Int64Array) -> Tensor:
        return self.targets[torch.from_numpy(chosen).to(self._device)]


def _measure(
    fittings: dict[str | None, Fitting], order: Int64Array, shown: Iterable[int]
) -> tuple[str | None, list[Float64Array]]:
    """Train on all but a held-out tenth of the sequences; return the best of several networks, as
    it was after its best epoch, and its held-out losses after each epoch up to that one.

    Each goes on until its loss no longer falls. One whose loss is far above the lowest after as
    many epochs as the patience is given up: early losses say little.
    """
    tenth = round(1 / HELD_OUT_SHARE)
    held_out = order[tenth // 2 :: tenth]
    others = np.setdiff1d(order, held_out)
    settings = next(iter(fittings.values())).settings
    trainings = {name: each.train(others, count()) for name, each in fittings.items()}
    losses: dict[str | None, list[Float64Array]] = {name: [] for name in fittings}
    snapshots: dict[str | None, list[Tensor]] = {}

    def best(name: str | None) -> int:
        return int(np.argmin(_averaged(losses[name])))

    def lowest(name: str | None) -> float:
        return float(_averaged(losses[name]).min())

    for epoch in shown:
        for name, training in trainings.items():
            next(training)
            losses[name].append(fittings[name].loss(held_out))
            if best(name) == epoch:
                snapshots[name] = fittings[name].snapshot()
        leader = min(fittings, key=lowest)
        far = math.inf if epoch + 1 < settings.patience else FAR * lowest(leader)
        trainings = {
            name: training
            for name, training in trainings.items()
            if epoch - best(name) < settings.patience and lowest(name) <= far
        }
        if not trainings:
            break
    fittings[leader].restore(snapshots[leader])
    return leader, losses[leader][: best(leader) + 1]


def _averaged(losses: list[Float64Array]) -> Float64Array:
    """Return the mean of the losses of each epoch and of those just before it."""
    means = np.array([each.mean() for each in losses])
    averages = [means[max(end - AVERAGED, 0) : end].mean() for end in range(1, len(means) + 1)]
    return np.array(averages)


def _shown(epochs: int, what: str, verbose: bool) -> Iterable[int]:
    """Return the numbers of the epochs, with a progress bar if `verbose`."""
    if not verbose:
        return range(epochs)
    from tqdm.auto import tqdm

    return tqdm(range(epochs), desc=what, unit="epoch")


def make_network(
    config: NetworkConfig,
    *,
    kernel: str = "fused",
    dropout: float = 0.0,
    generator: torch.Generator | None = None,
    tensors: Tensors | None = None,
) -> ManyToOne | ManyToMany:
    """Build the network of an estimator, with given weights, or with fresh ones. Without pooling,
    it has outputs at each step."""
    stack = stack_config(config, dropout)
    build = partial(ManyToOne, pooling=config.pooling) if config.pooling else ManyToMany
    network = build(stack, outputs=config.outputs, kernel=kernel, generator=generator)
    if tensors is not None:
        load_tensors(network, tensors)
    return network


def stack_config(config: NetworkConfig, dropout: float) -> StackConfig:
    """Return the sizes of the stacked cells of a network."""
    return StackConfig(
        cell=config.cell,
        input_size=config.input_size,
        hidden_size=config.hidden_size,
        layers=config.layers,
        dropout=dropout,
        bidirectional=config.bidirectional,
    )


def load_tensors(network: torch.nn.Module, tensors: Tensors) -> None:
    """Give a network the weights in arrays, by name."""
    network.load_state_dict(
        {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    )


def tensors_of(network: torch.nn.Module) -> dict[str, Float32Array]:
    """Return a network's weights by name, as arrays."""
    return {
        name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()
    }


def as_batch(
    sequences: Sequences, chosen: Int64Array, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Pad some sequences to (T, B, E), with their lengths (B,), or None if all are equal."""
    batch = torch.from_numpy(sequences.padded(chosen)).to(device)
    lengths = sequences.lengths[chosen]
    if (lengths == len(batch)).all():
        return batch, None
    return batch, torch.from_numpy(lengths).to(device)
