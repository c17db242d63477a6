"""The files of the page, listed and read by name.

Whoever serves or inlines the page takes the names from here: no name that is not in the list ever
reaches the disk.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The endings of the page's files, with their media types."""

INDEX: Final = "index.html"
"""The document that loads all other files."""


@cache
def asset_names() -> tuple[str, ...]:
    """Return the names of all files of the page, in alphabetical order."""
    found = (each.name for each in files("charrnn.page").iterdir())
    return tuple(sorted(name for name in found if _ending(name) in MEDIA_TYPES))


def read_asset(name: str) -> bytes:
    """Return the content of a file of the page, in UTF-8.

    Raises:
        KeyError: the page has no file of this name.
    """
    if name not in asset_names():
        raise KeyError(name)
    return files("charrnn.page").joinpath(name).read_bytes()


def media_type(name: str) -> str:
    """Return the media type of a file of the page. Raises KeyError for an unknown ending."""
    return MEDIA_TYPES[_ending(name)]


def _ending(name: str) -> str:
    return name[name.rfind(".") :] if "." in name else ""
