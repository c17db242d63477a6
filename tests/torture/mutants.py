"""Hostile model files: what a stranger may put where a model or a run should be.

Everything is tried in a process of its own, which tells its parent before and after each trial: so
that what kills it, hangs or eats memory is a line in the report and not the end of it. A trial is a
function of (seed, index) alone; a failure names both.
"""

import contextlib
import copy
import importlib
import json
import os
import random
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.errors import (
    CharRNNWarning,
    ConfigError,
    CorpusError,
    DivergedError,
    ModelError,
    TrainingError,
)
from charrnn.model.config import GATES, ModelConfig
from charrnn.storage.files import TEMPORARY_PREFIX
from charrnn.storage.json_file import LARGEST_BYTES
from charrnn.storage.manifest import MANIFEST, with_manifest
from charrnn.storage.model_directory import (
    CONFIG,
    TENSORS,
    TOKENIZER,
    Model,
    Provenance,
    model_files,
    write_model,
)
from tests.torture.report import Deadline, Report

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_FAILURES = 20
MEGABYTE = 1 << 20

LONGEST_MESSAGE = 2_000
"""Characters; more is no line that a person reads."""

# --- a trial, and the process that it runs in ---------------------------------------------------


class Broken(Exception):
    """What was tried did not end as it must."""


class _Hanging(BaseException):
    """Raised by a timer; no `except Exception` on its way catches it."""


@dataclass
class Trial:
    """Something to try.

    Attributes:
        label: what it is, in a few words.
        run: tries it; gives a word for how it ended, raises Broken or anything else when it is wrong.
        size: bytes of the files that it reads.
        seconds: of the CPU that it may take.
        megabytes: of memory that it may take beside `size`.
        limited: whether the operating system holds it to that too.
    """

    label: str
    run: Callable[[], str]
    size: int = 0
    seconds: float = 1.0
    megabytes: float = 200.0
    limited: bool = True


@dataclass
class Result:
    """How a trial ended: a word for it, or the problem that it had."""

    label: str
    outcome: str = ""
    problem: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


def supervise(
    maker: str,
    settings: Mapping[str, Any],
    count: int,
    deadline: Deadline | None = None,
    *,
    silence: float = 60.0,
) -> Iterator[Result]:
    """Runs trials 0 to count - 1 in a process of their own, in order, for how each of them ended.

    Args:
        maker: `module:function`, which is called with the settings, there, for a function that makes
            the trial of an index.
        silence: seconds without a word after which the process is killed.

    A process that dies takes one trial with it; the next one begins after that.
    """
    start = 0
    while start < count and not (deadline and deadline.passed):
        process = _begin(maker, settings, start, count)
        label, error = "before the first", ""
        done = start
        try:
            for kind, fields in _messages(process, silence):
                if kind == "begin":
                    label = fields["label"]
                elif kind == "end":
                    done += 1
                    yield Result(**fields)
                    label = "between two trials"
                    if deadline and deadline.passed:
                        return
            error = "killed" if process.wait(10) else ""
        except TimeoutError:
            error = f"hanging for {silence:.0f} s"
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        if error and done < count:
            last = (Path(settings["work"]) / "stderr.txt").read_text(errors="replace").strip()
            reason = f"{error} (status {process.returncode}): {last.splitlines()[-1:]}"
            yield Result(label, problem=reason)
            done += 1
        start = max(done, start + 1) if error else done


