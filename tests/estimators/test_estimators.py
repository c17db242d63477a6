import copy
import pickle
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from charrnn import RecurrentClassifier, RecurrentRegressor
from charrnn.errors import CharRNNWarning, ConfigError, DivergedError, NotFittedError
from charrnn.estimators import scikit_learn
from charrnn.estimators.fitting import OPTIMIZERS
from charrnn.model.config import GATES, POOLINGS

random = np.random.default_rng(0)
X = random.normal(size=(60, 6, 3))
Y = 100 + 20 * X[:, :, 0].sum(1)  # in units of its own, far from 0
LABELS = np.where(Y > 100, "more", "less")
SMALL: dict[str, Any] = {"hidden_size": 8, "epochs": 2, "learning_rate": 0.02}

ESTIMATORS = {
    "regressor": (RecurrentRegressor, Y),
    "classifier": (RecurrentClassifier, LABELS),
}


def answers(estimator: Any, x: Any) -> Any:
    return (estimator.predict_proba if hasattr(estimator, "predict_proba") else estimator.predict)(
        x
    )


@pytest.fixture(params=sorted(ESTIMATORS))
def kind(request: pytest.FixtureRequest) -> Any:
    """The class of an estimator, and what it learns from X."""
    return ESTIMATORS[request.param]


# Learning


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("cell", sorted(GATES))
def test_a_sum_over_the_steps_is_learned(cell: str, optimizer: str) -> None:
    regressor = RecurrentRegressor(
        cell=cell, optimizer=optimizer, hidden_size=16, learning_rate=0.01, epochs=25
    )
    assert regressor.fit(X, Y) is regressor
    assert regressor.score(X, Y) > 0.9
    assert regressor.losses_[-1] < 0.2 * Y.var() < regressor.losses_[0]
    assert len(regressor.losses_) == 25


def test_classes_are_learned() -> None:
    classifier = RecurrentClassifier(hidden_size=16, learning_rate=0.01, epochs=25).fit(X, LABELS)
    assert classifier.score(X, LABELS) > 0.9
    assert classifier.classes_.tolist() == ["less", "more"]
    probabilities = classifier.predict_proba(X)
    assert probabilities.sum(1) == pytest.approx(np.ones(len(X)))
    assert (classifier.predict(X) == classifier.classes_[probabilities.argmax(1)]).all()
    assert classifier.score(X, LABELS) == (classifier.predict(X) == LABELS).mean()


@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 2)])
def test_predictions_have_the_shape_of_what_was_learned(shape: tuple[int, ...]) -> None:
    """(N,) subtracted from (N, 1) is (N, N), and a mean of that looks like a loss."""
    y = np.broadcast_to(Y.reshape(60, *[1] * (len(shape) - 1)), shape)
    predicted = RecurrentRegressor(**SMALL).fit(X, y).predict(X)
    assert predicted.shape == shape
    assert predicted.dtype == np.float64


def test_units_of_the_targets_do_not_matter() -> None:
    plain = RecurrentRegressor(**SMALL).fit(X, Y)
    scaled = RecurrentRegressor(**SMALL).fit(X, 1000 * Y - 7)
    assert scaled.predict(X) == pytest.approx(1000 * plain.predict(X) - 7, rel=1e-3)
    assert scaled.losses_ == pytest.approx([1e6 * loss for loss in plain.losses_], rel=1e-3)


def test_a_constant_is_learned_at_once() -> None:
    regressor = RecurrentRegressor(hidden_size=4, epochs=30, learning_rate=0.02)
    assert regressor.fit(X, np.full(60, 5.0)).predict(X) == pytest.approx(np.full(60, 5.0), abs=0.1)


# Sequences of different length


