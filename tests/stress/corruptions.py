"""Seeded corruptions of bytes, JSON, safetensors files and the names in a folder."""

import copy
import json
import os
import random
import shutil
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.storage.json_file import LARGEST_BYTES


class Raw(str):
    """JSON as it will stand in the file."""


class Pairs(list[tuple[str, Any]]):
    """An object, in which a key may stand twice."""


DIGITS = "1" + "0" * 400

SCALARS: tuple[Any, ...] = (
    *map(Raw, ("1e9", "1000000000", DIGITS, f"-{DIGITS}", "1" * 4299, "1" * 4301, "9" * 6000)),
    *map(Raw, ("-1", "0", "-0", "1", "2", "1.0", "1.5", "1e308", "1e400", "-1e400", "1e-400")),
    *map(Raw, ("NaN", "Infinity", "-Infinity", "true", "false", "null")),
    *map(Raw, (str(2**31), str(2**53), str(2**63 - 1), str(2**63), str(-(2**63)), str(2**64))),
    *("", "1", "lstm", "F32", "char", "\x1b[2J\x1b]0;owned\x07", "two\nlines\r\n", "\u2028\u202e"),
    *("../../x", "/etc/passwd", "nul\0nul", "x" * 10_000, "\x85\x9b31m", "{0.__class__}", "%s%n"),
    *(Raw('"\\ud800"'), Raw('"\\udc80\\ud800"'), Raw('"\ufeff"'), "\N{REPLACEMENT CHARACTER}"),
    *([], [[]], [None], [1, 2], [[1], [2]], Pairs(), Pairs([("a", 1)])),
    *(
        Raw("[" * 200 + "]" * 200),
        Raw("[" * 2_000 + "]" * 2_000),
        Raw('{"a":' * 300 + "1" + "}" * 300),
    ),
)
"""Values that something may choke on."""


def dump(value: Any) -> str:
    """JSON of plain values, Raw and Pairs."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{dump(key)}:{dump(each)}" for key, each in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value)


def encode_json(value: Any) -> bytes:
    """The file of it."""
    return dump(value).encode("utf-8", "surrogatepass")


def parse(content: bytes) -> Any:
    """JSON with its objects as Pairs."""
    return json.loads(content, object_pairs_hook=Pairs)


def _places(value: Any) -> Iterator[tuple[Any, int]]:
    """Every item in a tree, as what holds it and its number there."""
    if isinstance(value, Pairs):
        for number, (_, each) in enumerate(value):
            yield value, number
            yield from _places(each)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield value, number
            yield from _places(each)


def _hostile(chance: random.Random) -> Any:
    value = chance.choice(SCALARS)
    if chance.random() < 0.1:  # close to where the parser's own recursion ends
        depth = chance.randrange(850, 1010)
        opening, closing = chance.choice((("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")))
        depth //= len(closing)
        return Raw(opening * depth + "1" + closing * depth)
    return [value] * chance.randrange(1, 4) if chance.random() < 0.1 else value


def corrupt_tree(tree: Any, chance: random.Random) -> Any:
    """A tree with an item replaced, dropped, added, renamed, doubled or moved."""
    tree = copy.deepcopy(tree)
    places = list(_places(tree))
    if not places or chance.random() < 0.02:
        return _hostile(chance)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        holder, number = chance.choice(places)
        if number >= len(holder):
            continue
        named = isinstance(holder, Pairs)
        action = chance.randrange(8)
        if action < 4:
            value = _hostile(chance)
            holder[number] = (holder[number][0], value) if named else value
        elif action == 4:
            del holder[number]
        elif action == 5:
            extra = _hostile(chance)
            name = chance.choice(("extra", "", "\x1b[31m", "x" * 5_000, "__class__", "../../x"))
            holder.insert(number, (name, extra) if named else extra)
        elif action == 6:
            holder.append(copy.deepcopy(holder[number]))
        else:
            other, place = chance.choice(places)
            if place < len(other):
                value = copy.deepcopy(other[place])
                value = value[1] if isinstance(other, Pairs) else value
                holder[number] = (holder[number][0], value) if named else value
    return tree


def corrupt_bytes(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Bytes with bits flipped, a run overwritten, inserted, doubled, cut out, or another file's."""
    corrupted = bytearray(content)
    size = len(corrupted)
    first, second = sorted(chance.randrange(size + 1) for _ in range(2))
    match chance.randrange(8):
        case 0 | 1:
            for _ in range(chance.choice((1, 1, 2, 8, 64))):
                corrupted[chance.randrange(size)] ^= 1 << chance.randrange(8)
        case 2:
            length = chance.randrange(1, 40)
            run = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
            corrupted[first : first + length] = run
        case 3:
            del corrupted[first:]
        case 4:
            corrupted[first:first] = chance.choice(
                (
                    chance.randbytes(chance.randrange(1, 100)),
                    b"\0" * 9,
                    b"[" * 3_000,
                    b'{"a":' * 3_000,
                )
            )
        case 5:
            corrupted[second:second] = corrupted[first:second]
        case 6:
            del corrupted[first:second]
        case 7:
            start = chance.randrange(len(other) + 1)
            corrupted[first:second] = other[start : start + second - first + 8]
    return bytes(corrupted)


