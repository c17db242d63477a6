import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from typer.testing import CliRunner

from charrnn.cli.app import app
from charrnn.data.corpus import open_corpus
from charrnn.data.read_options import PAIRS, ReadOptions
from charrnn.data.tokenizer import CharTokenizer
from charrnn.errors import ConfigError, CorpusError, ModelError
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import (
    CONFIG,
    TOKENIZER,
    Model,
    Provenance,
    read_model,
    write_model,
)
from charrnn.tasks.classify.definition import CLASSIFY
from charrnn.tasks.generate.definition import GENERATE
from charrnn.tasks.transduce import MOST_SYMBOLS
from charrnn.tasks.transduce.definition import TRANSDUCE
from charrnn.tasks.transduce.pairs import PairCorpus, read_pairs
from charrnn.tasks.transduce.tokenizer import PairTokenizer
from charrnn.training.checkpoint import Checkpoint
from charrnn.training.options import TrainingOptions

TOKENIZER_OF_PAIRS = PairTokenizer("abc", ("x", "yy"), ("V",), " ")
READ = ReadOptions(source="1", target="2", target_separator=" ")
PROVENANCE = Provenance(
    corpus="pairs",
    sha256="0" * 64,
    corpus_bytes=100,
    corpus_characters=50,
    validation_fraction=0.1,
    lines=False,
    step=3,
    characters=24,
    seconds=1.0,
    seed=7,
    validation_nats=2.0,
)


def model_of(tokenizer: PairTokenizer = TOKENIZER_OF_PAIRS, **settings: Any) -> Model:
    sizes: dict[str, Any] = {
        "task": "transduce",
        "vocabulary_size": tokenizer.vocabulary_size,
        "outputs": tokenizer.outputs,
        "bidirectional": True,
        "hidden_size": 3,
        "embedding_size": 2,
    }
    config = ModelConfig(**sizes | settings)
    tensors = {name: np.ones(shape, np.float32) for name, shape in config.tensor_shapes().items()}
    return Model(config, tokenizer, tensors, PROVENANCE)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_model(tmp_path / "model", model_of())
    return tmp_path / "model"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_a_model_is_read_as_it_was_written(directory: Path) -> None:
    model = read_model(directory)
    assert isinstance(model.tokenizer, PairTokenizer)
    assert model.tokenizer.to_json() == TOKENIZER_OF_PAIRS.to_json()
    assert model.config == model_of().config
    assert model.labels == ()


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("source", "its tokenizer has 8 characters, its config 7"),
        ("features", "its tokenizer has 8 characters, its config 7"),
        ("target", "its tokenizer has 3 symbols of targets, its config 2 outputs"),
    ],
)
def test_a_tokenizer_of_another_size_is_refused(directory: Path, key: str, problem: str) -> None:
    edit(directory / TOKENIZER, lambda value: value[key].append("z"))
    with pytest.raises(ModelError, match=f"^{directory}: {problem}"):
        read_model(directory)


def test_tokenizers_of_other_tasks_are_refused(directory: Path, tmp_path: Path) -> None:
    """A pair tokenizer would number the characters of a text otherwise."""
    characters = CharTokenizer("abcdefg").to_json()
    (directory / TOKENIZER).write_text(json.dumps(characters))
    with pytest.raises(ModelError, match=r'tokenizer.json: tokenizer: expected \{"kind": "pair"'):
        read_model(directory)
    config = ModelConfig(vocabulary_size=7)
    text = Model(config, CharTokenizer("abcdefg"), {}, PROVENANCE)
    write_model(tmp_path / "text", text)
    (tmp_path / "text" / TOKENIZER).write_text(json.dumps(TOKENIZER_OF_PAIRS.to_json()))
    with pytest.raises(ModelError, match=r'tokenizer.json: tokenizer: expected \{"kind": "char"'):
        read_model(tmp_path / "text")


def test_a_model_of_pairs_has_no_labels(directory: Path) -> None:
    edit(directory / CONFIG, lambda value: value.update(labels=["a", "b"]))
    with pytest.raises(ModelError, match="labels are unknown in a model to transduce"):
        read_model(directory)


@pytest.mark.parametrize("outputs", [None, 0, -1, True, 1.0, MOST_SYMBOLS + 1], ids=str)
def test_outputs_out_of_range_are_refused(outputs: Any) -> None:
    with pytest.raises(ConfigError, match="a network to transduce has 1 to 32,768"):
        model_of(outputs=outputs)


