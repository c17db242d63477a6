import json
import os
import pickle
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from charrnn.data.tokenizer import TOKENIZERS, CharTokenizer, Tokenizer
from charrnn.errors import ModelError, StorageError
from charrnn.model.config import GATES, LATER, ModelConfig
from charrnn.storage.model_directory import (
    CONFIG,
    TENSORS,
    TOKENIZER,
    Model,
    Provenance,
    model_files,
    read_config,
    read_model,
    read_tokenizer,
    write_model,
)
from charrnn.storage.tensor_file import read_tensors
from tests.provenance import make_provenance

FILES = [CONFIG, TENSORS, TOKENIZER]

LATER_KEYS = {
    section: {field.name for field in fields(kind) if field.metadata == LATER}
    for section, kind in (("model", ModelConfig), ("training", Provenance))
}

PROVENANCE = make_provenance(
    corpus="fables",
    corpus_bytes=31_000,
    corpus_characters=30_000,
    step=1000,
    characters=2_000_000,
    seconds=61.5,
    validation_nats=1.5,
)


def model_of(tokenizer: Tokenizer, *, cell: str = "lstm", layers: int = 2) -> Model:
    config = ModelConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        cell=cell,
        embedding_size=3,
        hidden_size=4,
        layers=layers,
        dropout=0.25,
    )
    generator = np.random.default_rng(0)
    tensors = {
        name: generator.standard_normal(shape, dtype=np.float32)
        for name, shape in config.tensor_shapes().items()
    }
    return Model(config, tokenizer, tensors, PROVENANCE)


def written(directory: Path, **sizes: Any) -> Path:
    """A small model's directory, freshly written."""
    path = directory / "model"
    write_model(path, model_of(CharTokenizer("\nab\N{GRINNING FACE}"), **sizes))
    return path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return written(tmp_path)


# Round trip


def tokenizer_of(kind: str) -> Tokenizer:
    fit: Any = getattr(TOKENIZERS[kind], "fit", None)
    made: Tokenizer = fit(["to be\r\n\N{GRINNING FACE}\u2028"]) if fit else TOKENIZERS[kind]()
    return made


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("layers", [1, 3])
def test_a_model_is_read_back_as_it_was(kind: str, cell: str, layers: int, tmp_path: Path) -> None:
    model = model_of(tokenizer_of(kind), cell=cell, layers=layers)
    write_model(tmp_path / "model", model)
    assert sorted(os.listdir(tmp_path / "model")) == FILES
    read = read_model(tmp_path / "model")
    assert read.config == model.config
    assert read.provenance == model.provenance
    assert read.tokenizer.to_json() == model.tokenizer.to_json()
    assert read.tensors.keys() == model.tensors.keys()
    for name, tensor in model.tensors.items():
        assert read.tensors[name].dtype == np.float32
        np.testing.assert_array_equal(read.tensors[name], tensor)


@pytest.mark.parametrize(
    "changes",
    [
        {"validation_nats": None},
        {"seconds": 60},
        {"lines": True},
        {"corpus": "déjà \N{GRINNING FACE} [bold]"},
        {"corpus": 'a "quoted"\nname'},
        {"corpus": os.fsdecode(b"caf\xe9")},
    ],
    ids=ascii,
)
def test_where_a_model_comes_from_is_read_back_as_it_was(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    """A file's name need not be UTF-8: the training ended at its first checkpoint, in a
    UnicodeEncodeError."""
    model = replace(model_of(CharTokenizer("ab")), provenance=replace(PROVENANCE, **changes))
    write_model(tmp_path / "model", model)
    assert read_model(tmp_path / "model").provenance == model.provenance


def test_tensors_need_not_be_contiguous(tmp_path: Path) -> None:
    """safetensors writes the memory as it lies: a transposed matrix came back scrambled."""
    model = model_of(CharTokenizer("ab"))
    tensors = {name: np.asfortranarray(tensor) for name, tensor in model.tensors.items()}
    write_model(tmp_path / "model", replace(model, tensors=tensors))
    for name, tensor in read_model(tmp_path / "model").tensors.items():
        np.testing.assert_array_equal(tensor, model.tensors[name])


def test_what_is_read_is_on_disk_no_more(directory: Path) -> None:
    """A model that was read must not change under a reader when its file is replaced."""
    model = read_model(directory)
    before = model.tensors["head.weight"].copy()
    size = (directory / TENSORS).stat().st_size
    (directory / TENSORS).write_bytes(bytes(size))
    np.testing.assert_array_equal(model.tensors["head.weight"], before)


def test_a_model_may_be_replaced(directory: Path) -> None:
    model = model_of(CharTokenizer("xyz"))
    write_model(directory, model)
    assert read_model(directory).config == model.config


def test_a_model_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="missing/model"):
        write_model(tmp_path / "missing" / "model", model_of(CharTokenizer("ab")))


