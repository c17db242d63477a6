"""Libraries of our own C, where setup.py could build them: found, checked, and switched off."""

import ctypes
import os
from collections.abc import Iterator, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

Declaration = tuple[str, Sequence[Any], Any]
"""A function's name, the types of its arguments, and of its result."""


def switched_off() -> bool:
    """Whether CHARRNN_NATIVE is 0: nothing of our own C is to be called."""
    return os.environ.get("CHARRNN_NATIVE") == "0"


def open_library(
    folder: Path,
    name: str,
    *,
    structures: Sequence[type[ctypes.Structure]],
    functions: Sequence[Declaration],
) -> ctypes.CDLL | None:
    """The library that was built of the C in a folder; None where none was, or none of this C.

    Args:
        name: of the library, without what the system puts after it.
        structures: what its functions are given.
        functions: what will be called.

    A library is only called where its `charrnn_layout` gives what `layout` does: one that was built
    of other C lays its structures out in another way. It hides no other that may be beside it.
    """
    expected = layout(structures, functions)
    for suffix in EXTENSION_SUFFIXES:
        path = folder / f"{name}{suffix}"
        if not path.exists():
            continue
        try:
            library = ctypes.CDLL(str(path))
            library.charrnn_layout.argtypes, library.charrnn_layout.restype = [], ctypes.c_uint64
            if library.charrnn_layout() != expected:
                continue
            for function_name, arguments, result in functions:
                function = getattr(library, function_name)
                function.argtypes, function.restype = arguments, result
        except (OSError, AttributeError):  # built for another machine, or from other C
            continue
        return library
    return None


def layout(structures: Sequence[type[ctypes.Structure]], functions: Sequence[Declaration]) -> int:
    """The hash of layout.h: of the names, places and sizes of fields, and of functions."""
    hashed = 0xCBF29CE484222325
    for name, first, second in _entries(structures, functions):
        entry = name.encode() + first.to_bytes(8, "little") + second.to_bytes(8, "little")
        for byte in entry:
            hashed = (hashed ^ byte) * 0x100000001B3 % (1 << 64)
    return hashed


def _entries(
    structures: Sequence[type[ctypes.Structure]], functions: Sequence[Declaration]
) -> Iterator[tuple[str, int, int]]:
    for structure in structures:
        yield "", ctypes.sizeof(structure), 0
        for name, *_ in structure._fields_:
            field = getattr(structure, name)
            yield name, field.offset, field.size
    for name, arguments, result in functions:
        yield name, len(arguments), 0 if result is None else ctypes.sizeof(result)
