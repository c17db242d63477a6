from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import charrnn
from charrnn.data.documents import Document
from charrnn.errors import CorpusError, ModelError
from charrnn.model.networks import build_network
from charrnn.storage.model_directory import Model
from charrnn.tasks.classify import engine
from charrnn.tasks.classify import predict as module
from charrnn.tasks.classify.predict import Classifier, predict
from charrnn.training.plan import arrays

MakeModel = Callable[..., Model]


@pytest.fixture
def make(make_model: MakeModel) -> Callable[..., Model]:
    """A model with fresh weights that classifies, or regresses."""

    def made(task: str = "classify", **changes: Any) -> Model:
        base = make_model("\n abcdefgh")
        outputs = 3 if task == "classify" else 1
        config = replace(base.config, task=task, pooling="max", outputs=outputs, **changes)
        network = build_network(config, generator=torch.Generator().manual_seed(1))
        labels = ("cat", "dog", "hen") if task == "classify" else ()
        return replace(base, config=config, tensors=arrays(network), labels=labels)

    return made


def test_probabilities_are_of_all_classes_the_likeliest_first(make: MakeModel) -> None:
    prediction = Classifier(make()).predict("abba cad")
    assert set(prediction.probabilities) == {"cat", "dog", "hen"}
    shares = list(prediction.probabilities.values())
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1)
    assert prediction.label == next(iter(prediction.probabilities))
    assert prediction.number is None and prediction.skipped == ()


def test_a_number_is_told_as_it_is(make: MakeModel) -> None:
    model = make("regress")
    prediction = Classifier(model).predict("abba")
    assert prediction.label is None and prediction.probabilities == {}
    network = build_network(model.config, generator=torch.Generator().manual_seed(1)).eval()
    ids = torch.from_numpy(model.tokenizer.encode("abba").astype(np.int64))[None]
    assert prediction.number == pytest.approx(network(ids).item(), abs=1e-5)


def test_many_texts_are_told_as_each_alone_and_in_their_order(
    make: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TEXTS_AT_ONCE", 5)
    classifier = Classifier(make())
    texts = ["abcdefgh"[n % 7 :] * (1 + n % 4) for n in range(17)]
    assert list(classifier.stream(texts)) == [classifier.predict(text) for text in texts]


def test_what_is_told_of_the_first_texts_does_not_wait_for_the_last(
    make: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TEXTS_AT_ONCE", 2)

    def texts() -> Iterator[str]:
        yield from ("a", "b")
        raise AssertionError("the third is read too early")

    told = Classifier(make()).stream(texts())
    assert next(told) and next(told)


def test_newlines_at_the_end_change_nothing(make: MakeModel) -> None:
    classifier = Classifier(make())
    assert classifier.predict("abba\r\n\n") == classifier.predict("abba")


def test_unknown_characters_are_left_out_and_told(make: MakeModel) -> None:
    classifier = Classifier(make())
    prediction = classifier.predict("aXbXYba")
    assert prediction.skipped == ("X", "Y")
    assert prediction.probabilities == classifier.predict("abba").probabilities


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it has no characters"),
        ("\n", "it has no characters"),
        ("XY", "no character that the model knows"),
        (None, "it is not text but NoneType"),
        (float("nan"), "it is not text but float"),
        (b"ab", "it is not text but bytes"),
        (Document("x.csv: row 3", "", problem="its text is empty"), "its text is empty"),
    ],
)
def test_a_text_of_nothing_loses_no_others(make: MakeModel, text: Any, problem: str) -> None:
    first, strange, last = Classifier(make()).stream(["a", text, "b"])
    assert strange.problem is not None and problem in strange.problem
    assert strange.label is None and strange.probabilities == {} and strange.number is None
    assert [first, last] == predict(make(), ["a", "b"]) and first.problem is None
    assert [first, strange, last] == predict(make(), ["a", text, "b"])
    with pytest.raises(CorpusError, match=f"text 2: {problem}|text 2: it has {problem}"):
        predict(make(), ["a", text, "b"], strict=True)


def test_a_single_text_of_nothing_is_refused(make: MakeModel) -> None:
    with pytest.raises(CorpusError, match="no character that the model knows"):
        predict(make(), "XY")
    with pytest.raises(CorpusError, match="no characters"):
        Classifier(make()).predict("")
    nothing: Any
    for nothing in (None, float("nan"), b"ab"):
        with pytest.raises(CorpusError, match="text 1: it is not text but"):
            predict(make(), nothing)


def test_what_texts_break_off_with_comes_after_what_is_told_of_those_before(
    make: MakeModel,
) -> None:
    def texts() -> Iterator[str]:
        yield from ("a", "b", "c")
        raise CorpusError("the disk is gone")

    told = Classifier(make()).stream(texts())
    assert [next(told) for _ in range(3)] == predict(make(), ["a", "b", "c"])
    with pytest.raises(CorpusError, match="the disk is gone"):
        next(told)


def test_a_text_too_long_for_both_directions_loses_no_others(
    make: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(bidirectional=True)
    monkeypatch.setattr(engine, "_MOST_OF_ONE", 2 * 5 * model.config.hidden_size)
    first, strange, last = Classifier(model).stream(["abcde", "abcdea", "a"])
    assert first.problem is None and last.problem is None
    assert strange.problem is not None and "pieces of up to 5" in strange.problem


@pytest.mark.parametrize("task", ["generate", "restore"])
def test_a_model_of_another_task_is_refused(make_model: MakeModel, task: str) -> None:
    with pytest.raises(ModelError, match=f"trained to {task}"):
        Classifier(make_model(task=task))


def test_one_text_has_a_list_of_one_prediction(make: MakeModel) -> None:
    (one,) = predict(make(), "abba")
    assert [one, one] == predict(make(), ["abba", "abba"]) == charrnn.predict(make(), ["abba"] * 2)
