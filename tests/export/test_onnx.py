"""ONNX files: onnxruntime computes with them what our engines compute."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest

from charrnn.data.tokenizer import Tokenizer, tokenizer_from_json
from charrnn.engines import best_engine
from charrnn.errors import ConfigError, ModelError
from charrnn.export.onnx_file import LARGEST, make_onnx_file
from charrnn.model.config import GATES, POOLINGS, ModelConfig
from charrnn.storage.json_file import from_json
from charrnn.storage.model_directory import Model, Provenance, write_model
from charrnn.tasks import TASKS
from charrnn.tasks.classify.engine import ClassifyingEngine
from charrnn.tasks.infill.engine import InfillEngine
from tests.engines.int8_models import drawn_model
from tests.export.exported import random_model
from tests.provenance import make_provenance

onnx = pytest.importorskip("onnx", reason="ONNX files need the package onnx")
runtime = pytest.importorskip("onnxruntime", reason="ONNX files are run with onnxruntime")

ROOT: Final = Path(__file__).parents[2]

Array = npt.NDArray[Any]


def drawn(network: str = "lstm", **sizes: Any) -> Model:
    """A random model; the head's weights are larger than the others, as after training."""
    config, tensors = drawn_model(network, hidden_size=20, **sizes)
    larger = {
        name: tensor * np.float32(4 if name.startswith("head") else 1)
        for name, tensor in tensors.items()
    }
    labels = tuple(f"class {k}" for k in range(config.outputs or 0)) if _has_labels(config) else ()
    tokenizer = tokenizer_from_json(
        {"kind": "char", "characters": [chr(33 + k) for k in range(config.vocabulary_size)]}
    )
    return Model(config, tokenizer, larger, make_provenance(corpus="random.txt"), labels)


def _has_labels(config: ModelConfig) -> bool:
    return config.task == "classify"


def opened(model: Model) -> Any:
    """A session of onnxruntime with the file of a model, which ONNX's own checker has passed."""
    content = make_onnx_file(model)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # errors are raised, and need not be printed
    options.intra_op_num_threads = 1  # small networks are slower with more
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def names(values: Sequence[Any]) -> list[str]:
    return [each.name for each in values]


def zero_state(session: Any, lanes: int) -> dict[str, Array]:
    return {
        each.name: np.zeros([lanes if size == "batch" else size for size in each.shape], np.float32)
        for each in session.get_inputs()[1:]
    }


def drawn_ids(model: Model, *shape: int) -> Array:
    return np.random.default_rng(1).integers(0, model.config.vocabulary_size, shape)


def assert_close(found: Array, expected: Array) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("network", [*GATES, "attention"])
def test_a_language_model_has_our_logits_and_states(network: str, layers: int) -> None:
    """In any batch, and when a text is read in pieces: shorter and longer than attention's
    window."""
    model = drawn(network, layers=layers)
    session, engine = opened(model), best_engine(model)
    states = names(session.get_inputs())[1:]
    assert names(session.get_outputs()) == ["logits", *(f"{name}_next" for name in states)]
    for lanes in (1, 5):
        state, expected_state = zero_state(session, lanes), None
        for piece in np.split(drawn_ids(model, lanes, 30), [1, 3, 8, 9, 17], axis=1):
            logits, *after = session.run(None, {"ids": piece, **state})
            state = dict(zip(states, after, strict=True))
            expected, expected_state = engine.advance(piece, expected_state)
            assert_close(logits, expected)
            for found, each in zip(after, expected_state, strict=True):
                assert_close(found, each)


