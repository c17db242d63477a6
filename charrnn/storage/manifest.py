"""The manifest of a folder: the size and the SHA-256 of each file in it.

    {"files": {"config.json": {"bytes": 512, "sha256": "9f86..."}, ...}}

It is written last, so that a folder with a manifest is complete, and it has only one valid
spelling, so that no byte of it can change unnoticed. It protects against faulty disks, not against
people, who can change the manifest too.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from charrnn.errors import ModelError
from charrnn.storage.json_file import LARGEST_BYTES, from_json, parse_json, to_json
from charrnn.storage.untrusted_files import ReadFile, read_file

MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The size and the checksum of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The files of a folder by name, with their sizes and checksums."""

    files: Mapping[str, Entry]

    def to_json(self) -> bytes:
        """Return the bytes of manifest.json."""
        return to_json({"files": {name: asdict(entry) for name, entry in self.files.items()}})

    def check(self, path: Path, content: bytes | bytearray) -> None:
        """Raise ModelError unless this content was written to the file."""
        self.compare(path, Entry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))

    def compare(self, path: Path, found: Entry) -> None:
        """Raise ModelError unless a file has the size and checksum that it was written with."""
        entry = self.files.get(path.name)
        if entry is None:
            raise ModelError(f"{path}: damaged: it is not in {MANIFEST}")
        if entry.bytes != found.bytes:
            raise ModelError(f"{path}: damaged: {found.bytes} bytes, of {entry.bytes} written")
        if entry.sha256 != found.sha256:
            raise ModelError(f"{path}: damaged: not what was written (its SHA-256 differs)")


def with_manifest(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files by name, with their manifest as the last one."""
    entries = {
        name: Entry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    }
    return {**files, MANIFEST: Manifest(entries).to_json()}


def read_sealed(
    path: Path, largest: int, manifest: Manifest | None, read: ReadFile = read_file
) -> bytearray:
    """Read a file of at most `largest` bytes, and check it against the manifest, if there is one.
    Raises ModelError."""
    content = read(path, largest)
    if manifest:
        manifest.check(path, content)
    return content


def read_json(
    path: Path,
    manifest: Manifest | None = None,
    *,
    largest: int = LARGEST_BYTES,
    read: ReadFile = read_file,
) -> object:
    """Read a JSON file as `read_sealed` does; return its value. Raises ModelError."""
    return parse_json(path, read_sealed(path, largest, manifest, read))


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a folder. Raises ModelError."""
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
