import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import charrnn
from charrnn.errors import CharRNNError, ConfigError, ModelError, NotFittedError
from charrnn.estimators import loading
from charrnn.estimators.loading import load_estimator
from charrnn.estimators.storage import classes_from_json, classes_to_json
from charrnn.model.config import GATES, POOLINGS
from charrnn.storage.manifest import with_manifest

random = np.random.default_rng(0)
X = [random.normal(size=(length, 3)) for length in random.integers(1, 9, 24)]
NUMBERS = np.array([100 + 20 * x.sum() for x in X])
TARGETS: dict[str, Any] = {
    "RecurrentClassifier": np.where(NUMBERS > 100, "more", "less"),
    "RecurrentRegressor": np.stack([NUMBERS, -NUMBERS], axis=1),
}
POOLED: dict[str, Any] = {name: loading.ESTIMATORS[name] for name in TARGETS}
SMALL: dict[str, Any] = {"hidden_size": 5, "epochs": 1}


def fitted(name: str = "RecurrentClassifier", **parameters: Any) -> Any:
    return POOLED[name](**SMALL, **parameters).fit(X, TARGETS[name])


def answers(estimator: Any) -> Any:
    return getattr(estimator, "predict_proba", estimator.predict)(X)


@pytest.mark.parametrize("name", POOLED)
@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_what_is_loaded_predicts_the_same_bits(
    name: str, cell: str, pooling: str, tmp_path: Path
) -> None:
    model = fitted(name, cell=cell, pooling=pooling, layers=2)
    model.save(tmp_path / "model")
    loaded: Any
    for loaded in (load_estimator(tmp_path / "model"), type(model).load(str(tmp_path / "model"))):
        assert type(loaded) is type(model)
        assert loaded.get_params() == model.get_params()
        assert (answers(loaded) == answers(model)).all()
        assert (loaded.losses_, loaded.validation_losses_) == (model.losses_, [])
        loaded.save(tmp_path / "again")
        for file in (tmp_path / "model").iterdir():
            assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_the_network_of_pytorch_says_what_the_engine_says(tmp_path: Path) -> None:
    import torch

    model = fitted("RecurrentRegressor", layers=2)
    alone = (X[0] - model.input_mean_) / model.input_scale_
    with torch.no_grad():
        outputs = model.network_(torch.tensor(alone[:, None], dtype=torch.float32))[0].numpy()
    expected = outputs * model.target_scale_ + model.target_mean_
    assert model.predict(X[:1])[0] == pytest.approx(expected, rel=1e-4)


