"""Whatever a process has set for all of NumPy and PyTorch, each verb computes as if it had not."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import charrnn
from charrnn.ambient import as_usual, stepwise, usual_settings
from charrnn.engines import TorchEngine
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model, read_model
from tests import labelled

MakeModel = Callable[..., Model]

SMALL: dict[str, Any] = {"steps": 3, "hidden_size": 8, "batch_size": 4, "sequence_length": 10}
LETTERS = "\n abcdefgh"
TEXT = "bad cafe\nfed a bead\n" * 20


@contextlib.contextmanager
def setting(setter: Callable[[Any], Any], value: Any, before: Any) -> Iterator[None]:
    setter(value)
    try:
        yield
    finally:
        setter(before)


STATES: dict[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    "float64": lambda: setting(torch.set_default_dtype, torch.float64, torch.float32),
    "float16": lambda: setting(torch.set_default_dtype, torch.float16, torch.float32),
    "bfloat16": lambda: setting(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "default device": lambda: setting(torch.set_default_device, "meta", None),
    "device": lambda: torch.device("meta"),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "deterministic": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "anomaly": lambda: setting(torch.autograd.set_detect_anomaly, True, False),
    "matmul": lambda: setting(torch.set_float32_matmul_precision, "medium", "highest"),
    "mkldnn": lambda: setting(_set_mkldnn, "bf16", "none"),
    "threads": lambda: setting(torch.set_num_threads, 2, 1),
    "seterr": lambda: setting(lambda each: np.seterr(**each), {"all": "raise"}, np.geterr()),
    "errstate": lambda: np.errstate(all="raise"),
    "seed": lambda: setting(torch.manual_seed, 7, 0),
}


def _set_mkldnn(precision: str) -> None:
    torch.backends.mkldnn.matmul.fp32_precision = precision  # type: ignore[attr-defined]


class Subject:
    """What verbs are tried on: made once, in a process that has set nothing."""

    def __init__(self, folder: Path, make_model: MakeModel) -> None:
        torch.set_num_threads(1)
        self.folder, self.count = folder, 0
        # So sure of what comes that the probabilities of the rest underflow.
        self.model = make_model(LETTERS, sharpness=3000.0)
        self.restorer = make_model(LETTERS, task="restore", sharpness=3000.0)
        self.corpus = str(folder / "text.txt")
        Path(self.corpus).write_text(TEXT)
        self.rows = labelled.write_rows(folder / "rows.jsonl", labelled.rows())
        labelled_run = self.trained(self.rows, text="text", label="kind")
        self.classifier = read_model(labelled_run / "best")
        self.x = np.random.default_rng(0).normal(size=(12, 4, 3))
        self.x[0, 0, 0] = 1e-60

    def unused(self) -> Path:
        """The folder of the next run."""
        self.count += 1
        return self.folder / f"run-{self.count}"

    def trained(self, corpus: str, steps: int = 3, **options: Any) -> Path:
        """A run of its own, trained; `steps` of them, however many were planned."""
        out = self.unused()
        options = SMALL | {"checkpoint_every": 1, "precision": "fp32", "device": "cpu"} | options
        training = charrnn.stream_train(corpus, out=out, progress_bar=False, **options)
        for progress in training:
            if progress.step == steps:
                break
        training.close()
        return out


def tensors(run: Path) -> list[Any]:
    model = charrnn.load(str(run))
    return [array.tolist() for array in model.tensors.values()]


def resumed(subject: Subject) -> Any:
    run = subject.trained(subject.corpus, steps=1)
    charrnn.train(resume=str(run), progress_bar=False)
    return tensors(run)


def fitted(estimator: Any, subject: Subject) -> Any:
    learner = estimator(hidden_size=4, epochs=2, dropout=0.2)
    learner.fit(subject.x, [0, 1] * 6)
    answers = learner.predict_proba if hasattr(learner, "predict_proba") else learner.predict
    return answers(subject.x).tolist(), learner.score(subject.x, [0, 1] * 6), learner.losses_


def network(_: Subject) -> Any:
    config = ModelConfig(vocabulary_size=5, hidden_size=4, embedding_size=3)
    made = charrnn.CharRNN(config, generator=torch.Generator("cpu").manual_seed(0))
    return [(each.dtype, each.device.type, each.tolist()) for each in made.parameters()]


def sampled(subject: Subject) -> Any:
    sampler = Sampler(subject.model)
    config = SamplingConfig(length=40, top_k=5, top_p=0.9, repetition_penalty=1.2, min_p=0.01)
    several = list(sampler.samples("a", config, indices=range(3), score=True))
    stream = sampler.stream("a", config)
    return sampler.sample("a", config), several, "".join(stream), stream.nats


def by_pytorch(subject: Subject) -> str:
    return Sampler(subject.model, TorchEngine.of(subject.model)).sample(
        "bad", SamplingConfig(length=9)
    )


def adapted(subject: Subject) -> Any:
    return charrnn.evaluate(subject.model, subject.corpus, adapt=True)


def sampled_by_verb(subject: Subject) -> Any:
    model = subject.model
    settings: dict[str, Any] = {"length": 20, "seed": 3}
    return charrnn.sample(model, "a", **settings), list(
        charrnn.stream_sample(model, "a", **settings)
    )


VERBS: dict[str, Callable[[Subject], Any]] = {
    "train": lambda subject: tensors(subject.trained(subject.corpus)),
    "train both ways": lambda subject: tensors(subject.trained(subject.corpus, bidirectional=True)),
    "train labelled": lambda subject: tensors(
        subject.trained(subject.rows, text="text", label="kind", class_weights="balanced")
    ),
    "train numbers": lambda subject: tensors(
        subject.trained(subject.rows, text="text", label="number", regress=True)
    ),
    "train to the end": lambda subject: tensors(
        charrnn.train(
            subject.corpus,
            out=subject.unused(),
            precision="fp32",
            device="cpu",
            progress_bar=False,
            **SMALL,
        ).directory
    ),
    "resume": resumed,
    "load": lambda subject: charrnn.load(str(subject.folder / "run-1")).config,
    "sample": sampled_by_verb,
    "sample by Sampler": sampled,
    "sample by PyTorch": by_pytorch,
    "evaluate": lambda subject: charrnn.evaluate(subject.model, subject.corpus),
    "evaluate windows": lambda subject: charrnn.evaluate(
        subject.model, subject.corpus, protocol="windows"
    ),
    "adapt": adapted,
    "score": lambda subject: charrnn.score(subject.model, "bad cafe"),
    "predict": lambda subject: charrnn.predict(subject.classifier, ["aei", "bcd", "abc"]),
    "fill": lambda subject: charrnn.fill(subject.restorer, "b_d c_f_", alternatives=3),
    "proofread": lambda subject: charrnn.proofread(subject.restorer, "bad cafe bxd"),
    "regressor": lambda subject: fitted(charrnn.RecurrentRegressor, subject),
    "classifier": lambda subject: fitted(charrnn.RecurrentClassifier, subject),
    "network": network,
}


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory, make_model: MakeModel) -> Subject:
    return Subject(tmp_path_factory.mktemp("ambient"), make_model)


@pytest.fixture(scope="module")
def usual(subject: Subject) -> dict[str, Any]:
    """What each verb gives where nothing is set."""
    return {name: verb(subject) for name, verb in VERBS.items()}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", STATES)
def test_a_verb_computes_as_if_nothing_were_set(
    state: str, verb: str, subject: Subject, usual: dict[str, Any]
) -> None:
    torch.set_num_threads(1)
    with STATES[state]():
        before = ambient()
        result = VERBS[verb](subject)
        assert ambient() == before
    assert repr(result) == repr(usual[verb])


def ambient() -> Any:
    """What is set, as far as it can be asked for."""
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.is_anomaly_enabled(),
        torch.backends.mkldnn.matmul.fp32_precision,  # type: ignore[attr-defined]
        torch.get_num_threads(),
        np.geterr(),
    )


def test_between_two_steps_everything_is_as_the_caller_set_it(subject: Subject) -> None:
    with torch.inference_mode(), np.errstate(all="raise"):
        torch.set_default_dtype(torch.float64)
        try:
            before = ambient()
            training = charrnn.stream_train(
                subject.corpus, out=subject.folder / "between", progress_bar=False, **SMALL
            )
            for progress in training:
                assert ambient() == before
                if progress.step == 2:
                    break
            training.close()
            assert ambient() == before
            for piece in Sampler(subject.model).stream("a", SamplingConfig(length=3)):
                assert piece and ambient() == before
        finally:
            torch.set_default_dtype(torch.float32)


def test_what_fails_leaves_everything_as_it_was() -> None:
    @as_usual
    def fail() -> None:
        raise ValueError("on purpose")

    with torch.no_grad(), np.errstate(all="raise"):
        before = ambient()
        with pytest.raises(ValueError, match="on purpose"):
            fail()
        assert ambient() == before


def test_a_generator_is_closed_within_the_settings() -> None:
    closed = []

    def steps() -> Iterator[int]:
        try:
            yield torch.is_grad_enabled()
        finally:
            closed.append(torch.is_grad_enabled())

    with torch.no_grad():
        taken = stepwise(steps(), usual_settings)
        assert next(taken)
        assert not torch.is_grad_enabled()
        taken.close()
    assert closed == [True]


FORK = """
import os, sys, warnings
import numpy as np
import charrnn

