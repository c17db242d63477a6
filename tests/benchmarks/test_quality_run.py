import argparse
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import quality_run
from benchmarks.quality import line
from benchmarks.quality_corpora import Corpus, CorpusName, parse_corpus, read_corpus
from benchmarks.quality_run import (
    FailedRun,
    Recipe,
    Task,
    charrnn,
    n_gram_nats,
    parse_recipe,
    perform,
    score,
)
from benchmarks.quality_table import append_record, parse_budget, read_records
from benchmarks.torch_baseline import Plain
from charrnn.cli.app import app
from charrnn.evaluation.baselines import baselines
from charrnn.evaluation.scoring import evaluate
from charrnn.storage.model_directory import Model, model_files


def test_a_recipe_is_a_name_and_flags() -> None:
    recipe = parse_recipe(" wide: --hidden-size 384 --dropout=0.2")
    assert recipe == Recipe("wide", ("--hidden-size", "384", "--dropout=0.2"))


@pytest.mark.parametrize(
    "text",
    [
        "wide",
        "wide:",
        ": --layers 1",
        "wide: 384",
        "wide: --cell 'lstm",
        "chosen: --layers 1",
        "long: --steps 5",
        "lines: --lines",
        "all: --validation-fraction=0.01",
    ],
)
def test_what_is_no_recipe_is_refused_and_so_are_flags_that_would_spoil_the_score(
    text: str,
) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse_recipe(text)


def test_a_task_is_the_command_that_a_person_types(tmp_path: Path) -> None:
    path = tmp_path / "towns.txt"
    corpus = Corpus(CorpusName("towns", None, True), path, "0" * 16, "a\nb\n", "c\n")
    chosen = Task(corpus, parse_budget("112s"), Recipe("chosen"), 0)
    assert chosen.arguments == [str(path), "--lines", "--budget", "112s"]
    wide = Task(corpus, parse_budget("9steps"), Recipe("wide", ("--hidden-size", "384")), 2)
    assert wide.arguments[2:] == ["--steps", "9", "--hidden-size", "384", "--seed", "2"]


def test_a_command_that_fails_says_why() -> None:
    """The last line was once the lower edge of a box, or half of a sentence."""
    with pytest.raises(FailedRun, match=r"^No such option: --hiden-size .*--hidden-size"):
        charrnn(["train", "--hiden-size", "8"], os.environ)


def test_the_score_is_that_of_charrnn_which_takes_no_part_in_it(
    tmp_path: Path, make_model: Callable[..., Model]
) -> None:
    """The state has to be carried from piece to piece, and no character counted twice or not."""
    model = make_model("\n abcdefgh", cell="gru")
    for name, content in model_files(model).items():
        (tmp_path / name).write_bytes(content)
    text = "abba cafe\nbad head\n" * 130  # more than two pieces
    nats = score(Plain.load(tmp_path), tmp_path, text)
    expected = evaluate(model, model.tokenizer.encode(text)).nats_per_character
    assert math.isclose(nats, expected, rel_tol=1e-5)


def test_the_n_grams_are_those_that_evaluate_shows(
    prose: str, make_model: Callable[..., Model]
) -> None:
    cut = 700
    corpus = Corpus(CorpusName("prose"), Path("prose.txt"), "0" * 16, prose[:cut], prose[cut:])
    tokenizer = make_model("".join(sorted(set(prose)))).tokenizer
    ids = tokenizer.encode(prose)
    nats = n_gram_nats(corpus)
    assert nats == pytest.approx(baselines(ids[:cut], ids[cut:], tokenizer)["n_gram"], abs=1e-5)


def test_a_run_from_the_command_to_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read in a run directory and in a plan is there, by those names."""

    def in_this_process(arguments: Sequence[str], _: Mapping[str, str]) -> str:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == 0, result.output
        return result.stdout

    monkeypatch.setattr(quality_run, "charrnn", in_this_process)  # loads no second PyTorch
    corpus = read_corpus(parse_corpus("fables@3000"), tmp_path)
    recipe = parse_recipe("tiny: --hidden-size 8 --layers 1 --batch-size 4 --evaluate-every 10")
    record = perform(Task(corpus, parse_budget("20steps"), recipe, 0), {}, expected=True)
    assert (record["hidden_size"], record["layers"], record["steps"]) == (8, 1, 20)
    assert record["characters"] == 2700
    assert record["parameters"] == record["vocabulary"] * (8 + 8 + 1) + 4 * 8 * (8 + 8 + 2)
    read = record["characters_read"]
    assert [characters for characters, _ in record["curve"]] == [round(read / 2), read]
    assert record["epochs"] == pytest.approx(read / 2700, abs=1e-3)
    assert record["nats"] == pytest.approx(record["reported_nats"], abs=0.05)
    assert record["expected_low"] <= record["expected_nats"] <= record["expected_high"]
    assert f"{record['nats']:.4f} nats" in line(record)
    append_record(tmp_path / "evidence.jsonl", record)
    assert read_records([tmp_path / "evidence.jsonl"]) == [record]
