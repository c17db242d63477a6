import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import charrnn
from charrnn.errors import CharRNNError, ConfigError, DivergedError, ModelError, NotFittedError
from charrnn.estimators.forecasting.engine import MemberEngine
from charrnn.estimators.forecasting.examples import (
    CONTEXT,
    choose_lags,
    lagged,
    linear_autoregression,
    make_example,
)
from charrnn.estimators.forecasting.network import ForecastNetwork
from charrnn.estimators.forecasting.network_config import LIKELIHOODS, ForecastConfig
from charrnn.estimators.forecasting.transforms import Transform
from charrnn.estimators.loading import load_estimator
from charrnn.model.config import GATES
from charrnn.storage.manifest import with_manifest

SMALL: dict[str, Any] = {"hidden_size": 4, "members": 2, "epochs": 2}


def season(steps: int = 60, seed: int = 0) -> Any:
    """Positive numbers with a season of 6 that grows with its level."""
    random = np.random.default_rng(seed)
    level = np.exp(0.02 * np.arange(steps) + 0.05 * random.normal(size=steps))
    return 100 * level * np.tile([1.0, 1.1, 1.5, 1.2, 0.9, 0.8], steps)[:steps]


Y = season()


def fitted(series: Any = Y, covariates: Any = None, **parameters: Any) -> Any:
    return charrnn.RecurrentForecaster(**SMALL | parameters).fit(series, covariates)


@pytest.fixture(scope="module")
def model() -> Any:
    return fitted()


# The network


def config(cell: str = "gru", likelihood: str = "student-t", **changes: Any) -> ForecastConfig:
    usual: dict[str, Any] = {
        "cell": cell,
        "input_size": 6,
        "hidden_size": 5,
        "layers": 2,
        "bidirectional": False,
        "pooling": None,
        "outputs": 4,
        "members": 1,
        "variables": 2,
        "covariates": 0,
        "likelihood": likelihood,
    }
    return ForecastConfig(**usual | changes)


def network(of: ForecastConfig, seed: int = 0) -> ForecastNetwork:
    generator = torch.Generator().manual_seed(seed)
    made = ForecastNetwork(
        of,
        autoregression=np.full((2, 6), 0.1, np.float32),
        scale=np.array([0.5, 2.0], np.float32),
        generator=generator,
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("cell", sorted(GATES))
def test_the_engine_computes_what_pytorch_does(cell: str, likelihood: str) -> None:
    """And what the ten lines that a user would write do, with PyTorch's own layers."""
    of = config(cell, likelihood)
    made = network(of)
    inputs = np.random.default_rng(1).normal(size=(7, 3, 6)).astype(np.float32)
    tensors = {f"members.0.{name}": each.numpy() for name, each in made.state_dict().items()}
    engine = MemberEngine(of, tensors, 0)
    location, scale = engine.read(inputs, engine.zero_states(3))
    with torch.no_grad():
        x = torch.from_numpy(inputs)
        distribution = made(x)
        kind = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]
        plain = kind(6, 5, num_layers=2)
        plain.load_state_dict(made.rnn.state_dict())
        outputs = made.head(plain(x)[0])
    assert np.allclose(location, distribution.location, atol=1e-5)
    assert np.allclose(scale, distribution.log_scale.exp(), atol=1e-5)
    assert np.allclose(location, outputs[..., :2] + made.skip(x), atol=1e-5)
    assert np.allclose(np.log(scale), outputs[..., 2:], atol=1e-5)
    assert set(tensors) == set(of.tensor_shapes())
    assert {name: each.shape for name, each in tensors.items()} == of.tensor_shapes()


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_loss_is_the_likelihood_of_pytorch(likelihood: str) -> None:
    made = network(config(likelihood=likelihood)).double()
    values = torch.randn(7, 3, 2, dtype=torch.float64)
    distribution = made(torch.randn(7, 3, 6, dtype=torch.float64))
    location, scale = distribution.location, distribution.log_scale.exp()
    expected: Any = torch.distributions.Normal(location, scale)
    if likelihood == "student-t":
        expected = torch.distributions.StudentT(distribution.degrees, location, scale)
    losses = distribution.negative_log_likelihood(values)
    assert torch.allclose(losses, -expected.log_prob(values))


def test_a_lane_is_the_same_alone_and_by_the_step() -> None:
    of = config("lstm")
    tensors = {f"members.0.{name}": each.numpy() for name, each in network(of).state_dict().items()}
    engine = MemberEngine(of, tensors, 0)
    inputs = np.random.default_rng(1).normal(size=(5, 7, 6)).astype(np.float32)
    together, _ = engine.read(inputs, engine.zero_states(7))
    alone = engine.zero_states(1)
    for step in range(5):
        location, _ = engine.read(inputs[step : step + 1, 6:], alone)
        assert (location[0, 0] == together[step, 6]).all()


