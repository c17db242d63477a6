import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.data.read_options import ReadOptions
from charrnn.errors import ModelError
from charrnn.storage.files import write_directory
from charrnn.storage.json_file import to_json
from charrnn.storage.manifest import (
    MANIFEST,
    Entry,
    read_json,
    read_manifest,
    read_sealed,
    with_manifest,
)
from charrnn.storage.model_directory import CONFIG, TENSORS, TOKENIZER, Model, read_model
from charrnn.training.checkpoint import (
    TRAINING,
    TRAINING_TENSORS,
    Checkpoint,
    TrainingState,
    read_checkpoint,
    tensor_shapes,
)
from charrnn.training.config import TrainingConfig

FILES = [CONFIG, TOKENIZER, TENSORS, TRAINING, TRAINING_TENSORS]

SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture(scope="module")
def files(make_model: Callable[..., Model]) -> dict[str, bytes]:
    """The six files of the smallest checkpoint there is."""
    model = make_model("ab", cell="rnn", layers=1, hidden_size=1, embedding_size=1)
    config = TrainingConfig(
        steps=9,
        batch_size=1,
        sequence_length=8,
        learning_rate=0.01,
        warmup_steps=0,
        clip=0.25,
        seed=0,
        precision="fp32",
        device="cpu",
        kernel="fused",
        threads=1,
        validation_fraction=0.1,
        lines=False,
        evaluate_every=3,
        evaluation_characters=100,
        checkpoint_every=3,
        patience=0,
        keep=2,
    )
    position = TrainingState(
        step=6,
        epoch=1,
        chunk=2,
        lanes=1,
        characters=48,
        seconds=0.5,
        nats=1.5,
        measured=6,
        evaluated=6,
        validation_nats=0.5,
        best_nats=0.5,
        best_step=6,
    )
    tensors = {
        name: np.ones(shape, np.float32) for name, shape in tensor_shapes(model.config, 1).items()
    }
    checkpoint = Checkpoint(
        model=model,
        config=config,
        sources=("text.txt",),
        options=ReadOptions(),
        position=position,
        tensors=tensors,
    )
    return with_manifest(checkpoint.files())


@pytest.fixture
def directory(files: dict[str, bytes], tmp_path: Path) -> Path:
    """Where they are."""
    write_directory(tmp_path / "checkpoint", files)
    return tmp_path / "checkpoint"


# Writing


def test_a_manifest_says_size_and_sha256_of_each_file_and_comes_last() -> None:
    """Last, so that a folder that has one is complete."""
    sealed = with_manifest({"b": b"abc", "a": b""})
    assert list(sealed) == ["b", "a", MANIFEST]
    assert (sealed["a"], sealed["b"]) == (b"", b"abc")
    value = json.loads(sealed[MANIFEST])
    assert value["files"]["b"] == {"bytes": 3, "sha256": SHA256_OF_ABC}
    assert value.keys() == {"files"} and value["files"].keys() == {"a", "b"}


def test_a_manifest_is_read_back_as_it_was(tmp_path: Path) -> None:
    write_directory(tmp_path / "it", with_manifest({"b": b"abc", "a \N{SNOWMAN}": b""}))
    manifest = read_manifest(tmp_path / "it")
    assert manifest.files["b"] == Entry(bytes=3, sha256=SHA256_OF_ABC)
    for name, content in (("b", b"abc"), ("a \N{SNOWMAN}", b"")):
        manifest.check(tmp_path / "it" / name, content)
        assert read_sealed(tmp_path / "it" / name, 3, manifest) == content


