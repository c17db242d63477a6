"""The C of the memory on instruction sets that this machine lacks, under an emulator.

Needs what tests/engines/test_int8_elsewhere.py needs.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from charrnn.engines.memory import Memory, MemoryConfig
from charrnn.engines.memory.arithmetic import shortest
from charrnn.engines.memory.coder import Encoder
from charrnn.engines.memory.tables import place_bits, stretched
from tests.engines.memory.test_memory import logits_of, text
from tests.engines.test_int8_elsewhere import MACHINES, PACKAGE

PROGRAM = Path(__file__).parent / "memory_program.c"
SIZE = 70


@pytest.mark.parametrize("name", MACHINES)
def test_bits_are_the_same_elsewhere(name: str, tmp_path: Path) -> None:
    compiler, emulator, _ = MACHINES[name]
    for tool in (compiler[0], *emulator[:1]):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, so memory.c is not tried on {name}")
    includes = [f"-I{PACKAGE / 'engines/native'}", f"-I{PACKAGE / 'model'}"]
    options = ["-std=gnu11", "-O2", "-ffp-contract=off", "-fno-math-errno", *includes]
    program = tmp_path / "program"
    subprocess.run([*compiler, *options, PROGRAM, "-o", program, "-lm"], check=True)

    config = MemoryConfig(table_bits=10, history_bits=8)
    words = (np.arange(SIZE) % 9).astype(np.int32)
    memory = Memory(SIZE, config, word_ids=words, native=False)
    drawn = text(SIZE, 60)
    ids, logits = drawn.astype(np.int32), logits_of(drawn, SIZE)
    settings = [SIZE, 7, config.table_bits, config.history_bits, place_bits(config), 0]
    tables = memory._core.tables
    arrays: list[npt.NDArray[Any]] = [
        *(tables.context, words, stretched(), tables.table, tables.maps, tables.history),
        *(tables.places, tables.match_maps, tables.weights, tables.final_weights),
        *(tables.adjustments, tables.trust, tables.totals),
    ]
    given = [np.array(settings, dtype=np.uint64), *arrays, ids, logits]
    data = b"".join(np.uint64(each.nbytes).tobytes() + each.tobytes() for each in given)
    command = [*emulator, str(program)]
    output = subprocess.run(command, input=data, capture_output=True, check=True).stdout

    memory.learn(ids)
    memory.score(ids)
    nats = memory.score(ids, logits)
    distribution = memory.distribution(memory.context, logits[0])
    found = np.frombuffer(output[: 8 * (len(ids) + SIZE)], dtype=np.float64)
    np.testing.assert_array_equal(-np.log(found[: len(ids)]), nats)
    np.testing.assert_array_equal(found[len(ids) :], distribution)
    learned = b"".join(each.tobytes() for each in arrays)
    state, code = output[8 * (len(ids) + SIZE) :], output[8 * (len(ids) + SIZE) + len(learned) :]
    assert state.startswith(learned)
    encoder = Encoder()
    encoder.encode(memory, ids, logits)
    low, length = np.frombuffer(code[:16], dtype=np.uint64).tolist()
    assert shortest(low, length, code[16:]) == encoder.finish()
