from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.data.documents import Document
from charrnn.errors import ConfigError, CorpusError, ModelError
from charrnn.storage.model_directory import Model
from charrnn.tasks.transduce import LONGEST
from charrnn.tasks.transduce import translate as module
from charrnn.tasks.transduce.tokenizer import PairTokenizer
from charrnn.tasks.transduce.translate import Translator, stream_translate, translate
from tests.tasks.transduce.fakes import FEATURED, PHONES, TOKENIZER, UpperCase, make_pair_model


def make(tokenizer: PairTokenizer = TOKENIZER, *, copies: bool = True, **how: Any) -> Translator:
    engine = UpperCase(tokenizer, copies=copies)
    return Translator(make_pair_model(tokenizer), engine=engine, **how)


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> UpperCase:
    engine = UpperCase(TOKENIZER)
    monkeypatch.setattr(module, "_make_engine", lambda model: engine)
    return engine


def test_candidates_are_of_the_most_probable_first(faked: UpperCase) -> None:
    (found,) = translate(make_pair_model(), "abc", n=2)
    assert [each.text for each in found.targets] == ["ABC", "AB"]
    assert [each.probability for each in found.targets] == pytest.approx([0.75, 0.25])
    assert (found.source, found.text, found.unknown, found.problem) == ("abc", "ABC", "", None)
    assert found.alignment is None


def test_translations_are_in_the_order_of_the_texts_whatever_their_lengths(
    faked: UpperCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHARACTERS_AT_ONCE", 40)
    texts = ["abc"[n % 3 :] * (1 + n % 5) for n in range(30)]
    found = translate(make_pair_model(), texts)
    assert [each.text for each in found] == [text.upper() for text in texts]
    assert 1 < len(faked.batches) < 30 and sum(faked.batches) == 30


def test_symbols_are_joined_by_the_separator() -> None:
    (found,) = make(PHONES).stream(["cab"])
    assert found.text == "tʃ a b:"
    assert found.targets[0].symbols == ("tʃ", "a", "b:")


def test_unknown_characters_are_copied_or_said() -> None:
    """An unknown character turned silently into nothing."""
    (copied,) = make().stream(["aéb"])
    assert (copied.text, copied.unknown, copied.dropped) == ("AéB", "é", "")
    (dropped,) = make(copies=False).stream(["éaéb"])
    assert (dropped.text, dropped.unknown, dropped.dropped) == ("AB", "é", "é")


def test_alignments_have_a_column_for_each_character_of_the_source() -> None:
    (found,) = make(FEATURED, alignment=True).stream(["ab"], "SG")
    assert found.text == "ABA"
    assert found.alignment is not None
    # The feature wrote the last symbol, and is no character.
    assert found.alignment.tolist() == [[1, 0], [0, 1], [0, 0]]


def test_features_are_of_all_texts_or_of_each() -> None:
    assert [each.text for each in make(FEATURED).stream(["b", "c"], "PL;SG")] == ["BAA", "CAA"]
    each_its_own = make(FEATURED).stream(["b", "c"], ["PL", ""])
    assert [each.text for each in each_its_own] == ["BA", "C"]


@pytest.mark.parametrize(("features", "problem"), [(["PL"], "fewer"), (["PL"] * 3, "more")])
def test_as_many_features_as_texts(features: list[str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        list(make(FEATURED).stream(["b", "c"], features))


def test_an_empty_line_stays_empty_and_is_no_problem(faked: UpperCase) -> None:
    found = translate(make_pair_model(), ["a", "", "b\n"])
    assert [each.text for each in found] == ["A", "", "B"]
    assert all(each.problem is None for each in found)
    assert found[1].targets == ()


@pytest.mark.parametrize(
    ("text", "features", "problem"),
    [
        ("a" * (LONGEST + 1), None, "characters"),
        (3, None, "not text but int"),
        ("a", "DUAL", "does not know the feature 'DUAL'"),
    ],
)
def test_a_text_with_a_problem_does_not_stop_the_others(
    text: Any, features: str | None, problem: str
) -> None:
    found = make(FEATURED).translate(["a", text, "b"], [None, features, None])
    assert [each.text for each in found] == ["A", "", "B"]
    assert found[1].problem is not None and problem in found[1].problem


def test_the_problem_of_a_document_is_that_of_its_translation() -> None:
    (found,) = make().stream([Document("x", "", problem="byte 0xff is not valid utf-8")])
    assert found.problem == "byte 0xff is not valid utf-8"


def test_a_single_text_with_a_problem_is_an_error(faked: UpperCase) -> None:
    with pytest.raises(CorpusError, match="does not know|without features"):
        translate(make_pair_model(), "a", features="PL")


def test_texts_before_an_error_of_their_iterator_are_translated(faked: UpperCase) -> None:
    def texts() -> Iterator[str]:
        yield "a"
        raise RuntimeError("the file ends here")

    found = stream_translate(make_pair_model(), texts())
    assert next(found).text == "A"
    with pytest.raises(RuntimeError, match="ends here"):
        next(found)


def test_an_endless_stream_is_translated_while_it_comes(faked: UpperCase) -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "ab"

    found = stream_translate(make_pair_model(), endless())
    assert [next(found).text for _ in range(module.TEXTS_AT_ONCE + 1)][-1] == "AB"


@pytest.mark.parametrize("settings", [{"beam": 0}, {"n": 0}, {"n": 101}, {"beam": 2.5}])
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(settings))} .*: choose"):
        make(**settings)


def test_one_text_is_streamed_as_one(faked: UpperCase) -> None:
    """It was read as a list of its characters."""
    assert [each.text for each in stream_translate(make_pair_model(), "ab")] == ["AB"]


def test_another_model_is_refused_with_its_own_commands(make_model: Any) -> None:
    model: Model = make_model("abc")
    with pytest.raises(ModelError, match="trained to generate, not to transduce"):
        charrnn.translate(model, "abc")


def test_probabilities_of_rounded_sums_are_no_more_than_1() -> None:
    class Certain(UpperCase):
        def _translate(self, source: Any) -> Any:
            from dataclasses import replace

            return [replace(each, log_probability=1e-7) for each in super()._translate(source)]

    translator = Translator(make_pair_model(), engine=Certain(TOKENIZER))
    assert next(translator.stream(["a"])).targets[0].probability == 1.0


def test_alignments_are_numbers_of_float32() -> None:
    (found,) = make(alignment=True).stream(["a"])
    assert found.alignment is not None and found.alignment.dtype == np.float32
