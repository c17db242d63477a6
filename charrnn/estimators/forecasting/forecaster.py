"""RecurrentForecaster: predicts the distribution of the next steps of time series.

Legend: N series, T steps, V variables, C covariates, H horizon, E inputs of a step, M members.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from charrnn.ambient import as_usual
from charrnn.errors import ConfigError, ModelError
from charrnn.estimators.base import RecurrentEstimator
from charrnn.estimators.forecasting.engine import MemberEngine
from charrnn.estimators.forecasting.examples import choose_lags, make_example
from charrnn.estimators.forecasting.fitted import (
    fitted_from_json,
    fitted_to_json,
)
from charrnn.estimators.forecasting.forecast import check_quantiles, summarize
from charrnn.estimators.forecasting.network_config import ForecastConfig
from charrnn.estimators.forecasting.parameters import Settings, check_parameters, choose_settings
from charrnn.estimators.forecasting.rules import choose_transforms
from charrnn.estimators.forecasting.sampling import sample_paths
from charrnn.estimators.forecasting.series import SeriesList, check_transformable, read_series
from charrnn.estimators.forecasting.transforms import Transform
from charrnn.estimators.parameters import check_whole

LEAST_STEPS: Final = 8
"""The fewest steps of a series that a fit needs after those without a difference."""

LEAST_CONTINUED: Final = 2
"""The fewest that a series needs to be continued: one has no scale."""


class RecurrentForecaster(RecurrentEstimator):
    """A probabilistic forecaster of time series: an ensemble of recurrent networks, each of which
    reads the values so far and predicts the distribution of the next one (DeepAR: Salinas et al.,
    2020).

    >>> forecaster = charrnn.RecurrentForecaster()
    >>> forecast = forecaster.fit(series).predict(12)
    >>> forecast.mean, forecast[0.1], forecast[0.9]

    Each series is transformed so that it is stationary, by a power and differences; the members
    of the ensemble differ in these, and in their weights. Each series is standardized by itself, so
    that one fit learns from series of any level.

    Args:
        cell, layers, dropout: see ModelConfig.
        hidden_size: the size of a layer; None chooses it for the number of steps.
        members: M, the number of networks, each of which draws the same share of the sample paths.
        likelihood: the distribution of the next value: "student-t" or "gaussian".
        season_length: the steps of a season; 1 for none; None finds it by the autocorrelation.
        power: 0 takes the logarithm of the series, 0.5 the square root, 1 neither (Box & Cox,
            1964); None decides it by whether the series varies in proportion to its level.
        differences: "none", "first" or "seasonal"; None decides it by the strength of the season,
            and by the test of Kwiatkowski et al. (1992).
        learning_rate: the learning rate of AdamW.
        weight_decay: its weight decay.
        epochs: the passes over all series; None takes as many as predict the last fifth of the
            series best.
        batch_size: the windows of a batch.
        clip: the largest norm of a gradient; None is off.
        random_state: the seed of the weights. The same seed gives the same weights on the same
            machine; None gives other weights at every fit.
        device: a device of PyTorch, or "auto" for the best one.
        verbose: whether to show a progress bar (tqdm).

    Attributes:
        transforms_: the transforms, of which member number m takes number m modulo their number.
        season_length_: the steps of a season; 1 where there is none.
        lags_: the lags of the values that are read at each step.
        settings_: the settings of the fit, given or chosen.
        network_config_: the sizes of the networks.
        tensors_: their weights by name, as arrays.
        losses_: the negative log-likelihood of each epoch in nats for each transformed value, for
            each member.
        validation_losses_: the same of the held-out steps, before the first epoch and after each
            one up to the best; empty where `epochs` was given.
        series_: the series of the fit, which `predict` continues; None after loading where they
            were too large to be saved.
        flat_: whether they were arrays (T,).
    """

    network_type = ForecastConfig

    network_config_: ForecastConfig
    transforms_: tuple[Transform, ...]
    lags_: tuple[int, ...]
    settings_: Settings
    losses_: list[list[float]]
    validation_losses_: list[list[float]]
    series_: SeriesList | None
    flat_: bool

    _engine: list[MemberEngine]

    def __init__(
        self,
        *,
        cell: str = "gru",
        hidden_size: int | None = None,
        layers: int = 1,
        members: int = 6,
        dropout: float = 0.1,
        likelihood: str = "student-t",
        season_length: int | None = None,
        power: float | None = None,
        differences: str | None = None,
        learning_rate: float = 0.005,
        weight_decay: float = 0.01,
        epochs: int | None = None,
        batch_size: int = 32,
        clip: float | None = 1.0,
        random_state: int | None = 0,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        # By scikit-learn's rule, `fit` validates the parameters and the constructor does not.
        self.cell = cell
        self.hidden_size = hidden_size
        self.layers = layers
        self.members = members
        self.dropout = dropout
        self.likelihood = likelihood
        self.season_length = season_length
        self.power = power
        self.differences = differences
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.clip = clip
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def _check_params(self) -> None:
        check_parameters(self.get_params())

    # Fitting

    @as_usual
    def fit(
        self,
        series: Any,
        covariates: Any = None,
        *,
        resume_from: "RecurrentEstimator | Path | str | None" = None,
    ) -> Self:
        """Fit the networks to one series or to many.

        PyTorch's global random state and number of threads do not change.

        Args:
            series: an array (T,) or (T, V), a Series or DataFrame of pandas, or a list of these,
                which may differ in T. Steps are equally far apart.
            covariates: numbers known in advance, such as holidays: an array (T, C) or (T,), or a
                list of these, one for each series. More rows than steps are allowed.
            resume_from: a fitted RecurrentForecaster, or the directory of one. The fit begins with
                its weights, and keeps its sizes and transforms, whatever the parameters are.

        Raises:
            ConfigError: when a parameter, a shape or a number is not valid, or a series is short.
            ModelError: when the directory `resume_from` is not one of such an estimator.
            DivergedError: when the loss is no longer finite; the earlier fit, if any, is kept.
        """
        self._check_params()
        before = None if resume_from is None else self._earlier(resume_from)
        read = read_series(series, covariates)
        if before is None:
            transforms = choose_transforms(
                read.values,
                season_length=None if self.season_length is None else int(self.season_length),
                power=None if self.power is None else float(self.power),
                differences=self.differences,
            )
        else:
            transforms = before.transforms_
            before._check_same_numbers(read)
        check_transformable(read, transforms, LEAST_STEPS)
        lags = choose_lags(transforms[0].season_length)
        steps = sum(len(each) for each in read.values)
        settings = choose_settings(self.get_params(), steps)
        config = ForecastConfig(
            cell=self.cell,
            input_size=read.variables * len(lags) + read.covariate_count,
            hidden_size=settings.hidden_size,
            layers=int(self.layers),
            bidirectional=False,
            pooling=None,
            outputs=2 * read.variables,
            members=int(self.members),
            variables=read.variables,
            covariates=read.covariate_count,
            likelihood=self.likelihood,
        )
        if before is not None:
            config = before.network_config_
        self._learn(config, settings, transforms, lags, read, before)
        self.transforms_, self.lags_, self.settings_ = transforms, lags, settings
        self.series_, self.flat_ = read, read.flat
        self._engine = self._make_engine()
        return self

    def _learn(
        self,
        config: ForecastConfig,
        settings: Settings,
        transforms: tuple[Transform, ...],
        lags: tuple[int, ...],
        read: SeriesList,
        before: Self | None,
    ) -> None:
        """Train the members, and set their weights and losses."""
        from charrnn.estimators.forecasting.fitting import fit_member

        covariates = read.covariates or (None,) * len(read.values)
        examples = {
            transform: [
                make_example(transform, transform.apply(values), known, lags)
                for values, known in zip(read.values, covariates, strict=True)
            ]
            for transform in transforms
        }
        random = np.random.default_rng(self.random_state)
        tensors, learned = {}, []
        for member in _shown(config.members, bool(self.verbose)):
            prefix = f"members.{member}."
            begin = None
            if before is not None:
                begin = {name: before.tensors_[prefix + name] for name in config.member_shapes()}
            learned.append(
                fit_member(
                    config,
                    settings,
                    examples[transforms[member % len(transforms)]],
                    longest_lag=max(lags),
                    begin=begin,
                    random=random,
                    device=self.device,
                )
            )
            tensors.update({prefix + name: each for name, each in learned[-1].tensors.items()})
        self.network_config_, self.tensors_ = config, tensors
        self.losses_ = [each.losses for each in learned]
        self.validation_losses_ = [each.validation_losses for each in learned]

    @property
    def season_length_(self) -> int:
        """The steps of a season; 1 where there is none."""
        return self.transforms_[0].season_length

    def _make_engine(self) -> list[MemberEngine]:
        config = self.network_config_
        return [MemberEngine(config, self.tensors_, member) for member in range(config.members)]

    # Predicting

    @as_usual
    def predict(
        self,
        horizon: int,
        *,
        quantiles: Iterable[float] = (0.1, 0.5, 0.9),
        n: int = 1000,
        seed: int = 0,
        series: Any = None,
        covariates: Any = None,
    ) -> Any:
        """Predict the steps that follow each series, by sample paths.

        Args:
            horizon: H, the number of steps.
            quantiles: the probabilities of the quantiles.
            n: the number of sample paths; see `sample_paths`.
            seed: the seed of the paths.
            series: other series to continue, or the same ones with newer steps, in the form that
                `fit` takes; None continues those of `fit`.
            covariates: the covariates (T + H, C) of each series, from its first step on, if `fit`
                had covariates.

        Returns: a Forecast, or a list of N for a list of series.

        Raises NotFittedError; ConfigError for what is not valid; ModelError where numbers overflow.
        """
        probabilities = check_quantiles(quantiles)
        drawn = self.sample_paths(horizon, n, seed=seed, series=series, covariates=covariates)
        if isinstance(drawn, list):
            return [summarize(each, probabilities) for each in drawn]
        return summarize(drawn, probabilities)

    @as_usual
    def sample_paths(
        self,
        horizon: int,
        n: int = 100,
        *,
        seed: int = 0,
        series: Any = None,
        covariates: Any = None,
    ) -> Any:
        """Draw n paths that continue each series, (n, H) or (n, H, V), or a list of N of these.

        Path number k of a seed is the same for any n and beside any other series. It is drawn by
        member k modulo M. See `predict` for the arguments and errors.
        """
        self._check_fitted()
        for name, value, least in (("horizon", horizon, 1), ("n", n, 1), ("seed", seed, 0)):
            check_whole(name, value, least)
        read = self._read(series, covariates, int(horizon))
        drawn = []
        for number, values in enumerate(read.values):
            known = None if read.covariates is None else read.covariates[number]
            each = sample_paths(
                self._engine,
                self.transforms_,
                self.lags_,
                values,
                None if known is None else known[: len(values) + int(horizon)],
                horizon=int(horizon),
                paths=int(n),
                seed=int(seed),
            )
            drawn.append(each[:, :, 0] if read.flat else each)
        return drawn[0] if read.single else drawn

    def _read(self, series: Any, covariates: Any, horizon: int) -> SeriesList:
        """Return the series to continue, with their covariates."""
        if series is None:
            if self.series_ is None:
                raise ConfigError(
                    "the series of the fit were too large to be saved: give series to predict"
                )
            series = self.series_.given()
        if covariates is None and self.network_config_.covariates:
            raise ConfigError(
                "the fit had covariates: give those of each step of the series and of the "
                f"{horizon} steps after it"
            )
        read = read_series(series, covariates, horizon)
        self._check_same_numbers(read)
        check_transformable(read, self.transforms_, LEAST_CONTINUED)
        return read

    def _check_same_numbers(self, read: SeriesList) -> None:
        """Raise ConfigError where series differ from those of the fit in their numbers of a
        step."""
        config = self.network_config_
        found = (read.variables, read.covariate_count, read.flat)
        if found != (config.variables, config.covariates, self.flat_):
            raise ConfigError(
                f"the series have {read.variables} variables and {read.covariate_count} covariates"
                f": the fit had {config.variables} and {config.covariates}"
                + (", in arrays (T,)" if self.flat_ else ", in arrays (T, V)")
            )

    # Storage

    def _fitted_to_json(self) -> dict[str, Any]:
        return fitted_to_json(
            transforms=self.transforms_,
            losses=self.losses_,
            validation_losses=self.validation_losses_,
            series=self.series_,
            flat=self.flat_,
        )

    def _restore_fitted(self, data: dict[str, Any], where: str) -> None:
        for name, value in fitted_from_json(data, self.network_config_, where).items():
            setattr(self, name, value)
        if self.series_ is not None:
            try:
                check_transformable(self.series_, self.transforms_, LEAST_CONTINUED)
            except ConfigError as error:
                raise ModelError(f"{where}: {error}") from error


def _shown(members: int, verbose: bool) -> Iterable[int]:
    """Return the numbers of the members, with a progress bar if `verbose`."""
    if not verbose:
        return range(members)
    from tqdm.auto import tqdm

    return tqdm(range(members), desc="fitting", unit="network")