def test_the_files_are_as_the_design_says(directory: Path) -> None:
    """A contract: others read them too."""
    assert json.loads((directory / CONFIG).read_text("utf-8")).keys() == {"model", "training"}
    assert json.loads((directory / TOKENIZER).read_text("utf-8")) == {
        "kind": "char",
        "characters": ["\n", "a", "b", "\N{GRINNING FACE}"],
    }
    shapes = {name: tensor.shape for name, tensor in load_file(directory / TENSORS).items()}
    assert shapes == {
        "embedding.weight": (4, 3),
        "rnn.weight_ih_l0": (16, 3),
        "rnn.weight_hh_l0": (16, 4),
        "rnn.bias_ih_l0": (16,),
        "rnn.bias_hh_l0": (16,),
        "rnn.weight_ih_l1": (16, 4),
        "rnn.weight_hh_l1": (16, 4),
        "rnn.bias_ih_l1": (16,),
        "rnn.bias_hh_l1": (16,),
        "head.weight": (4, 4),
        "head.bias": (4,),
    }


def test_the_same_model_is_the_same_bytes() -> None:
    """So that two runs can be compared by their hashes."""
    assert model_files(model_of(CharTokenizer("ab"))) == model_files(model_of(CharTokenizer("ab")))


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("layers", [1, 2])
def test_a_plain_torch_module_loads_the_weights(cell: str, layers: int, tmp_path: Path) -> None:
    """A contract: ten lines and strict=True are all it takes."""
    import safetensors.torch
    import torch

    class Plain(torch.nn.Module):
        def __init__(self, V: int, E: int, H: int, L: int) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(V, E)
            self.rnn = getattr(torch.nn, cell.upper())(E, H, L)
            self.head = torch.nn.Linear(H, V)

    directory = written(tmp_path, cell=cell, layers=layers)
    plain = Plain(4, 3, 4, layers)
    plain.load_state_dict(safetensors.torch.load_file(directory / TENSORS), strict=True)
    loaded = {name: tensor.numpy() for name, tensor in plain.state_dict().items()}
    tensors = read_model(directory).tensors
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(loaded[name], tensor)


# Refusals. Each says which file it is about.


