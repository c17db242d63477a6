"""A model as one zip: its bytes, and zips from people who mean harm."""

import io
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.errors import ConfigError, ModelError
from charrnn.export.archive import import_model, model_zip, read_model_zip
from charrnn.storage.model_directory import CONFIG, TENSORS, TOKENIZER, model_files, read_model
from charrnn.storage.run_lookup import load
from tests.export.exported import random_model

MODEL = random_model(hidden_size=8, layers=1)
FILES = model_files(MODEL)

Entry = tuple[zipfile.ZipInfo | str, bytes]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def zip_of(*entries: Entry, method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
        archive.comment = comment
    return content.getvalue()


def entries(**changes: Any) -> list[Entry]:
    """The three files of a model, some of them with other content."""
    return [(name, changes.get(name.split(".")[0], data)) for name, data in FILES.items()]


def info(name: str, *, mode: int = 0) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.create_system, made.external_attr = 3, mode << 16
    return made


def test_a_model_returns_as_it_was(here: Path) -> None:
    Path("m.zip").write_bytes(model_zip(MODEL))
    directory = import_model(Path("m.zip"))
    assert directory == Path("checkpoints/m")
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == FILES
    assert load("m").provenance == MODEL.provenance


def test_the_bytes_of_a_zip_follow_from_the_model_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = model_zip(MODEL)
    monkeypatch.setattr("time.time", lambda: 1e9)
    os.umask(os.umask(0o077))
    assert model_zip(random_model(hidden_size=8, layers=1)) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == [CONFIG, TOKENIZER, TENSORS]
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.testzip() is None


def test_a_zip_that_another_program_has_compressed_is_read(here: Path) -> None:
    Path("m.zip").write_bytes(zip_of(*entries(), method=zipfile.ZIP_DEFLATED))
    read = read_model_zip(Path("m.zip"))
    assert model_files(read) == FILES


def test_a_link_to_a_zip_may_be_named(here: Path) -> None:
    Path("m.zip").write_bytes(model_zip(MODEL))
    Path("link.zip").symlink_to("m.zip")
    assert import_model(Path("link.zip")) == Path("checkpoints/link")


def weights(**changes: Any) -> bytes:
    """The weights of the model, with one number replaced."""
    data = bytearray(FILES[TENSORS])
    data[-4:] = np.float32(changes["last"]).tobytes()
    return bytes(data)


def without(name: str) -> list[Entry]:
    return [entry for entry in entries() if entry[0] != name]


def bomb(size: int = 1 << 26) -> bytes:
    """Weights that become a thousand times as large."""
    return zip_of(*without(TENSORS), (TENSORS, bytes(size)), method=zipfile.ZIP_DEFLATED)


def edited(content: bytes, old: bytes, new: bytes) -> bytes:
    """A zip in which some bytes are others of the same number."""
    assert len(old) == len(new) and old in content
    return content.replace(old, new)


def flagged(bits: int) -> bytes:
    """A zip whose first entry has these bits set, in both of its headers."""
    content = bytearray(zip_of(*entries()))
    central = content.index(b"PK\x01\x02")
    for place in (6, central + 8):
        content[place : place + 2] = struct.pack("<H", bits)
    return bytes(content)


def sized(size: int) -> bytes:
    """A zip that says of its weights, stored, that they have this size."""
    content = bytearray(zip_of(*entries()))
    central = content.rindex(b"PK\x01\x02")
    content[central + 20 : central + 28] = struct.pack("<2L", size, size)
    return bytes(content)


def method(number: int) -> bytes:
    content = bytearray(zip_of(*entries()))
    central = content.index(b"PK\x01\x02")
    content[central + 10 : central + 12] = struct.pack("<H", number)
    return bytes(content)


def damaged() -> bytes:
    content = bytearray(zip_of(*entries()))
    content[content.index(FILES[TENSORS]) + len(FILES[TENSORS]) - 1] ^= 1
    return bytes(content)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "no zip": lambda: b"no zip" * 50,
    "empty": bytes,
    "an empty zip": zip_of,
    "a file is missing": lambda: zip_of(*without(TOKENIZER)),
    "one file more": lambda: zip_of(*entries(), ("run.py", b"print()")),
    "a pickle": lambda: zip_of(*without(TENSORS), ("pytorch_model.bin", b"\x80\x02")),
    "a manifest in place of a file": lambda: zip_of(*without(TENSORS), ("manifest.json", b"{}")),
    "above": lambda: zip_of(*without(CONFIG), ("../config.json", FILES[CONFIG])),
    "absolute": lambda: zip_of(*without(CONFIG), ("/tmp/config.json", FILES[CONFIG])),
    "a drive": lambda: zip_of(*without(CONFIG), ("C:\\config.json", FILES[CONFIG])),
    "in a folder": lambda: zip_of(*without(CONFIG), ("m/config.json", FILES[CONFIG])),
    "a folder": lambda: zip_of(*without(CONFIG), ("config.json/", b"")),
    "a name with an end in it": lambda: edited(
        zip_of(*without(CONFIG), ("config.json#x", FILES[CONFIG])), b"json#x", b"json\0x"
    ),
    "a link": lambda: zip_of(
        *without(CONFIG), (info(CONFIG, mode=stat.S_IFLNK | 0o777), b"/etc/passwd")
    ),
    "a folder by its mode": lambda: zip_of(
        *without(CONFIG), (info(CONFIG, mode=stat.S_IFDIR | 0o755), FILES[CONFIG])
    ),
    "a device": lambda: zip_of(
        *without(CONFIG), (info(CONFIG, mode=stat.S_IFCHR | 0o666), FILES[CONFIG])
    ),
    "twice": lambda: edited(
        zip_of(*without(TOKENIZER), ("config.jsom", FILES[CONFIG])), b"config.jsom", b"config.json"
    ),
    "encrypted": lambda: flagged(1),
    "strongly encrypted": lambda: flagged(0x41),
    "bzip2": lambda: zip_of(*entries(), method=zipfile.ZIP_BZIP2),
    "lzma": lambda: zip_of(*entries(), method=zipfile.ZIP_LZMA),
    "an unknown method": lambda: method(99),
    "a bomb": bomb,
    "a config of 16 MB": lambda: zip_of(*without(CONFIG), (CONFIG, b" " * (16 << 20))),
    "a tokenizer of 16 MB": lambda: zip_of(*without(TOKENIZER), (TOKENIZER, b" " * (16 << 20))),
    "weights of 4 GB, by the list": lambda: sized(0xFFFFFFF0),
    "weights that are longer": lambda: zip_of(*entries(model=FILES[TENSORS] + bytes(4))),
    "weights that are cut off": lambda: zip_of(*entries(model=FILES[TENSORS][:-4])),
    "weights that are no numbers": lambda: zip_of(*entries(model=weights(last=np.nan))),
    "a config of other sizes": lambda: zip_of(
        *entries(config=FILES[CONFIG].replace(b'"hidden_size": 8', b'"hidden_size": 9'))
    ),
    "a config that is no JSON": lambda: zip_of(*entries(config=b"{")),
    "a deep config": lambda: zip_of(*entries(config=b"[" * 100_000)),
    "damaged": damaged,
    "cut off": lambda: zip_of(*entries())[:-30],
    "something behind": lambda: zip_of(*entries()) + b"#!/bin/sh",
    "something before": lambda: b"#!/bin/sh\n" + zip_of(*entries()),
    "a comment": lambda: zip_of(*entries(), comment=b"hello"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_model_is_refused_and_leaves_nothing(here: Path, name: str) -> None:
    Path("m.zip").write_bytes(HOSTILE[name]())
    tracemalloc.start()
    with pytest.raises(ModelError) as raised:
        import_model(Path("m.zip"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(raised.value).startswith("m.zip")
    assert "\n" not in str(raised.value)
    assert peak < 4 << 20
    assert sorted(path.name for path in here.iterdir()) == ["m.zip"]


def test_no_byte_of_a_zip_can_change_unnoticed(here: Path) -> None:
    """Whatever one changed bit makes of it: the same model, or an error of one line."""
    content, random = model_zip(MODEL), np.random.default_rng(0)
    begin = content.index(FILES[TENSORS])
    places = [*range(begin), *range(begin + len(FILES[TENSORS]), len(content))]
    for place in [*random.choice(places, 300), *random.integers(len(content), size=100)]:
        changed = bytearray(content)
        changed[place] ^= 1 << int(random.integers(8))
        Path("m.zip").write_bytes(changed)
        try:
            read = read_model_zip(Path("m.zip"))
        except ModelError as error:
            assert "\n" not in str(error)
        else:
            assert model_files(read) == FILES


def test_what_is_no_file_is_refused(here: Path) -> None:
    os.mkfifo("pipe.zip")
    Path("folder.zip").mkdir()
    Path("loop.zip").symlink_to("loop.zip")
    for name in ("pipe.zip", "folder.zip", "loop.zip", "missing.zip"):
        with pytest.raises(ModelError, match=f"^{name}|{here}"):
            import_model(Path(name))
    assert not Path("checkpoints").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "/tmp/m", "a/b", ".hidden", "a\nb"])
def test_only_a_plain_name_is_taken(here: Path, name: str) -> None:
    Path("m.zip").write_bytes(model_zip(MODEL))
    with pytest.raises(ConfigError, match="not a plain name"):
        import_model(Path("m.zip"), name)


def test_what_is_there_is_never_replaced(here: Path) -> None:
    Path("m.zip").write_bytes(model_zip(MODEL))
    other = random_model(hidden_size=4, layers=1)
    Path("other.zip").write_bytes(model_zip(other))
    directory = import_model(Path("m.zip"))
    with pytest.raises(ConfigError, match="checkpoints/m is there already"):
        import_model(Path("other.zip"), "m")
    Path("checkpoints/dangling").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="is there already"):
        import_model(Path("m.zip"), "dangling")
    assert read_model(directory).config == MODEL.config
