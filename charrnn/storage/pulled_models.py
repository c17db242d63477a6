"""Models that were pulled from a hub: model directories under `checkpoints/` that say where from.

    {"repository": "owner/name", "commit": "3f2a..."}

`hf:owner/name` means the model that was pulled from there. Nothing is downloaded by naming it.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from charrnn.errors import ModelError
from charrnn.storage.json_file import from_json, to_json
from charrnn.storage.manifest import read_json
from charrnn.storage.run import RUNS

HUB: Final = "hf:"
"""The prefix of a name that means a model of a hub."""

ORIGIN: Final = "origin.json"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The origin of a model: its repository, OWNER/NAME, and the commit, 40 hexadecimal digits."""

    repository: str
    commit: str

    def to_json(self) -> bytes:
        """Return the bytes of origin.json."""
        return to_json(asdict(self))


def read_origin(directory: Path) -> Origin:
    """Read the origin of a pulled model. Raises ModelError, also where there is none."""
    path = directory / ORIGIN
    return from_json(Origin, read_json(path), where=str(path))


def find_pulled(name: str) -> Path:
    """Return the directory of the model that was pulled last from a repository.

    Args:
        name: hf:OWNER/NAME.

    Raises ModelError where it was not pulled yet.
    """
    repository = name.removeprefix(HUB)
    found = [path.parent for path in RUNS.glob(f"*/{ORIGIN}") if _is_from(path.parent, repository)]
    if not found:
        raise ModelError(f"{name}: it is not in {RUNS}/ yet; pull it: charrnn pull {repository}")
    return max(found, key=lambda path: os.lstat(path).st_mtime)


def _is_from(directory: Path, repository: str) -> bool:
    try:
        return read_origin(directory).repository == repository
    except ModelError:
        return False
