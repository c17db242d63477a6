"""python -m benchmarks.compression FILE... [--model MODEL]: how small and how fast.

Each program compresses each file and decompresses it again, in a process of its own and on one
core. A row has the size of the archive, bits per character of the file, the size as a share of the
smallest archive of another program, the seconds that an empty file takes, the speed both ways in kB
of the file per second beyond these, and the memory that compressing takes. The programs are
`charrnn compress`, xz -9e, zstd --ultra -22, brotli -11 and PPMd of order 12; with --model also
`charrnn compress --model`, and zstd with the training text of the model as a dictionary, without
what was held out of it. Needs the extra `benchmarks`.
"""

import argparse
import functools
import io
import json
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from charrnn.compression.archive import ArchiveReader
from charrnn.compression.files import compress, decompress
from charrnn.compression.predictor import Known, read_known
from charrnn.data.memmap import chunks

OURS: Final = "charrnn"
WITH_MODEL: Final = "charrnn --model"
DICTIONARY: Final = "zstd --ultra -22, dictionary"

_LARGEST_WINDOW: Final = 27
"""The base-2 logarithm of the bytes that zstd looks back, as with `--ultra`."""

_PPMD_MEMORY: Final = 1 << 28

Way = Callable[[bytes], bytes]
Ways = tuple[Way, Way]
"""How a program compresses, and how it decompresses."""


@dataclass(frozen=True)
class Row:
    """What a program made of a file.

    Attributes:
        file, program: which.
        content, characters: the bytes and characters of the file.
        archive: the bytes of its archive.
        start_seconds: how long the program takes for an empty file: with a model, its memory learns
            the training text first.
        compress_seconds, decompress_seconds: how long it took in all, without reading files.
        megabytes: of memory that compressing took, beside the file.
    """

    file: str
    program: str
    content: int
    characters: int
    archive: int
    start_seconds: float
    compress_seconds: float
    decompress_seconds: float
    megabytes: float

    def speed(self, seconds: float) -> float:
        """Return kB of the file per second, without the start."""
        return self.content / max(seconds - self.start_seconds, 0.001) / 1000


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print a table for each file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
    parser.add_argument("--model", help="a run's name, or the directory of a run or a model")
    parser.add_argument("--json", type=Path, help="add each row to this file, a line of JSON each")
    parser.add_argument("--program", help="measure one program, and print its row as JSON")
    given = parser.parse_args(arguments)
    if given.program:
        row = measure(given.files[0], given.program, given.model)
        print(json.dumps(asdict(row)))
        return
    for file in given.files:
        rows = []
        for program in programs(given.model):
            rows.append(measure_apart(file, program, given.model))
            if given.json:
                with open(given.json, "a") as lines:
                    lines.write(json.dumps(asdict(rows[-1])) + "\n")
        print("\n".join(table(rows)), flush=True)


def programs(model: str | None) -> list[str]:
    """Return the names of the programs that are compared."""
    return [OURS, *([WITH_MODEL, DICTIONARY] if model else []), *_OTHERS]


