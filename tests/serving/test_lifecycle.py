"""The process of `charrnn serve`: its start, its end, and what it says."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from typer.testing import CliRunner, Result

from benchmarks.serving_load import Load, Server, body_of, request
from charrnn.cli.app import app
from charrnn.storage.model_directory import Model, write_model

SOON = 3.0
"""Seconds within which it ends, on a machine that runs other tests as well."""


@pytest.fixture(scope="module")
def folder(make_model: Callable[..., Model], tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("models")
    write_model(here / "small", make_model())
    return here


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts a command that ends with the test."""
    started = []

    def begin(*arguments: str, **settings: Any) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "charrnn", "serve", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def listening(process: "subprocess.Popen[bytes]") -> int:
    """The port of a server, from what it says."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(rb"http://[^\s/]+:(\d+)", line):
            return int(found[1])
    raise AssertionError("it has ended")


def get(port: int, path: str = "/health") -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request(port, path, close=True))
        received = b""
        while piece := connection.recv(1 << 16):
            received += piece
    return received


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_soon_and_streams_get_a_last_event(
    number: signal.Signals, code: int, folder: Path, tmp_path: Path
) -> None:
    server = Server(tmp_path, ["small", "--max-tokens", "10000000"], cwd=folder)
    load = Load(server.port)
    body = {"prompt": "a", "max_tokens": 10_000_000, "stream": True, "seed": 1}
    streams = [
        load.start(request(server.port, "/v1/completions", {**body, "index": index}))
        for index in range(8)
    ]
    unstreamed = {"prompt": "a", "max_tokens": 8_000_000, "seed": 1}
    whole = load.start(request(server.port, "/v1/completions", unstreamed))
    signalled = 0.0

    def end() -> None:
        nonlocal signalled
        if all(stream.first for stream in streams):
            signalled = time.perf_counter()
            server.process.send_signal(number)
        else:
            load.after(0.02, end)

    end()
    load.run()
    assert server.process.wait(SOON) == code
    assert time.perf_counter() - signalled < SOON
    for stream in streams:
        assert stream.response.endswith(b"0\r\n\r\n"), "the last chunk is missing"
        *_, last, done = body_of(stream.response).decode().split("\n\n")[:-1]
        assert done == "data: [DONE]"
        event = json.loads(last.removeprefix("data: "))
        assert event.get("error", {}).get("code") == "shutting_down"
    assert whole.response.startswith(b"HTTP/1.1 503")
    assert json.loads(body_of(whole.response))["error"]["code"] == "shutting_down"
    errors = server.stderr.read_text()
    assert "Traceback" not in errors and "rror" not in errors


def test_ctrl_c_ends_an_idle_server_at_once(folder: Path, tmp_path: Path) -> None:
    server = Server(tmp_path, ["small"], cwd=folder)
    kept_open = socket.create_connection(("127.0.0.1", server.port))
    kept_open.sendall(request(server.port, "/health"))
    assert kept_open.recv(100).startswith(b"HTTP/1.1 200")
    began = time.perf_counter()
    assert server.stop() == 130
    assert time.perf_counter() - began < SOON
    kept_open.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port))


def test_a_port_that_is_taken_is_said_in_a_line(
    start: Callable[..., "subprocess.Popen[bytes]"],
) -> None:
    first = start("small", "--port", "0")
    port = listening(first)
    second = start("small", "--port", str(port))
    _, errors = second.communicate(timeout=30)
    assert second.returncode == 1
    assert str(port).encode() in errors and errors.count(b"\n") == 1
    assert get(port).startswith(b"HTTP/1.1 200")


def test_a_server_for_others_asks_for_the_key_unless_told_otherwise(
    start: Callable[..., "subprocess.Popen[bytes]"],
) -> None:
    environment = {**os.environ, "CHARRNN_API_KEY": "sesame"}
    port = listening(start("small", "--host", "0.0.0.0", "--port", "0", env=environment))
    assert get(port, "/v1/models").startswith(b"HTTP/1.1 401")
    port = listening(start("small", "--host", "0.0.0.0", "--port", "0", "--no-key"))
    assert get(port, "/v1/models").startswith(b"HTTP/1.1 200")


def test_a_closed_pipe_ends_nothing(start: Callable[..., "subprocess.Popen[bytes]"]) -> None:
    """As `charrnn serve --verbose 2>&1 | head -2` has it."""
    server = start("small", "--port", "0", "--verbose")
    port = listening(server)
    assert server.stderr is not None and server.stdout is not None
    server.stderr.close()
    server.stdout.close()
    server.stderr = server.stdout = None
    for _ in range(3):
        assert get(port).startswith(b"HTTP/1.1 200")
    server.send_signal(signal.SIGTERM)
    assert server.wait(SOON) == 143


def test_a_verbose_server_prints_requests_without_control_characters(
    start: Callable[..., "subprocess.Popen[bytes]"],
) -> None:
    server = start("small", "--port", "0", "--verbose")
    port = listening(server)
    get(port, "/v1/models/%1b%5b31m%0a%c2%9b")
    get(port)
    server.send_signal(signal.SIGINT)
    output, errors = server.communicate(timeout=30)
    assert output == b"" and b"404" in errors and b"/health" in errors
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", errors)


def test_no_color_is_obeyed(folder: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "PYTHONPATH")}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "charrnn", "serve", "small", "--port", "0"],
        env={**kept, "TERM": "xterm-256color", "NO_COLOR": "1"},
        cwd=str(folder),
        encoding="utf-8",
        timeout=30,
    )
    child.expect("http://127.0.0.1:[0-9]+/")
    said = child.before + child.after
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", said + child.before)


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """Run a command in this process."""
    monkeypatch.chdir(folder)
    return CliRunner().invoke(app, ["serve", *arguments])


@pytest.mark.parametrize("package", ["uvicorn", "starlette"])
def test_a_missing_extra_says_what_to_install(
    package: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.split(".")[0] == package or name.startswith("charrnn.serving."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    result = run(folder, monkeypatch, "small", "--port", "0")
    assert (result.exit_code, result.stdout) == (1, "")
    assert 'pip install "charrnn-lm[serve]"' in result.stderr and result.stderr.count("\n") == 1


def test_without_the_extra_everything_else_works(folder: Path, tmp_path: Path) -> None:
    for name in ("uvicorn", "starlette", "h11", "httptools", "anyio"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('nobody needs this here')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for arguments in (("sample", "small", "-l", "5"), ("serve", "--help")):
        done = subprocess.run(
            [sys.executable, "-m", "charrnn", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_the_terminal(
    columns: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = run(folder, monkeypatch, "--help").stdout.splitlines()
    assert 60 < max(map(len, lines)) <= columns
    for option in ("--host", "--port", "--api-key", "--no-key", "--max-concurrent", "--max-queue"):
        assert any(option in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nobody",), 3, "nobody"),
        (("small", "small"), 2, "twice"),
        (("small", "--port", "70000"), 2, "port"),
        (("small", "--host", "256.1.1.1", "--no-key"), 2, "256.1.1.1"),
        (("small", "--host", "0.0.0.0"), 2, "CHARRNN_API_KEY"),
        (("small", "--host", "::"), 2, "--no-key"),
        (("small", "--max-concurrent", "0"), 2, "max-concurrent"),
        (("small", "--api-key", "a", "--no-key"), 2, "no-key"),
        (("small", "--cors-origin", "*"), 2, "cors-origin"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    arguments: tuple[str, ...],
    code: int,
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = run(folder, monkeypatch, "--port", "0", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr and result.stderr.count("\n") == 1
