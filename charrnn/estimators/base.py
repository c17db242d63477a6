"""RecurrentEstimator: the base class of all estimators of sequences of numbers.

They have the interface of scikit-learn's estimators (`fit`, `predict`, `score`, `get_params`), so
that they work in its pipelines, searches and cross-validation; none needs scikit-learn.
"""

import inspect
from pathlib import Path
from typing import Any, Self

from charrnn.array_types import Float32Array
from charrnn.errors import ConfigError, ModelError
from charrnn.estimators.engine import VectorEngine
from charrnn.estimators.network_config import NetworkConfig
from charrnn.estimators.scikit_learn import not_fitted
from charrnn.estimators.storage import StoredEstimator, read_estimator, write_estimator
from charrnn.storage.model_directory import CONFIG, Model


class RecurrentEstimator:
    """The base class: parameters, storage and pickles. Subclasses add `__init__`, whose arguments
    are the parameters, `fit` and `predict`."""

    tensors_: dict[str, Float32Array]
    network_config_: NetworkConfig

    _engine: VectorEngine

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
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in given.items())
        return f"{type(self).__name__}({shown})"

    def _check_params(self) -> None:
        """Validate the parameters. Raises ConfigError."""
        raise NotImplementedError

    # Fitted state

    def _check_fitted(self) -> None:
        if not hasattr(self, "tensors_"):
            raise not_fitted(f"this {type(self).__name__} has learned nothing yet: call fit first")

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

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle or a copy needs. What is private, such as the engine, is made of the
        rest."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

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
        write_estimator(Path(directory), self._stored())

    def _stored(self) -> StoredEstimator:
        return StoredEstimator(
            type(self).__name__,
            self.get_params(),
            self.network_config_,
            self.tensors_,
            self._fitted_to_json(),
        )

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
        loaded.network_config_, loaded.tensors_ = stored.network, dict(stored.tensors)
        loaded._restore_fitted(dict(stored.fitted), f"{path}: fitted")
        loaded._engine = VectorEngine(loaded.network_config_, loaded.tensors_)
        return loaded

    def _fitted_to_json(self) -> dict[str, Any]:
        """Return what was learned beside the weights, as JSON."""
        raise NotImplementedError

    def _restore_fitted(self, data: dict[str, Any], where: str) -> None:
        """Set what `_fitted_to_json` returned, after `network_config_` and `tensors_`. Raises
        ModelError."""
        raise NotImplementedError


def _shown(value: Any) -> str:
    """Return a parameter as code; of a model, whose weights would fill pages, what it read."""
    return f"<model of {value.provenance.corpus}>" if isinstance(value, Model) else repr(value)
