"""A process that forks other processes quickly, so that they can be killed.

Importing PyTorch takes seconds, and the stress tests need thousands of processes. So one process
imports it once, runs no operation of it, stays single-threaded, and forks. The process that asks
for a fork is never forked itself:

    with ForkServer() as server, server.fork("tests.stress.kills:live", life) as child:
        child.receive()   # what it reports, an item at a time; None when it is dead
        child.kill()      # SIGKILL
"""

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from charrnn.errors import CharRNNWarning

ROOT = Path(__file__).parents[2]
"""Where `charrnn` and `tests` are imported from: this copy of the repository, and no other."""

PATIENCE = 120.0
"""Seconds without a word from a child after which it hangs."""

_LONGEST_TASK = 1 << 16


class HangError(Exception):
    """A child that neither reports nor dies."""


def environment() -> dict[str, str]:
    """The environment of a process under test: one thread, and this copy of the package."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CHARRNN_")}
    # Many small processes run beside each other: threads that spin would only stand in the way.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return kept | threads | {"PYTHONPATH": str(ROOT)}


class Pipe:
    """A child's end: it reports, and may be told to go on."""

    def __init__(self, orders: int, reports: int) -> None:
        self._orders, self._reports = orders, reports

    def send(self, *report: Any) -> None:
        """Reports something; when it returns, the parent can read it, whatever happens next."""
        rest = memoryview(json.dumps(report).encode() + b"\n")
        while rest:
            rest = rest[os.write(self._reports, rest) :]

    def stand_still(self) -> None:
        """Waits to be told to go on; ends the process when nobody will."""
        if not os.read(self._orders, 1):
            os._exit(1)


class Child:
    """A forked process, from its parent's side. Leaving the context kills it."""

    def __init__(self, server: "ForkServer", pid: int, orders: int, reports: int) -> None:
        self.pid = pid
        self._server, self._orders, self._reports = server, orders, reports
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._server.wait(self.pid)
        os.close(self._orders)
        os.close(self._reports)

    def receive(self) -> list[Any] | None:
        """The next report; None when it is dead and all was read. Raises HangError."""
        while (end := self._buffer.find(b"\n")) < 0:
            if not select.select([self._reports], [], [], PATIENCE)[0]:
                raise HangError(f"process {self.pid} said nothing for {PATIENCE:.0f} s")
            if not (more := os.read(self._reports, 1 << 16)):
                return None  # a report that the kill cut short was never made
            self._buffer += more
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        report: list[Any] = json.loads(line)
        return report

    def go_on(self) -> None:
        """Tells a child that stands still to go on."""
        os.write(self._orders, b".")

    def kill(self) -> None:
        """SIGKILL. It is safe: a dead child keeps its number until the context is left."""
        os.kill(self.pid, signal.SIGKILL)


class ForkServer:
    """Starts a process that forks others. Leaving the context ends it."""

    def __enter__(self) -> Self:
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.stress.fork_server", str(other.fileno())],
                cwd=ROOT,
                env=environment(),
                pass_fds=[other.fileno()],
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._process.wait()

    def fork(self, function: str, *arguments: Any) -> Child:
        """A new process that calls `module:function` with its Pipe and these arguments (JSON)."""
        (our_orders, our_reports), theirs = _two_pipes()
        task = json.dumps({"function": function, "arguments": arguments}).encode()
        try:
            socket.send_fds(self._socket, [task], theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        return Child(self, self._answer(), our_orders, our_reports)

    def wait(self, pid: int) -> int:
        """Waits for the end of a child; its exit code, negative when a signal ended it."""
        self._socket.send(json.dumps({"wait": pid}).encode())
        return self._answer()

    def _answer(self) -> int:
        answer = self._socket.recv(_LONGEST_TASK)
        if not answer:
            raise HangError("the fork server itself died")
        return int(answer)


def _two_pipes() -> tuple[tuple[int, int], list[int]]:
    """Our ends (orders to write, reports to read), and the child's (to read, to write)."""
    their_orders, our_orders = os.pipe()
    our_reports, their_reports = os.pipe()
    return (our_orders, our_reports), [their_orders, their_reports]


def _serve(parent: socket.socket) -> None:
    """Forks and waits on request until the parent closes its socket."""
    import torch

    for module in ("charrnn.training.trainer", "tests.stress.kills"):
        importlib.import_module(module)  # once, for all children

    torch.set_num_threads(1)
    # It is for what was imported. Trainings have a number of threads of their own.
    del os.environ["OMP_NUM_THREADS"]
    while True:
        content, descriptors, _, _ = socket.recv_fds(parent, _LONGEST_TASK, 2)
        if not content:
            return
        task = json.loads(content)
        if "wait" in task:
            answer = os.waitstatus_to_exitcode(os.waitpid(task["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                parent.close()
                _live(task, Pipe(*descriptors))
            for descriptor in descriptors:
                os.close(descriptor)
        parent.send(str(answer).encode())


def _live(task: dict[str, Any], pipe: Pipe) -> None:
    """Runs a child and exits at once, so that nothing of the server is cleaned up twice."""
    code = 1
    try:
        warnings.simplefilter("ignore", CharRNNWarning)
        module, name = task["function"].split(":")
        getattr(importlib.import_module(module), name)(pipe, *task["arguments"])
        code = 0
    except BaseException:
        pipe.send("failed", traceback.format_exc())
    finally:
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _parent:
        _serve(_parent)
