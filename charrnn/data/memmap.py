"""Ids in a file that is mapped into memory, so that a corpus may be larger than memory.

The system reads a page of a mapped file when it is first touched, and counts it as memory of this
process from then on. Code that goes over many ids releases the pages that it has read, so that only
a few megabytes are counted at a time. For ids in plain memory, these functions do nothing.

Legend: N characters.
"""

import mmap
from collections.abc import Iterator
from typing import Final

import numpy as np

from charrnn.data.excerpt import AnyIds, Excerpt
from charrnn.data.tokenizer import Ids

CHUNK: Final = 1 << 20
"""How many ids are read at once."""


def release_pages(ids: AnyIds) -> None:
    """Release the pages that were read of ids (N,) in a mapped file; they can be read again.

    The system keeps the pages as long as it has room; touching one again costs a microsecond.
    """
    if (mapped := _mapping(ids)) is not None:
        mapped.madvise(mmap.MADV_DONTNEED)


def chunks(ids: AnyIds, size: int = CHUNK) -> Iterator[Ids]:
    """Yield ids (N,) from first to last, `size` at a time; release the pages that were read."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
        release_pages(ids)


def _mapping(ids: AnyIds) -> mmap.mmap | None:
    """Return the mapped file in which an array lies, or the array that it is a view of."""
    base: object = ids.ids if isinstance(ids, Excerpt) else ids
    while isinstance(base, np.ndarray):
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else None
    return owner if isinstance(owner, mmap.mmap) else None