# What it reads


def test_lags_reach_back_to_the_season() -> None:
    assert choose_lags(1) == (1, 2, 3)
    assert choose_lags(2) == (1, 2, 3)
    assert choose_lags(12) == (1, 2, 3, 11, 12, 13)


def test_nothing_of_the_present_is_read() -> None:
    values = np.arange(1.0, 7.0)[:, None] * [1, 10]
    read = lagged(values, (1, 3))
    assert read[3].tolist() == [3, 30, 1, 10]
    assert read[0].tolist() == [0, 0, 0, 0]
    transform = Transform(power=1.0, level=0.0, season=0.0, season_length=1)
    series = np.random.default_rng(0).normal(size=(20, 1))
    before = make_example(transform, transform.apply(series), None, (1, 2, 3))
    assert np.allclose(before.inputs[1:, 0], before.targets[:-1, 0])


def test_the_linear_part_begins_as_the_autoregression_of_the_series() -> None:
    random = np.random.default_rng(0)
    series = np.zeros((600, 1))
    for step in range(2, 600):
        series[step] = 0.5 * series[step - 1] - 0.7 * series[step - 2] + random.normal(size=1)
    transform = Transform(power=1.0, level=0.0, season=0.0, season_length=1)
    example = make_example(transform, transform.apply(series), None, (1, 2, 3))
    weights, scale = linear_autoregression([example], 3)
    assert weights[0] == pytest.approx([0.5, -0.7, 0.0], abs=0.1)
    assert scale[0] == pytest.approx(1 / series.std(), rel=0.1)


def test_all_windows_of_a_long_series_are_learned_and_its_end_is_held_out() -> None:
    from charrnn.estimators.forecasting.fitting import _cut

    transform = Transform(power=1.0, level=1.0, season=0.0, season_length=1)
    series = [np.random.default_rng(0).normal(size=(steps, 1)) for steps in (3 * CONTEXT, 40)]
    examples = [make_example(transform, transform.apply(each), None, (1, 2, 3)) for each in series]
    windows = _cut(examples, "cpu")
    assert windows.inputs.shape[0] == CONTEXT
    counted, held_out = windows.counted.sum(), windows.held_out.sum()
    assert counted + held_out == 3 * CONTEXT - 1 + 39
    assert held_out == int(0.2 * (3 * CONTEXT - 1)) + int(0.2 * 39)
    assert not (windows.counted * windows.held_out).any()


# Forecasts


def test_a_season_that_grows_is_continued() -> None:
    forecaster = charrnn.RecurrentForecaster(members=3, epochs=10).fit(Y[:48])
    assert str(forecaster.transforms_[0]) == "log, seasonal difference of 6"
    forecast = forecaster.predict(12)
    errors = np.abs(forecast[0.5] - Y[48:])
    naive = np.abs(np.tile(Y[42:48], 2) - Y[48:])
    assert errors.mean() < 0.6 * naive.mean()
    assert (forecast[0.1] < forecast.mean).all() and (forecast.mean < forecast[0.9]).all()
    covered = (forecast[0.1] <= Y[48:]) & (Y[48:] <= forecast[0.9])
    assert covered.mean() >= 0.5


def test_what_is_not_linear_is_learned() -> None:
    """Each value is drawn about +1 or -1 with the sign of the product of the last two, which are
    not correlated with it."""
    random = np.random.default_rng(0)
    signs = [1.0, -1.0]
    for _ in range(400):
        signs.append(signs[-1] * signs[-2] * (1 if random.random() < 0.95 else -1))
    series = np.array(signs) + 0.1 * random.normal(size=len(signs))
    forecaster = charrnn.RecurrentForecaster(
        members=1, differences="none", season_length=1, power=1, epochs=60, learning_rate=0.02
    ).fit(series)
    assert forecaster.losses_[0][-1] < forecaster.losses_[0][0] - 0.7


