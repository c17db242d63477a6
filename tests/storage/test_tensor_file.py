import copy
import json
import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from charrnn.errors import ModelError
from charrnn.storage.manifest import Entry, Manifest
from charrnn.storage.tensor_file import read_tensors, to_safetensors

SHAPES = {"bias": (3,), "weight": (2, 3)}

TENSORS = {
    "bias": np.array([1, -2, 0.5], np.float32),
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
}

HEADER: dict[str, Any] = {
    "bias": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]},
    "weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [12, 36]},
}

NUMBERS = b"".join(tensor.tobytes() for tensor in TENSORS.values())


def file_of(header: object, numbers: bytes = NUMBERS, *, length: int | None = None) -> bytes:
    """A file of this header (JSON, or its text), which lies about its length when one is given."""
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    return (len(header) if length is None else length).to_bytes(8, "little") + header + numbers


def changed(**entries: Any) -> dict[str, Any]:
    """The header with other entries; a dict changes one, None takes it away."""
    header = {
        name: {**entry, **entries.get(name, {})}
        for name, entry in copy.deepcopy(HEADER).items()
        if entries.get(name, {}) is not None
    }
    return header | {name: entry for name, entry in entries.items() if name not in HEADER}


def same(left: Any, right: Any) -> None:
    assert left.keys() == right.keys()
    for name, array in right.items():
        assert left[name].dtype == array.dtype == np.float32
        np.testing.assert_array_equal(left[name], array)


def accepted(content: bytes, path: Path) -> bool:
    """Whether our reader takes it; then so does the library, and both read the same."""
    path.write_bytes(content)
    try:
        ours = read_tensors(path, SHAPES)
    except ModelError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        assert len(str(error)) < 1000
        return False
    same(ours, load(content))
    return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it.safetensors"


def test_tensors_are_read_back_as_they_were(path: Path) -> None:
    path.write_bytes(to_safetensors(TENSORS))
    same(read_tensors(path, SHAPES), TENSORS)


GOOD = {
    "as it should be": file_of(HEADER),
    "another order": file_of({name: HEADER[name] for name in ("weight", "bias")}),
    "other places": file_of(
        changed(bias={"data_offsets": [24, 36]}, weight={"data_offsets": [0, 24]})
    ),
    "metadata": file_of(changed(__metadata__={"format": "pt", "licence": "CC0"})),
    "no metadata": file_of(changed(__metadata__={})),
    "white space": file_of(json.dumps(HEADER, indent=4).encode() + b" \n\t"),
    **{
        f"{shift} bytes on": file_of(json.dumps(HEADER).encode() + b" " * shift)
        for shift in range(8)
    },
    "escapes": file_of(json.dumps(HEADER).replace("bias", "\\u0062ias").encode()),
}


@pytest.mark.parametrize("content", GOOD)
def test_what_the_format_allows_is_read(content: str, path: Path) -> None:
    """Other programs write other orders and notes of their own, and pad or do not."""
    assert accepted(GOOD[content], path)


BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not a safetensors file"),
    "seven bytes": (bytes(7), "not a safetensors file"),
    "no header": (bytes(8), "safetensors: "),
    "no object": (file_of([]), "not a safetensors file"),
    "no JSON": (file_of(b"{" * 100), "safetensors: "),
    "no UTF-8": (file_of(b'{"\xff": 1}'), "safetensors: "),
    "deep": (file_of(b"[" * 500_000), "safetensors: "),
    "length 0": (file_of(HEADER, length=0), "safetensors: "),
    "length short": (file_of(HEADER, length=len(json.dumps(HEADER)) - 1), "safetensors: "),
    "length long": (file_of(HEADER, length=len(json.dumps(HEADER)) + 1), "safetensors: "),
    "length all": (file_of(HEADER, length=len(file_of(HEADER)) - 8), "safetensors: "),
    "length past the end": (
        file_of(HEADER, length=len(file_of(HEADER)) - 7),
        "not a safetensors file",
    ),
    "length of a million": (file_of(HEADER, length=10**6), "not a safetensors file"),
    "length huge": (file_of(HEADER, length=2**63), "not a safetensors file"),
    "length all ones": (file_of(HEADER, length=2**64 - 1), "not a safetensors file"),
    "header too large": (
        file_of(json.dumps(HEADER).encode().ljust((1 << 20) + 1)),
        "safetensors: ",
    ),
    "twice": (
        file_of(json.dumps(HEADER).replace('"weight"', '"bias"').encode()),
        "'bias' appears twice",
    ),
    "twice in other spelling": (
        file_of(json.dumps(HEADER).replace("weight", "bi\\u0061s").encode()),
        "'bias' appears twice",
    ),
    "shape twice": (
        file_of(json.dumps(HEADER).replace('"shape": [3]', '"shape": [3], "shape": [3]').encode()),
        "'shape' appears twice",
    ),
    "missing": (file_of(changed(bias=None)), "tensor 'bias' is missing"),
    "unexpected": (
        file_of(changed(more={"dtype": "F32", "shape": [0], "data_offsets": [36, 36]})),
        "tensor 'more' is unexpected",
    ),
    "no entry": (file_of(HEADER | {"bias": 5}), "tensor bias: expected F32 .3., found no tensor"),
    "null entry": (file_of(HEADER | {"bias": None}), "tensor bias: .* found no tensor"),
    "no dtype": (file_of(HEADER | {"bias": {"shape": [3], "data_offsets": [0, 12]}}), "bias"),
    "no offsets": (file_of(HEADER | {"bias": {"dtype": "F32", "shape": [3]}}), "tensor bias"),
    "more in an entry": (file_of(changed(bias={"more": 1})), "tensor bias"),
    "F16": (file_of(changed(bias={"dtype": "F16"})), "bias: expected F32 .3., found F16"),
    "dtype in small letters": (file_of(changed(bias={"dtype": "f32"})), "tensor bias"),
    "I32": (file_of(changed(bias={"dtype": "I32"})), "tensor bias: .*found I32"),
    "other shape": (file_of(changed(weight={"shape": [3, 2]})), r"found F32 \[3, 2\]"),
    "flat shape": (file_of(changed(weight={"shape": [6]})), r"found F32 \[6\]"),
    "negative shape": (file_of(changed(weight={"shape": [-2, -3]})), "tensor weight"),
    "fractional shape": (file_of(changed(bias={"shape": [3.0]})), "tensor bias"),
    "shape of text": (file_of(changed(bias={"shape": "3"})), "tensor bias"),
    "shape of a number": (file_of(changed(bias={"shape": 3})), "tensor bias"),
    "shape of an object": (file_of(changed(bias={"shape": {"3": 3}})), "tensor bias"),
    "long shape": (file_of(changed(bias={"shape": [1] * 10_000})), "tensor bias"),
    "overlap": (file_of(changed(weight={"data_offsets": [8, 32]}), NUMBERS[:32]), "overlap"),
    "same place": (file_of(changed(weight={"data_offsets": [0, 24]}), NUMBERS[:24]), "overlap"),
    "within": (file_of(changed(weight={"data_offsets": [12, 24]})), "weight is not where"),
    "gap": (file_of(changed(weight={"data_offsets": [16, 40]}), NUMBERS + bytes(4)), "gaps"),
    "gap at the start": (
        file_of(
            changed(bias={"data_offsets": [4, 16]}, weight={"data_offsets": [16, 40]}),
            NUMBERS + bytes(4),
        ),
        "gaps",
    ),
    "backwards": (file_of(changed(bias={"data_offsets": [12, 0]})), "bias is not where"),
    "negative": (file_of(changed(bias={"data_offsets": [-12, 0]})), "overlap"),
    "past the end": (file_of(changed(weight={"data_offsets": [36, 60]})), "gaps"),
    "huge offsets": (file_of(changed(weight={"data_offsets": [2**64, 2**64 + 24]})), "gaps"),
    "one offset": (file_of(changed(bias={"data_offsets": [0]})), "bias is not where"),
    "three offsets": (file_of(changed(bias={"data_offsets": [0, 12, 12]})), "bias is not where"),
    "offsets of text": (file_of(changed(bias={"data_offsets": ["0", "12"]})), "bias is not where"),
    "fractional offsets": (file_of(changed(bias={"data_offsets": [0.0, 12.0]})), "bias"),
    "no list of offsets": (file_of(changed(bias={"data_offsets": 12})), "bias is not where"),
    "cut off": (file_of(HEADER, NUMBERS[:-1]), "the file has another length"),
    "a tail": (file_of(HEADER, NUMBERS + b"\0"), "the file has another length"),
    "a tail of a number": (file_of(HEADER, NUMBERS + bytes(4)), "the file has another length"),
    "NaN": (
        file_of(HEADER, NUMBERS[:-4] + np.float32("nan").tobytes()),
        "tensor weight has values that are not finite",
    ),
    "infinite": (
        file_of(HEADER, np.float32("-inf").tobytes() + NUMBERS[4:]),
        "tensor bias has values that are not finite",
    ),
    # What JSON for Python allows, and JSON for the library does not.
    "False for an offset": (file_of(changed(bias={"data_offsets": [False, 12]})), "bias"),
    "metadata of numbers": (file_of(changed(__metadata__={"version": 2})), "metadata"),
    "metadata that are a list": (file_of(changed(__metadata__=["pt"])), "metadata"),
    "metadata that are NaN": (file_of(changed(__metadata__={"a": float("nan")})), "safetensors: "),
    "metadata of half a character": (
        file_of(changed(__metadata__={"a": "\udc80"})),
        "safetensors: ",
    ),
}


@pytest.mark.parametrize("content", BAD)
def test_what_the_format_forbids_is_refused(content: str, path: Path) -> None:
    file, problem = BAD[content]
    path.write_bytes(file)
    with pytest.raises(ModelError, match=problem) as caught:
        read_tensors(path, SHAPES)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


