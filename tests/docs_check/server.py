"""Runs `charrnn` without the seconds that loading PyTorch takes: one process loads everything once,
computes nothing, and forks for each command.

    with CommandServer(folder) as server:
        server.client   # arguments of Python: a program that stands for `charrnn`
"""

import contextlib
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ROOT: Final = Path(__file__).parents[2]

# What stands for `charrnn`: it hands its arguments, folder, environment and streams to the server.
_CLIENT: Final = """\
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect(sys.argv[1])
message = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(message).to_bytes(4, "big")], [0, 1, 2])
server.sendall(message)
for stream in (0, 1, 2):
    os.close(stream)  # a pipe is closed when the command closes it
answer = server.recv(1)
os._exit(answer[0] if answer else 70)
"""


class CommandServer:
    """A process that runs commands of charrnn, shortened, for programs that ask it to."""

    def __init__(self, folder: Path) -> None:
        self._address = folder / "charrnn.socket"
        client = folder / "client.py"
        client.write_text(_CLIENT)
        self.client = f"-I -S {client} {self._address}"
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.docs_check.server", str(self._address)],
            cwd=ROOT,
            env=os.environ | threads,
            stdin=subprocess.DEVNULL,
        )
        while not self._address.exists():
            if self._process.poll() is not None:
                raise RuntimeError("the process that runs charrnn ended")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()


def preload() -> None:
    """Loads charrnn and what it uses."""
    import charrnn

    importlib.import_module("torch._dynamo")  # the optimizers of estimators load it
    for module in pkgutil.walk_packages(charrnn.__path__, "charrnn."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def serve(address: str) -> None:
    """Runs what clients ask for, each in a process of its own, until this one is ended."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{address}.new")
    listening.listen(16)
    os.rename(f"{address}.new", address)
    while True:
        client, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(_run(client))
        client.close()


def _run(client: socket.socket) -> int:
    """Runs a command in this process, and tells the client its exit code."""
    head, streams, _, _ = socket.recv_fds(client, 4, 3)
    message = b""
    while len(message) < int.from_bytes(head, "big"):
        message += client.recv(1 << 16)
    arguments, folder, environment = json.loads(message)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Made anew: the old ones know whether what they were opened on was a file.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)

    from charrnn.__main__ import main
    from tests.docs_check.shortening import shortened_command

    sys.argv = ["charrnn", *shortened_command(arguments)]
    code = 70
    try:
        main()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        with contextlib.suppress(OSError):
            client.sendall(bytes([code & 255]))
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    preload()
    serve(sys.argv[1])