OPTIONS: dict[str, dict[str, Any]] = {
    "--lines": {"lines": True},
    "--attention": {"attention": 4},
    "--sequence-length": {"sequence_length": 8},
    "--bidirectional": {"bidirectional": True},
    "--regress": {"regress": True},
    "--pooling": {"pooling": "max"},
    "--class-weights": {"class_weights": "balanced"},
}


@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_other_tasks_are_refused(option: str) -> None:
    TRANSDUCE.check_options(TrainingOptions())
    with pytest.raises(ConfigError, match=f"^{option}.* leave that out"):
        TRANSDUCE.check_options(TrainingOptions(**OPTIONS[option]))


def test_each_task_has_its_own_columns() -> None:
    labelled = ReadOptions(column="text", label="kind")
    assert TRANSDUCE.learns_from(READ)
    assert CLASSIFY.learns_from(labelled)
    assert GENERATE.learns_from(ReadOptions(column="text"))
    for definition, options in (
        (TRANSDUCE, labelled),
        (TRANSDUCE, ReadOptions()),
        (CLASSIFY, READ),
        (GENERATE, READ),
    ):
        assert not definition.learns_from(options)
    assert TRANSDUCE.unused_read_options == {"column", "label"}
    assert CLASSIFY.unused_read_options == {*PAIRS}
    assert GENERATE.unused_read_options == {"label", *PAIRS}


def test_a_corpus_without_pairs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("text\na\n")
    corpus = open_corpus([str(tmp_path / "rows.tsv")], ReadOptions(column="text"))
    with pytest.raises(CorpusError, match="rows: it has no pairs; name --source and --target"):
        TRANSDUCE.read_corpus(corpus)


def test_the_columns_of_the_training_are_evaluated() -> None:
    plain, other = ReadOptions(encoding="latin-1"), ReadOptions(source="a", target="b")
    read = TRANSDUCE.evaluation_read_options("new.tsv", plain, READ)
    assert read == replace(READ, encoding="latin-1")
    assert TRANSDUCE.evaluation_read_options("new.tsv", other, READ) == other
    with pytest.raises(ConfigError, match="new.tsv: say which columns hold the pairs"):
        TRANSDUCE.evaluation_read_options("new.tsv", plain, None)


def test_the_held_out_pairs_are_drawn_by_the_seed() -> None:
    assert TRANSDUCE.held_out_seed(PROVENANCE) == 7
    assert TRANSDUCE.held_out_seed(replace(PROVENANCE, split_seed=3)) == 3
    assert TRANSDUCE.new_held_out_seed(TrainingOptions(seed=5)) == 5
    assert TRANSDUCE.describe_held_out(PROVENANCE) == "10 % of the sources, drawn by the seed 7"


def checkpoint_of(corpus: PairCorpus) -> Checkpoint:
    learned = replace(PROVENANCE, sha256=corpus.sha256, corpus_bytes=corpus.bytes)
    model = replace(model_of(corpus.tokenizer), provenance=learned)
    nothing = cast(Any, None)
    return Checkpoint(
        model=model,
        config=nothing,
        sources=corpus.sources,
        options=corpus.options,
        position=nothing,
        tensors={},
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "pairs.tsv").write_text("ab\tx yy\nba\tyy\n")
    return tmp_path / "pairs.tsv"


def test_a_resumed_training_reads_the_same_pairs(table: Path) -> None:
    corpus = read_pairs(open_corpus([str(table)], READ))
    again = checkpoint_of(corpus).read_corpus()
    assert isinstance(again, PairCorpus)
    assert again.tokenizer is corpus.tokenizer
    assert (again.source_ids == corpus.source_ids).all()
    assert (again.target_ids == corpus.target_ids).all()
    assert (again.source_numbers == corpus.source_numbers).all()


@pytest.mark.parametrize(
    "content", ["ab\tx yy\nba\tx\n", "ab\tx yy\nbz\tyy\n", "ab\tx yy\nba\tz\n", "ab\tx yy\n" * 9]
)
def test_changed_pairs_are_not_trained_on(table: Path, content: str) -> None:
    """Whether a symbol of them is unknown or not."""
    checkpoint = checkpoint_of(read_pairs(open_corpus([str(table)], READ)))
    table.write_text(content)
    with pytest.raises(CorpusError, match="pairs: not the text that the model was trained on"):
        checkpoint.read_corpus()


