"""Compression is without loss for any bytes, and an archive needs what it was made with."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn.compression import alphabet, predictor
from charrnn.compression.archive import BLOCK, VERSION, ArchiveReader, Block, block_bytes
from charrnn.compression.files import Sizes, compress, decompress
from charrnn.compression.predictor import Known, model_digest, read_known
from charrnn.data.tokenizer import CharTokenizer
from charrnn.engines import Int8NumPyEngine
from charrnn.engines.memory import available, memory
from charrnn.errors import CorpusError, ModelError
from charrnn.storage.model_directory import Model
from tests.engines.int8_models import drawn_model
from tests.provenance import make_provenance

MakeModel = Callable[..., Model]

TEXT = (
    "The fox met a crow. The crow met the fox; the hen met \N{FOX FACE} and her \xe9l\xe8ve.\n" * 9
)
LETTERS = "\n .TfehmotxwcrnaFs"


@pytest.fixture(scope="module")
def known(make_model: MakeModel) -> dict[str, Known]:
    """A memory alone, and models of characters, of bytes, and with attention."""
    text = np.frombuffer(TEXT.encode()[:200], dtype=np.uint8)
    return {
        "memory": Known(),
        "characters": Known(make_model(LETTERS)),
        "bytes": Known(make_model(None), training=text),
        "attention": Known(make_model(LETTERS, attention=5)),
        "one": Known(make_model("a")),
        "primed": Known(
            make_model(LETTERS), training=np.arange(len(LETTERS), dtype=np.uint8).repeat(3)
        ),
    }


KINDS = pytest.mark.parametrize(
    "kind", ["memory", "characters", "bytes", "attention", "one", "primed"]
)


def compressed(content: bytes, known: Known, sizes: Sizes | None = None) -> bytes:
    return b"".join(compress([content], known, sizes=sizes))


def restored(archive: bytes, known: Known, sizes: Sizes | None = None) -> bytes:
    reader = ArchiveReader(io.BytesIO(archive), "archive")
    return b"".join(decompress(reader, known, sizes=sizes))


@KINDS
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\xff\xfe",
        TEXT.encode(),
        TEXT.encode()[:-3],
        b"\xc3(\xf0\x9f\xed\xa0\x80\xed\xb0\x80\xc0\x80",
        bytes(range(256)) * 2,
        b"a" * 3000,
    ],
)
def test_compression_is_without_loss(known: dict[str, Known], kind: str, content: bytes) -> None:
    sizes, again = Sizes(), Sizes()
    archive = compressed(content, known[kind], sizes)
    assert restored(archive, known[kind], again) == content
    assert sizes.content == again.content == len(content)
    assert sizes.archive == again.archive == len(archive)
    assert sizes.characters == again.characters == len(content.decode("utf-8", "surrogateescape"))


@KINDS
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    )
)
def test_any_bytes_come_back(known: dict[str, Known], kind: str, content: bytes) -> None:
    assert restored(compressed(content, known[kind]), known[kind]) == content


@pytest.mark.skipif(not available(), reason="no C: this takes minutes in NumPy")
def test_several_blocks_come_back() -> None:
    random = np.random.default_rng(0)
    content = TEXT.encode() * 180 + random.bytes(10_000) + bytes(170_000)
    assert BLOCK < len(content) < 2 * BLOCK
    archive = compressed(content, Known())
    assert len(archive) < 11_500
    assert restored(archive, Known()) == content


def test_pieces_of_any_size_make_the_same_archive(known: dict[str, Known]) -> None:
    content = TEXT.encode()
    for kind in ("memory", "characters"):
        whole = compressed(content, known[kind])
        by_byte = compress((content[i : i + 1] for i in range(len(content))), known[kind])
        assert b"".join(by_byte) == whole


def test_a_block_is_written_before_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield bytes(100)

    monkeypatch.setattr(alphabet, "BLOCK", 100)
    pieces = compress(endless(), Known())
    next(pieces)
    next(pieces)
    assert read == 1
    next(pieces)
    assert read == 2


def test_a_long_run_costs_nothing() -> None:
    assert len(compressed(b"a" * 20_000, Known())) < 120


def test_a_training_text_makes_a_similar_text_smaller(known: dict[str, Known]) -> None:
    model = known["characters"].model
    assert model is not None
    text = "The fox met a crow near the tree, too. " * 3
    training = model.tokenizer.encode(model.tokenizer.without_unknown(text) * 3)
    primed = Known(model, training=training)
    assert len(compressed(text.encode(), primed)) < len(compressed(text.encode(), Known(model)))


def test_characters_that_the_model_does_not_know_are_counted(known: dict[str, Known]) -> None:
    sizes = Sizes()
    compressed("met \N{FOX FACE}".encode(), known["characters"], sizes)
    assert sizes.unknown == 1 + 1 + 4
    assert sizes.to_json()["bits_per_character"] == 8 * sizes.archive / 5


def test_progress_goes_to_the_end(known: dict[str, Known]) -> None:
    content, done, read = TEXT.encode() * 9, [0], [0]
    archive = b"".join(compress([content], known["characters"], progress=done.append))
    reader = ArchiveReader(io.BytesIO(archive), "archive")
    list(decompress(reader, known["characters"], progress=read.append))
    assert done == sorted(done) and done[-1] == len(content) and len(done) > 5
    assert read == sorted(read) and read[-1] <= len(archive) and len(read) > 5


def test_progress_tells_of_learning_too(known: dict[str, Known]) -> None:
    learned: list[tuple[int, int]] = []
    archive = b"".join(
        compress([b"fox"], known["primed"], learning=lambda *each: learned.append(each))
    )
    reader = ArchiveReader(io.BytesIO(archive), "archive")
    list(decompress(reader, known["primed"], learning=lambda *each: learned.append(each)))
    count = 3 * len(LETTERS)
    assert learned == [(count, count)] * 2


# What an archive needs


def test_another_model_is_refused(known: dict[str, Known], make_model: MakeModel) -> None:
    archive = compressed(b"The fox", known["characters"])
    with pytest.raises(ModelError, match="archive: it was made with another model"):
        restored(archive, Known(make_model(LETTERS, seed=1)))
    with pytest.raises(ModelError, match=r"it was made with a model.*name that model"):
        restored(archive, Known())
    with pytest.raises(ModelError, match="made without a model"):
        restored(compressed(b"The fox", Known()), known["characters"])


def test_another_training_text_is_refused(known: dict[str, Known]) -> None:
    archive = compressed(b"The fox", known["primed"])
    with pytest.raises(CorpusError, match="needs the training text of the model: it is gone"):
        restored(archive, Known(known["primed"].model, problem="it is gone"))
    with pytest.raises(CorpusError, match="another training text"):
        restored(archive, replace(known["primed"], training=np.arange(4, dtype=np.uint8)))


def test_the_digest_of_a_model_is_of_all_that_predicts(make_model: MakeModel) -> None:
    model = make_model(LETTERS)
    changed = {name: array.copy() for name, array in model.tensors.items()}
    changed["head.bias"][0] = np.nextafter(changed["head.bias"][0], np.float32(9))
    others = [
        make_model(LETTERS, seed=1),
        make_model(LETTERS[::-1]),
        replace(model, tensors=changed),
        replace(model, config=replace(model.config, cell="gru")),
    ]
    assert len({model_digest(each) for each in (model, *others)}) == 5
    again = replace(model, provenance=replace(model.provenance, seconds=99.0, corpus="other"))
    assert model_digest(again) == model_digest(model)


def fixed_model() -> Model:
    config, tensors = drawn_model("gru", hidden_size=5, layers=1)
    tokenizer = CharTokenizer([chr(40 + i) for i in range(67)])
    return Model(config, tokenizer, tensors, make_provenance(seed=0))


def test_the_digest_of_a_model_stays() -> None:
    """An archive must be read by later versions, in which a model may have more settings."""
    assert model_digest(fixed_model()).hex()[:32] == "37e7ca779bd03c49d9150a72016cba50"


def test_models_that_work_together_are_refused(make_model: MakeModel) -> None:
    together = replace(make_model(LETTERS), others=(make_model(LETTERS, seed=1),))
    with pytest.raises(ModelError, match="name one of them"):
        read_known(together)
    with pytest.raises(ModelError, match="trained to restore"):
        read_known(make_model(LETTERS, task="restore"))


# Damage


def test_another_content_than_the_checksum_says_is_refused() -> None:
    archive = bytearray(compressed(TEXT.encode(), Known()))
    archive[-1] ^= 1
    with pytest.raises(CorpusError, match="its content has another SHA-256"):
        restored(bytes(archive), Known())


@KINDS
def test_any_code_ends_in_an_error(known: dict[str, Known], kind: str) -> None:
    """Also one whose checksum is right, as from somebody who means harm."""
    random = np.random.default_rng(0)
    header = known[kind].header.to_bytes()
    for _ in range(20):
        ids, others = (int(each) for each in random.integers(0, 60, 2))
        block = block_bytes(Block(ids, others, random.bytes(int(random.integers(0, 30)))))
        with pytest.raises(CorpusError):
            restored(header + block + bytes(2) + random.bytes(16), known[kind])


# One archive on every machine


@pytest.mark.parametrize("kind", ["memory", "characters", "attention", "primed"])
def test_c_and_numpy_make_and_read_one_archive(
    known: dict[str, Known], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = TEXT.encode()[:45] + "\N{FOX FACE}".encode()
    archive = compressed(content, known[kind])
    with monkeypatch.context() as without_c:
        without_c.setattr(predictor, "int8_engine", Int8NumPyEngine.of)
        without_c.setattr(memory, "available", lambda: False)
        assert compressed(content, known[kind]) == archive
        assert restored(archive, known[kind]) == content


def golden_content() -> bytes:
    """A text that repeats itself, with letters of another script, and bytes that are no text."""
    rows = [f"{i}:THE_{'FOX' if i % 3 else 'ÉLÈVE'}_MET_HEN_{i * i % 7}" for i in range(12)]
    return "\n".join(rows).encode() + b"\xff\0\xc3"


GOLDEN = {
    "memory": "167302803efdf3aacdaaf37db64f9211",
    "model": "831b5d8f5ce3462c8f1a3775f7918f0a",
    "primed": "e3bbd7e6c3af1e26cb6d5e6982c11dd5",
}


@pytest.mark.parametrize("kind", GOLDEN)
def test_the_bytes_of_archives_stay(kind: str) -> None:
    """Where this fails, archives that users have cannot be read any more: raise VERSION, which says
    so to them, and only then set the new digests here."""
    model = None if kind == "memory" else fixed_model()
    training = model.tokenizer.encode("THE_HEN_MET_ME;" * 5) if model and kind == "primed" else None
    archive = compressed(golden_content(), Known(model, training))
    assert hashlib.sha256(archive).hexdigest()[:32] == GOLDEN[kind]
    assert VERSION == 1
