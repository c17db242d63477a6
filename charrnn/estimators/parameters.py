"""Validation of the parameters of estimators. No torch."""

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final

import numpy as np

from charrnn.errors import ConfigError
from charrnn.model.config import GATES, POOLINGS
from charrnn.storage.model_directory import Model

OPTIMIZERS: Final = ("adamw", "rmsprop")


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise ConfigError for a parameter of a RecurrentEstimator that is out of range; None, where
    it is allowed, is chosen by `fit`."""
    check_whole("layers", parameters["layers"], 1)
    for name in ("input_size", "hidden_size", "epochs", "batch_size", "random_state"):
        if parameters[name] is not None:
            check_whole(name, parameters[name], 0 if name == "random_state" else 1)
    choices = {"cell": tuple(GATES), "pooling": POOLINGS, "optimizer": OPTIMIZERS}
    if parameters["pooling"] is None:
        del choices["pooling"]
    for name, known in choices.items():
        check_choice(name, parameters[name], known)
    for name in ("bidirectional", "standardize", "verbose"):
        if not isinstance(parameters[name], bool | np.bool_ | int):
            raise ConfigError(f"{name} {parameters[name]!r}: choose True or False")
    if parameters["dropout"] is not None:
        check_dropout(parameters["dropout"])
    for name in ("learning_rate", "clip"):
        value = parameters[name]
        if value is not None and not (isinstance(value, Real) and 0 < float(value) < math.inf):
            raise ConfigError(f"{name} {value!r}: choose a number above 0")
    check_device(parameters["device"])


def check_transcription(parameters: Mapping[str, Any]) -> None:
    """Raise ConfigError for a parameter that only RecurrentTranscriber has, and is out of range."""
    check_whole("beam_width", parameters["beam_width"], 1)
    if parameters["subsampling"] is not None:
        check_whole("subsampling", parameters["subsampling"], 1)
    weight, model = parameters["language_model_weight"], parameters["language_model"]
    if weight is not None and not (isinstance(weight, Real) and 0 <= float(weight) < math.inf):
        raise ConfigError(f"language_model_weight {weight!r}: choose a number from 0 on")
    if not isinstance(model, str | Path | Model | None):
        raise ConfigError(
            f"language_model {model!r:.40}: choose the name of a run, a directory or a Model"
        )


def check_choice(name: str, value: Any, known: Sequence[str]) -> None:
    """Raise ConfigError unless a value is one of the known names."""
    if not (isinstance(value, str) and value in known):
        raise ConfigError(f"{name} {value!r}: choose from {', '.join(known)}")


def check_dropout(value: Any) -> None:
    """Raise ConfigError unless a value is a share below 1."""
    if not (isinstance(value, Real) and 0 <= float(value) < 1):
        raise ConfigError(f"dropout {value!r}: choose from 0 up to (not including) 1")


def check_device(value: Any) -> None:
    """Raise ConfigError unless a value may name a device of PyTorch."""
    if not isinstance(value, str):
        raise ConfigError(f"device {value!r}: choose a device of PyTorch, or 'auto'")


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise ConfigError unless a value is a whole number that is large enough."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} {value!r}: choose a whole number from {least} on")
