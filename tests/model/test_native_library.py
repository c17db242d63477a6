"""Libraries of our own C: found, checked and switched off, without one that was built."""

import ctypes
import shutil
import subprocess
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from charrnn.model.native_library import open_library, switched_off

TWICE = [("charrnn_twice", [ctypes.c_double], ctypes.c_double)]

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def build(path: Path) -> None:
    """A library of ABI 7 that doubles."""
    source = path.parent / "source.c"
    source.write_text(
        "int charrnn_abi(void) { return 7; }\ndouble charrnn_twice(double x) { return 2 * x; }\n"
    )
    subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(path)], check=True)


@needs_compiler
@pytest.mark.parametrize("suffix", EXTENSION_SUFFIXES)
def test_what_was_built_is_found_and_declared(tmp_path: Path, suffix: str) -> None:
    build(tmp_path / f"some{suffix}")
    library = open_library(tmp_path, "some", abi=7, functions=TWICE)
    assert library is not None
    assert library.charrnn_twice(1.25) == 2.5
    assert open_library(tmp_path, "other", abi=7, functions=TWICE) is None


@needs_compiler
def test_of_other_c_nothing_is_called(tmp_path: Path) -> None:
    build(tmp_path / f"some{EXTENSION_SUFFIXES[0]}")
    assert open_library(tmp_path, "some", abi=8, functions=TWICE) is None
    missing = [*TWICE, ("charrnn_thrice", [ctypes.c_double], ctypes.c_double)]
    assert open_library(tmp_path, "some", abi=7, functions=missing) is None


@needs_compiler
def test_what_cannot_be_loaded_does_not_hide_what_can(tmp_path: Path) -> None:
    first, *_, last = EXTENSION_SUFFIXES
    if first == last:
        pytest.skip("libraries have one name only")
    (tmp_path / f"some{first}").write_bytes(b"\x7fELF, built for another machine")
    build(tmp_path / f"some{last}")
    assert open_library(tmp_path, "some", abi=7, functions=TWICE) is not None


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert open_library(tmp_path / "no", "some", abi=7, functions=TWICE) is None


@pytest.mark.parametrize(("value", "off"), [("0", True), ("1", False), ("", False), (None, False)])
def test_it_is_switched_off_by_0(
    value: str | None, off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHARRNN_NATIVE", raising=False)
    if value is not None:
        monkeypatch.setenv("CHARRNN_NATIVE", value)
    assert switched_off() == off
