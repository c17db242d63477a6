"""The C of the int8 engine on instruction sets that this machine lacks, under an emulator.

Needs Debian's qemu-user and gcc-aarch64-linux-gnu.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import charrnn
from charrnn.engines import int8_numbers
from charrnn.engines.engine import Array
from charrnn.engines.int8_layout import SUMS, UNITS, arrange
from charrnn.engines.int8_numbers import fold
from charrnn.engines.int8_numpy import Int8NumPyEngine
from charrnn.engines.int8_weights import int8_layers
from charrnn.generation.filters import apply_filters, apply_typical, draw, exclude
from charrnn.model.cells import CELLS
from tests.engines.int8_models import Ids, drawn_ids, drawn_model
from tests.engines.test_int8_numbers import samples

PACKAGE = Path(charrnn.__file__).parent
PROGRAM = Path(__file__).parent / "int8_program.c"
LAYERS, LANES, TIME = 2, 3, 10

FILTERS: list[dict[str, Any]] = [
    {"temperature": 0.8},
    {"top_k": 20, "top_p": 0.9},
    {"repetition_penalty": 1.3, "temperature": 0.7, "min_p": -3.0, "typical": 0.9},
    {
        "repetition_penalty": 1.3,
        "temperature": 0.9,
        "presence_penalty": 0.7,
        "frequency_penalty": -0.3,
        "bias": (np.arange(67) % 7 - 3.0) * 0.3,
    },
]
"""Those of int8_program.c, but for min-p, of which the program has the logarithm."""

Machine = tuple[list[str], list[str] | None]
"""The command that runs the program, and the kinds of processors that it will find."""

MACHINES: dict[str, tuple[list[str], list[str], list[str] | None]] = {
    "native": (["cc"], [], None),
    "clang": (["clang"], [], None),
    "aarch64": (
        ["aarch64-linux-gnu-gcc", "-static"],
        ["qemu-aarch64", "-cpu", "max"],
        ["dot_product", "neon", "plain"],
    ),
    "aarch64-without-dot-product": (
        ["aarch64-linux-gnu-gcc", "-static"],
        ["qemu-aarch64", "-cpu", "cortex-a57"],
        ["neon", "plain"],
    ),
    "x86-64-without-avx": (
        ["x86_64-linux-gnu-gcc", "-static"],  # the name of the usual compiler on such a machine
        ["qemu-x86_64", "-cpu", "Nehalem"],
        ["plain"],
    ),
}
"""Compilers, emulators, and the kinds of processors that run there."""


@pytest.fixture(scope="module", params=MACHINES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Each machine, with the program compiled for it."""
    name: str = request.param
    compiler, emulator, names = MACHINES[name]
    for tool in (compiler[0], *emulator[:1]):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, so int8.c is not tried on {name}")
    program = tmp_path_factory.mktemp(name) / "program"
    includes = [f"-I{PACKAGE / 'engines/native'}", f"-I{PACKAGE / 'model'}"]
    options = ["-std=gnu11", "-O2", "-ffp-contract=off", "-fno-math-errno", *includes]
    subprocess.run([*compiler, *options, PROGRAM, "-o", program, "-lm"], check=True)
    return [*emulator, str(program)], names


def run(command: list[str], model: bytes) -> tuple[list[str], bytes]:
    """The kinds of processors that ran a model, and what the program wrote."""
    done = subprocess.run(command, input=model, capture_output=True, check=True)
    return done.stderr.decode().split(), done.stdout


def counted(array: npt.NDArray[Any] | None) -> bytes:
    return b"\0" * 8 if array is None else np.uint64(array.size).tobytes() + array.tobytes()


