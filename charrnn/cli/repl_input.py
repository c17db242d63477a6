"""What a line of the REPL is: a command or text; and the files that its commands name."""

from pathlib import Path

from charrnn.errors import ConfigError


def is_command(line: str) -> bool:
    """Return whether a line is a command, not text."""
    return line.startswith("/") and not line.startswith("//")


def unescaped(line: str) -> str:
    """Return the text of a line that is no command; an initial `//` becomes `/`."""
    return line.removeprefix("/") if line.startswith("//") else line


def regular_file(name: str) -> Path:
    """Return the absolute path of a file that is regular or does not exist. Raises ConfigError."""
    try:
        path = Path(name).expanduser().resolve()
    except RuntimeError as error:
        raise ConfigError(f"{name}: no such home folder; write the path in full") from error
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: not a regular file")
    return path
