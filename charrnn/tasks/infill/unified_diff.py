"""Unified diffs that `patch` and `git apply` read."""

import difflib
import os
import re
from typing import Final

_CONTROL: Final = re.compile("[\0-\x1f\x7f]")

_NO_NEWLINE: Final = "\\ No newline at end of file\n"


def unified_diff(before: bytes, after: bytes, name: str) -> bytes:
    """Return the unified diff of a file's contents; empty when they are equal.

    Lines end with a newline only: a carriage return belongs to its line. They are lines of bytes,
    as they are for `patch`, so that the diff applies to files in any encoding.
    """
    header = header_name(name)
    lines = difflib.unified_diff(_lines(before), _lines(after), header, header)
    diff = "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in lines)
    return diff.encode("latin-1")


def _lines(content: bytes) -> list[str]:
    """Split a file into lines with their newlines (the last may lack one), as a character for each
    byte."""
    return re.findall("[^\n]*\n|[^\n]+", content.decode("latin-1"))


def header_name(name: str) -> str:
    """Return the name of a file in a diff's header, as a character for each byte.

    It is the path below the working directory with links resolved, or else the base name, because
    `patch` refuses absolute paths, `..` and links.
    """
    encoded = os.fsencode(_below_here(name)).decode("latin-1")
    if encoded.strip(' "') != encoded or _CONTROL.search(encoded):
        escaped = encoded.replace("\\", "\\\\").replace('"', '\\"')
        escaped = _CONTROL.sub(lambda match: f"\\{ord(match[0]):03o}", escaped)
        return f'"{escaped}"'
    return f"{encoded}\t" if " " in encoded else encoded  # as GNU diff does for names with a space


def _below_here(name: str) -> str:
    try:
        path = os.path.realpath(name)
        relative = os.path.relpath(path, os.path.realpath(os.curdir))
    except OSError:  # the working directory is gone
        return os.path.basename(name)
    is_below = relative.split(os.sep)[0] != os.pardir
    return relative if is_below else os.path.basename(path)
