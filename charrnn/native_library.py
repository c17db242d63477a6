"""Libraries built from our own C by setup.py: finds, checks and disables them."""

import ctypes
import os
from collections.abc import Iterator, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

Declaration = tuple[str, Sequence[Any], Any]
"""The name of a function, the types of its arguments, and that of its result."""


def switched_off() -> bool:
    """Return whether CHARRNN_NATIVE is 0, so that our own C is not called."""
    return os.environ.get("CHARRNN_NATIVE") == "0"


def open_library(
    folder: Path,
    name: str,
    *,
    structures: Sequence[type[ctypes.Structure]],
    functions: Sequence[Declaration],
) -> ctypes.CDLL | None:
    """Return the library built from the C in a folder; None where there is none, or it was built
    from other C.

    Args:
        name: the name of the library, without the system's suffix.
        structures: the arguments of its functions.
        functions: the functions to call.

    A library is called only if its `charrnn_layout` returns the same as `layout`: other C lays its
    structures out in another way. Such a library does not hide another one in the folder.
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
    """Return the hash of layout.h: of the names, offsets and sizes of fields, and of functions."""
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