def test_a_resumed_training_is_told_where_its_pairs_are(table: Path) -> None:
    checkpoint = checkpoint_of(read_pairs(open_corpus([str(table)], READ)))
    with pytest.raises(CorpusError, match="trained on pairs: .*--source 1 --target 2 --target-sep"):
        checkpoint.read_corpus(open_corpus([str(table)], ReadOptions(column="ab")))


def test_a_checkpoint_that_contradicts_itself_is_refused(table: Path) -> None:
    """A model from a stranger: a network to translate, trained on a text."""
    checkpoint = checkpoint_of(read_pairs(open_corpus([str(table)], READ)))
    strange = replace(checkpoint, options=ReadOptions(column="ab"))
    with pytest.raises(CorpusError, match="not the text that the model was trained on"):
        strange.read_corpus()


OTHER_COMMANDS: dict[str, str] = {
    "sample model": "not to generate: use it with charrnn translate",
    "repl model": "not to generate: use it with charrnn translate",
    "fill model a_c": "not to restore: use it with charrnn translate",
    "proofread model pairs.tsv": "not to restore: use it with charrnn translate",
    "predict model abc": "not to classify or regress: use it with charrnn translate",
    "export model --html page.html": "not to generate: use it with charrnn translate",
    "export model --onnx file.onnx": "a model to transduce cannot be written as an ONNX file",
    "serve model": "charrnn serve has no endpoint: use it with charrnn translate",
}


@pytest.mark.parametrize("command", OTHER_COMMANDS)
def test_commands_of_other_tasks_refuse_a_model_of_pairs(
    command: str, directory: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory.parent)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 3, result.output
    assert OTHER_COMMANDS[command] in " ".join(result.stderr.split())


def test_info_shows_the_symbols(directory: Path) -> None:
    result = CliRunner().invoke(app, ["info", str(directory)])
    assert result.exit_code == 0, result.output
    shown = [" ".join(line.split()) for line in result.stdout.splitlines()]
    for line in (
        "task transduce",
        "characters of sources 3: a b c",
        "symbols of targets 2: x yy",
        "separator ' '",
        "features 1: V",
        "pairs of a source and a target",
        "held out 10 % of the sources, drawn by the seed 7",
        f"validation {TRANSDUCE.describe_loss(TOKENIZER_OF_PAIRS, 2.0)}",
    ):
        assert line in shown


def test_options_of_pairs_in_the_environment_are_for_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prose: str
) -> None:
    """They are set once for many commands, and ignored where a text is read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(prose)
    monkeypatch.setenv("CHARRNN_SOURCE", "word")
    monkeypatch.setenv("CHARRNN_TARGET", "phones")
    command = "plan text.txt --steps 2 --hidden-size 4 --precision fp32"
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output


def test_options_of_other_texts_in_the_environment_are_not_for_pairs(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be refused if they were typed."""
    for name in ("LINES", "BIDIRECTIONAL"):
        monkeypatch.setenv(f"CHARRNN_{name}", "1")
    monkeypatch.setenv("CHARRNN_TOKENIZER", "byte")
    monkeypatch.setenv("CHARRNN_MIN_COUNT", "3")
    monkeypatch.setenv("CHARRNN_LABEL", "kind")
    monkeypatch.setenv("CHARRNN_ATTENTION", "4")
    table.write_text("ab\t\n")
    result = CliRunner().invoke(app, ["plan", str(table), "--source", "1", "--target", "2"])
    assert "line 1: its target is missing" in result.stderr


def test_a_plan_shows_options_that_can_be_given(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--bidirectional is refused for pairs."""
    monkeypatch.chdir(table.parent)
    rows = "".join(f"{a}{b}\tx yy\n" for a in "abcd" for b in "abcd")
    table.write_text(rows)
    command = "plan pairs.tsv --source 1 --target 2 --steps 2 --hidden-size 4 --precision fp32"
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    assert "--hidden-size" in result.stdout and "--bidirectional" not in result.stdout
    assert "pairs: 16 pairs" in result.stdout and "distinct" not in result.stdout
