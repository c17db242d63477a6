"""The settings of a forecaster: validation, and the choice of those that are None. No torch.

Legend: T steps, H hidden, B windows of a batch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final

import numpy as np

from charrnn.errors import ConfigError
from charrnn.estimators.forecasting.network_config import LIKELIHOODS
from charrnn.estimators.forecasting.rules import DIFFERENCES
from charrnn.estimators.forecasting.transforms import POWERS
from charrnn.estimators.parameters import check_choice, check_device, check_dropout, check_whole
from charrnn.model.config import GATES

SIZES: Final = (16, 64)
"""The smallest and the largest hidden size that is chosen."""


@dataclass(frozen=True)
class Settings:
    """The settings of a fit.

    Attributes:
        hidden_size: H.
        dropout, learning_rate, weight_decay, clip: see RecurrentForecaster.
        batch_size: B.
        epochs: the passes over all windows; None: as many as the held-out end asks for.
        longest: the most epochs where they are measured.
        patience: the epochs without a better held-out loss after which measuring ends.
    """

    hidden_size: int
    dropout: float
    learning_rate: float
    weight_decay: float
    clip: float | None
    batch_size: int
    epochs: int | None
    longest: int = 300
    patience: int = 30


def choose_settings(parameters: Mapping[str, Any], steps: int) -> Settings:
    """Return the settings of a fit of series with some steps in all: the network grows with their
    square root, so that its weights grow as they do."""
    size = parameters["hidden_size"]
    if size is None:
        size = min(max(2 ** round(math.log2(0.7 * math.sqrt(steps))), SIZES[0]), SIZES[1])
    epochs, clip = parameters["epochs"], parameters["clip"]
    return Settings(
        hidden_size=int(size),
        dropout=float(parameters["dropout"]),
        learning_rate=float(parameters["learning_rate"]),
        weight_decay=float(parameters["weight_decay"]),
        clip=None if clip is None else float(clip),
        batch_size=int(parameters["batch_size"]),
        epochs=None if epochs is None else int(epochs),
    )


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise ConfigError for a parameter of a RecurrentForecaster that is out of range; None, where
    it is allowed, is chosen by `fit`."""
    for name in ("layers", "members", "batch_size"):
        check_whole(name, parameters[name], 1)
    for name, least in (
        ("hidden_size", 1),
        ("epochs", 0),
        ("season_length", 1),
        ("random_state", 0),
    ):
        if parameters[name] is not None:
            check_whole(name, parameters[name], least)
    choices = {"cell": tuple(GATES), "likelihood": LIKELIHOODS}
    if parameters["differences"] is not None:
        choices["differences"] = tuple(DIFFERENCES)
    for name, known in choices.items():
        check_choice(name, parameters[name], known)
    if not isinstance(parameters["verbose"], bool | np.bool_):
        raise ConfigError(f"verbose {parameters['verbose']!r}: choose True or False")
    power = parameters["power"]
    if power is not None and not (isinstance(power, Real) and float(power) in POWERS):
        raise ConfigError(f"power {power!r}: choose from 0 (log), 0.5 (square root), 1 (neither)")
    check_dropout(parameters["dropout"])
    for name in ("learning_rate", "weight_decay", "clip"):
        value = parameters[name]
        if value is None and name == "clip":
            continue
        smallest = 0.0 if name == "weight_decay" else math.ulp(0.0)
        if not isinstance(value, Real) or not smallest <= float(value) < math.inf:
            raise ConfigError(f"{name} {value!r}: choose a number above 0")
    check_device(parameters["device"])