def test_a_saved_estimator_predicts_without_torch(tmp_path: Path) -> None:
    model = fitted()
    model.save(tmp_path / "model")
    code = f"""
import sys, charrnn
model = charrnn.load_estimator({str(tmp_path / "model")!r})
print(*model.predict({[x.tolist() for x in X]!r}), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [*model.predict(X).tolist(), "False"]


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(
        st.sets(st.text(st.characters(exclude_characters="\0"), max_size=5), min_size=2),
        st.sets(st.integers(-(2**63), 2**63 - 1), min_size=2),
        st.just({False, True}),
        st.sets(st.dates().map(np.datetime64), min_size=2),
    )
)
def test_classes_of_every_type_survive(names: set[Any]) -> None:
    classes = np.unique(np.array(list(names)))
    data = json.loads(json.dumps(classes_to_json(classes)))
    read = classes_from_json(data, "classes", len(classes))
    assert read.dtype == classes.dtype and (read == classes).all()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("estimator",), "RecurrentOracle", "the estimator 'RecurrentOracle' is unknown"),
        (("estimator",), 7, "expected the name of a class"),
        (("estimator",), "RecurrentRegressor", "expected the mean and the scale"),
        (("parameters", "cell"), "abacus", "parameters: cell 'abacus'"),
        (("parameters", "more"), 1, "its parameters are not those of"),
        (("network", "hidden_size"), 6, "tensor rnn"),
        (("network", "hidden_size"), 2**40, "hidden_size"),
        (("network", "pooling"), None, "pooling is missing"),
        (("network", "outputs"), 3, "tensor head"),
        (("fitted", "input_scale"), [1.0, 0.0, 1.0], "input_scale is not above 0"),
        (("fitted", "input_mean"), [1.0], "expected 3 numbers, found 1"),
        (("fitted", "losses"), [None], "expected a list of numbers"),
        (("fitted", "more"), 1, "expected the classes"),
        (("fitted", "classes"), {"type": "<U4", "values": ["more", "less"]}, "sorted, each once"),
        (("fitted", "classes"), {"type": "|O", "values": ["less", "more"]}, "classes: expected 2"),
        (("fitted", "classes"), {"type": "<U4", "values": [[], {}]}, "neither a string nor"),
    ],
)
def test_a_directory_that_was_changed_is_refused(
    path: tuple[str, ...], value: Any, message: str, tmp_path: Path
) -> None:
    """Even where its manifest is right: a person may have written it."""
    fitted().save(tmp_path / "model")
    files = {file.name: file.read_bytes() for file in (tmp_path / "model").iterdir()}
    config = json.loads(files["config.json"])
    part = config
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    files["config.json"] = json.dumps(config).encode()
    del files["manifest.json"]
    for name, content in with_manifest(files).items():
        (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_estimator(tmp_path / "model")


def test_a_damaged_file_is_noticed(tmp_path: Path) -> None:
    fitted().save(tmp_path / "model")
    for name in ("config.json", "model.safetensors"):
        shutil.copytree(tmp_path / "model", tmp_path / "copy", dirs_exist_ok=True)
        content = bytearray((tmp_path / "copy" / name).read_bytes())
        content[-3] ^= 1
        (tmp_path / "copy" / name).write_bytes(content)
        with pytest.raises(ModelError, match=f"{name}: damaged"):
            load_estimator(tmp_path / "copy")


def test_errors_of_saving_and_loading(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        charrnn.RecurrentClassifier().save(tmp_path / "model")
    model = fitted()
    model.save(tmp_path / "model")
    with pytest.raises(ModelError, match="is a RecurrentClassifier, not a RecurrentRegressor"):
        charrnn.RecurrentRegressor.load(tmp_path / "model")
    model.epochs = [3]
    with pytest.raises(ConfigError, match=r"epochs \[3\] cannot be saved"):
        model.save(tmp_path / "model")
    with pytest.raises(CharRNNError, match=r"manifest\.json"):
        load_estimator(tmp_path / "nothing")


# Resuming


@pytest.mark.parametrize("name", POOLED)
def test_a_fit_is_resumed_from_an_estimator_and_from_its_directory(
    name: str, tmp_path: Path
) -> None:
    first = POOLED[name](hidden_size=8, epochs=30, learning_rate=0.02).fit(X, TARGETS[name])
    first.save(tmp_path / "model")
    then = POOLED[name](epochs=1, learning_rate=1e-5)
    resumed = then.fit(X, TARGETS[name], resume_from=tmp_path / "model")
    assert resumed.losses_[0] == pytest.approx(first.losses_[-1], rel=0.2)
    assert resumed.losses_[0] < 0.6 * first.losses_[0]
    assert resumed.network_config_ == first.network_config_
    again = POOLED[name](epochs=1, learning_rate=1e-5)
    assert (answers(again.fit(X, TARGETS[name], resume_from=first)) == answers(resumed)).all()


def test_a_resumed_fit_keeps_classes_and_refuses_new_ones() -> None:
    first = fitted()
    labels = TARGETS["RecurrentClassifier"]
    few = np.flatnonzero(labels == "more")
    model = charrnn.RecurrentClassifier(epochs=1)
    model.fit([X[place] for place in few], labels[few], resume_from=first)
    assert model.classes_.tolist() == ["less", "more"]
    with pytest.raises(ConfigError, match="y has the class 'other'"):
        model.fit(X[:2], ["other", "more"], resume_from=first)
    with pytest.raises(ConfigError, match="resume_from is a RecurrentRegressor"):
        model.fit(X, labels, resume_from=fitted("RecurrentRegressor"))
    with pytest.raises(ConfigError, match=r"sequence 0 of X has shape \(2, 2\): expected \(T, 3\)"):
        model.fit(np.zeros((2, 2, 2)), ["less", "more"], resume_from=first)
