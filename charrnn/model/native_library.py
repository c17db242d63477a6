"""Libraries of our own C, where setup.py could build them: found, checked, and switched off."""

import ctypes
import os
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

Declaration = tuple[str, Sequence[Any], Any]
"""A function's name, the types of its arguments, and of its result."""


def switched_off() -> bool:
    """Whether CHARRNN_NATIVE is 0: nothing of our own C is to be called."""
    return os.environ.get("CHARRNN_NATIVE") == "0"


def open_library(
    folder: Path, name: str, *, abi: int, functions: Sequence[Declaration]
) -> ctypes.CDLL | None:
    """The library that was built of the C in a folder; None where it was not, or not of this C.

    Args:
        name: of the library, without what the system puts after it.
        abi: what its `charrnn_abi` has to say: one built from other C is not called.
        functions: what will be called.
    """
    for suffix in EXTENSION_SUFFIXES:
        path = folder / f"{name}{suffix}"
        if not path.exists():
            continue
        try:
            library = ctypes.CDLL(str(path))
            if library.charrnn_abi() != abi:
                return None
            for function_name, arguments, result in functions:
                function = getattr(library, function_name)
                function.argtypes, function.restype = arguments, result
        except (OSError, AttributeError):  # built for another machine, or from other C
            continue
        return library
    return None
