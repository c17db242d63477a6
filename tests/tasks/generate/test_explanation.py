"""The explanation of language models of every kind, untrained: its parts fit together."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import charrnn
from charrnn.data.excerpt import Excerpt
from charrnn.errors import CharRNNWarning, ConfigError, CorpusError
from charrnn.explanation.config import PARTS, ExplainConfig
from charrnn.explanation.request import ExplainRequest
from charrnn.storage.model_directory import Model
from charrnn.storage.run_lookup import load
from charrnn.tasks.generate import explanation
from charrnn.training.explaining import explain_request
from charrnn.training.training_text import TrainingText
from tests.conftest import PROSE

TEXT = PROSE * 2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps, which keeps its checkpoints."""
    folder = tmp_path_factory.mktemp("explained")
    (folder / "text.txt").write_text(PROSE * 8)
    charrnn.train(
        folder / "text.txt",
        out=folder / "run",
        steps=30,
        hidden_size=8,
        checkpoint_every=10,
        evaluate_every=10,
        keep=5,
        precision="fp32",
        progress_bar=False,
    )
    return folder / "run"


def test_all_parts_of_a_run(run: Path) -> None:
    found = charrnn.explain(run, samples=3)
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    absent = {part for part in PARTS if record[part] is None}
    assert absent == {"attribution", "alignment"} == set(found.absent)
    assert record["text"]["source"] == "held out of text"
    assert record["text"]["characters"] == len(record["text"]["text"])
    surprise = record["surprise"]
    evaluated = charrnn.evaluate(run)["bits_per_character"]
    assert surprise["bits_per_character"] == pytest.approx(evaluated, abs=0.05)
    shown = len(record["text"]["text"])
    for name in ("nats", "ranks", "likeliest", "probabilities"):
        assert len(surprise[name]) == shown
    assert [each["step"] for each in record["learning"]["checkpoints"]] == [10, 20, 30]
    figures = {each["name"]: each for each in record["copying"]["figures"]}
    assert figures.keys() == {"samples", "text"}
    assert figures["samples"]["texts"] == 3
    assert figures["text"]["shares"]["100"] > 0.9  # the text repeats itself eight times
    place, length, training_place = record["copying"]["passages"][0]
    ids = (PROSE * 8)[training_place : training_place + length]
    assert record["text"]["text"][place : place + length] == ids[: shown - place]


def test_stages_are_announced(run: Path) -> None:
    stages: list[str] = []
    request = ExplainRequest(
        model=load(run),
        text="The ant asked",
        config=ExplainConfig(parts=("embeddings",)),
        stage=stages.append,
    )
    explain_request(request)
    assert stages == ["reading the text", "measuring the surprise of each character"]


def test_a_text_of_ones_own_is_compared_with_what_was_held_out(run: Path) -> None:
    found = charrnn.explain(run, "The ant asked the river.", parts=("copying",), samples=0)
    assert found.copying is not None
    assert [each.name for each in found.copying.figures] == ["text", "held_out"]
    assert found.copying.passages[0][1] == 23  # all but the full stop, or all
    assert found.absent["cells"] == "it was not asked for"


def test_passages_of_bytes_are_given_in_characters(
    make_model: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(None)
    passage = "é" * 12  # 24 bytes
    training = np.frombuffer(f"xx{passage}yy".encode(), np.uint8)
    monkeypatch.setattr(
        explanation,
        "explained_training_text",
        lambda _: TrainingText(training, training[:0]),
    )
    found = charrnn.explain(model, f"ö{passage}b", parts=("copying",), samples=0)
    assert found.copying is not None
    assert found.copying.passages == ((1, 12, 2),)


def test_passages_have_their_places_in_the_whole_training_text(
    make_model: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where lines in between were held out, what was read in training is an excerpt."""
    model = make_model("\n abcdefghijklmnopqrstuvwxyz")
    whole = "the hen met the fox again\nheld out\nthe fox asked the hen for bread\n"
    ids = model.tokenizer.encode(whole)
    held = whole.index("held"), whole.index("the fox asked")
    training = Excerpt(ids, np.array([0, held[1]]), np.array([held[0], len(ids)]))
    monkeypatch.setattr(
        explanation,
        "explained_training_text",
        lambda _: TrainingText(training, ids[slice(*held)]),
    )
    given = "fox asked the hen for bread"
    found = charrnn.explain(model, given, parts=("copying",), samples=0)
    assert found.copying is not None
    assert found.copying.passages == ((0, len(given), whole.index(given)),)
    assert found.copying.figures[0].longest[0].training_place == whole.index(given)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize(("characters", "attention"), [("bytes", None), ("own", 7), ("own", None)])
def test_every_kind_of_model_in_memory(
    cell: str, characters: str, attention: int | None, make_model: Callable[..., Model]
) -> None:
    alphabet = None if characters == "bytes" else "".join(sorted(set(TEXT)))
    model = make_model(alphabet, cell=cell, layers=1, hidden_size=6, attention=attention)
    found = charrnn.explain(model, TEXT, samples=1, shown=100)
    assert set(found.absent) == {"copying", "learning", "attribution", "alignment"}
    assert found.text.characters == len(TEXT)
    assert len(found.text.text) == 100
    assert found.cells is not None
    assert found.memory is not None
    assert (found.memory.attention is None) == (attention is None)
    assert all(len(unit.activity) == 100 for unit in found.cells.units)
    assert found.embeddings is not None
    assert len(found.embeddings.characters) == len(found.alphabet)
    json.dumps(found.to_json(), allow_nan=False)


def test_large_networks_read_less(
    make_model: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation, "_LEAST", 100)
    monkeypatch.setattr(explanation, "_READING", 1.0)
    model = make_model("".join(sorted(set(TEXT))))
    found = charrnn.explain(model, TEXT, parts=("surprise",), samples=0)
    assert (found.text.characters, found.text.of_characters) == (100, len(TEXT))


def test_unknown_characters_are_left_out_with_a_warning(make_model: Callable[..., Model]) -> None:
    model = make_model("\n abc")
    with pytest.warns(CharRNNWarning, match="'x'"):
        found = charrnn.explain(model, "abxc cab", parts=("surprise",), samples=0)
    assert found.text.text == "abc cab"
    assert found.text.skipped == ("x",)


@pytest.mark.parametrize("text", ["", "a", "xyz"])
@pytest.mark.filterwarnings("ignore::charrnn.errors.CharRNNWarning")
def test_hardly_any_text_is_an_error(text: str, make_model: Callable[..., Model]) -> None:
    with pytest.raises(CorpusError, match="give a longer text"):
        charrnn.explain(make_model("\n abc"), text)


def test_a_model_in_memory_needs_a_text(make_model: Callable[..., Model]) -> None:
    with pytest.raises(CorpusError, match="name a text"):
        charrnn.explain(make_model("\n abc"))


def test_unknown_parts_are_an_error(make_model: Callable[..., Model]) -> None:
    with pytest.raises(ConfigError, match="choose from surprise"):
        charrnn.explain(make_model("\n abc"), "abc", parts=("soul",))


def test_a_path_is_read_as_a_file(tmp_path: Path, make_model: Callable[..., Model]) -> None:
    (tmp_path / "some.txt").write_text("abc cab")
    found = charrnn.explain(
        make_model("\n abc"), tmp_path / "some.txt", parts=("surprise",), samples=0
    )
    assert (found.text.source, found.text.text) == ("some.txt", "abc cab")
