"""Payloads: files that run code when an unsafe loader (pickle and the like) reads them.

Each payload would create a sentinel, a folder of its own name. It is put under every name that any
of our loaders reads, and every reader is called on it. To show that the payloads work, each one
whose unsafe loader is installed is also read by that loader, in another process.
"""

import base64
import io
import json
import marshal
import os
import pickle
import shutil
import struct
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.errors import CharRNNError, CharRNNWarning, ModelError
from charrnn.storage.manifest import MANIFEST, with_manifest
from charrnn.storage.model_directory import CONFIG, TENSORS, TOKENIZER
from charrnn.training.checkpoint import TRAINING, TRAINING_TENSORS
from tests.stress.hostile_runs import (
    RUN_STEP,
    make_run,
)
from tests.stress.report import Deadline, Report
from tests.stress.sandboxed_trials import (
    MOST_FAILURES,
    check_exit,
    check_message,
)

METRICS = "metrics.jsonl"

NAMES = (CONFIG, TOKENIZER, TENSORS, TRAINING, TRAINING_TENSORS, MANIFEST, METRICS)
"""Every file that any loader reads."""


class _Call:
    """What pickles to a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call


@dataclass(frozen=True)
class Payload:
    """A file that would run code.

    Attributes:
        name: what it is.
        content: its bytes.
        loader: Python that reads `path` carelessly; empty where there is none here.
    """

    name: str
    content: bytes
    loader: str = ""


PICKLE = "import pickle; pickle.load(open(path, 'rb'))"
TORCH = "import torch; torch.load(path, weights_only=False)"
NUMPY = "import numpy; list(numpy.atleast_1d(numpy.load(path, allow_pickle=True)))"
NUMPY_ZIP = "import numpy; [each for each in numpy.load(path, allow_pickle=True).values()]"
YAML = "import yaml; yaml.unsafe_load(open(path))"


def make_payloads(sentinels: Path) -> list[Payload]:
    """Makes the payloads; each would make the folder `sentinels/NAME` (or, by a shell, a file)."""
    # Longer than most functions: it is a list of payloads.
    made: list[Payload] = []

    def target() -> str:
        return str(sentinels / f"{len(made)}")

    def source() -> str:
        return f"import os; os.mkdir({target()!r})"

    def add(name: str, content: bytes, loader: str = "") -> None:
        made.append(Payload(name, content, loader))

    for protocol in range(6):
        content = pickle.dumps(_Call(os.mkdir, target()), protocol)
        add(f"pickle {protocol} of os.mkdir", content, PICKLE)
    add("pickle of exec", pickle.dumps(_Call(exec, source())), PICKLE)
    add(
        "pickle of eval", pickle.dumps(_Call(eval, f"__import__('os').mkdir({target()!r})")), PICKLE
    )
    add("pickle of os.system", pickle.dumps(_Call(os.system, f"mkdir {target()}")), PICKLE)
    popen = _Call(subprocess.Popen, ["mkdir", target()])
    add("pickle of Popen", pickle.dumps(popen), PICKLE + "; import time; time.sleep(0.5)")
    text = f"cos\nmkdir\n(V{target()}\ntR.".encode()
    add("pickle by hand", text, PICKLE)
    add(
        "pickle in a tensor's state",
        pickle.dumps({"rnn.weight": _Call(os.mkdir, target())}),
        PICKLE,
    )
    twice = pickle.dumps(_Call(pickle.loads, pickle.dumps(_Call(os.mkdir, target()))))
    add("pickle of a pickle", twice, PICKLE)
    add("joblib-like", b"ZF" + pickle.dumps(_Call(os.mkdir, target()), 2), "")

    import torch

    for name, zipped in (("zip", True), ("legacy", False)):
        file = io.BytesIO()
        value = {"weight": torch.zeros(2), "evil": _Call(os.mkdir, target())}
        torch.save(value, file, _use_new_zipfile_serialization=zipped)
        add(f"torch.save, {name}", file.getvalue(), TORCH)
    add(
        "TorchScript-like zip",
        _zip(
            {
                "archive/data.pkl": pickle.dumps(_Call(os.mkdir, target()), 2),
                "archive/constants.pkl": pickle.dumps(_Call(os.mkdir, target()), 2),
                "archive/code/__torch__.py": source().encode(),
                "archive/version": b"3\n",
            }
        ),
        "",
    )
    unpack = "import pickle, zipfile; pickle.loads(zipfile.ZipFile(path).read('data.pkl'))"
    add("zip of data.pkl", _zip({"data.pkl": pickle.dumps(_Call(os.mkdir, target()))}), unpack)
    slipping = _zip({"../../evil.py": source().encode(), "__main__.py": source().encode()})
    add("zip application", slipping, "import runpy; runpy.run_path(path)")

    objects = np.array([_Call(os.mkdir, target())], dtype=object)
    file = io.BytesIO()
    np.save(file, objects, allow_pickle=True)
    add("npy of objects", file.getvalue(), NUMPY)
    objects = np.array([_Call(os.mkdir, target())], dtype=object)
    file = io.BytesIO()
    np.savez(file, weight=objects)
    add("npz of objects", file.getvalue(), NUMPY_ZIP)
    header = f"{{'descr': __import__('os').mkdir({target()!r}), 'fortran_order': False}}\n".encode()
    version = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    add("npy of a header to evaluate", version, "eval(open(path, 'rb').read()[10:])")

    code = compile(source(), "payload", "exec")
    add("marshal", marshal.dumps(code), "import marshal; exec(marshal.load(open(path, 'rb')))")
    cached = b"\xa7\r\r\n" + bytes(12) + marshal.dumps(compile(source(), "payload", "exec"))
    add("pyc", cached, "import marshal; exec(marshal.loads(open(path, 'rb').read()[16:]))")
    run = "exec(open(path).read())"
    add("Python", source().encode(), run)
    after = f"[]\n__import__('os').mkdir({target()!r})\n"
    add("Python after JSON", after.encode(), run)
    add(
        "a shell's script",
        f"#!/bin/sh\nmkdir '{target()}'\n".encode(),
        "import subprocess; subprocess.run(['sh', path])",
    )
    for tag in ("object/apply", "object/new"):
        add(f"YAML {tag}", f"!!python/{tag}:os.mkdir [{target()!r}]".encode(), YAML)
    call = {"args": [target()], "function": "os.mkdir"}
    for key in ("__class__", "py/object", "$type", "__reduce__", "_target_", "@class", "__type__"):
        value = {key: "os.mkdir", "py/reduce": [{"py/function": "os.mkdir"}, call], **call}
        add(f"JSON with {key}", json.dumps(value).encode())
    template = f"{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}{{% exec {source()!r} %}}"
    add("JSON with a template", json.dumps({"chat_template": template, "auto_map": call}).encode())
    evil = base64.b64encode(pickle.dumps(_Call(os.mkdir, target()))).decode()
    metadata = {"__metadata__": {"format": "pt", "pickle": evil, "code": source()}}
    add(
        "safetensors with __metadata__",
        _lengthened(json.dumps(metadata).encode()),
        "import base64, json, pickle; d = open(path, 'rb').read(); "
        "pickle.loads(base64.b64decode(json.loads(d[8:])['__metadata__']['pickle']))",
    )
    typed = {"w": {"dtype": "O", "shape": [1], "data_offsets": [0, 8], "loader": source()}}
    add("safetensors of objects", _lengthened(json.dumps(typed).encode()) + bytes(8))
    inside = pickle.dumps(_Call(os.mkdir, target()))
    add(
        "pickle behind a length",
        _lengthened(inside),
        "import pickle; pickle.loads(open(path, 'rb').read()[8:])",
    )
    layer = {
        "class_name": "Lambda",
        "config": {
            "function": [
                base64.b64encode(marshal.dumps(compile(source(), "payload", "exec"))).decode(),
                None,
                None,
            ]
        },
    }
    keras = b"\x89HDF\r\n\x1a\n" + bytes(64) + json.dumps({"config": {"layers": [layer]}}).encode()
    add(
        "HDF5 with a Keras Lambda",
        keras,
        "import base64, json, marshal; d = json.loads(open(path, 'rb').read()[72:]); "
        "exec(marshal.loads(base64.b64decode(d['config']['layers'][0]['config']['function'][0])))",
    )
    add("Keras zip", _zip({"config.json": json.dumps(layer).encode(), "model.weights.h5": keras}))
    onnx = b"\x08\x08\x12\x07pytorch:" + source().encode() + b"\x22\x06custom\x2a\x02op"
    add("ONNX-like, an operator of its own", onnx)
    add("GGUF-like, a template", b"GGUF\x03\0\0\0" + bytes(16) + template.encode())
    database = _database(pickle.dumps(_Call(os.mkdir, target())))
    add(
        "shelf",
        database,
        "import pickle, dbm.dumb; pickle.loads(open(path, 'rb').read().split(b'|', 1)[1])",
    )
    link = f"<!DOCTYPE x [<!ENTITY e SYSTEM 'file://{target()}'>]><x onload={source()!r}>&e;</x>"
    add("XML with an entity", link.encode())
    return made


def _zip(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def _lengthened(content: bytes) -> bytes:
    return struct.pack("<Q", len(content)) + content


def _database(content: bytes) -> bytes:
    """What the data file of a shelf holds."""
    return b"key|" + content


# What must become of each command, by the name of the file that is corrupted: the exit code.
_COMMANDS = ("info", "sample", "evaluate", "resume")
_REFUSED = {
    **dict.fromkeys((CONFIG, TOKENIZER, TENSORS, MANIFEST), _COMMANDS),
    **dict.fromkeys((TRAINING, TRAINING_TENSORS), ("evaluate", "resume")),
    METRICS: (),
}


def payloads(
    work: Path, seed: int = 0, deadline: Deadline | None = None, *, every: int | None = None
) -> Report:
    """Puts every payload under every name, and reads it with everything that reads.

    Args:
        seed: which command comes first, where not all are run.
        every: on every so many files, one of the four commands in turn is run; all on all when
            None. The library's readers are called on all.

    None may be executed; each must be refused, where the file is read, with a ModelError, and the
    command with exit code 3. Damaged measurements are a warning.
    """
    report = Report("payloads that run code")
    sentinels = work / "sentinels"
    sentinels.mkdir(parents=True)
    made = make_payloads(sentinels)
    live = _prove(made, sentinels, work)
    sound = make_run(work)
    run = work / "run"
    for number, payload in enumerate(made):
        for place, name in enumerate(NAMES):
            if deadline and deadline.passed:
                break
            report.tried += 1
            if every is None:
                chosen = list(_COMMANDS)
            elif report.tried % every == 0:
                chosen = [_COMMANDS[(report.tried // every + seed) % len(_COMMANDS)]]
            else:
                chosen = []
            problems = _problems(sound, run, payload, name, chosen)
            if left := os.listdir(sentinels):
                problems.append("EXECUTED")
                for each in left:
                    shutil.rmtree(sentinels / each, ignore_errors=True)
            report.failures += [f"{payload.name} as {name}: {problem}" for problem in problems]
    time.sleep(0.5)  # what was started in the background may come late
    if left := os.listdir(sentinels):
        report.failures.append(f"EXECUTED in the background: {left}")
    del report.failures[MOST_FAILURES:]
    loaders = sum(bool(payload.loader) for payload in made)
    report.facts = f"{len(made)} payloads, {live} of {loaders} shown to be live"
    if live < loaders:
        report.failures.append(f"only {live} of {loaders} payloads are live")
    return report


def _prove(made: list[Payload], sentinels: Path, work: Path) -> int:
    """How many payloads their careless loaders execute; in a process of their own."""
    folder = work / "live"
    folder.mkdir()
    program = ["import warnings; warnings.simplefilter('ignore')"]
    for number, payload in enumerate(made):
        if payload.loader:
            path = folder / str(number)
            path.write_bytes(payload.content)
            program.append(f"try:\n    path = {str(path)!r}; {payload.loader}")
            program.append("except BaseException as error: print(error)")
    subprocess.run([sys.executable, "-c", "\n".join(program)], check=True, capture_output=True)
    found = os.listdir(sentinels)
    for name in found:
        (sentinels / name).rmdir()
    return len(found)


def _problems(
    sound: Path, run: Path, payload: Payload, name: str, commands: list[str]
) -> list[str]:
    """What goes wrong when a payload stands under a name in a run."""
    problems = []
    for command in ("library", *commands):
        folder = _corrupted(sound, run, payload.content, name)
        if command == "library":
            problems += _library(folder, name)
        else:
            problems += _command(folder, name, command)
    return problems


def _corrupted(sound: Path, run: Path, content: bytes, name: str) -> Path:
    """The only checkpoint of a copy of the run, in which a file was replaced and sealed anew."""
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(sound, run, symlinks=True)
    folder = run / f"step-{RUN_STEP:08d}"
    for other in run.glob("step-*"):
        if other != folder:
            shutil.rmtree(other)
    if name == METRICS:
        (run / name).write_bytes(content + b"\n")
        return folder
    (folder / name).write_bytes(content)
    if name != MANIFEST:
        there = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST}
        (folder / MANIFEST).write_bytes(with_manifest(there)[MANIFEST])
    return folder


def _library(folder: Path, name: str) -> list[str]:
    from charrnn.generation.sampler import Sampler
    from charrnn.storage.run import Run
    from charrnn.storage.run_lookup import load
    from charrnn.training.checkpoint import read_checkpoint
    from charrnn.training.trainer import Trainer

    readers: dict[str, tuple[Callable[[], Any], bool]] = {
        "load": (lambda: load(folder), "sample" in _REFUSED[name]),
        "load of the run": (lambda: load(folder.parent), "sample" in _REFUSED[name]),
        "Sampler": (lambda: Sampler(load(folder)), "sample" in _REFUSED[name]),
        "read_checkpoint": (lambda: read_checkpoint(folder), "resume" in _REFUSED[name]),
        "resume": (lambda: _closed(Trainer.resume(Run(folder.parent))), "resume" in _REFUSED[name]),
    }
    problems = []
    for reader, (read, refused) in readers.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", CharRNNWarning)
            try:
                read()
                if refused:
                    problems.append(f"{reader} took it")
            except ModelError as error:
                check_message(error, folder.parent)
                if not refused:
                    problems.append(f"{reader} refused it: {error}")
            except (CharRNNError, ArithmeticError, LookupError, TypeError, ValueError) as error:
                problems.append(f"{reader}: {type(error).__name__}: {error}")
        damaged = any("lines are damaged" in str(warning.message) for warning in caught)
        if damaged != (name == METRICS and reader == "resume"):
            problems.append(f"{reader}: {'a' if damaged else 'no'} warning of damaged measurements")
    return problems


def _closed(trainer: Any) -> None:
    trainer.run.release()


def _command(folder: Path, name: str, command: str) -> list[str]:
    from typer.testing import CliRunner

    from charrnn.cli.app import app

    arguments = {
        "info": ["info", str(folder)],
        "sample": ["sample", str(folder), "-l", "3"],
        "evaluate": ["evaluate", str(folder)],
        "resume": ["train", "--resume", str(folder.parent)],
    }[command]
    result = CliRunner().invoke(app, arguments)
    expected = 3 if command in _REFUSED[name] else 0
    problem = check_exit(result.exit_code, result.stderr, [expected])
    return [f"charrnn {command}: {problem}"] if problem else []