@pytest.mark.parametrize("pooling", sorted(POOLINGS))
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_no_answer(kind: Any, pooling: str, bidirectional: bool) -> None:
    estimator, y = kind
    lengths = np.random.default_rng(1).integers(1, 7, size=len(X))
    ragged = [x[:length] for x, length in zip(X, lengths, strict=True)]
    model = estimator(pooling=pooling, bidirectional=bidirectional, **SMALL).fit(ragged, y)
    together = answers(model, ragged)
    alone = np.concatenate([answers(model, [x]) for x in ragged])
    scale = np.abs(together).max()
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6 * scale)


def test_a_list_of_equal_sequences_is_learned_as_their_array_is() -> None:
    array, rows = (RecurrentRegressor(**SMALL).fit(x, Y) for x in (X, list(X)))
    assert (array.predict(X) == rows.predict(list(X))).all()


# Numbers by chance


def test_the_same_seed_is_the_same_model(kind: Any) -> None:
    estimator, y = kind
    first, again, other = (
        answers(estimator(dropout=0.3, random_state=seed, **SMALL).fit(X, y), X)
        for seed in (0, 0, 1)
    )
    assert (first == again).all() and (first != other).any()


def test_fitted_again_it_has_forgotten(kind: Any) -> None:
    estimator, y = kind
    model = estimator(**SMALL)
    first = answers(model.fit(X, y), X)
    model.fit(X[::-1], y)
    assert (answers(model.fit(X, y), X) == first).all()


def test_without_a_seed_it_is_another_every_time() -> None:
    first, second = (
        RecurrentRegressor(random_state=None, **SMALL).fit(X, Y).predict(X) for _ in range(2)
    )
    assert (first != second).any()


def test_nothing_global_is_changed(kind: Any) -> None:
    estimator, y = kind

    def globally() -> Any:
        return torch.get_rng_state().tolist(), str(np.random.get_state()), torch.get_num_threads()

    before = globally()
    answers(estimator(dropout=0.5, random_state=None, **SMALL).fit(X, y), X)
    assert globally() == before


def test_a_copy_says_the_same(kind: Any) -> None:
    """Searches copy what they found; workers of other processes are sent it."""
    estimator, y = kind
    model = estimator(**SMALL).fit(X, y)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert (answers(twin, X) == answers(model, X)).all()