def measure_apart(file: Path, program: str, model: str | None) -> Row:
    """Return the row of a program, which runs in a process of its own on one core."""
    command = [sys.executable, "-m", "benchmarks.compression", str(file), "--program", program]
    done = subprocess.run(
        [*command, *(["--model", model] if model else [])],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return Row(**json.loads(done.stdout))


def measure(file: Path, program: str, model: str | None) -> Row:
    """Compress a file and decompress it again."""
    content = file.read_bytes()
    compressing, decompressing = ways(program, model)
    start = time.perf_counter()
    compressing(b"")
    started = time.perf_counter() - start
    before = _forget_peak()
    begin = time.perf_counter()
    archive = compressing(content)
    between = time.perf_counter()
    taken = _memory("VmHWM") - before
    if decompressing(archive) != content:
        raise SystemExit(f"{program} did not restore {file}")
    return Row(
        file=file.name,
        program=program,
        content=len(content),
        characters=len(content.decode("utf-8", "surrogateescape")),
        archive=len(archive),
        start_seconds=started,
        compress_seconds=between - begin,
        decompress_seconds=time.perf_counter() - between,
        megabytes=taken / 1e6,
    )


def ways(program: str, model: str | None) -> Ways:
    """Return how a program compresses and decompresses."""
    if program == OURS:
        return _charrnn(Known())
    if program == WITH_MODEL:
        known = read_known(model)
        if known.problem:
            raise SystemExit(f"the training text cannot be read: {known.problem}")
        return _charrnn(known)
    if program == DICTIONARY:
        return _zstd(training_bytes(read_known(model)))
    return _OTHERS[program]()


def training_bytes(known: Known) -> bytes:
    """Return the training text of a model."""
    assert known.model is not None and known.training is not None
    texts = map(known.model.tokenizer.decode, chunks(known.training))
    return b"".join(text.encode("utf-8", "surrogateescape") for text in texts)


def _charrnn(known: Known) -> Ways:
    def compressing(content: bytes) -> bytes:
        return b"".join(compress([content], known))

    def decompressing(archive: bytes) -> bytes:
        return b"".join(decompress(ArchiveReader(io.BytesIO(archive), "archive"), known))

    return compressing, decompressing


def _xz() -> Ways:
    return functools.partial(lzma.compress, preset=9 | lzma.PRESET_EXTREME), lzma.decompress


def _zstd(dictionary: bytes | None = None) -> Ways:
    import zstandard

    settings: dict[str, Any] = {}
    if dictionary is not None:
        kind = zstandard.DICT_TYPE_RAWCONTENT
        settings["dict_data"] = zstandard.ZstdCompressionDict(dictionary, dict_type=kind)

    def compressing(content: bytes) -> bytes:
        sizes = {"source_size": len(content), "dict_size": len(dictionary or b"")}
        parameters = zstandard.ZstdCompressionParameters.from_level(
            22, window_log=_LARGEST_WINDOW, **sizes
        )
        compressor = zstandard.ZstdCompressor(compression_params=parameters, **settings)
        return bytes(compressor.compress(content))

    def decompressing(archive: bytes) -> bytes:
        most = 1 << _LARGEST_WINDOW
        decompressor = zstandard.ZstdDecompressor(max_window_size=most, **settings)
        return bytes(decompressor.decompress(archive))

    return compressing, decompressing


def _brotli() -> Ways:
    import brotli

    compressing = functools.partial(brotli.compress, mode=brotli.MODE_TEXT, quality=11, lgwin=24)
    return compressing, brotli.decompress


def _ppmd() -> Ways:
    import pyppmd

    size = 0  # which 7-Zip, for one, writes beside the archive: here it costs nothing

    def compressing(content: bytes) -> bytes:
        nonlocal size
        size = len(content)
        encoder = pyppmd.Ppmd7Encoder(12, _PPMD_MEMORY)
        return bytes(encoder.encode(content) + encoder.flush())

    def decompressing(archive: bytes) -> bytes:
        return bytes(pyppmd.Ppmd7Decoder(12, _PPMD_MEMORY).decode(archive, size))

    return compressing, decompressing


_OTHERS: Final[dict[str, Callable[[], Ways]]] = {
    "xz -9e": _xz,
    "zstd --ultra -22": _zstd,
    "brotli -11": _brotli,
    "PPMd, order 12": _ppmd,
}


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    first = rows[0]
    best = min(row.archive for row in rows if not row.program.startswith(OURS))
    yield f"{first.file}: {first.content:,} bytes, {first.characters:,} characters\n"
    yield "| program | bytes | bits/character | of the best other | start s | kB/s | back | MB |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        cells = (
            row.program,
            f"{row.archive:,}",
            f"{8 * row.archive / row.characters:.3f}",
            f"{row.archive / best:.3f}",
            f"{row.start_seconds:.1f}",
            f"{row.speed(row.compress_seconds):,.0f}",
            f"{row.speed(row.decompress_seconds):,.0f}",
            f"{row.megabytes:,.0f}",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def _memory(name: str) -> int:
    """Return an entry of /proc/self/status that is in kB, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("the memory of a process can be measured on Linux only")


def _forget_peak() -> int:
    """Begin to measure the most memory that the process takes, VmHWM. Returns what it has now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


if __name__ == "__main__":
    main()