def forked(work):
    sys.stdout.flush()
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        return
    try:
        print(work(), flush=True)
    except charrnn.CharRNNError as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)

def fitted():
    return charrnn.RecurrentRegressor(hidden_size=256, epochs=1).fit(x, y)

def trained(**options):
    return [each.step for each in charrnn.stream_train(progress_bar=False, **options)]

from charrnn.training import probe
probe.ALL_THREADS = 2
warnings.simplefilter("ignore")
folder = sys.argv[1]
x = np.random.default_rng(0).normal(size=(40, 9, 3))
y = x.sum((1, 2))
regressor = fitted()
training = charrnn.stream_train(folder + "/text.txt", out=folder + "/run", steps=4, hidden_size=256,
    precision="fp32", checkpoint_every=1, progress_bar=False)
for progress in training:
    if progress.step == 2:
        break
training.close()
expected = regressor.predict(x)
forked(lambda: np.abs(regressor.predict(x) - expected).max() < 1e-4)
forked(lambda: len(fitted().predict(x)))
forked(lambda: trained(corpus=folder + "/text.txt", out=folder + "/other", steps=2,
    hidden_size=256))
forked(lambda: trained(resume=folder + "/run"))
forked(lambda: len(charrnn.sample(folder + "/run", "a", length=20)))
warnings.simplefilter("error")
try:
    forked(fitted)
except AssertionError:
    print("warned")
"""


def test_a_fork_of_a_process_that_has_trained_computes_or_says_why_not(tmp_path: Path) -> None:
    """Waiting for threads that only its parent has, it would wait for ever."""
    (tmp_path / "text.txt").write_text(TEXT * 40)
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    predicted, fitted, steps, refused, length, warned = done.stdout.splitlines()
    assert (predicted, fitted, steps, length) == ("True", "40", "[1, 2]", "20")
    assert refused.startswith("TrainingError this process was forked from one that had loaded")
    assert warned == "warned"
    assert "it trains on one thread instead of 2, with other rounding" in done.stderr
