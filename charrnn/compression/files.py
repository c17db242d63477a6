"""Compressing and decompressing: from pieces of content to pieces of an archive, and back."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from charrnn.compression.alphabet import parts
from charrnn.compression.archive import (
    CONTENT_DIGEST,
    ArchiveReader,
    Block,
    block_bytes,
    end_bytes,
)
from charrnn.compression.predictor import Known, Learning, Predictor
from charrnn.errors import CorpusError, ModelError

Progress = Callable[[int], None]
"""A function that is called with how many bytes were read so far."""


def _no_progress(_: int) -> None:
    """Tell nobody."""


@dataclass
class Sizes:
    """The sizes of some content and of its archive, as far as they are made.

    Attributes:
        content: the bytes of the content.
        characters: its characters, of which a byte that is not UTF-8 is one.
        unknown: how many bytes of it are of characters that the model does not know, with their
            places.
        archive: the bytes of the archive.
        seconds: how long it took.
    """

    content: int = 0
    characters: int = 0
    unknown: int = 0
    archive: int = 0
    seconds: float = 0.0
    _begin: float = field(default_factory=time.perf_counter, init=False, repr=False)

    def stop_clock(self) -> None:
        """Set `seconds`."""
        self.seconds = time.perf_counter() - self._begin

    def to_json(self) -> dict[str, Any]:
        """Return the sizes, and the bits per character and per byte; None for no content."""
        bits = 8 * self.archive
        return {
            "bytes": self.content,
            "characters": self.characters,
            "compressed_bytes": self.archive,
            "bits_per_character": bits / self.characters if self.characters else None,
            "bits_per_byte": bits / self.content if self.content else None,
            "seconds": self.seconds,
        }


def compress(
    content: Iterable[bytes],
    known: Known,
    *,
    sizes: Sizes | None = None,
    progress: Progress = _no_progress,
    learning: Learning | None = None,
) -> Iterator[bytes]:
    """Yield the archive of some content, which comes in pieces of any size, in pieces.

    Args:
        known: what it is made with.
        sizes: receives the sizes.
        progress: called with the bytes of the content that are compressed.
        learning: called while the memory learns the training text.

    Raises ModelError when the model's numbers overflow.
    """
    sizes = sizes or Sizes()
    digest = hashlib.sha256()

    def digested() -> Iterator[bytes]:
        for piece in content:
            digest.update(piece)
            yield piece

    beginning = known.header.to_bytes()
    sizes.archive += len(beginning)
    yield beginning
    predictor = Predictor(known, learning)
    for part in parts(predictor.alphabet, digested()):
        note = _share(progress, sizes.content, part.size / max(len(part.ids), 1))
        code = predictor.encode(part.ids, part.others, note)
        block = block_bytes(Block(len(part.ids), len(part.others), code))
        sizes.content += part.size
        sizes.characters += part.characters
        sizes.unknown += len(part.others)
        sizes.archive += len(block)
        progress(sizes.content)
        yield block
    end = end_bytes(digest.digest())
    sizes.archive += len(end)
    sizes.stop_clock()
    yield end


def decompress(
    reader: ArchiveReader,
    known: Known,
    *,
    sizes: Sizes | None = None,
    progress: Progress = _no_progress,
    learning: Learning | None = None,
) -> Iterator[bytes]:
    """Yield the content of an archive, which may come from anyone, in pieces.

    What is yielded is right only when all of it was: the checksum of the content comes last.

    Args:
        reader: the archive.
        known: what it may have been made with.
        sizes: receives the sizes.
        progress: called with the bytes of the archive that are decompressed.
        learning: called while the memory learns the training text.

    Raises CorpusError for an archive that is damaged, and where the training text is not there;
    ModelError for another model than that of the archive.
    """
    sizes = sizes or Sizes()
    _check_known(reader, known)
    predictor: Predictor | None = None
    digest = hashlib.sha256()
    before = reader.read
    for block in reader.blocks():
        if predictor is None:  # for what is damaged, it is not made at all
            predictor = Predictor(known, learning)
        size = reader.read - before
        note = _share(progress, before, size / max(block.ids, 1))
        try:
            content = predictor.alphabet.content(*predictor.decode(*block, note))
        except ValueError as error:
            raise reader.damaged(str(error)) from error
        digest.update(content)
        before = reader.read
        sizes.content += len(content)
        sizes.characters += len(content.decode("utf-8", "surrogateescape"))
        progress(before)
        yield content
    if reader.content != digest.digest()[:CONTENT_DIGEST]:
        raise reader.damaged("its content has another SHA-256")
    sizes.archive = reader.read
    sizes.stop_clock()


def _check_known(reader: ArchiveReader, known: Known) -> None:
    """Raise ModelError or CorpusError unless an archive was made with this model and text."""
    wanted, name = reader.header, reader.name
    if wanted.model is None and known.model is None:
        return
    if wanted.model is None:
        raise ModelError(f"{name}: it was made without a model; leave out the model")
    if known.model is None:
        raise ModelError(
            f"{name}: it was made with a model, of the SHA-256 {wanted.model.hex()}...; "
            "name that model"
        )
    found = known.header
    if found.model != wanted.model:
        assert found.model is not None
        raise ModelError(
            f"{name}: it was made with another model, of the SHA-256 {wanted.model.hex()}...; "
            f"the one named has {found.model.hex()}..."
        )
    if wanted.text is not None and known.training is None:
        raise CorpusError(f"{name}: it needs the training text of the model: {known.problem}")
    if wanted.text is not None and found.text != wanted.text:
        raise CorpusError(
            f"{name}: it needs another training text than the one that was found, or another "
            "part of it"
        )


def _share(progress: Progress, before: int, size: float) -> Callable[[int], None]:
    """Return a function that counts ids, of `size` bytes each, and calls `progress`."""
    done = 0

    def note(count: int) -> None:
        nonlocal done
        done += count
        progress(before + int(done * size))

    return note