def test_known_covariates_are_used() -> None:
    random = np.random.default_rng(0)
    covariates = (random.random(140) < 0.3).astype(float)
    series = 50 + 10 * covariates + random.normal(size=140)
    forecaster = charrnn.RecurrentForecaster(members=2, epochs=5)
    forecaster.fit(series[:120], covariates)
    forecast = forecaster.predict(20, covariates=covariates)
    assert np.abs(forecast.mean - series[120:]).mean() < 2
    with pytest.raises(ConfigError, match="has 130 rows: expected one for each of the 120 steps"):
        forecaster.predict(20, covariates=covariates[:130])
    with pytest.raises(ConfigError, match="the fit had covariates"):
        forecaster.predict(20)
    with pytest.raises(ConfigError, match=r"1 covariates: the fit had 1 and 0, in arrays \(T,\)"):
        fitted().predict(3, covariates=covariates)


def test_forecasts_have_the_shape_of_the_series() -> None:
    two = np.stack([Y, Y[::-1]], axis=1)
    assert fitted(Y).predict(3, n=9).mean.shape == (3,)
    assert fitted(Y[:, None]).predict(3, n=9).mean.shape == (3, 1)
    assert fitted(two).predict(3, n=9)[0.9].shape == (3, 2)
    assert fitted(two).sample_paths(3, 5).shape == (5, 3, 2)
    several = fitted([two, two[:50]], differences="none")
    assert [each.mean.shape for each in several.predict(3, n=9)] == [(3, 2), (3, 2)]
    assert [each.shape for each in several.sample_paths(3, 5)] == [(5, 3, 2), (5, 3, 2)]
    assert isinstance(fitted([Y]).predict(2, n=9), list)


def test_pandas_and_lists_are_taken() -> None:
    pandas = pytest.importorskip("pandas")
    expected = fitted(Y).predict(3, n=9).mean
    index = pandas.date_range("2020-01-01", periods=len(Y), freq="MS")
    for series in (pandas.Series(Y, index), Y.tolist(), torch.from_numpy(Y)):
        assert (fitted(series).predict(3, n=9).mean == expected).all()
    frame = pandas.DataFrame({"one": Y, "two": Y[::-1]})
    assert fitted(frame).predict(3, n=9).mean.shape == (3, 2)


def test_a_path_is_the_same_alone_and_in_any_batch(model: Any) -> None:
    few, many = model.sample_paths(5, 3, seed=7), model.sample_paths(5, 10, seed=7)
    assert (few == many[:3]).all()
    assert (few[:, :2] == model.sample_paths(2, 3, seed=7)).all()
    among = model.sample_paths(5, 3, seed=7, series=[Y[:40], Y])
    assert (among[1] == few).all()
    assert len(np.unique(many)) == many.size
    assert (model.sample_paths(5, 3, seed=8) != few).all()
    summary = model.predict(5, n=10, seed=7, quantiles=[0.25])
    assert (summary.mean == many.mean(0)).all() and list(summary.quantiles) == [0.25]
    assert (summary[0.25] == np.quantile(many, 0.25, axis=0)).all()


def test_scale_and_level_of_a_series_do_not_matter(model: Any) -> None:
    """With a logarithm, a series in another unit has the same forecast in that unit."""
    other = model.sample_paths(5, 6, series=1000 * Y)
    assert np.allclose(other, 1000 * model.sample_paths(5, 6), rtol=1e-4)


def test_the_same_seed_gives_the_same_networks(model: Any) -> None:
    again = fitted()
    assert all((again.tensors_[name] == each).all() for name, each in model.tensors_.items())
    other = fitted(random_state=1)
    assert any((other.tensors_[name] != each).any() for name, each in model.tensors_.items())
    state = torch.random.get_rng_state()
    fitted(random_state=None)
    assert (torch.random.get_rng_state() == state).all()


def test_epochs_are_measured_at_the_end_of_the_series() -> None:
    forecaster = charrnn.RecurrentForecaster(members=1, hidden_size=4).fit(Y)
    measured = forecaster.validation_losses_[0]
    assert len(forecaster.losses_[0]) == len(measured) - 1
    assert measured[-1] == min(measured)
    assert fitted().validation_losses_ == [[], []]


def test_a_series_of_one_number_is_continued() -> None:
    forecast = fitted(np.full(40, 3.0)).predict(4, n=50)
    assert np.allclose(forecast.mean, 3.0, atol=0.1)


def test_numbers_that_overflow_are_an_error(model: Any) -> None:
    """Weights from a file may be of any size."""
    for name, weight in (("head.bias", 1e38), ("skip.weight", 1e38), ("log_degrees", 1e38)):
        changed = copy.deepcopy(model)
        changed.tensors_[f"members.1.{name}"][:] = weight
        changed = pickle.loads(pickle.dumps(changed))  # with an engine of these weights
        if name == "log_degrees":
            assert np.isfinite(changed.predict(9, n=40).mean).all()
        else:
            with pytest.raises(ModelError, match="overflow"):
                changed.predict(9, n=40)


