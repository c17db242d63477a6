"""Libraries of our own C: found, checked and switched off, without one that was built."""

import ctypes
import shutil
import subprocess
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import charrnn
from charrnn.native_library import layout, open_library, switched_off

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


class Pair(ctypes.Structure):
    _fields_ = [("first", ctypes.c_int32), ("second", ctypes.c_double)]


class Swapped(ctypes.Structure):
    _fields_ = [("second", ctypes.c_double), ("first", ctypes.c_int32)]


class Renamed(ctypes.Structure):
    _fields_ = [("first", ctypes.c_int32), ("other", ctypes.c_double)]


class Narrower(ctypes.Structure):
    _fields_ = [("first", ctypes.c_int32), ("second", ctypes.c_float)]


class Longer(ctypes.Structure):
    _fields_ = [*Pair._fields_, ("third", ctypes.c_double)]


TWICE = [("charrnn_twice", [ctypes.c_double], ctypes.c_double)]

SOURCE = """
#include "layout.h"
typedef struct { int32_t first; double second; } Pair;
double charrnn_twice(double x) { return 2 * x; }
uint64_t charrnn_layout(void) {
    uint64_t hash = LAYOUT_START;
    STRUCTURE(Pair) FIELD(Pair, first) FIELD(Pair, second)
    FUNCTION(charrnn_twice, 1, sizeof(double))
    return hash;
}
"""


def build(path: Path, text: str = SOURCE) -> None:
    """A library that doubles."""
    source = path.parent / "source.c"
    source.write_text(text)
    headers = Path(charrnn.__file__).parent / "model"
    command = ["cc", "-shared", "-fPIC", f"-I{headers}", str(source), "-o", str(path)]
    subprocess.run(command, check=True)


def found(folder: Path, name: str = "some") -> ctypes.CDLL | None:
    return open_library(folder, name, structures=[Pair], functions=TWICE)


@needs_compiler
@pytest.mark.parametrize("suffix", EXTENSION_SUFFIXES)
def test_what_was_built_is_found_and_declared(tmp_path: Path, suffix: str) -> None:
    build(tmp_path / f"some{suffix}")
    library = found(tmp_path)
    assert library is not None
    assert library.charrnn_twice(1.25) == 2.5
    assert found(tmp_path, "other") is None


@needs_compiler
def test_of_other_c_nothing_is_called(tmp_path: Path) -> None:
    # A number kept by hand told one version from another: where it was forgotten, C read
    # structures that were laid out in another way.
    build(tmp_path / f"some{EXTENSION_SUFFIXES[0]}")
    for other in (Swapped, Renamed, Narrower, Longer):
        assert open_library(tmp_path, "some", structures=[other], functions=TWICE) is None
    for structures in ([], [Pair, Pair]):
        assert open_library(tmp_path, "some", structures=structures, functions=TWICE) is None
    number = ctypes.c_double
    for functions in (
        [],
        [*TWICE, ("charrnn_thrice", [number], number)],
        [("charrnn_twice", [number, number], number)],
        [("charrnn_twice", [number], ctypes.c_int)],
        [("charrnn_twice", [number], None)],
    ):
        assert open_library(tmp_path, "some", structures=[Pair], functions=functions) is None


@needs_compiler
@pytest.mark.parametrize("change", [("int32_t first", "int64_t first"), ("_layout", "_abi")])
def test_a_stale_library_does_not_hide_a_good_one(tmp_path: Path, change: tuple[str, str]) -> None:
    first, *_, last = EXTENSION_SUFFIXES
    if first == last:
        pytest.skip("libraries have one name only")
    build(tmp_path / f"some{first}", SOURCE.replace(*change).replace("2 * x", "3 * x"))
    assert found(tmp_path) is None
    build(tmp_path / f"some{last}")
    library = found(tmp_path)
    assert library is not None
    assert library.charrnn_twice(1.25) == 2.5


def test_layouts_differ_wherever_memory_does() -> None:
    layouts = [
        layout(structures, TWICE)
        for structures in ([], [Pair], [Swapped], [Renamed], [Narrower], [Longer], [Pair, Pair])
    ]
    assert len(set(layouts)) == len(layouts)
    assert layout([Pair], TWICE) == layouts[1]


@needs_compiler
def test_what_cannot_be_loaded_does_not_hide_what_can(tmp_path: Path) -> None:
    first, *_, last = EXTENSION_SUFFIXES
    if first == last:
        pytest.skip("libraries have one name only")
    (tmp_path / f"some{first}").write_bytes(b"\x7fELF, built for another machine")
    build(tmp_path / f"some{last}")
    assert found(tmp_path) is not None


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert found(tmp_path / "no") is None


@pytest.mark.parametrize(("value", "off"), [("0", True), ("1", False), ("", False), (None, False)])
def test_it_is_switched_off_by_0(
    value: str | None, off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHARRNN_NATIVE", raising=False)
    if value is not None:
        monkeypatch.setenv("CHARRNN_NATIVE", value)
    assert switched_off() == off
