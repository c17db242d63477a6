import copy
import json
import pickle
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import RecurrentTranscriber
from charrnn.errors import CharRNNWarning, ConfigError, ModelError
from charrnn.storage.manifest import with_manifest
from charrnn.storage.model_directory import Model

ALPHABET = "ab "
SMALL: dict[str, Any] = {"hidden_size": 8, "layers": 1, "batch_size": 8, "dropout": 0.0}


def drawn(count: int, seed: int, noise: float = 0.1) -> tuple[list[Any], list[str]]:
    """Strings, and the sequences that write them: two or three steps for each character, one of
    another kind behind it, and noise."""
    random = np.random.default_rng(seed)
    strings = [
        "".join(random.choice(list(ALPHABET), size=random.integers(1, 6))) for _ in range(count)
    ]
    sequences = []
    for string in strings:
        rows: list[int] = []
        for character in string:
            rows += [ALPHABET.index(character)] * int(random.integers(2, 4)) + [len(ALPHABET)]
        sequences.append(np.eye(len(ALPHABET) + 1)[rows])
        sequences[-1] = sequences[-1] + random.normal(0, noise, sequences[-1].shape)
    return sequences, strings


X, Y = drawn(64, 0)
UNSEEN, ANSWERS = drawn(40, 1)


@pytest.fixture(scope="module")
def learned() -> RecurrentTranscriber:
    return RecurrentTranscriber(epochs=15, learning_rate=0.05, **SMALL).fit(X, Y)


@pytest.fixture
def model(make_model: Callable[..., Model]) -> Model:
    return make_model("\n abc")


# Learning


def test_strings_are_learned(learned: RecurrentTranscriber) -> None:
    assert learned.score(UNSEEN, ANSWERS) > 0.9
    assert learned.characters_ == " ab"
    assert len(learned.losses_) == len(learned.validation_losses_) == 15
    assert learned.losses_[-1] < 0.1 < 1 < learned.losses_[0]
    assert learned.validation_losses_[-1] < 0.2
    assert len(learned.held_out_) == 6
    predicted = learned.predict(UNSEEN)
    assert predicted.shape == (40,) and predicted.dtype.kind == "U"
    wrong = charrnn.evaluation.metrics.character_error_rate(ANSWERS, predicted.tolist())
    assert learned.score(UNSEEN, ANSWERS) == 1 - wrong


