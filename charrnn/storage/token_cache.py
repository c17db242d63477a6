"""The token cache of a run: the ids of a corpus that is larger than memory, in a folder.

    RUN/corpus/
        ids.bin         the ids (N,), one after the other
        corpus.json     what they depend on: the text and the alphabet, by their SHA-256
        manifest.json   the size and the SHA-256 of those two

The folder can be deleted: where it is missing or damaged, the text is read again.

Legend: N characters.
"""

import hashlib
import mmap
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from charrnn.data.memmap import chunks
from charrnn.data.tokenizer import Ids
from charrnn.data.two_pass_reading import IdsKey, ReadingProgress, no_progress
from charrnn.errors import CharRNNWarning, ModelError, StorageError
from charrnn.storage.files import new_directory, remove_directory, write_chunks
from charrnn.storage.json_file import from_json, to_json
from charrnn.storage.manifest import MANIFEST, Entry, Manifest, read_json, read_manifest
from charrnn.storage.untrusted_files import map_file

IDS_FOLDER: Final = "corpus"
"""The name of the folder in a run."""

IDS: Final = "ids.bin"
KEY: Final = "corpus.json"


def is_ids_folder(folder: Path) -> bool:
    """Return whether a folder is a token cache: it has files, and only those of one."""
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError:
        return False
    return not folder.is_symlink() and bool(names) and names <= {IDS, KEY, MANIFEST}


def keep_ids(folder: Path, key: IdsKey, ids: Iterable[Ids]) -> Ids:
    """Write ids, which come in chunks, to the folder, replacing those in it, and return them mapped
    (N,).

    After a crash, the folder is complete or missing. Raises StorageError, and the errors of the
    chunks.
    """
    if os.path.lexists(folder):
        if not is_ids_folder(folder):
            raise StorageError(f"{folder}: it is in the way of the corpus; move it elsewhere")
        remove_directory(folder)  # first: there may not be room for two
    digest = hashlib.sha256()

    def hashed() -> Iterator[memoryview]:
        for chunk in ids:
            digest.update(chunk.data)
            yield chunk.data

    described = to_json(asdict(key))
    with new_directory(folder, key.bytes) as temporary:
        write_chunks(temporary / IDS, hashed())
        write_chunks(temporary / KEY, [described])
        manifest = Manifest(
            {
                IDS: Entry(bytes=key.bytes, sha256=digest.hexdigest()),
                KEY: Entry(bytes=len(described), sha256=hashlib.sha256(described).hexdigest()),
            }
        )
        write_chunks(temporary / MANIFEST, [manifest.to_json()])
    return _mapped(folder, key)


def keep_for_now(key: IdsKey, ids: Iterable[Ids]) -> Ids:
    """Write ids, which come in chunks, to a file without a name, which is gone with the process,
    and return them mapped (N,): for commands that only look at a corpus larger than memory.

    Raises StorageError, and the errors of the chunks.
    """
    try:
        with tempfile.TemporaryFile() as file:
            for chunk in ids:
                file.write(chunk.data)
            file.flush()
            mapped = mmap.mmap(file.fileno(), key.bytes, prot=mmap.PROT_READ)
    except OSError as error:
        raise StorageError(
            f"{tempfile.gettempdir()}: {error.strerror or error}; {key.bytes:,} bytes are needed "
            "there to read this text: set TMPDIR to a folder with enough room"
        ) from error
    return np.frombuffer(mapped, dtype=key.dtype)


def find_ids(folder: Path, key: IdsKey, *, progress: ReadingProgress = no_progress) -> Ids | None:
    """Return the ids (N,) in a folder, mapped; None where they are missing, of another text or
    alphabet, or damaged (with a warning).

    All of them are read once and checked, since the folder may come from anyone: their SHA-256 must
    be that of the manifest, and each id must be in the alphabet.
    """
    if not is_ids_folder(folder):
        return None
    path = folder / IDS
    try:
        manifest = read_manifest(folder)
        found = from_json(IdsKey, read_json(folder / KEY, manifest), where=str(folder / KEY))
        if found != key:
            return None
        ids = _mapped(folder, key)
        digest, done = hashlib.sha256(), 0
        for chunk in chunks(ids):
            digest.update(chunk.data)
            if int(chunk.max()) >= key.vocabulary_size:
                raise ModelError(f"{path}: it has ids that are not in the alphabet")
            done += len(chunk)
            progress("checking", done, key.count)
        manifest.compare(path, Entry(bytes=key.bytes, sha256=digest.hexdigest()))
    except ModelError as error:
        message = f"{error}; the text is read again instead"
        warnings.warn(message, CharRNNWarning, stacklevel=2)
        return None
    return ids


def remove_ids(folder: Path) -> None:
    """Delete the folder if it is a token cache. Raises StorageError."""
    if is_ids_folder(folder):
        remove_directory(folder)


def _mapped(folder: Path, key: IdsKey) -> Ids:
    return np.frombuffer(map_file(folder / IDS, key.bytes), dtype=key.dtype)
