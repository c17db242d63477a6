"""The manifest of a folder: the size and the SHA-256 of each file in it.

    {"files": {"config.json": {"bytes": 512, "sha256": "9f86..."}, ...}}

It is written last, so that a folder that has one is complete, and it has only one spelling, so that
no byte of it can change unnoticed either. It guards against disks, not against people: whoever
changes a file can change the manifest too.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from charrnn.errors import ModelError
from charrnn.storage.json_file import LARGEST_BYTES, from_json, parse_json, to_json
from charrnn.storage.untrusted_files import read_file

MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a manifest knows of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a folder held when it was written."""

    files: Mapping[str, Entry]

    def to_json(self) -> bytes:
        """What its file holds."""
        return to_json({"files": {name: asdict(entry) for name, entry in self.files.items()}})

    def check(self, path: Path, content: bytes | bytearray) -> None:
        """Raises ModelError unless this is what was written to the file of that name."""
        self.compare(path, Entry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))

    def compare(self, path: Path, found: Entry) -> None:
        """Raises ModelError unless what was found of the file of that name is what was written."""
        entry = self.files.get(path.name)
        if entry is None:
            raise ModelError(f"{path}: damaged: it is not in {MANIFEST}")
        if entry.bytes != found.bytes:
            raise ModelError(f"{path}: damaged: {found.bytes} bytes, of {entry.bytes} written")
        if entry.sha256 != found.sha256:
            raise ModelError(f"{path}: damaged: not what was written (its SHA-256 differs)")


def with_manifest(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files, by name, and last their manifest."""
    entries = {
        name: Entry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    }
    return {**files, MANIFEST: Manifest(entries).to_json()}


def read_sealed(path: Path, largest: int, manifest: Manifest | None) -> bytearray:
    """What is in a file of at most `largest` bytes, as its manifest says. Raises ModelError."""
    content = read_file(path, largest)
    if manifest:
        manifest.check(path, content)
    return content


def read_json(
    path: Path, manifest: Manifest | None = None, *, largest: int = LARGEST_BYTES
) -> object:
    """The value in a JSON file of at most `largest` bytes, as its manifest says. Raises
    ModelError."""
    return parse_json(path, read_sealed(path, largest, manifest))


def read_manifest(directory: Path) -> Manifest:
    """Reads the manifest of a folder. Raises ModelError."""
    path = directory / MANIFEST
    content = read_file(path, LARGEST_BYTES)
    value = parse_json(path, content)
    match value:
        case {"files": dict(files), **others} if not others:
            entries = {
                name: from_json(Entry, entry, where=f"{path}: {name!a:.100}")
                for name, entry in files.items()
            }
        case _:
            raise ModelError(f"{path}: expected the files of this folder")
    if to_json(value) != content:
        raise ModelError(f"{path}: damaged: not as it was written")
    return Manifest(entries)