def written(cell: str, size: int, ids: Ids, x: npt.NDArray[np.float32]) -> tuple[bytes, int]:
    """A model in the form that the program reads, and the scores that it writes of a lane."""
    config, tensors = drawn_model(cell, hidden_size=size, layers=LAYERS)
    layers = [arrange(each, cell, -1) for each in int8_layers(config, tensors, fold)]
    panels = [each.start.shape[1] for each in layers]
    stride = panels[0] * (SUMS if cell == "rnn" else UNITS)
    scores = panels[-1] * SUMS
    number = ["rnn", "gru", "lstm"].index(cell)
    sizes = [number, 67, size, len(layers), LANES, TIME, stride, scores]
    parts = [np.array(sizes, dtype=np.uint64).tobytes()]
    for layer, count in zip(layers, panels, strict=True):
        parts += [np.uint64(count).tobytes(), counted(layer.start)]
        for weights in (layer.input, layer.recurrent):
            weight, scale, start, rest, rest_start = weights or [None] * 5
            parts += [counted(weight), counted(scale), counted(rest)]
            for starts in (start, rest_start):
                # the program makes starts for every sum, also where there are no weights
                every = np.zeros(count * SUMS, dtype=np.int32)
                if starts is not None:
                    every[: starts.size] = starts.reshape(-1)
                parts.append(counted(every))
    steps = np.ascontiguousarray(ids.T)
    return b"".join([*parts, steps.tobytes(), np.uint64(len(x)).tobytes(), x.tobytes()]), scores


def draws(logits: Array) -> npt.NDArray[np.int32]:
    """The ids that the program draws from logits (rows, V) with each of the FILTERS."""
    ids, rows = np.arange(67), len(logits)
    masks: dict[str, Any] = {
        "allowed": np.tile(ids % 5 != 1, (rows, 1)),
        "recent": np.tile(ids % 3 == 0, (rows, 1)),
        "counts": np.tile(ids % 4, (rows, 1)).astype(np.uint32),
    }
    drawn = []
    for chosen in FILTERS:
        without = chosen | {"min_p": None, "typical": None}
        filtered = apply_filters(logits, **masks, **without)
        if "min_p" in chosen:
            smallest = filtered.max(axis=-1, keepdims=True) + chosen["min_p"]
            filtered = apply_typical(exclude(filtered, filtered >= smallest), chosen["typical"])
        drawn.append(draw(filtered, (np.arange(rows) + 0.5) / rows))
    return np.stack(drawn).astype(np.int32)


@pytest.mark.parametrize("size", [37, 101])  # weights of 16 and of 8 bits
@pytest.mark.parametrize("cell", CELLS)
def test_bits_are_the_same_elsewhere(machine: Machine, cell: str, size: int) -> None:
    command, kinds = machine
    with np.errstate(all="ignore"):
        x = samples()[::97]
        x = x[~np.isnan(x)]
        x = x[: len(x) // 16 * 16]
        functions = np.stack([int8_numbers.tanh(x), int8_numbers.exp(x)])
    ids = drawn_ids(LANES, TIME)
    model, width = written(cell, size, ids, x)
    names, output = run(command, model)
    assert names[-1] == "plain"
    assert names == (kinds or names)
    expected, _ = Int8NumPyEngine(*drawn_model(cell, hidden_size=size, layers=LAYERS)).advance(
        ids, None
    )
    found = np.frombuffer(output, dtype=np.float32).reshape(len(names), -1)
    scores = 2 * TIME * LANES * width
    drawn = draws(expected.swapaxes(0, 1).reshape(-1, 67))
    for name, each in zip(names, found, strict=True):
        for logits in each[:scores].reshape(2, TIME, LANES, width):
            np.testing.assert_array_equal(logits[..., :67].swapaxes(0, 1), expected, err_msg=name)
        values, chosen = np.split(each[scores:], [functions.size])
        np.testing.assert_array_equal(
            values.view(np.uint32), functions.reshape(-1).view(np.uint32), err_msg=name
        )
        np.testing.assert_array_equal(chosen.view(np.int32), drawn.reshape(-1), err_msg=name)
