"""`charrnn serve` as a process of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LISTENS: Final = re.compile(r"http://127\.0\.0\.1:\d+")


@contextlib.contextmanager
def serving(directory: Path, *arguments: str) -> Iterator[str]:
    """Runs `charrnn serve` with these arguments in a directory, and yields where it listens.

    It must have said nothing of an error in the end, and have ended well when it is told to.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("CHARRNN_")
    }
    command = [sys.executable, "-m", "charrnn", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said: list[str] = []
        try:
            for line in process.stderr:
                said.append(line)
                if found := LISTENS.search(line):
                    break
            else:
                raise AssertionError("".join(said))
            # The server must never wait for somebody to read what it says.
            rest = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
            rest.start()
            yield found[0]
            process.send_signal(signal.SIGTERM)
            status = process.wait(20)
            rest.join()
            text = "".join(said)
            assert status == 128 + signal.SIGTERM and "Traceback" not in text, text
        finally:
            process.kill()