def test_what_is_sealed_is_read_once(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared with the checksum has to be what is used: a file read again may be another
    by then."""
    opened: list[str] = []
    real = os.open

    def count(path: Any, *arguments: Any, **options: Any) -> int:
        opened.append(Path(path).name)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", count)
    read_checkpoint(directory)
    assert sorted(name for name in opened if name != MANIFEST) == sorted(FILES)


# Damage


@pytest.mark.parametrize("file", FILES)
def test_any_byte_of_a_file_that_changed_is_noticed(
    file: str, files: dict[str, bytes], directory: Path
) -> None:
    """Of the weights most bits can change without any other sign than bad text."""
    path, whole = directory / file, bytearray(files[file])
    expected = f"{path}: damaged: not what was written (its SHA-256 differs)"
    for place in range(len(whole)):
        whole[place] ^= 1 << place % 8
        path.write_bytes(whole)
        with pytest.raises(ModelError) as caught:
            read_checkpoint(directory)
        assert str(caught.value) == expected, place
        whole[place] ^= 1 << place % 8
    path.write_bytes(whole)
    read_checkpoint(directory)


def test_any_bit_of_a_manifest_that_changed_is_noticed(
    files: dict[str, bytes], directory: Path
) -> None:
    """Also of its white space: it has one spelling. Where it is the SHA-256 of a file that changed,
    that file is named."""
    path, whole = directory / MANIFEST, bytearray(files[MANIFEST])
    named = tuple(f"{directory / file}: " for file in [*FILES, MANIFEST])
    for bit in range(8 * len(whole)):
        whole[bit // 8] ^= 1 << bit % 8
        path.write_bytes(whole)
        with pytest.raises(ModelError) as caught:
            read_checkpoint(directory)
        assert str(caught.value).startswith(named), bit
        assert "\n" not in str(caught.value)
        whole[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("file", [*FILES, MANIFEST])
def test_a_file_cut_off_anywhere_is_noticed(
    file: str, files: dict[str, bytes], directory: Path
) -> None:
    """Also of its last byte alone: JSON is the same without its final newline."""
    whole = files[file]
    for length in {0, 1, 7, 8, 9, len(whole) // 2, len(whole) - 2, len(whole) - 1}:
        (directory / file).write_bytes(whole[:length])
        with pytest.raises(ModelError) as caught:
            read_checkpoint(directory)
        what = "" if file == MANIFEST else f"damaged: {length} bytes, of {len(whole)} written"
        assert str(caught.value).startswith(f"{directory / file}: {what}"), length


@pytest.mark.parametrize("file", [*FILES, MANIFEST])
def test_a_file_that_grew_is_noticed(file: str, files: dict[str, bytes], directory: Path) -> None:
    for tail in (b"\n", b"\0", b" " * 5000):
        (directory / file).write_bytes(files[file] + tail)
        what = "" if file == MANIFEST else "damaged: "
        with pytest.raises(ModelError, match=f"^{directory / file}: {what}"):
            read_checkpoint(directory)


@pytest.mark.parametrize("file", [*FILES, MANIFEST])
@pytest.mark.parametrize("instead", ["nothing", "folder", "pipe", "link", "loop"])
def test_what_stands_where_a_file_should_is_named(
    instead: str, file: str, directory: Path, tmp_path: Path
) -> None:
    path = directory / file
    path.rename(tmp_path / "moved")
    if instead == "folder":
        path.mkdir()
    elif instead == "pipe":
        os.mkfifo(path)
    elif instead != "nothing":
        path.symlink_to(tmp_path / "moved" if instead == "link" else path)
    with pytest.raises(ModelError, match=f"^{path}: ") as caught:
        read_checkpoint(directory)
    assert "\n" not in str(caught.value)


def test_files_of_two_checkpoints_do_not_mix(
    files: dict[str, bytes], directory: Path, tmp_path: Path
) -> None:
    """Half of one that was copied over half of another: each file of it is sound."""
    position = json.loads(files[TRAINING])
    position["position"]["step"] = 7
    other = with_manifest({**files, TRAINING: to_json(position)})
    (directory / TRAINING).write_bytes(other[TRAINING])
    with pytest.raises(ModelError, match=r"training\.json: damaged: "):
        read_checkpoint(directory)


# Models alone


def test_the_three_files_of_a_model_need_no_manifest(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    write_directory(tmp_path / "it", {file: files[file] for file in (CONFIG, TOKENIZER, TENSORS)})
    assert read_model(tmp_path / "it").provenance.corpus == "none"
    with pytest.raises(ModelError, match="manifest.json: No such file"):
        read_checkpoint(tmp_path / "it")


def test_the_three_files_of_a_model_are_checked_where_there_is_one(
    files: dict[str, bytes], directory: Path
) -> None:
    """Also where the others, which `sample` does not read, are gone."""
    for file in (TRAINING, TRAINING_TENSORS):
        (directory / file).unlink()
    assert read_model(directory).provenance.corpus == "none"
    changed = files[CONFIG].replace(b'"corpus": "none"', b'"corpus": "some"')
    (directory / CONFIG).write_bytes(changed)
    with pytest.raises(ModelError, match=r"config\.json: damaged: "):
        read_model(directory)
    (directory / MANIFEST).unlink()
    assert read_model(directory).provenance.corpus == "some"


def test_a_manifest_that_points_nowhere_is_not_taken_for_none(directory: Path) -> None:
    (directory / MANIFEST).unlink()
    (directory / MANIFEST).symlink_to("nowhere")
    with pytest.raises(ModelError, match=r"manifest\.json: a symbolic link"):
        read_model(directory)


# Manifests by somebody else

ENTRY = {"bytes": 3, "sha256": SHA256_OF_ABC}


@pytest.mark.parametrize(
    "value",
    [
        *([], None, 5, "files", {}),
        {"files": {}, "more": 1},
        {"more": {}},
        {"files": []},
        {"files": None},
        {"files": {"a": None}},
        {"files": {"a": []}},
        {"files": {"a": SHA256_OF_ABC}},
        {"files": {"a": {"bytes": 3}}},
        {"files": {"a": {"sha256": SHA256_OF_ABC}}},
        {"files": {"a": {**ENTRY, "more": 1}}},
        {"files": {"a": {**ENTRY, "bytes": "3"}}},
        {"files": {"a": {**ENTRY, "bytes": 3.0}}},
        {"files": {"a": {**ENTRY, "bytes": True}}},
        {"files": {"a": {**ENTRY, "bytes": None}}},
        {"files": {"a": {**ENTRY, "bytes": 10**30}}},
        {"files": {"a": {**ENTRY, "sha256": 5}}},
        {"files": {"two\nlines": None}},
    ],
    ids=str,
)
def test_a_manifest_that_is_none_is_refused(value: Any, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(to_json(value))
    with pytest.raises(ModelError, match=f"^{tmp_path / MANIFEST}: ") as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b'{"files": {}}',
        b'{"files": {}}\n',
        b'{\n  "files": {}\n}',
        b'{\n  "files": {}\n}\n\n',
        b'{\n  "files" : {}\n}\n',
        b'{\r\n  "files": {}\r\n}\r\n',
        b'{\n  "\\u0066iles": {}\n}\n',
    ],
)
def test_a_manifest_has_one_spelling(content: bytes, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(b'{\n  "files": {}\n}\n')
    assert read_manifest(tmp_path).files == {}
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(ModelError, match=r"manifest\.json: damaged: not as it was written"):
        read_manifest(tmp_path)


def test_a_file_twice_in_a_manifest_is_refused(files: dict[str, bytes], directory: Path) -> None:
    """One reader would take the first, the next the last."""
    text = files[MANIFEST].decode().replace(TOKENIZER, CONFIG)
    (directory / MANIFEST).write_text(text)
    with pytest.raises(ModelError, match=r"manifest\.json: .*'config\.json' appears twice"):
        read_checkpoint(directory)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_missing_in_a_manifest_is_refused(
    file: str, files: dict[str, bytes], directory: Path
) -> None:
    value = json.loads(files[MANIFEST])
    del value["files"][file]
    (directory / MANIFEST).write_bytes(to_json(value))
    with pytest.raises(ModelError, match=f"^{directory / file}: damaged: it is not in manifest"):
        read_checkpoint(directory)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "./config.json", "", "..", "a\0b"])
def test_no_manifest_makes_anyone_read_elsewhere(
    name: str,
    files: dict[str, bytes],
    directory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it names is compared with what is read, and never opened itself."""
    (tmp_path / "secret").write_bytes(b"abc")
    value = json.loads(files[MANIFEST])
    value["files"][name] = ENTRY
    (directory / MANIFEST).write_bytes(to_json(value))
    real = os.open

    def inside(path: Any, *arguments: Any, **options: Any) -> int:
        assert Path(path).parent == directory and Path(path).name in files
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", inside)
    assert read_checkpoint(directory).position.step == 6
    # Nor is such an entry taken for the file's own.
    del value["files"][CONFIG]
    value["files"][f"../checkpoint/{CONFIG}"] = json.loads(files[MANIFEST])["files"][CONFIG]
    (directory / MANIFEST).write_bytes(to_json(value))
    with pytest.raises(ModelError, match=r"config\.json: damaged: it is not in manifest"):
        read_checkpoint(directory)


def test_a_huge_manifest_is_refused_before_it_is_read(directory: Path) -> None:
    os.truncate(directory / MANIFEST, 1 << 40)  # a hole: it takes no disk
    with pytest.raises(ModelError, match=r"manifest\.json: too large"):
        read_checkpoint(directory)


def test_json_is_read_with_and_without_a_manifest(tmp_path: Path) -> None:
    write_directory(tmp_path / "it", with_manifest({"a.json": b"[1]", "b.json": b"[2]"}))
    manifest = read_manifest(tmp_path / "it")
    (tmp_path / "it" / "b.json").write_bytes(b"[3]")
    assert read_json(tmp_path / "it" / "a.json", manifest) == [1]
    assert read_json(tmp_path / "it" / "b.json") == [3]
    with pytest.raises(ModelError, match=r"b\.json: damaged: "):
        read_json(tmp_path / "it" / "b.json", manifest)