def join_tensors(header: Any, numbers: bytes, length: int | None = None) -> bytes:
    """A safetensors file of a header, as true or false as that is."""
    text = header if isinstance(header, bytes) else encode_json(header)
    size = len(text) if length is None else length
    return struct.pack("<Q", size % 2**64) + text + numbers


def split_tensors(content: bytes) -> tuple[Any, bytes]:
    """The header, as Pairs, and the numbers."""
    length = int.from_bytes(content[:8], "little")
    return parse(content[8 : 8 + length]), content[8 + length :]


def corrupt_tensors(content: bytes, chance: random.Random) -> bytes:
    """Makes one thing wrong in the length, the header or the numbers of a safetensors file."""
    # Longer than most functions: it is a list of corruptions.
    header, numbers = split_tensors(content)
    names = [name for name, _ in header]
    entry = chance.randrange(len(header))
    fields = dict(header[entry][1])
    match chance.randrange(9):
        case 0:
            lengths = (0, 1, 7, -1, 2**63, 2**32, 1 << 20, (1 << 20) + 1, len(content) - 8, 100)
            return join_tensors(header, numbers, chance.choice(lengths))
        case 1:
            first, last = fields["data_offsets"]
            far = chance.choice((2**63, 2**64, -1, 10**30, len(numbers), 4, 2**31))
            offsets: Any = chance.choice(
                (
                    *([last, first], [first - 4, last - 4], [first, last + far], [far, far]),
                    *([first - far, last - far], [first, last, last], [first], [0, last - first]),
                    *([float(first), float(last)], [True, last], [False, last], [str(first), last]),
                    *([first + 1, last + 1], first, Pairs([("0", first)]), [[first], [last]]),
                )
            )
            fields["data_offsets"] = offsets
        case 2:
            dtypes = (
                "F64",
                "F16",
                "BF16",
                "I64",
                "U8",
                "BOOL",
                "f32",
                "F32 ",
                "\x1b[31mF32\n",
                "O",
            )
            fields["dtype"] = chance.choice((*dtypes, 32, Raw("null"), ["F32"]))
        case 3:
            shape = list(fields["shape"])
            shapes: tuple[Any, ...] = (
                shape[::-1],
                [*shape, 1],
                [1, *shape],
                [],
                [0],
                [-1],
                [2**62, 4],
                [True] * 2,
            )
            more = (
                [10**300],
                [float(size) for size in shape],
                "\x1b[2J\n",
                [str(size) for size in shape],
            )
            fields["shape"] = chance.choice((*shapes, *more, [[size] for size in shape]))
        case 4:
            others = (
                "",
                "../../x",
                "/etc/passwd",
                "a\0b",
                "\x1b[31m\n",
                "__metadata__",
                "x" * 9_000,
            )
            header[entry] = (chance.choice((*others, *names)), header[entry][1])
            return join_tensors(header, numbers)
        case 5:
            if chance.random() < 0.5:
                del header[entry]
            else:
                extra = chance.choice(("extra", "../../x", "__metadata__", names[0]))
                header.append((extra, copy.deepcopy(header[entry][1])))
            return join_tensors(header, numbers)
        case 6:
            header.insert(entry, ("__metadata__", _hostile(chance)))
            return join_tensors(header, numbers + bytes(chance.choice((0, 0, 1, 4, 4096))))
        case 7:
            return join_tensors(corrupt_tree(header, chance), numbers)
        case 8:
            return join_tensors(header, corrupt_numbers(numbers, chance))
    header[entry] = (header[entry][0], Pairs(fields.items()))
    return join_tensors(header, numbers)


