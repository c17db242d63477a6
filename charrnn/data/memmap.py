"""Ids that lie in a file, mapped into memory: a corpus may be larger than the memory is.

The system reads a page of such a file when it is first touched, and counts it as memory of this
process from then on. Who goes over many ids gives back what has been read on the way, so that
never more than a few megabytes of them are counted. Ids in plain memory are left alone.

Legend: N characters.
"""

import mmap
from collections.abc import Iterator
from typing import Final

import numpy as np

from charrnn.data.excerpt import AnyIds, Excerpt
from charrnn.data.tokenizer import Ids

CHUNK: Final = 1 << 20
"""Ids that are looked at in one go, where all of them have to be."""


def release_pages(ids: AnyIds) -> None:
    """Returns the memory of what was read of ids (N,) in a mapped file; reading on is allowed.

    The system still has the pages for as long as it needs their room for nothing else: to touch one
    again costs a microsecond.
    """
    if (mapped := _mapping(ids)) is not None:
        mapped.madvise(mmap.MADV_DONTNEED)


def chunks(ids: AnyIds, size: int = CHUNK) -> Iterator[Ids]:
    """Ids (N,) from first to last, `size` at a time; what has been read is given back."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
        release_pages(ids)


def _mapping(ids: AnyIds) -> mmap.mmap | None:
    """The mapped file that an array, or what it is a view of, lies in."""
    base: object = ids.ids if isinstance(ids, Excerpt) else ids
    while isinstance(base, np.ndarray):
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else None
    return owner if isinstance(owner, mmap.mmap) else None