@pytest.mark.parametrize("cell", ["gru", "rnn"])
@pytest.mark.parametrize("subsampling", [1, 2])
def test_every_cell_learns_with_joined_steps(cell: str, subsampling: int) -> None:
    model = RecurrentTranscriber(
        cell=cell, subsampling=subsampling, epochs=8, learning_rate=0.05, **SMALL
    ).fit(X, Y)
    assert model.losses_[-1] < 0.6 * model.losses_[0]
    assert model.network_config_.input_size == 4 * subsampling
    assert model.n_features_in_ == 4
    (scores,) = model.log_probabilities(UNSEEN[:1])
    assert scores.shape == (-(-len(UNSEEN[0]) // subsampling), 4)
    assert np.exp(scores).sum(1) == pytest.approx(np.ones(len(scores)))


def test_a_padded_batch_has_the_losses_of_its_sequences() -> None:
    import torch

    from charrnn.estimators.transcription.loss import ctc_losses
    from charrnn.estimators.transcription.strings import encode

    strings = ["ab", "", "aab", "b"]
    ids, lengths = torch.tensor(encode(strings, "ab")), torch.tensor([5, 3, 7, 2])
    outputs = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    together = ctc_losses(outputs, ids, lengths)
    (gradient,) = torch.autograd.grad(together.sum(), outputs)
    for row, (string, length) in enumerate(zip(strings, lengths.tolist(), strict=True)):
        alone = outputs[:length, row : row + 1].detach().requires_grad_()
        (loss,) = ctc_losses(alone, torch.tensor(encode([string], "ab")), None)
        assert loss.item() == pytest.approx(together[row].item(), rel=1e-5)
        loss.backward()
        assert alone.grad is not None
        torch.testing.assert_close(gradient[:length, row], alone.grad[:, 0])
        assert (gradient[length:, row] == 0).all()


def test_the_log_probabilities_are_those_of_the_network(learned: RecurrentTranscriber) -> None:
    import torch

    alone = (UNSEEN[0] - learned.input_mean_) / learned.input_scale_
    with torch.no_grad():
        outputs = learned.network_(torch.tensor(alone[:, None], dtype=torch.float32))
    expected = outputs.log_softmax(2)[:, 0].numpy()
    together = learned.log_probabilities(UNSEEN)
    np.testing.assert_allclose(together[0], expected, atol=1e-4)
    assert all(
        (learned.log_probabilities([x])[0] == each).all()
        for x, each in zip(UNSEEN, together, strict=True)
    )


def test_a_fit_is_resumed_with_its_characters(learned: RecurrentTranscriber) -> None:
    further = RecurrentTranscriber(epochs=1, learning_rate=1e-5, subsampling=3)
    further.fit(X[:20], ["a"] * 20, resume_from=learned)
    assert (further.characters_, further.subsampling_) == (learned.characters_, 1)
    again = RecurrentTranscriber(epochs=1, learning_rate=1e-5).fit(X, Y, resume_from=learned)
    assert again.losses_[0] == pytest.approx(learned.losses_[-1], abs=0.1)
    with pytest.raises(ConfigError, match=r"y has the character 'x' at \[1\], which the fit"):
        further.fit(X[:2], ["a", "x"], resume_from=learned)


@pytest.mark.parametrize(
    ("x", "y", "parameters", "message"),
    [
        (X[:2], ["a"], {}, r"y has shape \(1,\): expected \(2,\), a string"),
        (X[:2], ["a", 1], {}, r"y has 1 at \[1\]: expected strings"),
        (X[:2], ["", ""], {}, "y has empty strings only"),
        (X[:2], ["a", "\ud800"], {}, r"half of a surrogate pair at \[1\]"),
        (X[:2], None, {}, "requires y to be passed"),
        ([np.ones((3, 2))], ["aab"], {}, "sequence 0 of X has 3 steps, and its string needs 4"),
        ([np.ones((6, 2))], ["abab"], {"subsampling": 2}, "3 after subsampling by 2, .* lower"),
        (X, Y, {"subsampling": 0}, "subsampling 0: choose a whole number from 1 on"),
        (X, Y, {"beam_width": 0}, "beam_width 0: choose a whole number from 1 on"),
        (X, Y, {"language_model_weight": -1.0}, "language_model_weight -1.0: choose a number from"),
        (X, Y, {"language_model": 7}, "language_model 7: choose"),
        (X, Y, {"cell": "abacus"}, "cell 'abacus'"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    x: Any, y: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        RecurrentTranscriber(**parameters).fit(x, y)


def test_the_steps_that_are_joined_leave_room_for_the_characters() -> None:
    from charrnn.estimators.transcription.strings import choose_subsampling, encode

    ids = encode(["ab", "abab"], "ab")
    lengths = np.array([[5, 10], [6, 12], [9, 18], [100, 200]])
    assert [choose_subsampling(each, ids) for each in lengths] == [1, 2, 3, 3]
    many = encode(["ab"] * 300 + ["abab"], "ab")  # the one that is short must fit as well
    assert choose_subsampling(np.array([100] * 300 + [7]), many) == 2


# The language model


def test_the_language_model_decides_and_parameters_count_after_the_fit(model: Model) -> None:
    blurred, strings = drawn(80, 2, noise=0.7)
    transcriber = RecurrentTranscriber(
        epochs=3, learning_rate=0.05, language_model=model, beam_width=4, **SMALL
    ).fit(blurred, strings)
    assert transcriber.language_model_weight_ is not None
    chosen = transcriber.predict(UNSEEN)
    transcriber.set_params(language_model_weight=0)
    without = transcriber.predict(UNSEEN)
    transcriber.set_params(language_model_weight=2.0)
    strong = transcriber.predict(UNSEEN)
    assert (strong != without).any()
    transcriber.set_params(language_model_weight=None)
    assert (transcriber.predict(UNSEEN) == chosen).all()
    transcriber.set_params(language_model=None)
    assert (transcriber.predict(UNSEEN) == without).all()
    transcriber.set_params(beam_width=1)
    greedy = [scores.argmax(1) for scores in transcriber.log_probabilities(UNSEEN[:1])]
    assert transcriber.predict(UNSEEN[:1])[0] == "".join(
        " ab"[each - 1]
        for before, each in zip([0, *greedy[0]], greedy[0], strict=False)
        if each not in (0, before)
    )


def test_the_weight_is_chosen_after_the_fit(learned: RecurrentTranscriber, model: Model) -> None:
    later = copy.deepcopy(learned).set_params(beam_width=4, language_model=model)
    with pytest.raises(ConfigError, match="no weight was chosen for the language model"):
        later.predict(UNSEEN)
    assert later.fit_language_model(UNSEEN, ANSWERS) is later
    assert later.score(UNSEEN, ANSWERS) >= learned.score(UNSEEN, ANSWERS)
    later.set_params(language_model_weight=0.3).fit_language_model(UNSEEN, ANSWERS)
    assert later.language_model_weight_ == 0.3
    with pytest.raises(ConfigError, match="language_model is None: set one"):
        learned.fit_language_model(UNSEEN, ANSWERS)


def test_what_a_language_model_needs(
    model: Model, make_model: Callable[..., Model], learned: RecurrentTranscriber
) -> None:
    few = RecurrentTranscriber(epochs=1, language_model=model, beam_width=2, **SMALL)
    with pytest.raises(ConfigError, match="20 sequences are too few to hold some out"):
        few.fit(X[:20], Y[:20])
    few.set_params(language_model_weight=0.5).fit(X[:20], Y[:20])
    assert few.language_model_weight_ is None and few.predict(X[:2]).shape == (2,)
    few.set_params(language_model="no such run")
    with pytest.raises(ModelError, match="no such model or run"):
        few.fit(X[:20], Y[:20])
    few.set_params(language_model=make_model("\n b"))
    with pytest.warns(CharRNNWarning, match="the language model does not know 'a'"):
        few.fit(X[:20], Y[:20])
    few.set_params(language_model=make_model("\ncd"))
    with pytest.raises(ConfigError, match="knows none of the characters"):
        few.fit(X[:20], Y[:20])


# Storage and scikit-learn


def test_a_directory_has_the_language_model(model: Model, tmp_path: Path) -> None:
    made = RecurrentTranscriber(
        epochs=2, language_model=model, beam_width=3, subsampling=2, **SMALL
    ).fit(X, Y)
    made.save(tmp_path / "model")
    loaded = charrnn.load_estimator(tmp_path / "model")
    assert isinstance(loaded, RecurrentTranscriber) and loaded.held_out_.tolist()
    for twin in (loaded, copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert (twin.predict(UNSEEN) == made.predict(UNSEEN)).all()
    loaded.save(tmp_path / "again")
    files = [each for each in (tmp_path / "model").rglob("*") if each.is_file()]
    assert len(files) == 7
    for file in files:
        twin = tmp_path / "again" / file.relative_to(tmp_path / "model")
        assert twin.read_bytes() == file.read_bytes()
    code = f"""
import sys, charrnn
model = charrnn.load_estimator({str(tmp_path / "model")!r})
print(model.predict({[x.tolist() for x in UNSEEN[:5]]!r}).tolist(), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{made.predict(UNSEEN[:5]).tolist()} False\n"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("fitted", "characters"), " ba", "expected 3 characters, sorted"),
        (("fitted", "characters"), "ab", "expected 3 characters, sorted"),
        (("fitted", "subsampling"), 3, "subsampling is 3"),
        (("fitted", "subsampling"), True, "subsampling is True"),
        (("fitted", "held_out"), ["0"], "held_out: expected places"),
        (("fitted", "language_model_weight"), "1", "expected a list of numbers"),
        (("fitted", "insertion_bonus"), None, "expected a list of numbers"),
        (("fitted", "more"), 1, "expected the characters and"),
        (("network", "pooling"), "last", "a transcriber has no pooling"),
        (("parameters", "language_model"), "/etc", "language_model is '/etc', which is not in"),
        (("parameters", "beam_width"), 0, "parameters: beam_width 0"),
        (("estimator",), "RecurrentClassifier", "its parameters are not those of"),
    ],
)
def test_a_directory_that_was_changed_is_refused(
    learned: RecurrentTranscriber, path: tuple[str, ...], value: Any, message: str, tmp_path: Path
) -> None:
    learned.save(tmp_path / "model")
    files = {file.name: file.read_bytes() for file in (tmp_path / "model").iterdir()}
    config = part = json.loads(files["config.json"])
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    files["config.json"] = json.dumps(config).encode()
    del files["manifest.json"]
    for name, content in with_manifest(files).items():
        (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        charrnn.load_estimator(tmp_path / "model")


def test_a_damaged_language_model_is_noticed(
    learned: RecurrentTranscriber, model: Model, tmp_path: Path
) -> None:
    twin = copy.deepcopy(learned).set_params(language_model=model)
    twin.save(tmp_path / "model")
    file = tmp_path / "model" / "language_model" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors: damaged"):
        charrnn.load_estimator(tmp_path / "model")
    shutil.rmtree(file.parent)
    with pytest.raises(ModelError, match="language_model is 'language_model', which is not in"):
        charrnn.load_estimator(tmp_path / "model")


def test_scikit_learn_takes_it_for_one_of_its_own(model: Model) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone, is_classifier, is_regressor
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    made = RecurrentTranscriber(epochs=1, **SMALL)
    assert not is_classifier(made) and not is_regressor(made)
    with_model = made.set_params(language_model=model)
    assert clone(with_model).language_model.provenance == model.provenance
    assert repr(with_model).count("language_model=<model of ") == 1 and len(repr(with_model)) < 200
    made.set_params(language_model=None)
    assert clone(made).get_params() == made.get_params()
    halved = FunctionTransformer(lambda x: [each / 2 for each in x])
    assert cross_val_score(make_pipeline(halved, made), X[:20], Y[:20], cv=2).shape == (2,)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = GridSearchCV(made, {"beam_width": [1, 2]}, cv=2).fit(X[:20], Y[:20])
    assert search.best_params_["beam_width"] in (1, 2)
