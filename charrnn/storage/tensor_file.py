"""safetensors files: a length, a header in JSON, and then the numbers.

    8 bytes      the header's length, little-endian
    header       {"head.bias": {"dtype": "F32", "shape": [65], "data_offsets": [0, 260]}, ...}
    numbers      one tensor after the other, no gap, no overlap

See https://huggingface.co/docs/safetensors. The library `safetensors` writes these files. One of
its readers maps the file into memory, where a file that shrinks meanwhile kills the process; the
other copies everything in it. The reader here reads a file once, so that the bytes that match a
checksum are those that are used, and accepts only the expected tensors.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from charrnn.errors import ModelError
from charrnn.storage.json_file import parse_json
from charrnn.storage.manifest import Manifest, read_sealed
from charrnn.storage.untrusted_files import ReadFile, read_file

Tensors = Mapping[str, npt.NDArray[np.float32]]

Shapes = Mapping[str, tuple[int, ...]]

_LARGEST_HEADER: Final = 1 << 20
"""The most bytes of a header; 64 layers with the optimizer's moments take a tenth of this."""


def to_safetensors(tensors: Tensors) -> bytes:
    """Return the bytes of a file that holds these tensors."""
    return save({name: np.ascontiguousarray(array) for name, array in tensors.items()})


def read_tensors(
    path: Path, shapes: Shapes, manifest: Manifest | None = None, read: ReadFile = read_file
) -> Tensors:
    """Read float32 tensors of exactly these names and shapes, all of them finite.

    A file that is larger than the shapes require is not read. Raises ModelError.
    """
    expected = sum(_size(shape) for shape in shapes.values())
    content = read_sealed(path, largest_file(shapes), manifest, read)
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(_LARGEST_HEADER, len(content) - 8):
        raise ModelError(f"{path}: not a safetensors file")
    start = 8 + length
    header = parse_json(path, content[8:start])
    if not isinstance(header, dict):
        raise ModelError(f"{path}: not a safetensors file")
    if not _are_notes(header.pop("__metadata__", {})):
        raise ModelError(f"{path}: its metadata are not pairs of text")
    for name in sorted(header.keys() ^ shapes.keys()):
        problem = "is missing" if name in shapes else "is unexpected"
        raise ModelError(f"{path}: tensor {name!a:.100} {problem}")
    for name, shape in shapes.items():
        match header[name]:
            case {"dtype": "F32", "shape": found, "data_offsets": _, **others} if not others:
                right = _are(found, shape)
            case _:
                right = False
        if not right:
            raise ModelError(
                f"{path}: tensor {name}: expected F32 {list(shape)}, "
                f"found {_describe(header[name])}"
            )
    _check_offsets(path, header, shapes, len(content) - start)
    if shift := start % 4:  # float32 must begin at a multiple of 4
        with memoryview(content) as view:
            view[start - shift : -shift] = view[start:]
        start -= shift
    numbers = np.frombuffer(content, np.uint8, expected, offset=start)
    tensors = {
        name: numbers[slice(*header[name]["data_offsets"])].view("<f4").reshape(shape)
        for name, shape in shapes.items()
    }
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{path}: tensor {name} has values that are not finite numbers")
    return tensors


def largest_file(shapes: Shapes) -> int:
    """Return the most bytes of a file of tensors with these shapes."""
    return 8 + _LARGEST_HEADER + sum(_size(shape) for shape in shapes.values())


def _check_offsets(path: Path, header: dict[str, Any], shapes: Shapes, end: int) -> None:
    """Raise ModelError unless the tensors stand one after the other, from 0 to the end."""
    places = []
    for name, shape in shapes.items():
        match header[name]["data_offsets"]:
            case [first, last] if type(first) is type(last) is int and last - first == _size(shape):
                places.append((first, last))
            case _:
                raise ModelError(f"{path}: tensor {name} is not where its size says")
    places.sort()
    firsts, lasts = [first for first, _ in places], [last for _, last in places]
    if [*firsts, end] != [0, *lasts]:
        raise ModelError(
            f"{path}: its tensors overlap or leave gaps, or the file has another length"
        )


def _are(found: object, shape: tuple[int, ...]) -> bool:
    """Return whether a value from JSON is this shape, in whole numbers (True is not 1)."""
    return (
        isinstance(found, list)
        and all(type(size) is int for size in found)
        and tuple(found) == shape
    )


def _are_notes(value: object) -> bool:
    """Return whether a value may be the metadata of a header: text by name."""
    if not isinstance(value, dict) or not all(isinstance(note, str) for note in value.values()):
        return False
    try:
        "".join([*value, *value.values()]).encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _describe(entry: object) -> str:
    if isinstance(entry, dict) and {"dtype", "shape"} <= entry.keys():
        return f"{entry['dtype']!s:.20} {entry['shape']!s:.50}"
    return "no tensor"


def _size(shape: tuple[int, ...]) -> int:
    return 4 * math.prod(shape)
