"""The verbs: one shape, whatever a model is given as."""

import inspect
import itertools
import math
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import charrnn
from charrnn import api
from charrnn.api import stream_train, train
from charrnn.errors import ConfigError, CorpusError, ModelError, UnknownCharacterError
from charrnn.evaluation import scoring
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.model.networks import build_network
from charrnn.storage.model_directory import Model, write_model
from charrnn.storage.run import Run
from charrnn.storage.run_lookup import load
from charrnn.tasks.transduce.tokenizer import PairTokenizer
from charrnn.training.checkpoint import read_checkpoint
from charrnn.training.plan import arrays
from charrnn.training.progress import Progress
from charrnn.training.trainer import Trainer
from tests import labelled
from tests.tasks.transduce.fakes import make_pair_model
from tests.trainings import learned

MakeModel = Callable[..., Model]

LETTERS = "\n abcdefgh"


# train and stream_train


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prose: str) -> Path:
    """A working directory with a text in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fables.txt").write_text(prose)
    return tmp_path


SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "embedding_size": 4,
    "batch_size": 4,
    "sequence_length": 10,
    "learning_rate": 0.01,
    "precision": "fp32",
    "device": "cpu",
}


@pytest.mark.parametrize("progress_bar", [True, False])
def test_train_yields_progress_and_leaves_a_run(
    progress_bar: bool, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = list(
        stream_train("fables.txt", name="mine", steps=6, progress_bar=progress_bar, **SMALL)
    )
    assert [progress.step for progress in told] == [1, 2, 3, 4, 5, 6]
    assert all(isinstance(progress, Progress) for progress in told)
    assert load("mine").provenance.corpus == "fables"
    captured = capfd.readouterr()
    assert captured.out == ""
    assert ("6/6" in captured.err) is progress_bar


@pytest.mark.parametrize("budget", ["1s", 1.0, 1])
def test_train_takes_a_budget(budget: str | float, here: Path) -> None:
    told = list(stream_train("fables.txt", name="mine", budget=budget, progress_bar=False, **SMALL))
    assert told[-1].step == told[-1].steps == len(told)
    assert told[-1].validation_nats is not None


def test_train_takes_epochs(here: Path, prose: str) -> None:
    told = list(stream_train("fables.txt", epochs=2, progress_bar=False, **SMALL))
    assert told[-1].epoch == 1
    assert told[-1].characters == 2 * int(0.9 * len(prose))


@pytest.mark.parametrize("settings", [{"budget": "soon"}, {"budget": "1m", "steps": 3}], ids=str)
def test_train_refuses_what_contradicts(settings: dict[str, Any], here: Path) -> None:
    with pytest.raises(ConfigError):
        train("fables.txt", progress_bar=False, **settings)
    assert not (here / "checkpoints").exists()


def test_train_makes_up_a_name_that_is_free(here: Path) -> None:
    for _ in range(2):
        train([here / "fables.txt"], steps=1, progress_bar=False, **SMALL)
    assert {path.name for path in Path("checkpoints").iterdir()} == {"fables", "fables-2"}


def test_train_never_overwrites_a_run(here: Path) -> None:
    train("fables.txt", out="mine", steps=1, progress_bar=False, **SMALL)
    before = learned(Run(here / "mine"))
    with pytest.raises(ConfigError, match="mine"):
        train("fables.txt", out="mine", steps=2, progress_bar=False, **SMALL)
    assert learned(Run(here / "mine")) == before


def begin(name: str, steps: int) -> None:
    """A run that was abandoned on the way."""
    often: dict[str, Any] = {"evaluate_every": 6, "checkpoint_every": 2}
    training = stream_train("fables.txt", name=name, steps=12, progress_bar=False, **often, **SMALL)
    list(itertools.islice(training, steps))


@pytest.mark.parametrize("progress_bar", [True, False])
def test_train_resumes_by_name(progress_bar: bool, here: Path) -> None:
    begin("straight", 12)
    begin("mine", 5)
    told = list(stream_train(resume="mine", progress_bar=progress_bar))
    assert [progress.step for progress in told] == list(range(6, 13))
    assert learned(Run(here / "checkpoints/mine")) == learned(Run(here / "checkpoints/straight"))


def test_train_resumes_from_another_working_directory(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin("mine", 5)
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    told = list(stream_train(resume=str(here / "checkpoints/mine"), progress_bar=False))
    assert told[-1].step == 12


def test_train_resumes_with_a_corpus_that_moved(here: Path) -> None:
    begin("mine", 5)
    (here / "fables.txt").rename(here / "moved.txt")
    with pytest.raises(CorpusError, match=r"fables\.txt"):
        train(resume="mine", progress_bar=False)
    assert list(stream_train("moved.txt", resume="mine", progress_bar=False))[-1].step == 12


@pytest.mark.parametrize(
    "settings",
    [{"steps": 50}, {"budget": "1m"}, {"clip": 0.5}, {"name": "other"}],
    ids=str,
)
def test_train_refuses_settings_beside_resume(settings: dict[str, Any], here: Path) -> None:
    # Ignored without a word, they would leave a person believing that they count.
    begin("mine", 5)
    with pytest.raises(ConfigError, match="resume"):
        train(resume="mine", progress_bar=False, **settings)


def test_train_refuses_to_resume_what_is_not_there(here: Path) -> None:
    with pytest.raises(ModelError, match="nothing-here"):
        train(resume="nothing-here", progress_bar=False)


def test_train_fine_tunes(here: Path) -> None:
    train("fables.txt", name="base", steps=2, progress_bar=False, **SMALL)
    base = load("base")
    (here / "new.txt").write_text("The ant, with a Ç in it.\n" * 9)
    settings = {key: value for key, value in SMALL.items() if not key.endswith("ding_size")}
    told = list(
        stream_train(
            "new.txt", name="tuned", start_from="base", steps=2, progress_bar=False, **settings
        )
    )
    tuned = load("tuned")
    assert told[-1].step == 2
    assert tuned.config.vocabulary_size == base.config.vocabulary_size + 1
    assert tuned.config.hidden_size == base.config.hidden_size == 8
    assert tuned.provenance.corpus == "new"
    np.testing.assert_allclose(  # it began where the base ended
        tuned.tensors["rnn.weight_hh_l0"], base.tensors["rnn.weight_hh_l0"], atol=0.02
    )


def test_train_returns_the_run_of_a_training_that_has_ended(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = train("fables.txt", name="mine", steps=4, **SMALL)
    assert isinstance(run, Run) and run.name == "mine"
    assert run.metrics()[-1]["step"] == 4
    assert run.best_model().tensors.keys() == load("mine").tensors.keys()
    assert "4/4" in capfd.readouterr().err
    assert learned(train("fables.txt", name="other", steps=4, progress_bar=False, **SMALL)) == (
        learned(run)
    )


def test_stream_train_returns_the_run_at_its_end(here: Path) -> None:
    steps = stream_train("fables.txt", name="mine", steps=1, progress_bar=False, **SMALL)
    assert next(steps).step == 1
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value.directory == Path("checkpoints/mine")


def test_train_takes_what_stream_train_takes() -> None:
    ours, theirs = (inspect.signature(verb) for verb in (train, stream_train))
    assert ours.parameters == theirs.parameters
    assert ours.return_annotation is Run
    with pytest.raises(TypeError, match="no_such_option"):
        train(no_such_option=1)


def test_train_that_is_interrupted_saves_the_step_and_can_be_resumed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer._step

    def interrupted(trainer: Trainer) -> Progress:
        if trainer.position.step == 3:
            signal.raise_signal(signal.SIGINT)
        return step(trainer)

    straight = train("fables.txt", name="straight", steps=6, progress_bar=False, **SMALL)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Trainer, "_step", interrupted)
        train("fables.txt", name="mine", steps=6, progress_bar=False, **SMALL)
    assert read_checkpoint(Run(here / "checkpoints/mine").last).position.step == 4
    assert learned(train(resume="mine", progress_bar=False)) == learned(straight)


def test_train_fine_tunes_what_load_gave(here: Path) -> None:
    train("fables.txt", name="base", steps=2, progress_bar=False, **SMALL)
    settings = {key: value for key, value in SMALL.items() if not key.endswith("ding_size")}
    settings |= {"steps": 2, "progress_bar": False}
    by_name = train("fables.txt", start_from="base", **settings)
    by_model = train("fables.txt", start_from=load("base"), **settings)
    assert learned(by_name) == learned(by_model)


# All verbs


@pytest.fixture(scope="module")
def models(make_model: MakeModel) -> dict[str, Model]:
    """A model of each kind, by its task."""
    base = make_model(LETTERS)
    config = replace(base.config, task="classify", pooling="max", outputs=2)
    network = build_network(config, generator=torch.Generator().manual_seed(1))
    classifier = replace(base, config=config, tensors=arrays(network), labels=("soft", "hard"))
    restorer = make_model(LETTERS, task="restore")
    return {
        "generate": base,
        "restore": restorer,
        "classify": classifier,
        "transduce": make_pair_model(PairTokenizer("abcdef ", "ABCDEF")),
    }


VERBS: dict[str, tuple[str, Callable[..., Any]]] = {
    "sample": ("generate", lambda model: api.sample(model, "a", length=9)),
    "stream_sample": ("generate", lambda model: list(api.stream_sample(model, "a", length=9))),
    "evaluate": ("generate", lambda model: api.evaluate(model, "text.txt")),
    "explain": (
        "generate",
        lambda model: api.explain(model, "bad cafe", parts=("surprise",), samples=1).to_json(),
    ),
    "compress": ("generate", lambda model: api.compress(model, "bad cafe", training_text=False)),
    "decompress": (
        "generate",
        lambda model: api.decompress(model, api.compress(model, "bad cafe", training_text=False)),
    ),
    "score": ("generate", lambda model: api.score(model, "bad cafe").tolist()),
    "fill": ("restore", lambda model: api.fill(model, "b_d c_fe")),
    "proofread": ("restore", lambda model: api.proofread(model, "bad cafe bxd")),
    "predict": ("classify", lambda model: api.predict(model, ["bad", "cafe"])),
    "translate": ("transduce", lambda model: api.translate(model, ["bad", "cafe"])),
    "stream_translate": (
        "transduce",
        lambda model: list(api.stream_translate(model, ["bad", "cafe"])),
    ),
}
SEVERAL_TASKS = {
    "evaluate": {"generate", "classify", "transduce"},
    "explain": {"generate", "restore", "classify", "transduce"},
}
COMMANDS = {
    "generate": "charrnn sample or charrnn repl",
    "restore": "charrnn fill or charrnn proofread",
    "classify": "charrnn predict",
    "transduce": "charrnn translate",
}


def test_every_verb_is_here() -> None:
    assert VERBS.keys() == set(api.__all__) - {"load", "train", "stream_train"}
    for verb in VERBS:
        assert next(iter(inspect.signature(getattr(api, verb)).parameters)) == "model"


@pytest.mark.filterwarnings("ignore:no baselines")
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_takes_a_name_a_directory_or_a_model(
    verb: str, models: dict[str, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    task, call = VERBS[verb]
    (tmp_path / "text.txt").write_text("bad cafe")
    (tmp_path / "checkpoints").mkdir()
    write_model(tmp_path / "checkpoints" / "mine", models[task])
    expected = call(models[task])
    assert call("mine") == call(tmp_path / "checkpoints" / "mine") == expected
    assert call(load("mine")) == expected


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_names_what_a_model_of_another_task_is_for(
    verb: str, models: dict[str, Model]
) -> None:
    task, call = VERBS[verb]
    for other, model in models.items():
        if other not in SEVERAL_TASKS.get(verb, {task}):
            with pytest.raises(ModelError, match=f"use it with {COMMANDS[other]}"):
                call(model)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_refuses_a_model_that_is_not_there(verb: str) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        VERBS[verb][1]("nowhere")


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_loads_no_pytorch(verb: str, models: dict[str, Model], tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("bad cafe")
    write_model(tmp_path / "model", models[VERBS[verb][0]])
    given = "charrnn.compress('model', 'bad')" if verb == "decompress" else "'bad'"
    code = f"import sys, charrnn; result = charrnn.{verb}('model', {given}); "
    code += "text = ''.join(result); " if verb == "stream_sample" else ""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{code}sys.exit('torch' in sys.modules)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# sample, score and evaluate


def test_stream_sample_yields_what_sample_returns(models: dict[str, Model]) -> None:
    settings: dict[str, Any] = {"length": 30, "seed": 5, "index": 2, "temperature": 1.3}
    pieces = list(api.stream_sample(models["generate"], "bad", **settings))
    assert 1 < len(pieces) <= len("".join(pieces)) == 30
    assert "".join(pieces) == api.sample(models["generate"], "bad", **settings)
    config = SamplingConfig(length=30, seed=5, temperature=1.3)
    assert "".join(pieces) == Sampler(models["generate"]).sample("bad", config, index=2)


def test_stream_sample_may_go_on_for_ever(models: dict[str, Model]) -> None:
    pieces = api.stream_sample(models["generate"], length=None)
    assert len(list(itertools.islice(pieces, 1000))) == 1000
    with pytest.raises(ConfigError, match="stream"):
        api.sample(models["generate"], length=None)


def test_the_score_of_a_text_is_what_sampling_it_gave(models: dict[str, Model]) -> None:
    stream = Sampler(models["generate"]).stream(
        "", SamplingConfig(length=700), log_probabilities=True
    )
    text = "".join(stream)
    scores = api.score(models["generate"], text)
    assert scores.shape == (700,) and scores.dtype == np.float64
    np.testing.assert_allclose(scores, stream.log_probabilities, rtol=1e-4, atol=1e-5)


def test_the_score_agrees_with_evaluate(models: dict[str, Model]) -> None:
    model, text = models["generate"], "\nbad cafe\nfed a bead"
    mean = scoring.evaluate(model, model.tokenizer.encode(text)).nats_per_character
    # Evaluation does not predict the first character; here it is the newline before the text.
    assert -api.score(model, text[1:]).mean() == pytest.approx(mean, rel=1e-5)


def test_the_score_of_a_byte_models_character_is_that_of_its_bytes(make_model: MakeModel) -> None:
    model = make_model(None)
    text = "aé€\U0001f40d\udcff."
    scores = api.score(model, text)
    assert scores.shape == (6,)
    ids = model.tokenizer.encode("\n" + text)
    nats = scoring.evaluate(model, ids)
    total = nats.bits_per_byte * math.log(2) * len(ids)  # shared out over the newline's byte, too
    assert -scores.sum() == pytest.approx(total * (len(ids) - 1) / len(ids), rel=1e-5)
    with pytest.raises(UnknownCharacterError):
        api.score(model, "\ud800")


def test_the_score_of_nothing_and_of_what_is_unknown(models: dict[str, Model]) -> None:
    assert api.score(models["generate"], "").shape == (0,)
    with pytest.raises(UnknownCharacterError, match="'z'"):
        api.score(models["generate"], "bad zebra")
    with pytest.raises(CorpusError, match="not text"):
        api.score(models["generate"], 5)  # type: ignore[arg-type]


def test_evaluate_reads_what_a_run_held_out(here: Path) -> None:
    run = train("fables.txt", name="mine", steps=2, progress_bar=False, **SMALL)
    evaluation = api.evaluate("mine")
    assert evaluation == api.evaluate(run.best)
    corpus = charrnn.tokenize(charrnn.open_corpus(["fables.txt"]))
    training, held_out = corpus.split(0.1)
    assert evaluation == asdict(scoring.evaluate(load("mine"), held_out, training=training))
    assert set(evaluation["baselines"]) == {"unigram", "n_gram", "xz"}


def test_evaluate_takes_a_model_in_memory_and_a_text(here: Path) -> None:
    run = train("fables.txt", name="mine", steps=2, progress_bar=False, **SMALL)
    (here / "other.txt").write_text("the heron and the frog")
    by_name, in_memory = (api.evaluate(each, "other.txt") for each in ("mine", run.best_model()))
    assert by_name["copied_from_training"] == 0
    assert in_memory == by_name | {"baselines": {}, "copied_from_training": None}
    with pytest.raises(CorpusError, match="in memory: it does not say where its text is"):
        api.evaluate(run.best_model())


def test_evaluate_measures_labels(here: Path) -> None:
    table = labelled.write_rows(here / "rows.jsonl", labelled.rows())
    settings: dict[str, Any] = {"steps": 2, "hidden_size": 8, "progress_bar": False}
    run = train(table, text="text", label="kind", name="kinds", **settings)
    held_out = api.evaluate("kinds")
    assert held_out["texts"] == 6 and held_out["accuracy"] == run.metrics()[-1]["accuracy"]
    columns = charrnn.ReadOptions(column="text", label="kind")
    assert api.evaluate("kinds", table)["texts"] == 60  # its columns are those of the training
    assert api.evaluate(run.best_model(), table, read=columns)["labels"] == held_out["labels"]
    with pytest.raises(ConfigError, match="adapt does not apply to a model trained to classify"):
        api.evaluate("kinds", adapt=True)


def test_pairs_are_named_by_their_columns(here: Path) -> None:
    """The same as the options of `charrnn train`."""
    (here / "pairs.tsv").write_text("a\tb\n")
    for columns, problem in (
        ({"source": "1"}, "--source needs --target"),
        ({"source": "1", "target": "2", "label": "3"}, "--source and --label exclude each other"),
        ({"source": "1", "target": "2", "lines": True}, "--lines: each row of a table is a pair"),
    ):
        with pytest.raises(ConfigError, match=problem):
            train("pairs.tsv", progress_bar=False, **columns)
    with pytest.raises(CorpusError, match="it has no column '3'"):
        train("pairs.tsv", source="1", target="2", features="3", progress_bar=False)
