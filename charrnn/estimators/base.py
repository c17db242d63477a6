"""RecurrentEstimator: the base class of the classifier and the regressor of vector sequences.

Both have the interface of scikit-learn's estimators (`fit`, `predict`, `score`, `get_params`), so
that they work in its pipelines, searches and cross-validation; neither needs scikit-learn.

Legend: N sequences, T steps, E numbers of a step, B batch, K outputs.
"""

import inspect
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from charrnn.ambient import as_usual
from charrnn.array_types import Float32Array, Float64Array, Int64Array
from charrnn.errors import ConfigError, ModelError
from charrnn.estimators.arrays import Array
from charrnn.estimators.defaults import Settings, choose_settings
from charrnn.estimators.engine import VectorEngine
from charrnn.estimators.network_config import NetworkConfig
from charrnn.estimators.parameters import check_parameters
from charrnn.estimators.scikit_learn import not_fitted
from charrnn.estimators.sequences import Sequences, Targets, read_sequences
from charrnn.estimators.storage import (
    StoredEstimator,
    numbers_from_json,
    read_estimator,
    write_estimator,
)
from charrnn.storage.model_directory import CONFIG

if TYPE_CHECKING:
    from torch import Tensor

    from charrnn.model.many_to_one import ManyToOne


class RecurrentEstimator:
    """The base class of RecurrentRegressor and RecurrentClassifier, which add targets and
    losses."""

    estimator_type: str
    few_dropout: float
    """The dropout of few sequences; see choose_settings."""

    tensors_: dict[str, Float32Array]
    network_config_: NetworkConfig
    settings_: Settings

    def __init__(
        self,
        *,
        input_size: int | None = None,
        hidden_size: int | None = None,
        cell: str = "lstm",
        layers: int = 1,
        bidirectional: bool = True,
        pooling: str | None = None,
        dropout: float | None = None,
        optimizer: str = "adamw",
        learning_rate: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        clip: float | None = 1.0,
        standardize: bool = True,
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
        self.standardize = standardize
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
        check_parameters(self.get_params())

    # Fitting

    @as_usual
    def fit(
        self, X: Any, y: Any, *, resume_from: "RecurrentEstimator | Path | str | None" = None
    ) -> Self:
        """Fit the network to sequences, from fresh weights or from those of another fit.

        PyTorch's global random state and number of threads do not change.

        Args:
            X: an array (N, T, E), or N arrays (T, E) that may differ in T.
            y: the N targets.
            resume_from: a fitted estimator of the same class, or the directory of one. The fit
                begins with its weights, and keeps its sizes, its pooling, its classes and its
                scaling, whatever the parameters are. None draws fresh weights.

        Raises:
            ConfigError: when a parameter, a shape or a number is not valid.
            ModelError: when the directory `resume_from` is not one of such an estimator.
            DivergedError: when the loss is no longer finite; the earlier fit, if any, is kept.
        """
        self._check_params()
        if y is None:
            raise ConfigError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        before = None if resume_from is None else self._earlier(resume_from)
        size = self.input_size if before is None else before.n_features_in_
        sequences = read_sequences(X, size)
        fitted, targets = self._read_targets(y, len(sequences), before)
        fitted["n_features_in_"] = sequences.size
        fitted["input_mean_"], fitted["input_scale_"] = self._scaling(sequences, before)
        sequences = sequences.scaled(fitted["input_mean_"], fitted["input_scale_"])
        outputs = self._output_size(fitted)
        settings = self._settings(sequences, outputs, before)
        config = NetworkConfig(
            cell=self.cell,
            input_size=sequences.size,
            hidden_size=settings.hidden_size,
            layers=int(self.layers),
            bidirectional=bool(self.bidirectional),
            pooling=settings.poolings[0],
            outputs=outputs,
        )
        if before is not None:
            config = before.network_config_
        from charrnn.estimators.fitting import fit_network

        learned = fit_network(
            config,
            settings,
            sequences,
            targets,
            self._losses,
            optimizer=self.optimizer,
            clip=None if self.clip is None else float(self.clip),
            seed=self.random_state,
            device=self.device,
            verbose=bool(self.verbose),
            begin=None if before is None else before.tensors_,
        )
        fitted["losses_"] = [self._report(loss, fitted) for loss in learned.losses]
        fitted["validation_losses_"] = [
            self._report(loss, fitted) for loss in learned.validation_losses
        ]
        fitted.update(
            tensors_=learned.tensors,
            network_config_=replace(config, pooling=learned.pooling),
            settings_=settings,
        )
        for name, value in fitted.items():
            setattr(self, name, value)
        self._engine = VectorEngine(self.network_config_, self.tensors_)
        return self

    def _shuffled(self, ranks: Array) -> Int64Array:
        """Return the places of the targets in an order in which every tenth is a fair sample:
        shuffled, then by their rank (N,)."""
        shuffled = np.random.default_rng(self.random_state).permutation(len(ranks))
        ordered: Int64Array = shuffled[np.argsort(ranks[shuffled], kind="stable")]
        return ordered

    def _earlier(self, resume_from: "RecurrentEstimator | Path | str") -> Self:
        """Return the fitted estimator that is resumed. Raises ConfigError for another class."""
        if isinstance(resume_from, str | Path):
            return type(self).load(resume_from)
        if not isinstance(resume_from, type(self)):
            raise ConfigError(
                f"resume_from is a {type(resume_from).__name__}: give a fitted "
                f"{type(self).__name__}, or its directory"
            )
        resume_from._check_fitted()
        return resume_from

    def _scaling(self, sequences: Sequences, before: Self | None) -> tuple[Any, Any]:
        """Return the mean and the scale (E,) of the numbers of a step."""
        if before is not None:
            return before.input_mean_, before.input_scale_
        if self.standardize:
            return sequences.scaling()
        return np.zeros(sequences.size), np.ones(sequences.size)

    def _settings(self, sequences: Sequences, outputs: int, before: Self | None) -> Settings:
        """Return the given settings, and those that are chosen for the data."""
        hidden_size, pooling = _whole(self.hidden_size), self.pooling
        if before is not None:
            hidden_size = before.network_config_.hidden_size
            pooling = before.network_config_.pooling
        return choose_settings(
            sequences,
            outputs=outputs,
            dropout=self.few_dropout,
            hidden_size=hidden_size,
            pooling=pooling,
            given_dropout=None if self.dropout is None else float(self.dropout),
            batch_size=_whole(self.batch_size),
            learning_rate=None if self.learning_rate is None else float(self.learning_rate),
            epochs=_whole(self.epochs),
        )

    # Predicting

    @property
    def network_(self) -> "ManyToOne":
        """The fitted network as a module of PyTorch, which reads standardized sequences."""
        from charrnn.estimators.fitting import make_network

        self._check_fitted()
        return make_network(self.network_config_, tensors=self.tensors_).eval()

    def _check_fitted(self) -> None:
        if not hasattr(self, "tensors_"):
            raise not_fitted(f"this {type(self).__name__} has learned nothing yet: call fit first")

    @as_usual
    def _predict(self, X: Any) -> Float64Array:
        """Compute the outputs of the network for each sequence, (N, K). Raises NotFittedError."""
        self._check_fitted()
        sequences = read_sequences(X, self.n_features_in_)
        sequences = sequences.scaled(self.input_mean_, self.input_scale_)
        return self._engine.answers(sequences).astype(np.float64)

    _engine: VectorEngine
    n_features_in_: int
    losses_: list[float]
    validation_losses_: list[float]
    input_mean_: Float64Array
    input_scale_: Float64Array

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle or a copy needs: the engine is made of the weights."""
        return {name: value for name, value in vars(self).items() if name != "_engine"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what `__getstate__` returned."""
        vars(self).update(state)
        if "tensors_" in state:
            self._engine = VectorEngine(self.network_config_, self.tensors_)

    # Storage

    def save(self, directory: Path | str) -> None:
        """Write the fitted estimator to a directory, or replace one: config.json and
        model.safetensors, nothing in which can run.

        Raises NotFittedError, StorageError; ConfigError for a parameter or a class that cannot be
        saved.
        """
        self._check_fitted()
        fitted = {
            "input_mean": self.input_mean_.tolist(),
            "input_scale": self.input_scale_.tolist(),
            "losses": self.losses_,
            "validation_losses": self.validation_losses_,
            **self._fitted_to_json(),
        }
        stored = StoredEstimator(
            type(self).__name__, self.get_params(), self.network_config_, self.tensors_, fitted
        )
        write_estimator(Path(directory), stored)

    @classmethod
    def load(cls, directory: Path | str) -> Self:
        """Read a fitted estimator that `save` wrote. It predicts the same numbers to the last bit,
        without PyTorch.

        Raises ModelError where the directory is damaged, or has another estimator.
        """
        return cls._of(read_estimator(Path(directory)), Path(directory) / CONFIG)

    @classmethod
    def _of(cls, stored: StoredEstimator, path: Path) -> Self:
        if stored.estimator != cls.__name__:
            raise ModelError(
                f"{path}: the estimator is a {stored.estimator:.100}, not a {cls.__name__}"
            )
        if set(stored.parameters) != set(cls._names()):
            raise ModelError(f"{path}: its parameters are not those of a {cls.__name__}")
        loaded = cls(**stored.parameters)
        try:
            loaded._check_params()
        except ConfigError as error:
            raise ModelError(f"{path}: parameters: {error}") from error
        data, size = dict(stored.fitted), stored.network.input_size
        where = f"{path}: fitted"
        missing = {"input_mean", "input_scale", "losses", "validation_losses"} - data.keys()
        if missing or stored.network.pooling is None:
            raise ModelError(f"{where}: {', '.join(sorted(missing)) or 'pooling'} is missing")
        loaded.input_mean_ = numbers_from_json(data.pop("input_mean"), where, size)
        loaded.input_scale_ = numbers_from_json(data.pop("input_scale"), where, size)
        if (loaded.input_scale_ <= 0).any():
            raise ModelError(f"{where}: input_scale is not above 0")
        loaded.losses_ = numbers_from_json(data.pop("losses"), where).tolist()
        validation_losses = data.pop("validation_losses")
        loaded.validation_losses_ = numbers_from_json(validation_losses, where).tolist()
        loaded.n_features_in_ = size
        loaded.network_config_, loaded.tensors_ = stored.network, dict(stored.tensors)
        loaded._engine = VectorEngine(loaded.network_config_, loaded.tensors_)
        for name, value in cls._fitted_from_json(data, stored.network.outputs, where).items():
            setattr(loaded, name, value)
        return loaded

    # Differences between the classifier and the regressor

    def _read_targets(self, y: Any, count: int, before: Any) -> tuple[dict[str, Any], Targets]:
        """Validate y; return the fitted attributes that it sets, and the network's targets. They
        are those of the fit `before`, if there is one."""
        raise NotImplementedError

    def _fitted_to_json(self) -> dict[str, Any]:
        """Return what was learned of the targets, as JSON."""
        raise NotImplementedError

    @staticmethod
    def _fitted_from_json(data: dict[str, Any], outputs: int, where: str) -> dict[str, Any]:
        """Return the fitted attributes of `_fitted_to_json`. Raises ModelError."""
        raise NotImplementedError

    def _output_size(self, fitted: dict[str, Any]) -> int:
        """Return K from the fitted attributes."""
        raise NotImplementedError

    @staticmethod
    def _losses(outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """Compute the losses (B, K or 1) of outputs (B, K) and targets (B, ...)."""
        raise NotImplementedError

    def _report(self, losses: Float64Array, fitted: dict[str, Any]) -> float:
        """Convert the mean losses of an epoch to one number, in the unit of `losses_`."""
        raise NotImplementedError


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
