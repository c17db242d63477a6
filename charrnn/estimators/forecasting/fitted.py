"""What a forecaster learned beside its weights, as JSON. No torch."""

from dataclasses import asdict
from typing import Any, Final

import numpy as np

from charrnn.errors import ModelError
from charrnn.estimators.forecasting.examples import choose_lags
from charrnn.estimators.forecasting.network_config import ForecastConfig
from charrnn.estimators.forecasting.series import SeriesList
from charrnn.estimators.forecasting.transforms import Transform
from charrnn.estimators.storage import numbers_from_json
from charrnn.storage.json_file import from_json

MOST_SAVED: Final = 1 << 18
"""The most numbers of series that are saved with a forecaster."""

_KEYS: Final = {"transforms", "losses", "validation_losses", "series", "single", "flat"}


def series_to_json(series: SeriesList | None) -> list[list[list[float]]] | None:
    """Return the values of series; None where they are too many."""
    if series is None or sum(each.size for each in series.values) > MOST_SAVED:
        return None
    return [each.tolist() for each in series.values]


def fitted_to_json(
    *,
    transforms: tuple[Transform, ...],
    losses: list[list[float]],
    validation_losses: list[list[float]],
    series: SeriesList | None,
    flat: bool,
) -> dict[str, Any]:
    """Return the fitted attributes of a forecaster."""
    return {
        "transforms": [asdict(each) for each in transforms],
        "losses": losses,
        "validation_losses": validation_losses,
        "series": series_to_json(series),
        "single": series is None or series.single,
        "flat": flat,
    }


def fitted_from_json(data: dict[str, Any], config: ForecastConfig, where: str) -> dict[str, Any]:
    """Return the fitted attributes of `fitted_to_json`. Raises ModelError."""
    if data.keys() != _KEYS:
        raise ModelError(f"{where}: expected the keys {', '.join(sorted(_KEYS))}")
    for name in ("single", "flat"):
        if not isinstance(data[name], bool):
            raise ModelError(f"{where}: {name} is {data[name]!a:.100}")
    if data["flat"] and config.variables != 1:
        raise ModelError(f"{where}: flat, with {config.variables} variables")
    transforms = tuple(
        from_json(Transform, each, where=f"{where}: transforms")
        for each in _list(data["transforms"], f"{where}: transforms")
    )
    if len({(each.power, each.season_length) for each in transforms}) != 1:
        raise ModelError(f"{where}: transforms: expected one season and one power")
    lags = choose_lags(transforms[0].season_length)
    if config.input_size != config.variables * len(lags) + config.covariates:
        raise ModelError(f"{where}: the network reads {config.input_size} numbers of a step")
    return {
        "transforms_": transforms,
        "lags_": lags,
        "losses_": _losses(data["losses"], config.members, f"{where}: losses"),
        "validation_losses_": _losses(
            data["validation_losses"], config.members, f"{where}: validation_losses"
        ),
        "series_": _series(data, config, where),
        "flat_": data["flat"],
    }


def _series(data: dict[str, Any], config: ForecastConfig, where: str) -> SeriesList | None:
    """Return the series of a fit, if they were saved."""
    if data["series"] is None:
        return None
    values = []
    for number, rows in enumerate(_list(data["series"], f"{where}: series")):
        what = f"{where}: series {number}"
        steps = [numbers_from_json(row, what, config.variables) for row in _list(rows, what)]
        values.append(np.array(steps))
    if data["single"] and len(values) != 1:
        raise ModelError(f"{where}: a single series, and {len(values)} series")
    return SeriesList(tuple(values), None, data["single"], data["flat"])


def _losses(data: object, members: int, what: str) -> list[list[float]]:
    losses = [numbers_from_json(each, what).tolist() for each in _list(data, what)]
    if len(losses) != members:
        raise ModelError(f"{what}: expected those of {members} members, found {len(losses)}")
    return losses


def _list(data: object, what: str) -> list[Any]:
    if not isinstance(data, list) or not data:
        raise ModelError(f"{what}: expected a list")
    return data
