"""Hostile archives: whatever is in one, decompressing ends soon, in a line and in little memory."""

import io
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from charrnn.compression.archive import (
    BLOCK,
    CONTENT_DIGEST,
    MOST_IDS,
    MOST_OTHERS,
    ArchiveReader,
    Block,
    block_bytes,
    number_bytes,
)
from charrnn.compression.files import compress, decompress
from charrnn.compression.predictor import Known
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.engines.memory import MemoryConfig, memory
from charrnn.errors import CorpusError, ModelError
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model
from tests.provenance import make_provenance
from tests.stress.corruptions import corrupt_bytes
from tests.stress.report import Deadline, Report
from tests.stress.sandboxed_trials import Broken, Trial, check_message, summarize, supervise

TEXT = "The heron stood in the shallows \N{FOX FACE} all morning.\n" * 3
CONTENTS = (b"", b"a", TEXT.encode(), TEXT.encode() + b"\xff\0\xc3", bytes(2000))
SIZES = (0, 1, 2, 127, 128, BLOCK, MOST_IDS, MOST_IDS + 1, MOST_OTHERS, 1 << 35, 1 << 60)

SMALL = MemoryConfig(table_bits=10, history_bits=8)
"""So that the memory of each of a hundred thousand archives is made in no time."""


def check_archives(
    count: int, work: Path, seed: int = 0, deadline: Deadline | None = None
) -> Report:
    """Decompresses `count` archives that were corrupted by chance, half of them with checksums that
    are right nevertheless."""
    settings = {"work": str(work), "seed": seed}
    results = supervise("tests.stress.hostile_archives:archive_trials", settings, count, deadline)
    return summarize(Report("hostile archives"), results)


def archive_trials(work: str, seed: int) -> Callable[[int], Trial]:
    """Returns what makes a trial of an index."""
    memory.MemoryConfig = lambda: SMALL  # type: ignore[attr-defined, misc, assignment]
    kinds = list(_kinds())
    archives = [[b"".join(compress([content], known)) for content in CONTENTS] for known in kinds]

    def make(index: int) -> Trial:
        chance = random.Random(f"{seed}/{index}")
        kind, which = chance.randrange(len(kinds)), chance.randrange(len(CONTENTS))
        content, archive = CONTENTS[which], archives[kind][which]
        if chance.random() < 0.5:
            corrupted = corrupt_bytes(archive, chance.choice(archives[kind]), chance)
            label = "bytes"
        else:
            corrupted = _forged(archive, chance)
            label = "with checksums"
        return Trial(
            f"archive {index} of seed {seed}, {label}",
            lambda: _decompress(corrupted, kinds[kind], content),
            size=len(corrupted),
            seconds=10.0,
        )

    return make


def _kinds() -> Iterator[Known]:
    """A memory alone; models of characters, primed, and of bytes."""
    yield Known()
    characters = _model(CharTokenizer(sorted(set(TEXT[:31]))))
    yield Known(characters)
    yield Known(characters, training=characters.tokenizer.encode(TEXT[:31] * 3))
    yield Known(_model(ByteTokenizer()))


def _model(tokenizer: Tokenizer) -> Model:
    config = ModelConfig(
        vocabulary_size=tokenizer.vocabulary_size, embedding_size=4, hidden_size=8, layers=1
    )
    random_ = np.random.default_rng(0)
    tensors = {
        name: random_.normal(0, 0.5, shape).astype(np.float32)
        for name, shape in config.tensor_shapes().items()
    }
    return Model(config, tokenizer, tensors, make_provenance(seed=0))


def _forged(archive: bytes, chance: random.Random) -> bytes:
    """An archive with other fields, as somebody would write who knows the format."""
    reader = ArchiveReader(io.BytesIO(archive), "archive")
    begin = reader.read
    blocks = list(reader.blocks())
    end = bytes(2) + archive[-CONTENT_DIGEST:]
    header = archive[:begin]
    if chance.random() < 0.1:
        header = corrupt_bytes(header[:-4], archive, chance)
        header += zlib.crc32(header).to_bytes(4, "little")
    parts = []
    for block in blocks or [Block(1, 0, b"")]:
        fields = [block.ids, block.others, len(block.code)]
        code = block.code
        if chance.random() < 0.7 and code:
            code = corrupt_bytes(code, archive, chance)
        for place in range(2):
            if chance.random() < 0.3:
                # Sizes that take seconds are rare.
                most = len(SIZES) if chance.random() < 0.01 else 5
                fields[place] = max(
                    chance.choice([*SIZES[:most], fields[place] + chance.randrange(-3, 4)]), 0
                )
        made = Block(fields[0], fields[1], code)
        parts += [block_bytes(made)] * chance.choice((1, 1, 1, 2))
        if chance.random() < 0.05:
            parts.append(number_bytes(chance.choice(SIZES)) + chance.randbytes(9))
    if chance.random() < 0.1:
        end = corrupt_bytes(end, archive, chance)
    return header + b"".join(parts) + end


def _decompress(archive: bytes, known: Known, content: bytes) -> str:
    try:
        reader = ArchiveReader(io.BytesIO(archive), "archive")
        found = b"".join(decompress(reader, known))
    except (CorpusError, ModelError) as error:
        return check_message(error, "archive")
    if found != content and found not in CONTENTS:
        raise Broken("it is decompressed to what was never compressed")
    return "decompressed"
