"""RecurrentEstimator: the base class of the classifier and the regressor of vector sequences.

Both have the interface of scikit-learn's estimators (`fit`, `predict`, `score`, `get_params`), so
that they work in its pipelines, searches and cross-validation; neither needs scikit-learn.

Legend: N sequences, T steps, E numbers of a step, B batch, K outputs.
"""

import inspect
import math
from collections.abc import Callable
from functools import partial
from importlib import import_module
from numbers import Integral, Real
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.ambient import as_usual
from charrnn.errors import ConfigError, DivergedError
from charrnn.estimators.scikit_learn import not_fitted
from charrnn.estimators.sequences import Sequences, read_sequences
from charrnn.forks import forked
from charrnn.model.config import GATES, POOLINGS
from charrnn.model.many_to_one import ManyToOne
from charrnn.model.recurrent import StackConfig
from charrnn.training.learner import threads
from charrnn.training.loss import BETAS
from charrnn.training.probe import choose_device, kernels, usual_threads

OPTIMIZERS: Final[dict[str, Callable[..., torch.optim.Optimizer]]] = {
    # Loshchilov & Hutter, 2019, with the settings of the text trainer.
    "adamw": partial(torch.optim.AdamW, betas=BETAS, weight_decay=0.0),
    # Hinton's lecture of 2012, with averages over about a hundred steps.
    "rmsprop": torch.optim.RMSprop,
}


