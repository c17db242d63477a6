"""The file that a command writes: `-` is stdout."""

import sys
from pathlib import Path
from typing import Final

from charrnn.errors import ConfigError, StorageError

_STDOUT: Final = Path("-")


def check_output(path: Path) -> None:
    """Raise an error for what cannot be written, before long work: ConfigError for stdout that is a
    terminal, which must not get the bytes of a file; StorageError where there is no folder, or one
    of this name, or a device."""
    from charrnn.storage.files import check_replaceable

    if path == _STDOUT:
        if sys.stdout.isatty():
            raise ConfigError("this is not for the terminal: give a file, or redirect stdout")
    elif not path.parent.is_dir():
        raise StorageError(f"{path}: cannot be written: there is no folder {path.parent}")
    elif path.is_dir():
        raise StorageError(f"{path}: cannot be written: it is a folder; name a file in it")
    else:
        check_replaceable(path)


def write_output(path: Path, content: bytes) -> None:
    """Write a file, or replace it, and say so; or write to stdout. Raises StorageError,
    ConfigError."""
    from charrnn.cli.display import say
    from charrnn.storage.files import write_file

    check_output(path)
    if path == _STDOUT:
        sys.stdout.buffer.write(content)
        return
    write_file(path, content)
    say(f"{path}: {len(content):,} bytes")