def corrupt_numbers(numbers: bytes, chance: random.Random) -> bytes:
    """Weights of which some, or all, are no numbers, or too large, or too small."""
    values = np.frombuffer(numbers, "<f4").copy()
    strange = (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 1e20, -1e38, 3.4028235e38)
    size = chance.choice((1, 4, len(values) // 2, len(values)))
    start = chance.randrange(len(values) - size + 1)
    values[start : start + size] = chance.choice(strange)
    if chance.random() < 0.3:
        values *= np.where(np.arange(len(values)) % 2, 1, -1).astype("<f4")
    return values.tobytes()


Put = Callable[[Path], object]
"""Makes something else than a file of bytes at a path."""

Files = Mapping[str, bytes]
Change = dict[str, bytes | Put | None]
"""What stands under a name instead; None: nothing."""


def symlink(target: str) -> Put:
    return lambda path: path.symlink_to(target)


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def _socket(path: Path) -> None:
    # A socket's path may have 107 characters at most; a name in the working directory always fits.
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.fchdir(before)
        os.close(before)


def sparse(size: int, beginning: bytes = b"") -> Put:
    def put(path: Path) -> None:
        with open(path, "wb") as file:
            file.write(beginning)
            file.truncate(size)

    return put


def _unreadable(path: Path) -> None:
    path.write_bytes(b"{}")
    path.chmod(0)


def specials(name: str, files: Files) -> Iterator[tuple[str, Change]]:
    """What is no regular file, or no small one, under that name."""
    links = ("/dev/zero", "/dev/null", "/dev/full", "/etc/passwd", "/", ".", "nowhere", "true.file")
    for target in links:
        change: Change = {name: symlink(target)}
        if target == "true.file" and name in files:
            change[target] = files[name]
        yield f"{name}: a link to {target}", change
    yield f"{name}: a link to itself", {name: _link_to_itself}
    yield f"{name}: a FIFO", {name: os.mkfifo}
    yield f"{name}: a directory", {name: lambda path: path.mkdir()}
    yield f"{name}: a socket", {name: _socket}
    for size in (1 << 40, (1 << 40) - 1, LARGEST_BYTES, LARGEST_BYTES + 1):
        yield f"{name}: {size:,} bytes, sparse", {name: sparse(size)}
    if os.geteuid():  # nothing is unreadable for root
        yield f"{name}: unreadable", {name: _unreadable}
    yield f"{name}: empty", {name: b""}
    yield f"{name}: missing", {name: None}


def _filled(piece: str, size: int, opening: str = "[", closing: str = "]") -> bytes:
    """As many pieces as there is room for."""
    room = size - len(opening) - len(closing) - 1
    body = (piece * (room // len(piece) + 1))[: room // len(piece) * len(piece)]
    return (opening + body.removesuffix(",") + closing).encode()


def _keys_twice(size: int) -> bytes:
    """An object of as many keys as there is room for, of which the last stands twice."""
    keys = [f'"{number:x}":0' for number in range(size // 10)]
    return ("{" + ",".join([*keys, keys[-1]]) + "}").encode()


def heavy_json(name: str, size: int) -> Iterator[tuple[str, bytes]]:
    """JSON that is cheap to write and costs much to read."""
    for piece in (
        "[],",
        "{},",
        '"ab",',
        '{"":0},',
        '{"a":{}},',
        "0.1,",
        '"\N{GRINNING FACE}",',
        "1e9,",
    ):
        yield f"{name}: {size:,} bytes of {piece!a}", _filled(piece, size)
    yield f"{name}: a string of {size:,} bytes", _filled("x", size, '"', '"')
    yield (
        f"{name}: a string of {size:,} bytes and one emoji",
        _filled("x", size, '"\U0001f600', '"'),
    )
    yield f"{name}: {size:,} bytes of [", b"[" * size
    yield f"{name}: {size:,} bytes of {{", b'{"a":' * (size // 5)
    yield f"{name}: {size:,} bytes of keys, the last twice", _keys_twice(size - 30)
    yield f"{name}: {size:,} bytes of one key", _filled('"a":0,', size, "{", "}")
    yield f"{name}: {size:,} digits", b"1" * size
    yield f"{name}: {size:,} spaces", b" " * size
    yield f"{name}: {size:,} NUL bytes", bytes(size)


def fill(directory: Path, files: Mapping[str, bytes | Put | None]) -> int:
    """Fills a folder with these alone; gives how many bytes they have, a sparse terabyte not
    counted."""
    if directory.is_symlink() or not directory.is_dir():
        directory.mkdir(parents=True)
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    size = 0
    for name, content in files.items():
        path = directory / name
        place(path, content)
        if path.is_file() and not path.is_symlink():
            size += min(path.stat().st_size, 1 << 30)
    return size


def place(path: Path, content: bytes | Put | None) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        content(path)
