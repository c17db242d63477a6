from pathlib import Path
from typing import Any

import pytest

from charrnn.data.read_options import ReadOptions
from charrnn.errors import ConfigError, CorpusError
from charrnn.tasks.transduce import translate as module
from charrnn.tasks.transduce.evaluation import evaluate_translations, prepare_evaluation
from charrnn.tasks.transduce.pair_rows import Source
from charrnn.tasks.transduce.translate import Translator
from charrnn.training.report import EvaluationRequest
from tests.provenance import make_provenance
from tests.tasks.transduce.fakes import FEATURED, PHONES, TOKENIZER, UpperCase, make_pair_model


@pytest.fixture(autouse=True)
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_make_engine", lambda model: UpperCase(model.tokenizer))


def request(path: Path | None, **changes: Any) -> EvaluationRequest:
    settings: dict[str, Any] = {
        "model": make_pair_model(),
        "read": ReadOptions(source="1", target="2"),
        "file": None if path is None else str(path),
    }
    return EvaluationRequest(**(settings | changes))


def test_a_file_is_measured_with_all_correct_targets_of_a_source(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("ab\tAB\nab\tXX\nbc\tBB\nc\tC\n")
    report = prepare_evaluation(request(path), lambda *_: None)(None)
    record = report.record
    assert record["sources"] == 3
    assert record["word_error_rate"] == pytest.approx(1 / 3)
    assert record["symbol_error_rate"] == pytest.approx(1 / 5)
    assert record["baselines"]["copy"]["word_error_rate"] == 1
    assert record["confusions"] == [{"correct": "B", "translated": "C", "times": 1}]
    assert sum(group["sources"] for group in record["by_length"]) == 3
    assert report.table is not None and report.table.rows == (("B", "C", "1"),)
    assert dict(report.rows)["word error rate"] == "33.3 % (copying the source: 100.0 %)"


def test_symbols_that_the_model_has_never_seen_count_as_errors(tmp_path: Path) -> None:
    """Reading a file with the model's tokenizer raised UnknownCharacterError for them."""
    path = tmp_path / "pairs.tsv"
    path.write_text("ab\tA\u00c9\naé\tAé\n")
    record = prepare_evaluation(request(path), lambda *_: None)(None).record
    assert record["word_error_rate"] == 1 / 2  # the unknown é of the source is copied
    assert record["confusions"] == [{"correct": "\u00c9", "translated": "B", "times": 1}]


def test_targets_are_divided_as_those_of_the_model(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("cb\ttʃ a\n")
    made = request(path, model=make_pair_model(PHONES))
    record = prepare_evaluation(made, lambda *_: None)(None).record
    assert record["symbol_error_rate"] == 1 / 2
    other = request(
        path, model=made.model, read=ReadOptions(source="1", target="2", target_separator="-")
    )
    with pytest.raises(ConfigError, match="leave that out"):
        prepare_evaluation(other, lambda *_: None)


def test_a_feature_that_the_model_does_not_know_is_an_error_and_said() -> None:
    model = make_pair_model(FEATURED)
    references = {Source("a", ("PL",)): {"AA"}, Source("b", ("DUAL",)): {"BA"}}
    report = evaluate_translations(model, references, held_out=False)
    assert report.record["word_error_rate"] == 1 / 2
    assert "1 of 2 sources have no translation" in report.remarks[0] and "DUAL" in report.remarks[0]


def test_progress_counts_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_pair_model()
    references = {Source("a" * n): {"A"} for n in range(1, 301)}
    seen: list[tuple[int, int]] = []
    evaluate_translations(
        model, references, held_out=True, progress=lambda *counts: seen.append(counts)
    )
    assert seen == [(module.TEXTS_AT_ONCE, 300), (300, 300)]


def test_characters_that_are_left_out_are_reported() -> None:
    model = make_pair_model()
    translator = Translator(model, engine=UpperCase(TOKENIZER, copies=False))
    report = evaluate_translations(
        model, {Source("aé"): {"A"}}, held_out=False, translator=translator
    )
    assert report.skipped == ("é",)


def test_nothing_is_held_out_of_all_models_that_were_trained_on_different_pairs() -> None:
    """The held-out pairs of the first were training pairs of the second."""
    model = make_pair_model(others=(make_pair_model(provenance=make_provenance(seed=1)),))
    with pytest.raises(ConfigError, match="different pairs"):
        prepare_evaluation(request(None, model=model), lambda *_: None)
    with pytest.raises(CorpusError, match="does not say where its text is"):
        prepare_evaluation(request(None), lambda *_: None)
