"""Nothing is sent anywhere, and nothing is fetched that was not asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

# Ends the process with 99 at the first socket, whoever asks for one: an audit hook sees C code too.
SCRIPT = """
import os, sys

def watch(event, arguments):
    if event.startswith("socket."):
        os.write(2, f"{event} {arguments}".encode())
        os._exit(99)

sys.addaudithook(watch)
sys.argv = ["charrnn", *sys.argv[1:]]
"""
COMMAND = f"{SCRIPT}\nfrom charrnn.__main__ import main\nmain()"


def process(script: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "text.txt", "--steps", "3", "--hidden-size", "8", "--name", "new"),
        ("train", "--budget", "1s", "--hidden-size", "8", "--name", "new"),
        ("sample", "small", "-l", "20"),
        ("evaluate", "small"),
        ("info", "small"),
        ("corpora",),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_no_command_opens_a_socket(arguments: tuple[str, ...], here: Path) -> None:
    result = process(COMMAND, *arguments)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("arguments", [("sample", "hf:owner/name"), ("pull", "no-owner")])
def test_names_of_a_hub_alone_open_no_socket(arguments: tuple[str, ...], here: Path) -> None:
    result = process(COMMAND, *arguments)
    assert result.returncode in (2, 3), result.stderr
    assert result.stderr.count(b"\n") == 1


def test_modules_of_the_hub_open_no_socket() -> None:
    assert process(f"{SCRIPT}\nimport charrnn.export.hub, charrnn.cli.push").returncode == 0


def test_pulling_would_be_noticed(here: Path) -> None:
    assert process(COMMAND, "pull", "owner/name").returncode == 99


def test_a_socket_would_be_noticed() -> None:
    assert process(f"{SCRIPT}\nimport socket\nsocket.socket()").returncode == 99