def edit(file: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Changes the value in a JSON file, in place unless it returns another."""

    def spoil(directory: Path) -> None:
        path = directory / file
        value = json.loads(path.read_text("utf-8"))
        changed = change(value)
        path.write_text(json.dumps(value if changed is None else changed), "utf-8")

    return spoil


def without(section: str, key: str) -> Callable[[Path], None]:
    def change(config: Any) -> None:
        del config[section][key]

    return edit(CONFIG, change)


def setting(section: str, key: str, value: object) -> Callable[[Path], None]:
    return edit(CONFIG, lambda config: config[section].update({key: value}))


def tensors(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Changes the tensors."""

    def spoil(directory: Path) -> None:
        values = load_file(directory / TENSORS)
        change(values)
        save_file(values, directory / TENSORS)

    return spoil


def tensor(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return tensors(lambda values: values.update({name: change(values[name])}))


def put(value: float) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array.flat[-1] = value
        return array

    return change


def content(file: str, value: bytes) -> Callable[[Path], None]:
    def spoil(directory: Path) -> None:
        (directory / file).write_bytes(value)

    return spoil


def tail(file: str, value: bytes) -> Callable[[Path], None]:
    def spoil(directory: Path) -> None:
        path = directory / file
        path.write_bytes(path.read_bytes() + value)

    return spoil


def missing(file: str) -> Callable[[Path], None]:
    return lambda directory: (directory / file).unlink()


def cut(file: str, count: int) -> Callable[[Path], None]:
    """Keeps the first bytes of a file; a negative count drops the last."""

    def spoil(directory: Path) -> None:
        path = directory / file
        path.write_bytes(path.read_bytes()[:count])

    return spoil


def a_folder(file: str) -> Callable[[Path], None]:
    def spoil(directory: Path) -> None:
        (directory / file).unlink()
        (directory / file).mkdir()

    return spoil


SPOILED: dict[str, tuple[str, str | None, Callable[[Path], None]]] = {
    # the problem: the file it is in, what the message must say of it, how to make it
    **{
        f"{file} {problem}": (file, None, spoil)
        for file in FILES
        for problem, spoil in {
            "missing": missing(file),
            "a folder": a_folder(file),
            "empty": content(file, b""),
            "one byte": cut(file, 1),
            "cut in half": cut(file, 40),
            "without its end": cut(file, -3),
            "not UTF-8": content(file, b'{"model": "\xff\xfe"}' * 100),
            "text": content(file, b"hello\n" * 500),
            "deep": content(file, b"[" * 100_000 + b"]" * 100_000),
            "null": content(file, b"null" + b" " * 5_000),
        }.items()
    },
    "config an array": (CONFIG, "model and training", edit(CONFIG, lambda _: [])),
    "config half": (CONFIG, "model and", edit(CONFIG, lambda c: {"training": c["training"]})),
    "config with more": (CONFIG, "model and", edit(CONFIG, lambda c: c.update(version=2))),
    "model an array": (CONFIG, "object", edit(CONFIG, lambda c: c.update(model=[1]))),
    "training null": (CONFIG, "object", edit(CONFIG, lambda c: c.update(training=None))),
    **{
        f"without {key}": (
            CONFIG,
            f"'{key}' is missing",
            without(section, key),
        )
        for section, keys in {
            "model": ModelConfig(vocabulary_size=1).to_json(),
            "training": asdict(PROVENANCE),
        }.items()
        for key in keys
        if key not in LATER_KEYS[section]
    },
    "unknown model key": (CONFIG, "'bias' is unknown", setting("model", "bias", True)),
    "unknown training key": (CONFIG, "'epoch' is unknown", setting("training", "epoch", 1)),
    "cell unknown": (CONFIG, "cell 'mamba'", setting("model", "cell", "mamba")),
    "cell a number": (CONFIG, "cell is 1", setting("model", "cell", 1)),
    "size text": (CONFIG, "hidden_size is '4'", setting("model", "hidden_size", "4")),
    "size a float": (CONFIG, "hidden_size is 4.0", setting("model", "hidden_size", 4.0)),
    "size true": (CONFIG, "layers is True", setting("model", "layers", True)),
    "size zero": (CONFIG, "hidden size 0", setting("model", "hidden_size", 0)),
    "size huge": (CONFIG, "hidden size", setting("model", "hidden_size", 10**400)),
    "dropout one": (CONFIG, "dropout 1", setting("model", "dropout", 1)),
    "dropout NaN": (CONFIG, "dropout is nan", setting("model", "dropout", float("nan"))),
    "dropout null": (CONFIG, "dropout is None", setting("model", "dropout", None)),
    "step true": (CONFIG, "step is True", setting("training", "step", True)),
    "lines a number": (CONFIG, "lines is 0", setting("training", "lines", 0)),
    "seconds infinite": (CONFIG, "seconds is inf", setting("training", "seconds", float("inf"))),
    "seconds null": (CONFIG, "seconds is None", setting("training", "seconds", None)),
    "nats text": (CONFIG, "validation_nats", setting("training", "validation_nats", "1.5")),
    "nats NaN": (CONFIG, "nan", setting("training", "validation_nats", float("nan"))),
    "kind unknown": (TOKENIZER, "expected", edit(TOKENIZER, lambda t: t.update(kind="bpe"))),
    "kind more": (TOKENIZER, "expected", edit(TOKENIZER, lambda t: t.update(lower=True))),
    "twice": (TOKENIZER, "twice", edit(TOKENIZER, lambda t: t["characters"].append("a"))),
    "long": (TOKENIZER, "single", edit(TOKENIZER, lambda t: t["characters"].append("xy"))),
    "tensor missing": (TENSORS, "'head.bias' is missing", tensors(lambda t: t.pop("head.bias"))),
    "tensor extra": (
        TENSORS,
        "'head.scale' is unexpected",
        tensors(lambda t: t.update({"head.scale": np.ones(4, np.float32)})),
    ),
    "layer missing": (TENSORS, None, setting("model", "layers", 3)),
    "layer extra": (TENSORS, "rnn.bias_hh_l1' is unexpected", setting("model", "layers", 1)),
    "another cell": (TENSORS, "weight_ih_l0: expected", setting("model", "cell", "gru")),
    "tensor smaller": (TENSORS, None, tensor("head.weight", lambda array: array[:-1])),
    "tensor larger": (
        TENSORS,
        r"head.weight: expected F32 \[4, 4\], found F32 \[5, 4\]",
        tensor("head.weight", lambda array: np.concatenate([array, array[:1]])),
    ),
    "tensor flat": (TENSORS, "head.weight: expected", tensor("head.weight", np.ravel)),
    "tensor transposed": (
        TENSORS,
        "embedding.weight: expected",
        tensor("embedding.weight", lambda array: np.ascontiguousarray(array.T)),
    ),
    "tensor F64": (TENSORS, "head.bias.*F64", tensor("head.bias", np.float64)),
    "tensor I32": (TENSORS, "head.bias.*I32", tensor("head.bias", np.int32)),
    "tensor F16": (TENSORS, None, tensor("rnn.weight_hh_l0", np.float16)),
    "tensor NaN": (TENSORS, "head.bias has values", tensor("head.bias", put(float("nan")))),
    "tensor inf": (TENSORS, "rnn.bias_hh_l1 has", tensor("rnn.bias_hh_l1", put(float("inf")))),
    "tensors with a tail": (TENSORS, None, tail(TENSORS, b"tail")),
    "config with a tail": (CONFIG, None, tail(CONFIG, b"{}")),
    "header too long": (TENSORS, None, content(TENSORS, b"\xff" * 8 + b"{" * 5_000)),
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_spoiled_model_is_refused_by_the_name_of_its_file(spoiled: str, directory: Path) -> None:
    """Exit code 3 needs a ModelError, whatever it is that is wrong."""
    file, problem, spoil = SPOILED[spoiled]
    spoil(directory)
    with pytest.raises(ModelError, match=problem) as caught:
        read_model(directory)
    assert str(caught.value).startswith(f"{directory / file}: ")
    assert "\n" not in str(caught.value)


def test_a_tokenizer_of_another_size_is_refused(directory: Path) -> None:
    """textgenrnn, eight issues: weights, vocabulary and config in files that drift apart."""
    edit(TOKENIZER, lambda value: value["characters"].append("z"))(directory)
    with pytest.raises(ModelError, match=f"^{directory}.*tokenizer has 5 .*config 4"):
        read_model(directory)


@pytest.mark.parametrize(
    "read",
    [read_model, read_config, lambda path: read_tokenizer(path, ModelConfig(vocabulary_size=4))],
)
def test_a_folder_that_is_no_model_is_refused(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ModelError, match=f"^{path}/.*No such file"):
            read(path)


def test_a_model_that_was_written_before_there_were_other_tasks_is_one_to_generate(
    directory: Path,
) -> None:
    for section, keys in LATER_KEYS.items():
        assert keys
        for key in keys:
            without(section, key)(directory)
    config, provenance = read_config(directory)
    assert config.task == "generate"
    assert provenance.split_seed is None


def test_config_and_tokenizer_are_read_without_the_weights(directory: Path) -> None:
    """`charrnn info` of a hundred models."""
    model = read_model(directory)
    (directory / TENSORS).unlink()
    assert read_config(directory) == (model.config, model.provenance)
    assert read_tokenizer(directory, model.config).to_json() == model.tokenizer.to_json()


def test_a_config_that_asks_for_terabytes_is_refused_before_they_are_taken(
    directory: Path,
) -> None:
    for key, value in {"hidden_size": 16_384, "embedding_size": 16_384, "layers": 64}.items():
        setting("model", key, value)(directory)
    with pytest.raises(ModelError, match=r"config\.json: .*137,447,473,156 weights"):
        read_model(directory)


def test_a_config_that_asks_for_more_than_there_is_is_refused_before_it_is_taken(
    directory: Path,
) -> None:
    setting("model", "hidden_size", 8_000)(directory)
    tracemalloc.start()
    with pytest.raises(ModelError, match=r"model\.safetensors: tensor"):
        read_model(directory)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_a_huge_json_file_is_refused_before_it_is_read(directory: Path) -> None:
    os.truncate(directory / CONFIG, 1 << 40)  # a hole: it takes no disk
    with pytest.raises(ModelError, match=r"config\.json: too large"):
        read_model(directory)


class Payload:
    """What a pickle runs when it is loaded: it makes a file in the working directory."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("it ran",)


@pytest.mark.parametrize("file", FILES)
def test_nothing_in_a_model_is_ever_run(
    file: str, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """flair #3698: a pickle in the place of the weights."""
    monkeypatch.chdir(tmp_path)
    (directory / file).write_bytes(pickle.dumps(Payload()) + bytes(5_000))
    with pytest.raises(ModelError):
        read_model(directory)
    assert not os.path.exists("it ran")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=st.sampled_from(FILES), place=st.integers(0), junk=st.binary(min_size=1, max_size=9))
def test_damage_anywhere_is_refused_or_harmless_never_a_crash(
    tmp_path: Path, file: str, place: int, junk: bytes
) -> None:
    directory = written(tmp_path)
    path = directory / file
    whole = path.read_bytes()
    place %= len(whole)
    path.write_bytes(whole[:place] + junk + whole[place + len(junk) :])
    try:
        model = read_model(directory)
    except ModelError as error:
        assert str(error).startswith(str(directory))
    else:
        assert model.tokenizer.vocabulary_size == model.config.vocabulary_size
        shapes = {name: tensor.shape for name, tensor in model.tensors.items()}
        assert shapes == model.config.tensor_shapes()


def test_other_tensors_are_read_as_strictly(tmp_path: Path) -> None:
    """A checkpoint's training state is read by the same function."""
    path = tmp_path / "averages.safetensors"
    save_file({"average": np.ones((2, 3), np.float32)}, path)
    read = read_tensors(path, {"average": (2, 3)})
    np.testing.assert_array_equal(read["average"], np.ones((2, 3)))
    for shapes in ({"average": (3, 2)}, {"mean": (2, 3)}, {}):
        with pytest.raises(ModelError, match=r"averages\.safetensors: tensor "):
            read_tensors(path, shapes)


# Tasks


@pytest.mark.parametrize("command", ["charrnn fill", "charrnn proofread"])
def test_a_model_that_is_for_something_else_says_for_what(command: str) -> None:
    model = model_of(CharTokenizer("ab"))
    model.require("generate")
    model.require("restore", "generate")
    restorer = replace(model, config=replace(model.config, task="restore", bidirectional=True))
    with pytest.raises(ModelError, match=command) as caught:
        restorer.require("generate")
    assert str(caught.value).startswith("the model of fables was trained to restore, not to gen")


# Labels


def classifier(labels: tuple[str, ...] = ("no", "yes"), task: str = "classify") -> Model:
    model = model_of(CharTokenizer("ab"))
    outputs = 2 if task == "classify" else 1
    config = replace(model.config, task=task, pooling="mean", outputs=outputs)
    tensors = {
        name: np.zeros(shape, dtype=np.float32) for name, shape in config.tensor_shapes().items()
    }
    return replace(model, config=config, tensors=tensors, labels=labels)


def test_a_model_to_classify_keeps_the_names_of_its_classes(tmp_path: Path) -> None:
    write_model(tmp_path / "model", classifier(("nein", "жа")))
    assert read_model(tmp_path / "model").labels == ("nein", "жа")
    assert read_config(tmp_path / "model")[0].outputs == 2


LABELS: dict[str, tuple[Any, str]] = {
    "none": (None, "labels are missing in a model to classify"),
    "too few": (["no"], "1 labels for 2 classes"),
    "no list": ({"no": 0, "yes": 1}, "expected a list of names"),
    "numbers": ([0, 1], "expected a list of names"),
    "empty": (["", "yes"], "expected a list of names"),
    "nothing": ([], "0 labels for 2 classes"),
    "twice": (["no", "no"], "a label appears twice"),
    "half a character": (["no", "\ud800"], "half of a surrogate pair"),
}


@pytest.mark.parametrize("spoiled", sorted(LABELS))
def test_labels_that_are_not_those_of_the_classes_are_refused(tmp_path: Path, spoiled: str) -> None:
    labels, message = LABELS[spoiled]
    write_model(tmp_path / "model", classifier())
    path = tmp_path / "model" / CONFIG
    config = json.loads(path.read_bytes())
    del config["labels"]
    path.write_text(json.dumps(config if labels is None else config | {"labels": labels}))
    with pytest.raises(ModelError, match=f"{CONFIG}: .*{message}"):
        read_model(tmp_path / "model")


def test_a_model_without_classes_has_no_labels(tmp_path: Path, directory: Path) -> None:
    write_model(tmp_path / "numbers", classifier((), task="regress"))
    for path in (tmp_path / "numbers", directory):
        assert read_model(path).labels == ()
        config = json.loads((path / CONFIG).read_bytes())
        (path / CONFIG).write_text(json.dumps(config | {"labels": ["no", "yes"]}))
        with pytest.raises(ModelError, match="labels are unknown in a model to"):
            read_model(path)