def test_the_logits_are_not_those_of_another_model() -> None:
    """The comparison can fail: the logits are far apart, and depend on the state."""
    model = drawn()
    session, ids = opened(model), drawn_ids(model, 1, 9)
    state = zero_state(session, 1)
    logits, *_ = session.run(None, {"ids": ids, **state})
    assert np.ptp(logits) > 1
    changed = {name: each + np.float32(0.1) for name, each in state.items()}
    assert np.abs(session.run(None, {"ids": ids, **changed})[0] - logits).max() > 1e-3


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", GATES)
def test_a_masked_model_has_our_probabilities(cell: str, layers: int) -> None:
    model = drawn(cell, layers=layers, task="restore", bidirectional=True)
    session, engine = opened(model), InfillEngine.of(model)
    assert names(session.get_inputs()) == ["ids"]
    for lanes, length in ((1, 1), (1, 2), (4, 13), (2, 60)):
        ids = drawn_ids(model, lanes, length)
        ids[:, ::3] = engine.mask
        (logits,) = session.run(None, {"ids": ids})
        logits -= logits.max(axis=-1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        assert_close(logits, engine.log_probabilities(ids))


@pytest.mark.parametrize("both", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", GATES)
def test_a_classifier_has_our_logits_whatever_the_padding_is(
    cell: str, pooling: str, both: bool
) -> None:
    for task, outputs, layers in (("classify", 3, 2), ("regress", 1, 1)):
        sizes: dict[str, Any] = {"pooling": pooling, "outputs": outputs, "layers": layers}
        model = drawn(cell, task=task, bidirectional=both, **sizes)
        session, engine = opened(model), ClassifyingEngine.of(model)
        assert names(session.get_inputs()) == ["ids", "lengths"]
        for lengths in ([1], [7, 1, 12, 3], [12, 12]):
            ids = drawn_ids(model, len(lengths), max(lengths))
            (logits,) = session.run(None, {"ids": ids, "lengths": np.array(lengths)})
            texts = [row[:length] for row, length in zip(ids, lengths, strict=True)]
            assert_close(logits, engine.logits(texts))


@pytest.mark.parametrize("both", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_text_without_characters_is_zeros_to_the_head(pooling: str, both: bool) -> None:
    """As in the network that is trained; it disturbs no other text of the batch."""
    model = drawn(task="classify", pooling=pooling, outputs=3, bidirectional=both)
    session, ids = opened(model), drawn_ids(model, 3, 5)
    (logits,) = session.run(None, {"ids": ids, "lengths": np.array([3, 0, 5])})
    assert (logits[1] == model.tensors["head.bias"]).all()
    assert_close(logits[[0, 2]], ClassifyingEngine.of(model).logits([ids[0, :3], ids[2]]))


@pytest.mark.parametrize("network", [*GATES, "attention", "restore", "classify"])
def test_nothing_to_read_is_an_error_and_not_the_end_of_the_process(network: str) -> None:
    sizes: dict[str, dict[str, Any]] = {
        "restore": {"task": "restore", "bidirectional": True},
        "classify": {"task": "classify", "pooling": "mean", "outputs": 2},
    }
    cell = "gru" if network in sizes else network
    session = opened(drawn(cell, **sizes.get(network, {})))
    for lanes, length in ((0, 3), (2, 0), (0, 0)):
        given: dict[str, Array] = {"ids": np.zeros((lanes, length), np.int64)}
        if network == "classify":
            given["lengths"] = np.full(lanes, length)
        elif network != "restore":
            given |= zero_state(session, lanes)
        with pytest.raises(Exception, match="Gather"):
            session.run(None, given)


def test_an_id_beyond_the_vocabulary_is_an_error() -> None:
    model = drawn("gru")
    session = opened(model)
    ids = np.array([[0, model.config.vocabulary_size]])
    with pytest.raises(Exception, match="Gather"):
        session.run(None, {"ids": ids, **zero_state(session, 1)})


def test_a_task_that_is_new_has_an_onnx_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "echo", "tests.tasks.echo.definition:ECHO")
    assert names(opened(drawn(task="echo")).get_inputs()) == ["ids", "h", "c"]


def test_weights_that_no_operator_has_are_refused() -> None:
    model = drawn()
    more = replace(model, tensors={**model.tensors, "gate.weight": np.zeros(3, np.float32)})
    with pytest.raises(ModelError, match=r"the weights gate\.weight cannot"):
        make_onnx_file(more)
    fewer = {name: each for name, each in model.tensors.items() if name != "head.weight"}
    with pytest.raises(ModelError, match=r"no weight head\.weight"):
        make_onnx_file(replace(model, tensors=fewer))


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_the_metadata_describes_the_model(tokenizer: str) -> None:
    model = random_model("gru", tokenizer)
    said = opened(model).get_modelmeta()
    assert said.producer_name == "charrnn"
    described = said.custom_metadata_map
    assert described.pop("charrnn.task") == "generate"
    entries = {name.removeprefix("charrnn."): json.loads(each) for name, each in described.items()}
    assert entries.keys() == {"model", "training", "tokenizer"}
    assert from_json(ModelConfig, entries["model"], where="") == model.config
    assert from_json(Provenance, entries["training"], where="") == model.provenance
    found: Tokenizer = tokenizer_from_json(entries["tokenizer"])
    assert found.to_json() == model.tokenizer.to_json()


def test_the_labels_are_in_the_metadata() -> None:
    model = drawn(task="classify", pooling="mean", outputs=2)
    labels = ("soft\n\"'<", "\N{GRINNING FACE}")
    said = opened(replace(model, labels=labels)).get_modelmeta().custom_metadata_map
    assert said["charrnn.task"] == "classify"
    assert json.loads(said["charrnn.labels"]) == [*labels]


def test_a_name_that_is_no_unicode_is_kept() -> None:
    model = drawn()
    named = replace(model, provenance=make_provenance(corpus="a\udcff.txt"))
    said = opened(named).get_modelmeta().custom_metadata_map
    assert json.loads(said["charrnn.training"])["corpus"] == "a\udcff.txt"


def test_the_same_model_makes_the_same_bytes() -> None:
    assert make_onnx_file(drawn()) == make_onnx_file(drawn())
    assert make_onnx_file(drawn()) != make_onnx_file(drawn("gru"))


def test_a_model_too_large_for_the_format_is_refused() -> None:
    """Before anything is copied: its weights here are one number."""
    config = ModelConfig(vocabulary_size=67, hidden_size=8192)
    zero = np.float32(0)
    tensors = {name: np.broadcast_to(zero, shape) for name, shape in config.tensor_shapes().items()}
    assert sum(each.nbytes for each in tensors.values()) > LARGEST
    with pytest.raises(ModelError, match="an ONNX file holds up to 2,000,000,000"):
        make_onnx_file(replace(drawn(), config=config, tensors=tensors))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=re.escape('pip install "charrnn-lm[onnx]"')):
        make_onnx_file(drawn())


def test_the_command_loads_no_torch(tmp_path: Path) -> None:
    model = random_model("attention")
    write_model(tmp_path / "model", model)
    code = (
        "import sys\n"
        "from charrnn.cli.app import app\n"
        "try: app(['export', 'model', '--onnx', 'model.onnx'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'onnx' in sys.modules\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert (tmp_path / "model.onnx").read_bytes() == make_onnx_file(model)


def test_the_example_of_the_documents_writes_with_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "sharing.md").read_text(encoding="utf-8")
    section = re.split(r"(?m)^## ", text.split("\n## ONNX\n")[1])[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for network in (*GATES, "attention"):
        model = random_model(network)
        Path("towns.onnx").write_bytes(make_onnx_file(model))
        exec(code, {"__name__": "__main__"})
        written = capsys.readouterr().out
        assert len(written) == 201
        assert model.tokenizer.unknown(written) == []
