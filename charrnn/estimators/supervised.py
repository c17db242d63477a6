"""SequenceEstimator: the base class of the estimators that map sequences of vectors to targets.

Legend: N sequences, T steps, E numbers of a step, B batch, K outputs.
"""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from charrnn.ambient import as_usual
from charrnn.array_types import Float64Array, Int64Array
from charrnn.errors import ConfigError, ModelError
from charrnn.estimators.arrays import Array
from charrnn.estimators.base import RecurrentEstimator
from charrnn.estimators.defaults import Settings, choose_settings
from charrnn.estimators.engine import VectorEngine
from charrnn.estimators.network_config import NetworkConfig
from charrnn.estimators.parameters import check_parameters
from charrnn.estimators.sequences import Sequences, Targets, read_sequences
from charrnn.estimators.storage import numbers_from_json

if TYPE_CHECKING:
    from torch import Tensor

    from charrnn.model.many_to_many import ManyToMany
    from charrnn.model.many_to_one import ManyToOne


class SequenceEstimator(RecurrentEstimator):
    """The base class of RecurrentRegressor, RecurrentClassifier and RecurrentTranscriber, which add
    targets and losses."""

    estimator_type: str | None
    """scikit-learn's word for it, if it has one."""
    few_dropout: float
    """The dropout of few sequences; see choose_settings."""

    readout_scale: float = 1.0
    """See `fit_network`."""

    settings_: Settings
    n_features_in_: int
    losses_: list[float]
    validation_losses_: list[float]
    input_mean_: Float64Array
    input_scale_: Float64Array

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

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn (1.6 or newer), which is installed if it calls
        this."""
        utils = import_module("sklearn.utils")
        kind = self.estimator_type
        return utils.Tags(
            estimator_type=kind,
            target_tags=utils.TargetTags(required=True, multi_output=kind == "regressor"),
            regressor_tags=utils.RegressorTags() if kind == "regressor" else None,
            classifier_tags=utils.ClassifierTags() if kind == "classifier" else None,
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
        sequences = self._join_steps(sequences, targets, fitted, before)
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
            held_out=self._held_out(targets),
            readout_scale=self.readout_scale,
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
    def network_(self) -> "ManyToOne | ManyToMany":
        """The fitted network as a module of PyTorch, which reads standardized sequences."""
        from charrnn.estimators.fitting import make_network

        self._check_fitted()
        return make_network(self.network_config_, tensors=self.tensors_).eval()

    @as_usual
    def _predict(self, X: Any) -> Float64Array:
        """Compute the outputs of the network for each sequence, (N, K). Raises NotFittedError."""
        self._check_fitted()
        sequences = read_sequences(X, self.n_features_in_)
        sequences = sequences.scaled(self.input_mean_, self.input_scale_)
        return self._engine.answers(sequences).astype(np.float64)

    # Storage

    def _fitted_to_json(self) -> dict[str, Any]:
        return {
            "input_mean": self.input_mean_.tolist(),
            "input_scale": self.input_scale_.tolist(),
            "losses": self.losses_,
            "validation_losses": self.validation_losses_,
            **self._targets_to_json(),
        }

    def _restore_fitted(self, data: dict[str, Any], where: str) -> None:
        missing = {"input_mean", "input_scale", "losses", "validation_losses"} - data.keys()
        if missing:
            raise ModelError(f"{where}: {', '.join(sorted(missing))} is missing")
        size = self._features_in(data, where)
        self.input_mean_ = numbers_from_json(data.pop("input_mean"), where, size)
        self.input_scale_ = numbers_from_json(data.pop("input_scale"), where, size)
        if (self.input_scale_ <= 0).any():
            raise ModelError(f"{where}: input_scale is not above 0")
        self.losses_ = numbers_from_json(data.pop("losses"), where).tolist()
        validation_losses = data.pop("validation_losses")
        self.validation_losses_ = numbers_from_json(validation_losses, where).tolist()
        self.n_features_in_ = size
        restored = self._targets_from_json(data, self.network_config_.outputs, where)
        for name, value in restored.items():
            setattr(self, name, value)

    def _features_in(self, data: dict[str, Any], where: str) -> int:
        """Return E from `network_config_` and from JSON. Raises ModelError."""
        if self.network_config_.pooling is None:
            raise ModelError(f"{where}: pooling is missing")
        return self.network_config_.input_size

    # Differences between the estimators

    def _join_steps(
        self, sequences: Sequences, targets: Targets, fitted: dict[str, Any], before: Self | None
    ) -> Sequences:
        """Return the sequences that the network reads, of standardized ones."""
        return sequences

    def _held_out(self, targets: Targets) -> Int64Array | None:
        """Return the places of the sequences that are measured and not learned; see
        `fit_network`."""
        return None

    def _read_targets(self, y: Any, count: int, before: Any) -> tuple[dict[str, Any], Targets]:
        """Validate y; return the fitted attributes that it sets, and the network's targets. They
        are those of the fit `before`, if there is one."""
        raise NotImplementedError

    def _targets_to_json(self) -> dict[str, Any]:
        """Return what was learned of the targets, as JSON."""
        raise NotImplementedError

    @staticmethod
    def _targets_from_json(data: dict[str, Any], outputs: int, where: str) -> dict[str, Any]:
        """Return the fitted attributes of `_targets_to_json`. Raises ModelError."""
        raise NotImplementedError

    def _output_size(self, fitted: dict[str, Any]) -> int:
        """Return K from the fitted attributes."""
        raise NotImplementedError

    @staticmethod
    def _losses(outputs: "Tensor", targets: "Tensor", lengths: "Tensor | None") -> "Tensor":
        """Compute the losses; see Losses."""
        raise NotImplementedError

    def _report(self, losses: Float64Array, fitted: dict[str, Any]) -> float:
        """Convert the mean losses of an epoch to one number, in the unit of `losses_`."""
        raise NotImplementedError


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