def test_true_is_no_one(path: Path) -> None:
    """In Python they are equal; the library knows no shape of True."""
    for one, good in (("1", True), ("true", False), ("1.0", False)):
        header = f'{{"it": {{"dtype": "F32", "shape": [{one}], "data_offsets": [0, 4]}}}}'
        path.write_bytes(file_of(header.encode(), bytes(4)))
        if good:
            same(read_tensors(path, {"it": (1,)}), {"it": np.zeros(1, np.float32)})
            continue
        with pytest.raises(ModelError, match=r"tensor it: expected F32 \[1\], found"):
            read_tensors(path, {"it": (1,)})


plain = (
    st.none()
    | st.booleans()
    | st.integers(-1, 40)
    | st.floats()
    | st.sampled_from(["F32", "F16", "I32", "bias", ""])
    | st.lists(st.integers(-1, 40), max_size=3)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.randoms(use_true_random=False), value=plain, count=st.integers(1, 3))
def test_no_header_is_read_that_the_library_would_refuse_or_read_otherwise(
    tmp_path: Path, seed: random.Random, value: Any, count: int
) -> None:
    """Values in other places, places taken away, and names that change."""
    header = changed(__metadata__={"format": "pt"})
    for _ in range(count):
        inner: Any = header
        while isinstance(inner, dict | list) and inner:
            key = seed.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
            if not isinstance(inner[key], dict | list) or seed.random() < 0.3:
                match seed.randrange(4):
                    case 0:
                        del inner[key]
                    case 1 if isinstance(inner, dict):
                        inner[str(value)] = inner.pop(key)
                    case _:
                        inner[key] = copy.deepcopy(value)
                break
            inner = inner[key]
    accepted(file_of(header), tmp_path / "it.safetensors")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0), junk=st.binary(min_size=1, max_size=4), insert=st.booleans())
def test_no_damaged_file_is_read_that_the_library_would_refuse_or_read_otherwise(
    tmp_path: Path, place: int, junk: bytes, insert: bool
) -> None:
    whole = file_of(HEADER)
    place %= len(whole)
    rest = whole[place if insert else place + len(junk) :]
    accepted(whole[:place] + junk + rest, tmp_path / "it.safetensors")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shapes=st.dictionaries(
        st.text(max_size=9).filter(lambda name: name != "__metadata__"),
        st.lists(st.integers(1, 5), max_size=3).map(tuple),
        max_size=5,
    )
)
def test_whatever_the_library_writes_is_read(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]]
) -> None:
    generator = np.random.default_rng(0)
    tensors: dict[str, npt.NDArray[np.float32]] = {
        name: np.asarray(generator.standard_normal(shape), np.float32)
        for name, shape in shapes.items()
    }
    path = tmp_path / "it.safetensors"
    path.write_bytes(save(tensors))
    same(read_tensors(path, shapes), tensors)


def test_a_file_is_refused_by_its_size_before_it_is_read(path: Path) -> None:
    path.write_bytes(file_of(HEADER))
    os.truncate(path, 1 << 40)  # a hole: it takes no disk
    with pytest.raises(ModelError, match=r"it\.safetensors: too large"):
        read_tensors(path, SHAPES)


def test_a_file_is_compared_with_its_manifest_before_anything_in_it_is_believed(
    path: Path,
) -> None:
    path.write_bytes(b"{" * 100)
    manifest = Manifest({path.name: Entry(bytes=100, sha256="0" * 64)})
    with pytest.raises(ModelError, match=r"it\.safetensors: damaged: "):
        read_tensors(path, SHAPES, manifest)


@pytest.mark.parametrize("shift", [0, 1], ids=["aligned", "not aligned"])
def test_reading_takes_no_more_memory_than_it_must(shift: int, path: Path) -> None:
    """As little as the file, which is twice where its numbers begin at an odd place: the library
    takes twice as much always. A quarter more is for a moment, to look for NaN."""
    shapes = {"a": (1000, 2500), "b": (1000, 2500)}
    size = 4 * 2_500_000
    header = {
        name: {"dtype": "F32", "shape": shapes[name], "data_offsets": [first, first + size]}
        for name, first in (("a", 0), ("b", size))
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8 + shift)
    path.write_bytes(file_of(text, bytes(2 * size)))
    tracemalloc.start()
    try:
        tensors = read_tensors(path, shapes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < (2.3 if shift else 1.3) * path.stat().st_size
    assert all(tensor.flags.aligned for tensor in tensors.values())


@pytest.mark.parametrize("make", [np.asfortranarray, np.flip, lambda array: array[::-1]])
def test_tensors_are_written_as_they_are_numbered_not_as_they_lie(
    make: Callable[[Any], Any], path: Path
) -> None:
    """safetensors writes the memory as it lies: a transposed matrix came back scrambled."""
    tensors = {name: make(tensor) for name, tensor in TENSORS.items()}
    path.write_bytes(to_safetensors(tensors))
    same(read_tensors(path, SHAPES), tensors)