def _begin(
    maker: str, settings: Mapping[str, Any], start: int, count: int
) -> "subprocess.Popen[bytes]":
    work = Path(settings["work"])
    work.mkdir(parents=True, exist_ok=True)
    with open(work / "stderr.txt", "wb") as errors:
        return subprocess.Popen(
            [
                *(sys.executable, "-c", "from tests.torture.mutants import child; child()"),
                *(maker, json.dumps(dict(settings)), str(start), str(count)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=REPOSITORY,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )


def _messages(
    process: "subprocess.Popen[bytes]", silence: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    assert process.stdout is not None
    pending = b""
    while True:
        ready, _, _ = select.select([process.stdout], [], [], silence)
        if not ready:
            raise TimeoutError
        piece = os.read(process.stdout.fileno(), MEGABYTE)
        if not piece:
            return
        *lines, pending = (pending + piece).split(b"\n")
        for line in lines:
            kind, _, fields = line.partition(b" ")
            yield kind.decode(), json.loads(fields)


def child() -> None:
    """What `supervise` starts."""
    maker, settings, start, count = sys.argv[1:]
    # Nothing that is tried can write into our channel.
    channel = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def tell(kind: str, fields: dict[str, Any]) -> None:
        os.write(channel, f"{kind} {json.dumps(fields)}\n".encode())

    signal.signal(signal.SIGPROF, _give_up)
    signal.signal(signal.SIGALRM, _give_up)
    module, _, name = maker.partition(":")
    make = getattr(importlib.import_module(module), name)(**json.loads(settings))
    for index in range(int(start), int(count)):
        trial = make(index)
        tell("begin", {"label": trial.label})
        tell("end", vars(_try(trial)))


def _give_up(*_: object) -> None:
    raise _Hanging


def _try(trial: Trial) -> Result:
    result = Result(trial.label)
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    peak, before = _measure_peak()
    began = time.process_time()
    try:
        if trial.limited:
            allowed = _virtual_bytes() + int(trial.megabytes * MEGABYTE) + trial.size
            resource.setrlimit(resource.RLIMIT_AS, (allowed, unlimited[1]))
        signal.setitimer(signal.ITIMER_PROF, trial.seconds + 2)
        signal.setitimer(signal.ITIMER_REAL, 3 * trial.seconds + 7)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", CharRNNWarning)
            result.outcome = trial.run()
    except Broken as error:
        result.problem = str(error)
    except _Hanging:
        result.problem = "still at it, and stopped"
    except BaseException as error:  # noqa: BLE001 -- whatever it is, it is what we look for
        result.problem = _described(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, unlimited)
    result.seconds = time.process_time() - began
    result.megabytes = max(0.0, (peak() - before - trial.size) / MEGABYTE)
    if not result.problem and result.seconds > trial.seconds:
        result.problem = f"took {result.seconds:.1f} s"
    if not result.problem and result.megabytes > trial.megabytes:
        result.problem = f"took {result.megabytes:.0f} MB beside the files"
    result.problem = " ".join(result.problem[:400].split())
    return result


def _described(error: BaseException) -> str:
    """An exception in a line, and where in charrnn it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}charrnn{os.sep}" in frame.filename]
    place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}: {str(error)[:200]}"


def _measure_peak() -> tuple[Callable[[], int], int]:
    """What tells the largest resident size from now on, and the size now; in bytes.

    Not `ru_maxrss`, which a process inherits from the one that started it and cannot reset.
    """

    def read(name: str) -> int:
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith(name))
        return int(line.split()[1]) << 10

    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return (lambda: read("VmHWM")), read("VmRSS")


def _virtual_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def check_message(error: BaseException, *named: Path | str) -> str:
    """The word for a refusal; raises Broken unless its message is one short line.

    Whoever names a file chooses what is in its name, so that does not count.
    """
    message = str(error)
    for name in filter(None, map(str, named)):
        message = message.replace(name, "")
    if len(message.splitlines()) != 1:
        raise Broken(f"a message of {len(message.splitlines())} lines: {message!a:.200}")
    if len(message) > LONGEST_MESSAGE:
        raise Broken(f"a message of {len(message):,} characters: {message!a:.200}")
    # What `printable` escapes on a terminal: no harm there, and worth a number.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in message):
        return "refused, control characters"
    return "refused"


def summarize(report: Report, results: Iterator[Result]) -> Report:
    """The report with all that the results tell."""
    outcomes: dict[str, int] = {}
    slowest = largest = 0.0
    broken = 0
    for result in results:
        report.tried += 1
        slowest, largest = max(slowest, result.seconds), max(largest, result.megabytes)
        if result.problem:
            broken += 1
            if len(report.failures) < MOST_FAILURES:
                report.failures.append(f"{result.label}: {result.problem}")
            continue
        outcomes[result.outcome] = outcomes.get(result.outcome, 0) + 1
    facts = [f"slowest {slowest:.2f} s", f"most memory {largest:.0f} MB"]
    facts += [
        f"{count / report.tried:.1%} {outcome}" for outcome, count in sorted(outcomes.items())
    ]
    if broken:
        facts.append(f"{broken} broken")
    report.facts = ", ".join(facts)
    return report


# --- how bytes, JSON and safetensors are spoiled ------------------------------------------------


class Raw(str):
    """JSON as it will stand in the file."""


class Pairs(list[tuple[str, Any]]):
    """An object, in which a key may stand twice."""


_DIGITS = "1" + "0" * 400

SCALARS: tuple[Any, ...] = (
    *map(Raw, ("1e9", "1000000000", _DIGITS, f"-{_DIGITS}", "1" * 4299, "1" * 4301, "9" * 6000)),
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


def spoil_tree(tree: Any, chance: random.Random) -> Any:
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


def spoil_bytes(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Bytes with bits flipped, a run overwritten, inserted, doubled, cut out, or another file's."""
    spoiled = bytearray(content)
    size = len(spoiled)
    first, second = sorted(chance.randrange(size + 1) for _ in range(2))
    match chance.randrange(8):
        case 0 | 1:
            for _ in range(chance.choice((1, 1, 2, 8, 64))):
                spoiled[chance.randrange(size)] ^= 1 << chance.randrange(8)
        case 2:
            length = chance.randrange(1, 40)
            run = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
            spoiled[first : first + length] = run
        case 3:
            del spoiled[first:]
        case 4:
            spoiled[first:first] = chance.choice(
                (
                    chance.randbytes(chance.randrange(1, 100)),
                    b"\0" * 9,
                    b"[" * 3_000,
                    b'{"a":' * 3_000,
                )
            )
        case 5:
            spoiled[second:second] = spoiled[first:second]
        case 6:
            del spoiled[first:second]
        case 7:
            start = chance.randrange(len(other) + 1)
            spoiled[first:second] = other[start : start + second - first + 8]
    return bytes(spoiled)


def join_tensors(header: Any, numbers: bytes, length: int | None = None) -> bytes:
    """A safetensors file of a header, as true or false as that is."""
    text = header if isinstance(header, bytes) else encode_json(header)
    size = len(text) if length is None else length
    return struct.pack("<Q", size % 2**64) + text + numbers


def split_tensors(content: bytes) -> tuple[Any, bytes]:
    """The header, as Pairs, and the numbers."""
    length = int.from_bytes(content[:8], "little")
    return parse(content[8 : 8 + length]), content[8 + length :]


def spoil_tensors(content: bytes, chance: random.Random) -> bytes:
    """A safetensors file with something wrong in its length, its header or its numbers."""
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
            return join_tensors(spoil_tree(header, chance), numbers)
        case 8:
            return join_tensors(header, spoil_numbers(numbers, chance))
    header[entry] = (header[entry][0], Pairs(fields.items()))
    return join_tensors(header, numbers)


def spoil_numbers(numbers: bytes, chance: random.Random) -> bytes:
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


def _symlink(target: str) -> Put:
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


def _sparse(size: int, beginning: bytes = b"") -> Put:
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
        change: Change = {name: _symlink(target)}
        if target == "true.file" and name in files:
            change[target] = files[name]
        yield f"{name}: a link to {target}", change
    yield f"{name}: a link to itself", {name: _link_to_itself}
    yield f"{name}: a FIFO", {name: lambda path: os.mkfifo(path)}
    yield f"{name}: a directory", {name: lambda path: path.mkdir()}
    yield f"{name}: a socket", {name: _socket}
    for size in (1 << 40, (1 << 40) - 1, LARGEST_BYTES, LARGEST_BYTES + 1):
        yield f"{name}: {size:,} bytes, sparse", {name: _sparse(size)}
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


# --- hostile models ------------------------------------------------------------------------------

PROVENANCE = Provenance(
    corpus="fables",
    sha256="0" * 64,
    corpus_bytes=31_000,
    corpus_characters=30_000,
    validation_fraction=0.1,
    lines=False,
    step=1000,
    characters=2_000_000,
    seconds=61.5,
    seed=0,
    validation_nats=1.5,
)

ALPHABET = "\n abcdé\N{GRINNING FACE}"


def sound_model(
    tokenizer: Tokenizer | None = None, *, cell: str = "lstm", layers: int = 1, hidden_size: int = 4
) -> Model:
    """A small model with random weights."""
    tokenizer = tokenizer or CharTokenizer(ALPHABET)
    config = ModelConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        cell=cell,
        embedding_size=3,
        hidden_size=hidden_size,
        layers=layers,
        dropout=0.25,
    )
    generator = np.random.default_rng(0)
    tensors = {
        name: generator.standard_normal(shape, dtype=np.float32)
        for name, shape in config.tensor_shapes().items()
    }
    return Model(config, tokenizer, tensors, PROVENANCE)


def sound_files(work: Path) -> list[dict[str, bytes]]:
    """Model directories as `write_model` makes them: every cell, both tokenizers; half are sealed."""
    found = []
    for number, cell in enumerate(GATES):
        for tokenizer in (CharTokenizer(ALPHABET), ByteTokenizer()):
            directory = work / f"sound-{cell}-{tokenizer.kind}"
            write_model(directory, sound_model(tokenizer, cell=cell, layers=1 + number % 2))
            files = {path.name: path.read_bytes() for path in directory.iterdir()}
            found += [files, with_manifest(files)]
            shutil.rmtree(directory)
    return found


def _edited(content: bytes, **values: Any) -> bytes:
    """config.json with other values under `model`."""
    config = json.loads(content)
    config["model"] |= values
    return json.dumps(config).encode()


def _characters(characters: Any) -> bytes:
    return encode_json(Pairs([("kind", "char"), ("characters", characters)]))


def handcrafted(files: Files) -> list[tuple[str, Change]]:
    """What no chance comes upon, for one sound model with a char tokenizer and without a manifest."""
    config, numbers = files[CONFIG], split_tensors(files[TENSORS])[1]
    header = split_tensors(files[TENSORS])[0]
    cases: list[tuple[str, Change]] = [
        ("sound", {}),
        ("1e9 hidden units", {CONFIG: _edited(config, hidden_size=10**9)}),
        ("1e9 layers", {CONFIG: _edited(config, layers=10**9)}),
        ("64 layers x 16384", {CONFIG: _edited(config, layers=64, hidden_size=16384)}),
        ("a cell of 1 MB", {CONFIG: _edited(config, cell="x" * MEGABYTE)}),
        ("a cell with ESC", {CONFIG: _edited(config, cell="\x1b[2J\n")}),
        ("a corpus of 1 MB", {CONFIG: config.replace(b"fables", b"x" * MEGABYTE)}),
        ("a key of 1 MB", {CONFIG: config.replace(b'"seed"', b'"' + b"x" * MEGABYTE + b'"')}),
        ("a value of 1 MB", {CONFIG: _edited(config, layers="x" * MEGABYTE)}),
    ]
    size = 545 * 10**9  # bytes, about what these sizes would take
    sizes = _edited(config, layers=64, hidden_size=16384, cell="lstm")
    for room in (0, 8 + MEGABYTE):
        label = f"64 layers x 16384, and a sparse file of {size + room:,} bytes"
        cases.append((label, {CONFIG: sizes, TENSORS: _sparse(size + room)}))
    large = ModelConfig(vocabulary_size=len(ALPHABET), hidden_size=4096, layers=1, embedding_size=3)
    for spaces in range(4):
        label = f"268 MB of zeros, after a header that ends {spaces} bytes after a multiple of 4"
        change = {CONFIG: _edited(config, hidden_size=4096, cell="lstm")}
        cases.append((label, {**change, TENSORS: _zeros(large, spaces)}))
    for label, characters in (
        ("none", []),
        ("twice", ["a", "a", *ALPHABET[2:]]),
        ("of two letters", ["ab", *ALPHABET[1:]]),
        ("of 1 MB", ["x" * MEGABYTE, *ALPHABET[1:]]),
        ("empty", ["", *ALPHABET[1:]]),
        ("half a surrogate pair", [Raw('"\\ud800"'), *ALPHABET[1:]]),
        ("half a pair, as bytes", ["\ud800", *ALPHABET[1:]]),
        ("a number", [1, *ALPHABET[1:]]),
        ("a string", ALPHABET),
        ("NUL, ESC, DEL and C1", ["\0", "\x1b", "\x7f", "\x9b", "\r", *ALPHABET[5:]]),
        ("nested", [Raw("[" * 950 + "]" * 950), *ALPHABET[1:]]),
        ("a million", ["a"] * 1_000_000),
        ("all of Unicode", [chr(point) for point in range(0x20, 0xD800)] * 7),
    ):
        cases.append((f"{TOKENIZER}: characters: {label}", {TOKENIZER: _characters(characters)}))
    cases.append(("the largest alphabet", _largest_alphabet(config)))
    for name in (CONFIG, TOKENIZER, MANIFEST):
        for label, content in heavy_json(name, LARGEST_BYTES if name != TOKENIZER else 4 << 20):
            # The same parser reads all three; the costliest objects once.
            if name == CONFIG or '":' not in label:
                cases.append((label, {name: content}))
    for label, content in heavy_json(f"{TENSORS}: header", MEGABYTE - 8):
        cases.append((label, {TENSORS: join_tensors(content, numbers)}))
    for name, piece in ((CONFIG, b'"layers": 1'), (TOKENIZER, b'"\xc3\xa9"')):
        for depth in (*range(900, 1000, 4), 5_000, 100_000):
            nested = b"[" * depth + b"]" * depth
            inside = piece[: piece.rfind(b" ") + 1] + nested if b" " in piece else nested
            content = files[name].replace(piece, inside)
            assert content != files[name]
            cases.append((f"{name}: {depth} lists deep", {name: content}))
    for depth in (*range(900, 1000, 4), 5_000):
        for field in ("dtype", "shape", "data_offsets"):
            spoiled = copy.deepcopy(header)
            inner = [
                (key, Raw("[" * depth + "]" * depth) if key == field else value)
                for key, value in spoiled[0][1]
            ]
            spoiled[0] = (spoiled[0][0], Pairs(inner))
            cases.append(
                (f"{TENSORS}: {field} {depth} deep", {TENSORS: join_tensors(spoiled, numbers)})
            )
    many = Pairs((f"t{number}", Pairs()) for number in range(100_000))
    cases.append(("100,000 tensors", {TENSORS: join_tensors(many, numbers)}))
    for name in ("../../x", "/etc/passwd", "nul\0nul", "x" * 900_000, "\x1b[2J\n"):
        renamed = Pairs([(name, header[0][1]), *header[1:]])
        cases.append((f"a tensor named {name!a:.20}", {TENSORS: join_tensors(renamed, numbers)}))
    for value in ("3e38", "-3e38", "nan", "inf", "3.4028235e38", "1e-45"):
        values = np.full(len(numbers) // 4, float(value), "<f4")
        cases.append((f"all weights {value}", {TENSORS: join_tensors(header, values.tobytes())}))
        for name, entry in header:
            first, last = dict(entry)["data_offsets"]
            content = numbers[:first] + values.tobytes()[first:last] + numbers[last:]
            cases.append((f"{name} all {value}", {TENSORS: join_tensors(header, content)}))
    cases += [(label, {MANIFEST: content}) for label, content in _manifests(files)]
    for name in (CONFIG, TOKENIZER, TENSORS, MANIFEST):
        cases += specials(name, files)
    return cases


def _zeros(config: ModelConfig, spaces: int) -> Put:
    """A true safetensors file whose weights are all zero, and its header as long as wanted."""
    end, header = 0, Pairs()
    for name, shape in config.tensor_shapes().items():
        first, end = end, end + 4 * int(np.prod(shape))
        fields = Pairs(dtype_shape_offsets("F32", list(shape), [first, end]))
        header.append((name, fields))
    text = encode_json(header)
    text += b" " * (-(8 + len(text)) % 4 + spaces)
    return _sparse(8 + len(text) + end, struct.pack("<Q", len(text)) + text)


def dtype_shape_offsets(dtype: Any, shape: Any, offsets: Any) -> list[tuple[str, Any]]:
    """An entry of a safetensors header."""
    return [("dtype", dtype), ("shape", shape), ("data_offsets", offsets)]


def _largest_alphabet(config: bytes) -> Change:
    """2**18 characters and a network to match: unusual, and allowed."""
    points = [point for point in range(1 << 19) if not 0xD800 <= point < 0xE000][: 1 << 18]
    tokenizer = CharTokenizer([chr(point) for point in points])
    model = sound_model(tokenizer, cell="rnn", hidden_size=1)
    # Compact, or it would not fit into the largest JSON file that is read.
    compact = json.dumps(tokenizer.to_json(), ensure_ascii=False, separators=(",", ":")).encode()
    return {**model_files(model), TOKENIZER: compact}


def _manifests(files: Files) -> Iterator[tuple[str, bytes]]:
    """Manifests that say something else than what is there."""
    true = json.loads(with_manifest(files)[MANIFEST])

    def written(value: Any) -> bytes:
        return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()

    entries = true["files"]
    yield "manifest: true", written(true)
    for name in ("../../x", "/etc/passwd", "nul\0nul", "\x1b[2J\n", "", ".", "x" * 100_000):
        yield f"manifest: of {name!a:.20}", written({"files": {**entries, name: entries[CONFIG]}})
        yield f"manifest: only of {name!a:.20}", written({"files": {name: entries[CONFIG]}})
        bad = {"bytes": name, "sha256": 1}
        yield f"manifest: nonsense of {name!a:.20}", written({"files": {name: bad}})
    numbers = (-1, 0, 1 << 40, 10**18, 10**400, True, None, 1.5)
    hostile: tuple[Any, ...] = (*numbers, "", "x" * 100_000, [], {}, "\n")
    for field in ("bytes", "sha256"):
        for value in hostile:
            changed = {**entries, CONFIG: {**entries[CONFIG], field: value}}
            yield f"manifest: {field} {value!a:.20}", written({"files": changed})
    yield "manifest: no files", written({"files": {}})
    yield "manifest: empty", written({})
    yield "manifest: a list", written([])
    yield "manifest: compact", json.dumps(true).encode()
    yield (
        "manifest: 20,000 files",
        written({"files": {f"f{n}": entries[CONFIG] for n in range(20_000)}}),
    )


def _put(directory: Path, files: Mapping[str, bytes | Put | None]) -> int:
    """Fills a folder with these alone; gives how many bytes they have, a sparse terabyte not counted."""
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
        _place(path, content)
        if path.is_file() and not path.is_symlink():
            size += min(path.stat().st_size, 1 << 30)
    return size


def _place(path: Path, content: bytes | Put | None) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        content(path)


def model_trials(work: str, seed: int) -> Callable[[int], Trial]:
    """The maker of model trials: first what was made by hand, then what chance makes."""
    bases = sound_files(Path(work))
    crafted = handcrafted(bases[0])
    directory = Path(work) / "model"

    def make(index: int) -> Trial:
        if index < len(crafted):
            label, change = crafted[index]
            files: dict[str, bytes | Put | None] = {**bases[0], **change}
        else:
            label, files = _random_model(bases, random.Random(f"{seed}/{index}"))
            label = f"mutant {index} of seed {seed}, {label}"
        size = _put(directory, files)
        # What an engine makes of large weights (transposed, scaled) takes as much as they do.
        samples = 0 if size > 64 * MEGABYTE else 4
        # A second, for the largest files that are read; two where others keep the machine busy.
        seconds = 2.0 if size >= MEGABYTE else 1.0
        return Trial(label, lambda: _load(directory, samples), size=size, seconds=seconds)

    return make


def _random_model(
    bases: Sequence[Files], chance: random.Random
) -> tuple[str, dict[str, bytes | Put | None]]:
    files: dict[str, Any] = dict(chance.choice(bases))
    others = chance.choice(bases)
    sealed = MANIFEST in files
    # A spoiled file is refused at once where a manifest has its checksum: half are sealed anew.
    label = name = chance.choice([*files, TENSORS])
    content = files[name]
    if chance.random() < 0.3:
        files[name] = spoil_bytes(content, others.get(chance.choice(list(others)), b""), chance)
        label += ", bytes"
    elif name == TENSORS:
        files[name] = spoil_tensors(content, chance)
        label += ", tensors"
    else:
        files[name] = encode_json(spoil_tree(parse(content), chance))
        label += ", JSON"
    if sealed and name != MANIFEST and chance.random() < 0.9:
        files = dict(with_manifest({key: files[key] for key in files if key != MANIFEST}))
        label += ", sealed"
    return label, files


def _load(directory: Path, samples: int) -> str:
    """Loads what is in the folder and, where that works, samples from it."""
    from charrnn.generation.sampler import Sampler, SamplingConfig
    from charrnn.storage.run import load

    try:
        model = load(directory)
    except ModelError as error:
        return check_message(error, directory)
    shapes = {name: array.shape for name, array in model.tensors.items()}
    if shapes != model.config.tensor_shapes():
        raise Broken("it loads with other shapes than its config's")
    if any(array.dtype != np.float32 for array in model.tensors.values()):
        raise Broken("it loads with other numbers than float32")
    if not all(np.isfinite(array).all() for array in model.tensors.values()):
        raise Broken("it loads with numbers that are not finite")
    if model.tokenizer.vocabulary_size != model.config.vocabulary_size:
        raise Broken("it loads with an alphabet of another size")
    outcome = "loaded"
    for temperature, top_k, top_p in (
        (0.8, None, None),
        (0, None, None),
        (3, 3, 0.5),
        (9, None, 0.9),
    )[:samples]:
        settings = SamplingConfig(length=5, temperature=temperature, top_k=top_k, top_p=top_p)
        try:
            Sampler(model).sample(config=settings)
        except ModelError as error:
            check_message(error, directory)
            outcome = "loaded, overflows"
    return outcome


def mutants(count: int, work: Path, seed: int = 0, deadline: Deadline | None = None) -> Report:
    """Reads and samples from `count` hostile models.

    Each must be refused with a ModelError of one line, or be harmless: of its config's shapes,
    finite, and fit to sample from; within a second, and 200 MB beside its files.
    """
    settings = {"work": str(work), "seed": seed}
    results = supervise("tests.torture.mutants:model_trials", settings, count, deadline)
    return summarize(Report("hostile model files"), results)


# --- hostile runs --------------------------------------------------------------------------------

RUN_TEXT = "The fox met the hen. The hen met the fox. Was it a fox? It was a hen!\n" * 8
TRAINING, TRAINING_TENSORS = "training.json", "training.safetensors"
METRICS = "../metrics.jsonl"
"""It stands beside the checkpoint, as everything does whose name begins like this."""

RUN_STEP, RUN_STEPS = 9, 12
"""Where the run was stopped: the next step writes a line of metrics, the last is evaluated."""


def make_run(work: Path) -> Path:
    """A tiny run that was stopped on its way; made once."""
    import charrnn

    run = work / "tiny"
    if not run.exists():
        text = work / "text.txt"
        text.write_text(RUN_TEXT)
        training = charrnn.train(
            text,
            out=run,
            steps=RUN_STEPS,
            checkpoint_every=3,
            evaluate_every=6,
            hidden_size=4,
            embedding_size=3,
            batch_size=2,
            sequence_length=8,
            precision="fp32",
            device="cpu",
            progress_bar=False,
        )
        for progress in training:
            if progress.step == RUN_STEP:
                break
        training.close()  # type: ignore[attr-defined]
    return run


def _run_files(run: Path) -> dict[str, bytes]:
    """The newest checkpoint of a run, by name."""
    folder = run / f"step-{RUN_STEP:08d}"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _run_cases(files: Files) -> list[tuple[str, Change]]:
    """What no chance comes upon, in a run."""
    training = json.loads(files[TRAINING])

    def edited(section: str, **values: Any) -> bytes:
        changed = copy.deepcopy(training)
        place = changed["corpus"]["options"] if section == "options" else changed[section]
        place |= values
        return encode_json(_paired(changed))

    cases: list[tuple[str, Change]] = [("sound", {})]
    settings: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        ("config", "steps", (1, 9, 10, 2**53, 2**60)),
        ("config", "batch_size", (1, 3, 10**9, 2**53)),
        ("config", "sequence_length", (1, 10**9, 2**53)),
        ("config", "learning_rate", (1e-300, 1e30, 1e308, 0, -1)),
        ("config", "warmup_steps", (0, 2**53, 2**62)),
        ("config", "clip", (0, 1e-300, 1e308)),
        ("config", "seed", (2**62, 2**63 - 1, -1)),
        ("config", "threads", (2, 1024, 1025, 0)),
        ("config", "device", ("cuda", "cuda:7", "cuda:999", "auto", "meta", "mps", "\x1b[2J\n")),
        ("config", "precision", ("bf16", "fp8", "")),
        ("config", "kernel", ("", "nothing", "../../x", "\x1b[2J\n", "cuda", "x" * 10_000)),
        ("config", "validation_fraction", (0.5, 1e-9, 1e-300, 0, 1)),
        ("config", "lines", (True,)),
        ("config", "keep", (1, 2**53)),
        ("config", "evaluate_every", (1, 2**53)),
        ("config", "checkpoint_every", (1, 2**53)),
        ("position", "step", (0, 6, 10, 12, 2**60)),
        ("position", "epoch", (1, 2**31, 2**62)),
        ("position", "chunk", (0, 10**6, 2**62)),
        ("position", "lanes", (0, 1, 10**9, 2**62)),
        ("position", "characters", (0, 2**62)),
        ("position", "seconds", (0, 1e-300, 1e18, 1e308)),
        ("position", "nats", (1e308, -1e308)),
        ("position", "measured", (0, 2**62)),
        ("position", "evaluated", (-(2**62), 9, 2**62)),
        ("position", "validation_nats", (-1e308, 1e308)),
        ("position", "best_nats", (-1e308, 1e308)),
        ("position", "best_step", (-1, 0, 3, 6, 9, 2**62)),
        (
            "options",
            "encoding",
            ("utf-7", "idna", "rot13", "undefined", "nothing", "a\0b", "x" * 10_000),
        ),
        ("options", "encoding", ("\x1b[2J\n", "../../x", "zlib", "punycode", "unicode_escape", "")),
        ("options", "column", ("", "text", "\x1b[2J\n")),
        ("options", "glob", ("", "*", "[" * 10_000, "**/" * 1_000, "\n")),
    )
    for section, name, values in settings:
        for value in values:
            content = edited(section, **{name: value})
            cases.append((f"{TRAINING}: {name} {value!a:.20}", {TRAINING: content}))
    for sources in (
        *([], ["-"], ["/dev/zero"], ["/dev/null"], ["/etc/passwd"], ["/proc/self/mem"], ["a\0b"]),
        *(["hf:nobody/nothing"], ["python-docs"], [""], ["\x1b[2J\n"], ["\ud800"], ["x" * 100_000]),
        *(["/proc"], ["/usr"], ["."], ["/work/nowhere"] * 10_000),
    ):
        changed = copy.deepcopy(training)
        changed["corpus"]["sources"] = sources
        cases.append(
            (f"{TRAINING}: sources {sources!a:.30}", {TRAINING: encode_json(_paired(changed))})
        )
    for label, content in heavy_json(TRAINING, LARGEST_BYTES):
        cases.append((label, {TRAINING: content}))
    header, numbers = split_tensors(files[TRAINING_TENSORS])
    for number in (3e38, -3e38, 1e-45, -1.0, float("nan"), float("inf")):
        for part in ("exp_avg.", "exp_avg_sq.", "state."):
            weights = np.frombuffer(numbers, "<f4").copy()
            for name, entry in header:
                if name.startswith(part):
                    first, last = dict(entry)["data_offsets"]
                    weights[first // 4 : last // 4] = number
            cases.append(
                (
                    f"{part}* all {number}",
                    {TRAINING_TENSORS: join_tensors(header, weights.tobytes())},
                )
            )
    lines = (
        *(
            "",
            "\n",
            "\0\n",
            "[]\n",
            "{}\n",
            "null\n",
            '{"step": 1}\n',
            '{"step": "1"}\n',
            "[" * 9_000,
        ),
        *('{"step": NaN}\n', '{"step": 1e400}\n', f'{{"step": {_DIGITS}}}\n', '{"step": true}\n'),
        *('{"step": 1, "step": 2}\n', '{"step": null}\n', '{"step": []}\n', "[" * 9_000 + "\n"),
        *(f'{{"step": {"1" * 5_000}}}\n', '{"step": 1e308}\n', '{"step": -1, "\x1b[2J": 1}\n'),
        *('{"step": 1, "a": "\\ud800"}\n', '{"step": 1, "\\ud800": 1}\n', '{"step": -1}\r\n' * 999),
    )
    for line in lines:
        cases.append((f"{METRICS}: {line!a:.30}", {METRICS: line.encode("utf-8", "surrogatepass")}))
    cases.append((f"{METRICS}: UTF-16", {METRICS: '{"step": 1}\n'.encode("utf-16")}))
    for name in (TRAINING, TRAINING_TENSORS, MANIFEST, METRICS):
        cases += specials(name, files)
    cases.append((f"{METRICS}: a link out of the run", {METRICS: _symlink("../sibling/file")}))
    litter = (".replaced-", ".replaced-.", ".replaced-..", ".replaced-x", ".partial-", ".partial-x")
    for name in (
        *litter,
        "best",
        "last",
        "step-00000099",
        ".partial-metrics.jsonl",
        ".partial-last",
    ):
        for target in ("../sibling", "../sibling/file", "nowhere"):
            cases.append((f"{name}: a link to {target}", {f"../{name}": _symlink(target)}))
        cases.append((f"{name}: a folder", {f"../{name}": lambda path: path.mkdir()}))
        cases.append((f"{name}: a file", {f"../{name}": b"nothing"}))
        cases.append((f"{name}: a FIFO", {f"../{name}": lambda path: os.mkfifo(path)}))
    return cases


def _paired(value: Any) -> Any:
    """Plain values with their objects as Pairs."""
    return (
        Pairs((key, _paired(each)) for key, each in value.items())
        if isinstance(value, dict)
        else value
    )


def run_trials(work: str, seed: int) -> Callable[[int], Trial]:
    """The maker of run trials; the runs made by hand are taken in an order that the seed gives."""
    import torch

    torch.set_num_threads(1)
    sound = make_run(Path(work))
    files = _run_files(sound)
    metrics = (sound / METRICS.removeprefix("../")).read_bytes()
    crafted = _run_cases(files)
    random.Random(seed).shuffle(crafted)
    directory = Path(work) / "here" / "run"
    sibling = Path(work) / "here" / "sibling"
    sibling.mkdir(parents=True, exist_ok=True)
    (sibling / "file").write_text("whole")

    def make(index: int) -> Trial:
        chance = random.Random(f"{seed}/{index}")
        sealed = chance.random() < 0.5
        if index % 2 == 0 and index // 2 < len(crafted):
            label, change = crafted[index // 2]
            sealed = sealed or chance.random() < 0.7  # else only its checksum is ever looked at
        else:
            label, change = _random_run({**files, METRICS: metrics}, chance)
            label = f"mutant {index} of seed {seed}, {label}"
        inner: dict[str, bytes | Put | None] = {
            name: content for name, content in {**files, **change}.items() if "/" not in name
        }
        if sealed and MANIFEST not in change:
            there = {k: v for k, v in inner.items() if isinstance(v, bytes) and k != MANIFEST}
            inner |= with_manifest(there)
            label += ", sealed"
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(sound, directory, symlinks=True)
        if chance.random() < 0.7:  # nothing to fall back on
            for folder in directory.glob("step-*"):
                if int(folder.name[5:]) != RUN_STEP:
                    shutil.rmtree(folder)
            label += ", alone"
        for name in change.keys() - inner.keys():
            path = directory / name.removeprefix("../")
            path.unlink(missing_ok=True)
            _place(path, change[name])
        size = _put(directory / f"step-{RUN_STEP:08d}", inner)
        return Trial(label, lambda: _resume(directory), size=size, seconds=5, limited=False)

    return make


def _random_run(files: Files, chance: random.Random) -> tuple[str, Change]:
    name = chance.choice((TRAINING, TRAINING, TRAINING_TENSORS, MANIFEST, METRICS, CONFIG))
    content = files[name]
    if name == METRICS and chance.random() < 0.7:
        lines = content.splitlines()
        number = chance.randrange(len(lines))
        lines[number] = encode_json(spoil_tree(parse(lines[number]), chance))
        return f"{name}, JSON", {name: b"\n".join(lines) + b"\n"}
    if name == METRICS or chance.random() < 0.2:
        return f"{name}, bytes", {name: spoil_bytes(content, files[TENSORS], chance)}
    if name == TRAINING_TENSORS:
        return f"{name}, tensors", {name: spoil_tensors(content, chance)}
    return f"{name}, JSON", {name: encode_json(spoil_tree(parse(content), chance))}


def _resume(directory: Path) -> str:
    """Goes on with the run in the folder, for as many steps as it has, three at most."""
    from charrnn.storage.run import Run
    from charrnn.training.trainer import Trainer

    # Where it could not be told from the run that was mutilated: that it wrote outside of it.
    before = _listing(directory)
    outcome = "resumed"
    try:
        trainer = Trainer.resume(Run(directory))
        steps = iter(trainer)
        with contextlib.closing(steps):  # type: ignore[type-var]
            for number, _ in enumerate(steps):
                if number == 2:
                    break
    except DivergedError as error:
        outcome = check_message(error, directory).replace("refused", "diverged")
    except TrainingError as error:
        check_message(error, directory)
        if "finished" not in str(error):
            raise
        outcome = "finished"
    except ConfigError as error:
        if not str(error).startswith("device"):  # the one that `resume` promises
            raise
        outcome = check_message(error, directory)
    except CorpusError as error:
        outcome = check_message(error, directory).replace("refused", "another text")
    except ModelError as error:
        outcome = check_message(error, directory)
    if _listing(directory) != before:
        raise Broken("files beside the run were touched")
    litter = [path.name for path in directory.iterdir() if path.name.startswith(TEMPORARY_PREFIX)]
    if litter and outcome == "resumed":
        raise Broken(f"it left something unfinished: {litter}")
    return outcome


def _listing(run: Path) -> list[tuple[str, int, int]]:
    """Everything in the work folder that is not in the run: names, sizes and times."""
    found = []
    for parent, folders, names in os.walk(run.parents[1]):
        folders[:] = [name for name in folders if Path(parent, name) != run]
        for name in names:
            if name == "stderr.txt":
                continue
            status = os.lstat(os.path.join(parent, name))
            found.append((os.path.join(parent, name), status.st_size, status.st_mtime_ns))
    return sorted(found)


def resume_mutants(
    count: int, work: Path, seed: int = 0, deadline: Deadline | None = None
) -> Report:
    """Goes on with `count` hostile runs: their position, optimizer, manifest and measurements.

    Each must be refused with one line of the error that fits, diverge, or go on; within five
    seconds, and without touching what lies beside it.
    """
    settings = {"work": str(work), "seed": seed}
    results = supervise("tests.torture.mutants:run_trials", settings, count, deadline)
    return summarize(Report("hostile runs"), results)


# --- hostile models, on the command line ---------------------------------------------------------


def command_trials(work: str, seed: int) -> Callable[[int], Trial]:
    """The maker of trials of `sample` and `info`."""
    bases = sound_files(Path(work))
    # Those of a terabyte, or that take most of a second, were tried without the command line.
    crafted = [case for case in handcrafted(bases[0]) if "bytes" not in case[0]]
    random.Random(seed).shuffle(crafted)
    directory = Path(work) / "model"

    def make(index: int) -> Trial:
        chance = random.Random(f"{seed}/{index}")
        if index % 2 == 0 and index // 2 < len(crafted):
            label, change = crafted[index // 2]
            files: dict[str, bytes | Put | None] = {**bases[0], **change}
        else:
            label, files = _random_model(bases, chance)
            label = f"mutant {index} of seed {seed}, {label}"
        _put(directory, files)
        command = ["sample", str(directory), "-l", "5"] if chance.random() < 0.5 else ["info"]
        if command == ["info"]:
            command = ["info", str(directory), *(["--json"] if chance.random() < 0.5 else [])]
        label += f", charrnn {command[0]}"
        return Trial(label, lambda: check_command(command, 0, 3), seconds=5, limited=False)

    return make


def check_command(command: Sequence[str], *codes: int) -> str:
    """Runs charrnn with these arguments; raises Broken unless it ends with one of the exit codes and,
    where it fails, with one line that says why."""
    from typer.testing import CliRunner

    from charrnn.cli.app import app

    result = CliRunner().invoke(app, list(command))
    problem = check_exit(result.exit_code, result.stderr, codes)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        problem = _described(result.exception)
    if problem:
        raise Broken(problem)
    return f"exit {result.exit_code}"


def check_exit(code: int, stderr: str, codes: Sequence[int]) -> str:
    """What is wrong with how a command ended; nothing when it ended as it should."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if code not in codes:
        return f"exit code {code}: {stderr!a:.200}"
    if "Traceback" in stderr:
        return f"a traceback: {stderr!a:.200}"
    if len(errors) != (code != 0):
        return f"exit code {code} with {len(errors)} errors: {stderr!a:.200}"
    strange = [c for c in stderr if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    if strange:
        return f"{strange[0]!a} on stderr"
    warned = [line for line in lines if line.startswith("warning: ")]
    if len(errors) + len(warned) != len(lines) and code:
        return f"more than an error: {stderr!a:.200}"
    return ""


def command_mutants(
    count: int, work: Path, seed: int = 0, deadline: Deadline | None = None
) -> Report:
    """Runs `charrnn sample` and `charrnn info` on `count` hostile models.

    Each must end with exit code 0, or with 3 and one line.
    """
    settings = {"work": str(work), "seed": seed}
    results = supervise("tests.torture.mutants:command_trials", settings, count, deadline)
    return summarize(Report("hostile models on the command line"), results)