# What is not as it should be


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"cell": "transformer"}, "cell 'transformer': choose from rnn, gru, lstm"),
        ({"pooling": "sum"}, "pooling 'sum': choose from last"),
        ({"optimizer": "sgd"}, "optimizer 'sgd': choose from adamw, rmsprop"),
        ({"hidden_size": 0}, "hidden_size 0: choose a whole number from 1 on"),
        ({"layers": 1.5}, "layers 1.5: choose"),
        ({"epochs": True}, "epochs True: choose"),
        ({"batch_size": 0.5}, "batch_size 0.5: choose"),
        ({"dropout": 1.0}, "dropout 1.0: choose from 0"),
        ({"learning_rate": 0}, "learning_rate 0: choose a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate nan"),
        ({"clip": -1.0}, "clip -1.0"),
        ({"random_state": -1}, "random_state -1: choose a whole number from 0 on"),
        ({"input_size": 4}, r"sequence 0 of X has shape \(6, 3\): expected \(T, 4\)"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
    ],
)
def test_parameters_are_judged_by_fit_and_not_before(
    kind: Any, params: dict[str, Any], message: str
) -> None:
    estimator, y = kind
    with pytest.raises(ConfigError, match=message):
        estimator(**params).fit(X, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y[:-1], r"y has shape \(59,\): expected \(60,\) or \(60, K\)"),
        (np.zeros((60, 2, 2)), r"y has shape \(60, 2, 2\)"),
        (np.where(np.arange(60) == 7, np.nan, Y), r"y has nan at \[7\]"),
        (np.full(60, 1e300), "y has inf"),
        (LABELS, "y is of type <U4: expected real numbers"),
    ],
)
def test_targets_that_are_no_numbers_are_refused(y: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RecurrentRegressor(**SMALL).fit(X, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (LABELS[:-1], r"y has shape \(59,\): expected \(60,\)"),
        (np.stack([LABELS, LABELS], axis=1), r"y has shape \(60, 2\): expected \(60,\)"),
        (
            np.where(LABELS == "less", 0.5, 1),
            r"y has 0.5 at \[\d+\]. Unknown label type: continuous",
        ),
        ([1, "1"] * 30, r"y has 1 at \[0\] and '1' at \[1\]: expected strings only"),
        (None, "RecurrentClassifier requires y to be passed, but the target y is None"),
        (["one"] * 60, "y has the class 'one' only"),
        (np.where(np.arange(60) == 7, np.nan, 1.0), r"y has nan at \[7\]"),
    ],
)
def test_targets_that_are_no_classes_are_refused(y: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RecurrentClassifier(**SMALL).fit(X, y)


def test_nothing_is_said_before_it_has_learned(kind: Any) -> None:
    estimator, y = kind
    with pytest.raises(ConfigError, match="has learned nothing yet: call fit first"):
        estimator().predict(X)
    with pytest.raises(ConfigError, match=r"shape \(6, 2\): expected \(T, 3\)"):
        estimator(**SMALL).fit(X, y).predict(X[:, :, :2])
    with pytest.raises(ConfigError, match="shape"):
        estimator(**SMALL).fit(X, y).score(X, y[:-1])


def test_what_diverges_keeps_what_was_learned_before() -> None:
    regressor = RecurrentRegressor(**SMALL).fit(X, Y)
    before = regressor.predict(X)
    regressor.set_params(learning_rate=1e30, clip=None)
    with pytest.raises(DivergedError, match=r"epoch \d: the loss is .*learning_rate below 1e\+30"):
        regressor.fit(X, Y)
    assert (regressor.predict(X) == before).all()


# The conventions


def test_parameters_are_kept_as_they_are_given(kind: Any) -> None:
    estimator, _ = kind
    odd: Any = ["not", "a", "size"]
    model = estimator(hidden_size=odd)
    assert model.get_params()["hidden_size"] is odd
    assert model.get_params(deep=False) == vars(model)
    assert model.set_params(cell="gru", epochs=3) is model
    assert (model.cell, model.epochs) == ("gru", 3)
    with pytest.raises(ConfigError, match="no parameter 'colour': choose from batch_size, "):
        model.set_params(cell="rnn", colour="red")
    assert model.cell == "gru"


def test_it_shows_what_was_given() -> None:
    assert repr(RecurrentRegressor()) == "RecurrentRegressor()"
    shown = repr(RecurrentRegressor(epochs=3, cell="rnn"))
    assert shown == "RecurrentRegressor(cell='rnn', epochs=3)"


def test_a_bar_is_shown_where_one_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tqdm's, where it finds a notebook without widgets
        RecurrentRegressor(verbose=True, **SMALL).fit(X, Y)
    assert "2/2" in capsys.readouterr().err
    RecurrentRegressor(**SMALL).fit(X, Y)
    assert capsys.readouterr() == ("", "")


def test_scikit_learn_takes_it_for_one_of_its_own(kind: Any) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone, is_classifier, is_regressor
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.utils.validation import check_is_fitted

    estimator, y = kind
    model = estimator(**SMALL)
    assert is_regressor(model) == (estimator is RecurrentRegressor) != is_classifier(model)
    assert clone(model).get_params() == model.get_params()
    pipeline = make_pipeline(FunctionTransformer(lambda x: x / 2), model)
    scores = cross_val_score(pipeline, X, y, cv=3)
    assert scores.shape == (3,) and np.isfinite(scores).all()
    pipeline.fit(X, y)
    check_is_fitted(pipeline)
    assert pipeline.score(X, y) == model.score(X / 2, y)
    ragged = [x[: 1 + number % 6] for number, x in enumerate(X)]
    assert cross_val_score(model, ragged, y, cv=3).shape == (3,)
    search = GridSearchCV(model, {"hidden_size": np.array([2, 4])}, cv=2).fit(X, y)
    assert search.best_params_["hidden_size"] in (2, 4)


def test_a_column_of_classes_is_taken_with_the_warning_of_scikit_learn() -> None:
    exceptions = pytest.importorskip("sklearn.exceptions")
    with pytest.warns(exceptions.DataConversionWarning, match="A column-vector y was passed"):
        column = RecurrentClassifier(**SMALL).fit(X, LABELS[:, None])
    assert (column.predict(X) == RecurrentClassifier(**SMALL).fit(X, LABELS).predict(X)).all()


def test_a_score_is_of_classes_of_the_kind_that_was_learned() -> None:
    classifier = RecurrentClassifier(**SMALL).fit(X, (LABELS == "more").astype(int))
    with pytest.raises(ConfigError, match="y has classes like '0': the fit was on classes like 0"):
        classifier.score(X, ["0"] * 60)
    with pytest.raises(ConfigError, match=r"y is masked at \[0\]"):
        classifier.score(X, np.ma.array(np.zeros(60, int), mask=True))
    with pytest.raises(ConfigError, match=r"y has nan at \[0\]"):
        RecurrentRegressor(**SMALL).fit(X, Y).score(X, np.full(60, np.nan))


def test_what_has_not_learned_raises_what_scikit_learn_does(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    exceptions = pytest.importorskip("sklearn.exceptions")
    with pytest.raises(exceptions.NotFittedError) as caught:
        kind[0]().predict(X)
    assert isinstance(caught.value, NotFittedError)
    sent = pickle.loads(pickle.dumps(caught.value))  # from a worker to who waits for it
    assert type(sent) is type(caught.value) and str(sent) == str(caught.value)
    monkeypatch.setitem(sys.modules, "sklearn.exceptions", None)  # as where it is not installed
    scikit_learn._not_fitted_type.cache_clear()
    scikit_learn.data_conversion_warning.cache_clear()
    try:
        with pytest.raises(NotFittedError) as caught:
            kind[0]().predict(X)
        assert isinstance(caught.value, ValueError) and isinstance(caught.value, AttributeError)
        assert not isinstance(caught.value, exceptions.NotFittedError)
        with pytest.warns(CharRNNWarning, match="A column-vector y was passed"):
            RecurrentClassifier(**SMALL).fit(X, LABELS[:, None])
    finally:
        scikit_learn._not_fitted_type.cache_clear()
        scikit_learn.data_conversion_warning.cache_clear()


class Rows:
    """Rows of a table, read as sequences of one step: scikit-learn's checks know no others."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = True, False
        return tags

    def fit(self, X: Any, y: Any = None, *, resume_from: Any = None) -> Any:
        return super().fit(_as_sequences(X), y, resume_from=resume_from)  # type: ignore[misc]

    def _predict(self, X: Any) -> Any:
        return super()._predict(_as_sequences(X))  # type: ignore[misc]


def _as_sequences(x: Any) -> Any:
    if isinstance(x, list):
        return [[row] for row in x]
    if not hasattr(x, "__array__"):
        return x
    array = np.asarray(x)
    return array[:, None] if array.ndim == 2 else array


class RowsRegressor(Rows, RecurrentRegressor):
    __init__ = RecurrentRegressor.__init__


class RowsClassifier(Rows, RecurrentClassifier):
    __init__ = RecurrentClassifier.__init__


NOT_OURS = {
    "check_dtype_object": "wants a TypeError where a dict is among the numbers",
}


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [RowsRegressor, RowsClassifier])
def test_scikit_learns_own_checks_are_passed(estimator: Any) -> None:
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = checks.check_estimator(
            estimator(hidden_size=8, epochs=6, batch_size=16, learning_rate=0.05),
            expected_failed_checks=NOT_OURS,
            on_fail="raise",
            on_skip=None,
        )
    passed = {result["check_name"] for result in results if result["status"] == "passed"}
    assert len(passed) > 35