def test_zeros_are_never_below_zero() -> None:
    bursts = np.maximum(np.random.default_rng(0).normal(size=80), 0)
    assert fitted(bursts, power=0.5).sample_paths(10, 50).min() >= 0


# What is refused


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ([1.0, np.nan, 2.0], r"series has no value \(NaN\) at \[1\]: fill it in"),
        ([[1.0, 2.0], [np.inf, 1.0]], r"series 1 has inf at \[0\]"),
        (Y[:9], "the series has 9 steps: at least 15 are needed"),
        ([Y, Y[:5]], "series 1 has 5 steps"),
        (np.zeros((3, 4, 5, 6)), r"series has shape \(3, 4, 5, 6\)"),
        ([], "series has shape"),
        (None, "series is None"),
        ([Y, np.stack([Y, Y], 1)], "series 1 has shape"),
        (["a", "b"], "expected real numbers"),
        (1e200 * Y, "scale it"),
    ],
)
def test_a_series_that_cannot_be_used_is_refused(series: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fitted(series, season_length=6, differences="seasonal")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("cell", "abacus"),
        ("likelihood", "poisson"),
        ("differences", "third"),
        ("members", 0),
        ("layers", 1.5),
        ("hidden_size", 0),
        ("season_length", 0),
        ("epochs", -1),
        ("power", 2),
        ("dropout", 1.0),
        ("learning_rate", 0),
        ("weight_decay", -1),
        ("clip", np.inf),
        ("device", 7),
        ("verbose", "yes"),
    ],
)
def test_a_parameter_out_of_range_is_refused(parameter: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=parameter):
        fitted(**{parameter: value})


def test_errors_of_predicting(model: Any) -> None:
    with pytest.raises(NotFittedError):
        charrnn.RecurrentForecaster().predict(3)
    for arguments, message in (
        ({"horizon": 0}, "horizon 0: choose a whole number from 1 on"),
        ({"horizon": 3, "n": 0}, "n 0"),
        ({"horizon": 3, "seed": -1}, "seed -1"),
        ({"horizon": 3, "quantiles": [0.5, 1]}, "quantile 1"),
        ({"horizon": 3, "series": -Y}, "has no log: fit with power=1"),
        ({"horizon": 3, "series": Y[:7]}, "the series has 7 steps"),
        ({"horizon": 3, "series": Y[:, None]}, r"the fit had 1 and 0, in arrays \(T,\)"),
    ):
        with pytest.raises(ConfigError, match=message):
            model.predict(**arguments)


def test_a_training_that_diverges_keeps_the_earlier_fit(model: Any) -> None:
    forecaster = copy.deepcopy(model)
    forecaster.set_params(learning_rate=1e30, epochs=5, clip=None)
    with pytest.raises(DivergedError, match="choose a learning_rate below 1e\\+30"):
        forecaster.fit(Y[:40])
    assert (forecaster.predict(3, n=40).mean == model.predict(3, n=40).mean).all()


