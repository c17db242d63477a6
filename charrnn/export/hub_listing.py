"""What a hub says that a repository holds: read strictly, since it comes from strangers."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from charrnn.errors import ConfigError, ModelError
from charrnn.storage.manifest import MANIFEST
from charrnn.storage.model_directory import CONFIG, TENSORS, TOKENIZER

CARD: Final = "README.md"

MODEL_FILES: Final = (MANIFEST, CONFIG, TOKENIZER, TENSORS)
"""The files of a model in a repository. There may also be a card."""

_IGNORED: Final = (".gitattributes", "LICENSE")
"""Files that a repository may have besides, which are not fetched: the hub makes the first."""

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
_SHA1: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MOST_FILES: Final = 1000


@dataclass(frozen=True)
class ListedFile:
    """A file of a repository.

    Attributes:
        size: its size in bytes.
        sha256: its SHA-256, where the hub keeps it outside git (LFS); otherwise None.
        git_sha1: the SHA-1 by which git knows it; of a file outside git, that of its stand-in.
    """

    size: int
    sha256: str | None
    git_sha1: str


@dataclass(frozen=True)
class Listing:
    """The files of a repository at a commit.

    Attributes:
        commit: the commit, 40 hexadecimal digits.
        private: whether only its owner sees it.
        files: the files by name.
    """

    commit: str
    private: bool
    files: dict[str, ListedFile]

    def check_names(self, repository: str) -> None:
        """Raise ModelError where the repository has files that no model has."""
        foreign = sorted(self.files.keys() - {*MODEL_FILES, CARD, *_IGNORED})
        if foreign:
            shown = ", ".join(f"{name!a:.60}" for name in foreign[:3])
            more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
            raise ModelError(
                f"{repository}: it has files that no model of charrnn has: {shown}{more}; "
                "none of it was read"
            )

    def check_complete(self, repository: str) -> None:
        """Raise ModelError where a file of a model is missing."""
        missing = [name for name in MODEL_FILES if name not in self.files]
        if missing:
            raise ModelError(
                f"{repository}: no model that charrnn push has written; "
                f"it lacks {', '.join(missing)}"
            )


def check_repository(repository: str) -> str:
    """Return the name of a repository, without hf: before it. Raises ConfigError unless it is
    OWNER/NAME."""
    name = repository.removeprefix("hf:")
    if not _REPOSITORY.fullmatch(name) or ".." in name or "--" in name:
        raise ConfigError(
            f"{repository!a:.200} is no name of a repository; give OWNER/NAME, of letters, digits, "
            "_, . and -"
        )
    return name


def read_listing(where: str, data: Any) -> Listing:
    """Return a listing from JSON of the hub: its commit, and the size and hashes of each file.

    Raises ModelError.
    """
    match data:
        case {"sha": str(commit), "siblings": list(siblings)} if _SHA1.fullmatch(commit):
            pass
        case _:
            raise ModelError("it lacks a commit or files")
    if len(siblings) > _MOST_FILES:
        raise ModelError(f"it has more than {_MOST_FILES:,} files")
    files: dict[str, ListedFile] = {}
    for each in siblings:
        name, file = _listed(each)
        if name in files:
            raise ModelError(f"{name!a:.100} stands in it twice")
        files[name] = file
    return Listing(commit, data.get("private") is True, files)


def _listed(entry: Any) -> tuple[str, ListedFile]:
    """Return a file of a listing with its name. Raises ModelError."""
    match entry:
        case {"rfilename": str(name), "size": int(size), "blobId": str(git_sha1)}:
            outside = entry.get("lfs")
        case _:
            raise ModelError("a file in it lacks its name, size or hash")
    if isinstance(size, bool) or size < 0 or not _SHA1.fullmatch(git_sha1):
        raise ModelError(f"{name!a:.100} has an impossible size or hash")
    match outside:
        case None:
            return name, ListedFile(size, None, git_sha1)
        case {"sha256": str(sha256), "size": int(other)} if (
            _SHA256.fullmatch(sha256) and other == size
        ):
            return name, ListedFile(size, sha256, git_sha1)
        case _:
            raise ModelError(f"{name!a:.100} has an impossible size or hash")


def checked(where: str, chunks: Iterator[bytes], file: ListedFile) -> Iterator[bytes]:
    """Yield the chunks of a file, and raise ModelError at the end unless it is the one that was
    listed."""
    if file.sha256 is None:
        # Git hashes the kind and the size of an object before its content.
        digest, expected = hashlib.sha1(f"blob {file.size}\0".encode()), file.git_sha1
    else:
        digest, expected = hashlib.sha256(), file.sha256
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != expected:
        raise ModelError(f"{where}: not what the hub's listing says (its hash differs)")