class RecurrentEstimator:
    """The base class of RecurrentRegressor and RecurrentClassifier, which add targets and
    losses."""

    estimator_type: str

    def __init__(
        self,
        *,
        input_size: int | None = None,
        hidden_size: int = 32,
        cell: str = "lstm",
        layers: int = 1,
        bidirectional: bool = False,
        pooling: str = "last",
        dropout: float = 0.0,
        optimizer: str = "adamw",
        learning_rate: float = 3e-3,
        epochs: int = 10,
        batch_size: int = 32,
        clip: float | None = 1.0,
        random_state: int | None = 0,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        # By scikit-learn's rule, `fit` validates the parameters and the constructor does not.
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.cell = cell
        self.layers = layers
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.clip = clip
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    # Parameters

    @classmethod
    def _names(cls) -> list[str]:
        return sorted(set(inspect.signature(cls.__init__).parameters) - {"self"})

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name. No parameter is an estimator, so `deep` makes no
        difference."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters for the next `fit`. Raises ConfigError for an unknown one."""
        names = self._names()
        for name in params:
            if name not in names:
                raise ConfigError(f"no parameter {name!r}: choose from {', '.join(names)}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        parameters = inspect.signature(type(self)).parameters
        given = {
            name: value
            for name, value in self.get_params().items()
            if value != parameters[name].default
        }
        shown = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return f"{type(self).__name__}({shown})"

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn (1.6 or newer), which is installed if it calls
        this."""
        utils = import_module("sklearn.utils")
        regressor = self.estimator_type == "regressor"
        return utils.Tags(
            estimator_type=self.estimator_type,
            target_tags=utils.TargetTags(required=True, multi_output=regressor),
            regressor_tags=utils.RegressorTags() if regressor else None,
            classifier_tags=None if regressor else utils.ClassifierTags(),
            input_tags=utils.InputTags(two_d_array=False, three_d_array=True),
        )

    def _check_params(self) -> None:
        for name in ("hidden_size", "layers", "epochs", "batch_size"):
            _check_whole(name, getattr(self, name), 1)
        if self.input_size is not None:
            _check_whole("input_size", self.input_size, 1)
        if self.random_state is not None:
            _check_whole("random_state", self.random_state, 0)
        choices = {"cell": GATES, "pooling": POOLINGS, "optimizer": OPTIMIZERS}
        for name, known in choices.items():
            value = getattr(self, name)
            if not (isinstance(value, str) and value in known):
                raise ConfigError(f"{name} {value!r}: choose from {', '.join(known)}")
        for name in ("bidirectional", "verbose"):
            if not isinstance(getattr(self, name), bool | np.bool_ | int):
                raise ConfigError(f"{name} {getattr(self, name)!r}: choose True or False")
        if not (isinstance(self.dropout, Real) and 0 <= self.dropout < 1):
            raise ConfigError(f"dropout {self.dropout!r}: choose from 0 up to (not including) 1")
        for name in ("learning_rate", "clip"):
            value = getattr(self, name)
            if name == "clip" and value is None:
                continue
            if not (isinstance(value, Real) and 0 < value < math.inf):
                raise ConfigError(f"{name} {value!r}: choose a number above 0")

    # Fitting

    @as_usual
    def fit(self, X: Any, y: Any) -> Self:
        """Fit the network to sequences, from fresh weights.

        PyTorch's global random state and number of threads do not change.

        Args:
            X: an array (N, T, E), or N arrays (T, E) that may differ in T.
            y: the N targets.

        Raises:
            ConfigError: when a parameter, a shape or a number is not valid.
            DivergedError: when the loss is no longer finite; the earlier fit, if any, is kept.
        """
        self._check_params()
        if y is None:
            raise ConfigError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        sequences = read_sequences(X, self.input_size)
        fitted, targets = self._read_targets(y, len(sequences))
        random = np.random.default_rng(self.random_state)
        device = choose_device(self.device)
        kernel = kernels(device, self.cell, "fp32")[0]
        count = usual_threads(device, kernel, self.cell, self.hidden_size)
        with threads(count):
            stack = StackConfig(
                cell=self.cell,
                input_size=sequences.size,
                hidden_size=int(self.hidden_size),
                layers=int(self.layers),
                dropout=float(self.dropout),
                bidirectional=bool(self.bidirectional),
            )
            network = ManyToOne(
                stack,
                outputs=self._output_size(fitted),
                pooling=self.pooling,
                kernel=kernel,
                generator=torch.Generator().manual_seed(int(random.integers(2**63))),
            ).to(device)
            losses = self._train(network, sequences, targets.to(device), random)
        self.n_features_in_ = sequences.size
        self.network_ = network.eval()
        self.threads_ = count
        self.losses_ = [self._report(loss, fitted) for loss in losses]
        for name, value in fitted.items():
            setattr(self, name, value)
        return self

    def _train(
        self, network: ManyToOne, sequences: Sequences, targets: Tensor, random: np.random.Generator
    ) -> list[npt.NDArray[np.float64]]:
        """Train the network; return the mean losses (K or 1,) during each epoch."""
        network.train()
        optimizer = OPTIMIZERS[self.optimizer](network.parameters(), lr=float(self.learning_rate))
        masks = torch.Generator(targets.device).manual_seed(int(random.integers(2**63)))
        epochs = []
        for epoch in self._progress(int(self.epochs)):
            total = torch.zeros((), device=targets.device)
            for chosen in sequences.shuffled(int(self.batch_size), random):
                outputs = network(*_batch(sequences, chosen, targets.device), generator=masks)
                losses = self._losses(outputs, targets[torch.from_numpy(chosen)])  # (B, K or 1)
                optimizer.zero_grad(set_to_none=True)
                losses.mean().backward()  # type: ignore[no-untyped-call]
                limit = math.inf if self.clip is None else float(self.clip)
                torch.nn.utils.clip_grad_norm_(network.parameters(), limit)
                optimizer.step()
                total = total + losses.detach().sum(0)
            loss = total.double().cpu().numpy() / len(sequences)
            if not np.isfinite(loss).all():
                raise DivergedError(
                    f"epoch {epoch + 1}: the loss is {loss.max():.3g}; choose a learning_rate "
                    f"below {self.learning_rate:g}"
                )
            epochs.append(loss)
        return epochs

    def _progress(self, epochs: int) -> Any:
        """Iterate over the numbers of the epochs, with a progress bar if `verbose`."""
        if not self.verbose:
            return range(epochs)
        from tqdm.auto import tqdm

        return tqdm(range(epochs), unit="epoch")

    # Predicting

    @as_usual
    def _predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Compute the outputs of the network for each sequence, (N, K). Raises NotFittedError."""
        if not hasattr(self, "network_"):
            raise not_fitted(f"this {type(self).__name__} has learned nothing yet: call fit first")
        sequences = read_sequences(X, self.n_features_in_)
        device = self.network_.head.bias.device
        outputs = np.empty((len(sequences), self.network_.head.out_features))
        with threads(1 if forked() else self.threads_), torch.inference_mode():
            for chosen in sequences.sorted(int(self.batch_size)):
                batch = self.network_(*_batch(sequences, chosen, device))
                outputs[chosen] = batch.cpu().numpy()
        return outputs

    # Differences between the classifier and the regressor

    def _read_targets(self, y: Any, count: int) -> tuple[dict[str, Any], Tensor]:
        """Validate y; return the fitted attributes that it sets, and the network's targets (N,
        ...)."""
        raise NotImplementedError

    def _output_size(self, fitted: dict[str, Any]) -> int:
        """Return K from the fitted attributes."""
        raise NotImplementedError

    def _losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the losses (B, K or 1) of outputs (B, K) and targets (B, ...)."""
        raise NotImplementedError

    def _report(self, losses: npt.NDArray[np.float64], fitted: dict[str, Any]) -> float:
        """Convert the mean losses of an epoch to one number, in the unit of `losses_`."""
        raise NotImplementedError


def _batch(
    sequences: Sequences, chosen: npt.NDArray[np.int64], device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Pad some sequences to (T, B, E), with their lengths (B,), or None if all are equal."""
    batch = torch.from_numpy(sequences.padded(chosen)).to(device)
    lengths = sequences.lengths[chosen]
    if (lengths == len(batch)).all():
        return batch, None
    return batch, torch.from_numpy(lengths).to(device)


def _check_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} {value!r}: choose a whole number from {least} on")
