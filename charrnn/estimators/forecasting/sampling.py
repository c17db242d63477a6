"""Sample paths that continue a series. No torch.

Legend: T steps of the history, H horizon, N paths, V variables, C covariates, E inputs of a step, M
members.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from charrnn.array_types import Float64Array
from charrnn.errors import ModelError
from charrnn.estimators.forecasting.engine import MemberEngine, spread
from charrnn.estimators.forecasting.examples import CONTEXT, make_example
from charrnn.estimators.forecasting.transforms import Transform

LARGEST_NOISE: Final = 8.0
"""The largest noise, in units of the scale: the exponential of a variable of Student's t
distribution has no mean."""


def sample_paths(
    engines: Sequence[MemberEngine],
    transforms: Sequence[Transform],
    lags: Sequence[int],
    history: Float64Array,
    covariates: Float64Array | None,
    horizon: int,
    paths: int,
    seed: int,
) -> Float64Array:
    """Draw N paths (N, H, V) that continue a history (T, V) with covariates (T + H, C).

    Path number p is drawn by network number p modulo M with its own random numbers, so that it is
    the same among any number of paths. Raises ModelError where numbers overflow.
    """
    drawn = np.empty((paths, horizon, history.shape[1]))
    for member, engine in enumerate(engines[:paths]):
        numbers = range(member, paths, len(engines))
        transform = transforms[member % len(transforms)]
        noise = np.stack([_noise(seed, each, horizon, engine) for each in numbers], axis=1)
        with np.errstate(over="ignore"):  # infinities are refused below
            continued = _member_paths(engine, transform, lags, history, covariates, noise)
        drawn[member :: len(engines)] = continued.swapaxes(0, 1)
    if not np.isfinite(drawn).all():
        raise ModelError(
            "the forecast overflows: fit to a series without sudden jumps, with power=1, or with a "
            "shorter horizon"
        )
    return drawn


def _noise(seed: int, path: int, horizon: int, engine: MemberEngine) -> Float64Array:
    """Draw the noise (H, V) of a path: standard Gaussian, or Student's t. The first steps are the
    same for any H."""
    normal = np.random.default_rng([seed, path, 0])
    noise = normal.standard_normal((horizon, engine.config.variables))
    if engine.degrees is not None:
        gamma, half = np.random.default_rng([seed, path, 1]), engine.degrees.astype(np.float64) / 2
        noise /= np.sqrt(gamma.standard_gamma(half, noise.shape) / half)
    return np.clip(noise, -LARGEST_NOISE, LARGEST_NOISE)


def _member_paths(
    engine: MemberEngine,
    transform: Transform,
    lags: Sequence[int],
    history: Float64Array,
    covariates: Float64Array | None,
    noise: Float64Array,
) -> Float64Array:
    """Continue a history by one network, (H, N, V), with noise (H, N, V)."""
    horizon, lanes, variables = noise.shape
    transformed = transform.apply(history)
    example = make_example(transform, transformed, covariates, lags)
    states = engine.zero_states(1)
    engine.read(example.inputs[-CONTEXT:, None], states)
    states = spread(states, lanes)
    longest = max(lags)
    recent = np.zeros((longest, variables), np.float32)
    known = example.targets[-longest:]
    recent[longest - len(known) :] = known
    values = np.empty((longest + horizon, lanes, variables), np.float32)
    values[:longest] = recent[:, None]
    future = example.future  # (H, C)
    for step in range(horizon):
        inputs = [values[longest + step - lag] for lag in lags]
        if covariates is not None:
            inputs.append(np.broadcast_to(future[step], (lanes, future.shape[1])))
        location, scale = engine.read(np.concatenate(inputs, axis=1)[None], states)
        values[longest + step] = location[0] + scale[0] * noise[step]
    return transform.invert(values[longest:].astype(np.float64), transformed)