# Storage


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_what_is_loaded_predicts_the_same_bits(likelihood: str, tmp_path: Path) -> None:
    two = np.stack([Y, Y[::-1]], axis=1)
    forecaster = fitted([two, two[:50]], likelihood=likelihood, layers=2)
    forecaster.save(tmp_path / "model")
    kind = charrnn.RecurrentForecaster
    for loaded in (load_estimator(tmp_path / "model"), kind.load(tmp_path / "model")):
        assert isinstance(loaded, kind)
        assert loaded.get_params() == forecaster.get_params()
        for ours, theirs in zip(loaded.predict(4, n=40), forecaster.predict(4, n=40), strict=True):
            assert (ours.mean == theirs.mean).all()
        assert loaded.transforms_ == forecaster.transforms_
        assert loaded.losses_ == forecaster.losses_
        loaded.save(tmp_path / "again")
        for file in (tmp_path / "model").iterdir():
            assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_series_that_are_too_large_to_be_saved_are_given_again(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.estimators.forecasting.fitted.MOST_SAVED", len(Y) - 1)
    model.save(tmp_path / "model")
    loaded: Any = load_estimator(tmp_path / "model")
    with pytest.raises(ConfigError, match="too large to be saved: give series to predict"):
        loaded.predict(3)
    assert (loaded.predict(3, n=40, series=Y).mean == model.predict(3, n=40).mean).all()


def test_a_saved_forecaster_predicts_without_torch(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    code = f"""
import sys, charrnn
model = charrnn.load_estimator({str(tmp_path / "model")!r})
print(*model.predict(3, n=40).mean.tolist(), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [*map(str, model.predict(3, n=40).mean.tolist()), "False"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("estimator",), "RecurrentRegressor", "network: 'covariates' is unknown"),
        (("parameters", "likelihood"), "poisson", "parameters: likelihood 'poisson'"),
        (("parameters", "more"), 1, "its parameters are not those of"),
        (("network", "members"), 3, "tensor"),
        (("network", "members"), 2**20, "members 1048576"),
        (("network", "likelihood"), "poisson", "likelihood 'poisson'"),
        (("network", "likelihood"), "gaussian", "tensor"),
        (("network", "pooling"), "last", "a forecaster has no pooling"),
        (("network", "outputs"), 3, "outputs 3"),
        (("network", "covariates"), 1, "the network reads 6 numbers of a step"),
        (("fitted", "transforms"), [], "transforms: expected a list"),
        (("fitted", "transforms", 0, "power"), 3.0, "power 3.0"),
        (("fitted", "transforms", 0, "power"), 1.0, "one season and one power"),
        (("fitted", "transforms", 0, "level"), 9, "level 9"),
        (("fitted", "transforms", 0, "season_length"), 2**40, "season_length"),
        (("fitted", "losses"), [[0.5]], "losses: expected those of 2 members, found 1"),
        (("fitted", "losses", 0, 0), None, "losses: expected a list of numbers"),
        (("fitted", "series"), [[[1.0, 2.0]]], "series 0: expected 1 numbers, found 2"),
        (("fitted", "series"), {}, "series: expected a list"),
        (("fitted", "series"), [[[1.0]]], "the series has 1 steps"),
        (("fitted", "series"), [[[-1.0]] * 60], "has -1, which has no log"),
        (("fitted", "single"), 1, "single is 1"),
        (("fitted", "flat"), None, "flat is None"),
        (("fitted", "more"), 1, "expected the keys"),
    ],
)
def test_a_directory_that_was_changed_is_refused(
    model: Any, path: tuple[Any, ...], value: Any, message: str, tmp_path: Path
) -> None:
    """Even where its manifest is right: a person may have written it."""
    model.save(tmp_path / "model")
    files = {file.name: file.read_bytes() for file in (tmp_path / "model").iterdir()}
    changed = json.loads(files["config.json"])
    part = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    files["config.json"] = json.dumps(changed).encode()
    del files["manifest.json"]
    for name, content in with_manifest(files).items():
        (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_estimator(tmp_path / "model")


def test_pickles_and_clones(model: Any) -> None:
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert (again.predict(3, n=40).mean == model.predict(3, n=40).mean).all()
    assert model.set_params(members=2) is model
    assert model.get_params()["members"] == 2
    assert repr(charrnn.RecurrentForecaster(cell="lstm")) == "RecurrentForecaster(cell='lstm')"
    with pytest.raises(ConfigError, match="no parameter 'depth'"):
        model.set_params(depth=3)
    sklearn = pytest.importorskip("sklearn.base")
    clone = sklearn.clone(model)
    assert clone.get_params() == model.get_params() and not hasattr(clone, "tensors_")


# Resuming


def test_a_fit_is_resumed_from_a_forecaster_and_from_its_directory(tmp_path: Path) -> None:
    first = fitted(epochs=30)
    first.save(tmp_path / "model")
    resumed = fitted(epochs=1, learning_rate=1e-5)
    resumed.fit(Y, resume_from=tmp_path / "model")
    assert resumed.losses_[0][0] == pytest.approx(first.losses_[0][-1], rel=0.2, abs=0.05)
    assert resumed.network_config_ == first.network_config_
    assert resumed.transforms_ == first.transforms_
    again = fitted(epochs=1, learning_rate=1e-5).fit(Y, resume_from=first)
    assert (again.predict(3, n=40).mean == resumed.predict(3, n=40).mean).all()
    with pytest.raises(ConfigError, match="the fit had 1 and 0"):
        fitted().fit(np.stack([Y, Y], 1), resume_from=first)
    with pytest.raises(CharRNNError, match=r"manifest\.json"):
        fitted().fit(Y, resume_from=tmp_path / "nothing")


def test_a_quantile_that_was_not_asked_for_says_how_to_get_it() -> None:
    forecast = charrnn.Forecast(np.zeros(2), {0.5: np.ones(2)})
    assert forecast[0.5].tolist() == [1.0, 1.0]
    with pytest.raises(KeyError, match=r"no quantile 0.3: give it to predict, in quantiles="):
        forecast[0.3]
