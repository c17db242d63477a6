import codecs
import dataclasses
import hashlib
import io
import itertools
import os
import re
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.data import folders, sources
from charrnn.data.corpus import (
    Corpus,
    TokenizedCorpus,
    newline_id,
    open_corpus,
    tokenize,
    utf8_bytes,
    utf8_characters,
)
from charrnn.data.memmap import CHUNK
from charrnn.data.parts import CHUNK_BYTES, Part
from charrnn.data.read_options import ReadOptions
from charrnn.data.sources import PYTHON_DOCS
from charrnn.data.splitting import MINIMUM_SPLIT
from charrnn.data.tokenizer import (
    LARGEST_VOCABULARY,
    REPLACEMENT,
    TOKENIZERS,
    ByteTokenizer,
    CharTokenizer,
)
from charrnn.data.two_pass_reading import LongerTextError
from charrnn.errors import ConfigError, CorpusError, UnknownCharacterError

kinds = pytest.mark.parametrize("kind", TOKENIZERS)

# What a plain file may hold: no NUL, and no mark at the beginning.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"))

AWKWARD = "to be\r\nor\rnot\n\n cafe\N{COMBINING ACUTE ACCENT} \N{GRINNING FACE}\u2028 end"


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(name: str, content: str | bytes) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def of_pieces(*parts: list[bytes]) -> Corpus:
    """A corpus of parts that arrive in exactly these pieces."""
    return Corpus(
        "made up",
        (),
        ReadOptions(),
        tuple(
            Part(f"part {i}", "utf-8", lambda pieces=pieces: iter(pieces))  # type: ignore[misc]
            for i, pieces in enumerate(parts)
        ),
    )


def read(*names: str, encoding: str = "utf-8") -> str:
    return "".join(open_corpus(names, ReadOptions(encoding)).texts())


def tokenized(text: str, kind: str = "char") -> TokenizedCorpus:
    return tokenize(of_pieces([text.encode()]), kind=kind)


def test_a_tokenizer_of_bytes_gets_those_of_a_table() -> None:
    """They were decoded as UTF-8 first, and `--tokenizer byte` was advised to whom had given it."""
    import pyarrow
    from pyarrow import parquet

    put("t.csv", b"text\n\xff\xe9\nb\n")
    put("t.jsonl", b'{"text": "\xff\xe9"}\n{"text": "b"}\n')
    parquet.write_table(pyarrow.table({"text": [b"\xff\xe9", b"b"]}), "t.parquet")
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        corpus = open_corpus([name], ReadOptions(column="text"))
        assert tokenize(corpus, kind="byte").ids.tobytes() == b"\xff\xe9\nb\n"
        assert tokenize(corpus, tokenizer=ByteTokenizer()).ids.tobytes() == b"\xff\xe9\nb\n"
        with pytest.raises(CorpusError, match="UTF-8|utf-8"):
            tokenize(corpus)


# Text


def test_text_arrives_as_it_is() -> None:
    assert read(put("book.txt", AWKWARD)) == AWKWARD


@settings(deadline=None)
@given(text=texts, cuts=st.lists(st.integers(0, 60), max_size=5))
def test_text_does_not_depend_on_where_its_bytes_are_cut(text: str, cuts: list[int]) -> None:
    """An emoji that lies across two pieces must not become an error, or two."""
    raw = text.encode()
    bounds = [0, *sorted(cuts), len(raw)]
    pieces = [raw[start:stop] for start, stop in itertools.pairwise(bounds)]
    assert "".join(of_pieces(pieces).texts()) == text


@pytest.mark.parametrize("before", [CHUNK_BYTES - 3, CHUNK_BYTES - 1, CHUNK_BYTES])
def test_a_character_may_lie_across_two_pieces_of_a_file(before: int) -> None:
    text = "x" * before + "\N{GRINNING FACE}!"
    assert read(put("book.txt", text)) == text


def test_a_mark_at_the_beginning_of_a_later_piece_is_a_character() -> None:
    text = "x" * CHUNK_BYTES + "\ufeff!"
    assert read(put("a.txt", text)) == text


def test_a_byte_order_mark_is_dropped_from_every_part_but_nowhere_else() -> None:
    names = [put("a.txt", "\ufeffone\ufeff\n"), put("b.txt", "\ufefftwo\n")]
    assert read(*names) == "one\ufeff\ntwo\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_the_byte_order_mark_of_every_encoding_is_dropped(encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-8" else ""  # the others write their own
    assert read(put("a.txt", (mark + AWKWARD).encode(encoding)), encoding=encoding) == AWKWARD


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "shift_jis", "utf-16-be"])
def test_text_is_read_in_the_encoding_that_is_named(encoding: str) -> None:
    text = "カナ\r\n" if encoding == "shift_jis" else "déjà\r\nvu"
    assert read(put("a.txt", text.encode(encoding)), encoding=encoding) == text


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["a", "b"], "a\nb"),
        (["a\n", "b\n"], "a\nb\n"),
        (["a\r\n", "b\r", "c"], "a\r\nb\r\nc"),
        (["", "a"], "a"),
        (["a", "", "b"], "a\nb"),
        (["a", "", "", "b"], "a\nb"),
        (["a", ""], "a"),
        (["a", "\ufeff", "b"], "a\nb"),
    ],
)
def test_a_newline_is_put_between_parts_that_lack_one(parts: list[str], text: str) -> None:
    """Else the last word of one file and the first of the next grow together; an empty file in
    between adds nothing."""
    corpus = of_pieces(*([part.encode()] for part in parts))
    assert "".join(corpus.texts()) == text


def test_files_are_joined_in_the_order_they_are_named() -> None:
    assert read(put("b.txt", "first\n"), put("a.txt", "second\n")) == "first\nsecond\n"


@pytest.mark.parametrize("names", [["a.txt"], ["a.txt", "b.txt"]])
def test_bytes_are_exactly_those_of_the_files(names: list[str]) -> None:
    content = b"\xef\xbb\xbf\xff\x00\r\n"
    corpus = open_corpus([put(name, content) for name in names])
    assert b"".join(corpus.bytes()) == content * len(names)


# What is no text


BAD_BYTES = {
    "at the start": (b"\xff", b"abc", 0),
    "in the middle": (b"caf\xe9 noir", b"", 3),
    "after a mark": (codecs.BOM_UTF8 + b"ab\x80", b"c", 5),
    "before the second piece": (b"x" * (CHUNK_BYTES - 1) + b"\xff", b"x", CHUNK_BYTES - 1),
    "first of the second piece": (b"x" * CHUNK_BYTES + b"\xff", b"x", CHUNK_BYTES),
    "in the second piece": (b"x" * (CHUNK_BYTES + 7) + b"\xff", b"x", CHUNK_BYTES + 7),
    "in the third piece": (b"x" * (2 * CHUNK_BYTES + 7) + b"\xff", b"", 2 * CHUNK_BYTES + 7),
    "broken off by the second piece": (
        b"x" * (CHUNK_BYTES - 2) + b"\xf0\x9f",
        b"x",
        CHUNK_BYTES - 2,
    ),
    "broken off by the end": (b"ab\xf0\x9f\x98", b"", 2),
    "broken off by the end of a piece": (b"x" * (CHUNK_BYTES - 1) + b"\xc3", b"", CHUNK_BYTES - 1),
    "overlong": (b"ab\xc0\xaf", b"", 2),
    "a surrogate": (b"ab\xed\xa0\x80", b"", 2),
}


@pytest.mark.parametrize(("start", "end", "offset"), BAD_BYTES.values(), ids=BAD_BYTES)
def test_invalid_utf8_names_the_file_and_the_byte_and_says_what_to_do(
    start: bytes, end: bytes, offset: int
) -> None:
    with pytest.raises(CorpusError) as caught:
        read(put("bad.txt", start + end))
    message = str(caught.value)
    assert message.startswith(f"bad.txt: byte {offset} is not valid utf-8; ")
    assert "--encoding" in message
    assert "--tokenizer byte" in message
    assert "\n" not in message


@settings(deadline=None)
@given(raw=st.binary(min_size=1, max_size=12), cuts=st.lists(st.integers(0, 12), max_size=4))
def test_the_byte_named_is_the_one_that_python_names(raw: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), len(raw)]
    corpus = of_pieces([raw[start:stop] for start, stop in itertools.pairwise(bounds)])
    try:
        text = raw.replace(b"\0", b"0").decode()
    except UnicodeDecodeError as error:
        with pytest.raises(CorpusError, match=rf"byte {error.start} is not valid|NUL"):
            list(corpus.texts())
    else:
        if b"\0" not in raw:
            assert "".join(corpus.texts()) == text.removeprefix("\ufeff")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "ascii", "shift_jis", "cp1252"])
def test_the_byte_named_is_right_in_every_encoding(encoding: str) -> None:
    """utf-8-sig counts from after the mark."""
    mark = codecs.BOM_UTF8 if encoding == "utf-8-sig" else b""
    bad = b"\x81" if encoding == "cp1252" else b"\xff"
    with pytest.raises(CorpusError, match=f": byte {len(mark) + 2} is not valid {encoding}"):
        read(put("bad.txt", mark + b"ab" + bad + b"c"), encoding=encoding)


def test_the_second_of_two_files_is_named_where_it_is_the_bad_one() -> None:
    with pytest.raises(CorpusError, match=r"^b\.txt: byte 1 "):
        read(put("a.txt", "fine"), put("b.txt", b"x\xff"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_utf16_file_is_recognised(encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    with pytest.raises(CorpusError, match="looks like UTF-16: use --encoding utf-16"):
        read(put("windows.txt", (mark + "hello").encode(encoding)))


def test_nobody_is_told_to_use_the_encoding_that_has_just_failed() -> None:
    half_a_pair = "\ud83d!".encode("utf-16", "surrogatepass")
    with pytest.raises(CorpusError, match="^windows.txt: byte 2 is not valid utf-16; ") as caught:
        read(put("windows.txt", half_a_pair), encoding="utf-16")
    assert "use --encoding utf-16" not in str(caught.value)


def test_utf16_without_its_mark_is_an_error_not_a_crash() -> None:
    """Python raises a bare UnicodeError here, which is no UnicodeDecodeError."""
    with pytest.raises(CorpusError, match=r"^windows\.txt: .*utf-16"):
        read(put("windows.txt", "hello".encode("utf-16-le")), encoding="utf-16")


@pytest.mark.parametrize(
    "content", [b"ELF\0\1", b"x" * CHUNK_BYTES + b"\0", "hi".encode("utf-16-le")]
)
def test_a_binary_file_is_an_error_that_says_what_to_do(content: bytes) -> None:
    with pytest.raises(CorpusError, match=r"^a\.out: .*binary.*--tokenizer byte.*--encoding"):
        read(put("a.out", content))


def test_a_binary_file_is_read_with_the_byte_tokenizer() -> None:
    content = bytes(range(256)) * 2
    corpus = tokenize(open_corpus([put("a.out", content)]), kind="byte")
    assert corpus.ids.tobytes() == content


@pytest.mark.parametrize(
    "encoding",
    ["rot13", "base64", "no-such", "", "undefined", "utf\0", "\udcff", "IDNA", "punycode"],
)
def test_an_encoding_that_is_none_is_a_config_error(encoding: str) -> None:
    with pytest.raises(ConfigError, match="^encoding "):
        open_corpus([put("a.txt", "a")], ReadOptions(encoding))


# Ids


@kinds
def test_ids_are_those_of_the_text(kind: str) -> None:
    corpus = tokenize(open_corpus([put("book.txt", AWKWARD)]), kind=kind)
    assert corpus.tokenizer.decode(corpus.ids) == AWKWARD
    assert corpus.ids.dtype == corpus.tokenizer.dtype
    assert corpus.ids.ndim == 1


@kinds
@settings(deadline=None)
@given(text=texts.filter(bool))
def test_every_text_comes_back_from_its_ids(kind: str, text: str) -> None:
    corpus = tokenized(text, kind)
    assert corpus.tokenizer.decode(corpus.ids) == text
    assert utf8_bytes(corpus.tokenizer, corpus.ids) == len(text.encode()) == corpus.bytes


@kinds
@pytest.mark.parametrize(
    "content", [AWKWARD.encode(), b"x" * (CHUNK_BYTES + 1)], ids=["short", "long"]
)
def test_sha256_and_size_are_those_of_the_file(kind: str, content: bytes) -> None:
    corpus = tokenize(open_corpus([put("book.txt", content)]), kind=kind)
    assert corpus.sha256 == hashlib.sha256(content).hexdigest()
    assert corpus.bytes == len(content)


def test_sha256_is_that_of_the_text_as_utf8() -> None:
    """The same text has one name, whatever mark and encoding it came in."""
    expected = hashlib.sha256("déjà".encode()).hexdigest()
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1"):
        name = put(f"{encoding}.txt", "déjà".encode(encoding))
        assert tokenize(open_corpus([name], ReadOptions(encoding))).sha256 == expected


def test_sha256_of_bytes_is_that_of_the_raw_bytes() -> None:
    content = codecs.BOM_UTF8 + b"\xff"
    corpus = tokenize(open_corpus([put("a.bin", content)]), kind="byte")
    assert corpus.sha256 == hashlib.sha256(content).hexdigest()


@kinds
def test_the_same_file_gives_the_same_corpus_however_it_is_cut(kind: str) -> None:
    raw = AWKWARD.encode()
    whole = tokenize(of_pieces([raw]), kind=kind)
    bytewise = tokenize(of_pieces([bytes([byte]) for byte in raw]), kind=kind)
    np.testing.assert_array_equal(whole.ids, bytewise.ids)
    assert whole.tokenizer.to_json() == bytewise.tokenizer.to_json()
    assert (whole.sha256, whole.bytes) == (bytewise.sha256, bytewise.bytes)


@kinds
def test_an_empty_text_is_an_error_that_names_it(kind: str) -> None:
    with pytest.raises(CorpusError, match="^nothing: it is empty"):
        tokenize(open_corpus([put("nothing.txt", "")]), kind=kind)


def test_a_text_of_only_a_byte_order_mark_is_empty() -> None:
    with pytest.raises(CorpusError, match="^nothing: it is empty"):
        tokenize(open_corpus([put("nothing.txt", codecs.BOM_UTF8)]))


@kinds
def test_empty_standard_input_is_an_error(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    with pytest.raises(CorpusError, match="^stdin: it is empty"):
        tokenize(open_corpus(["-"]), kind=kind)


@kinds
def test_one_character_is_a_corpus(kind: str) -> None:
    corpus = tokenize(open_corpus([put("a.txt", "a")]), kind=kind)
    assert corpus.tokenizer.decode(corpus.ids) == "a"


@kinds
@pytest.mark.parametrize("content", [b"aab", b"aabb!", b"aabbc", b"aab!", b"bbaa", b""], ids=ascii)
def test_a_file_that_changes_while_it_is_read_is_an_error(kind: str, content: bytes) -> None:
    """Else the ids are not those of the text whose SHA-256 the model will carry: a growing log
    file, or an editor that saves. In turn it shrinks, grows, and changes at the same length."""

    versions = itertools.chain([b"aabb"], itertools.repeat(content))

    def pieces() -> Iterator[bytes]:
        yield next(versions)

    corpus = Corpus("log", (), ReadOptions(), (Part("log.txt", "utf-8", pieces),))
    with pytest.raises(CorpusError, match="^log: it changed while it was being read"):
        tokenize(corpus, kind=kind)


@kinds
def test_a_text_that_has_no_end_is_not_read_beyond_the_size_it_had(kind: str) -> None:
    """A model from a stranger may name any file: the size that it records bounds the reading."""
    pieces = itertools.repeat(b"abc")
    corpus = Corpus("log", (), ReadOptions(), (Part("log.txt", "utf-8", lambda: pieces),))
    with pytest.raises(LongerTextError, match="^log: it has more than 900 bytes"):
        tokenize(corpus, kind=kind, at_most=900)
    exact = Corpus("log", (), ReadOptions(), (Part("log.txt", "utf-8", lambda: iter([b"abc"])),))
    assert tokenize(exact, kind=kind, at_most=3).bytes == 3


def test_an_unknown_kind_of_tokenizer_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="tokenizer 'word': choose from char, byte"):
        tokenized("a", "word")


def test_min_count_folds_rare_characters() -> None:
    corpus = tokenize(of_pieces([b"aab", b"bc"]), min_count=2)
    assert corpus.tokenizer.decode(corpus.ids) == f"aabb{REPLACEMENT}"


def test_more_characters_than_a_model_can_have_are_told_before_training() -> None:
    """As binary data read as UTF-16 has them: the model could be written and never read again."""
    characters = "".join(map(chr, range(0x10000, 0x10000 + LARGEST_VOCABULARY)))
    assert tokenized(characters).tokenizer.vocabulary_size == LARGEST_VOCABULARY
    with pytest.raises(CorpusError, match="262,145 distinct .*--min-count"):
        tokenized(characters + "a")


@pytest.mark.parametrize("min_count", [0, -1])
def test_a_min_count_below_one_is_a_config_error(min_count: int) -> None:
    """It asked for every code point there is, and failed on the surrogates among them."""
    with pytest.raises(ConfigError, match="min.count"):
        tokenize(of_pieces([b"a"]), min_count=min_count)


@kinds
def test_a_model_s_own_tokenizer_is_used_when_it_is_given(kind: str) -> None:
    first = tokenized("cba\n", kind)
    second = tokenize(of_pieces([b"abc"]), tokenizer=first.tokenizer)
    assert second.tokenizer is first.tokenizer or second.tokenizer.kind == "byte"
    np.testing.assert_array_equal(second.ids, first.tokenizer.encode("abc"))
    assert second.skipped == ()


def test_unknown_characters_are_an_error_unless_something_else_is_asked_for() -> None:
    with pytest.raises(UnknownCharacterError) as caught:
        tokenize(of_pieces([b"abxby"]), tokenizer=CharTokenizer("ab"))
    assert "x" in caught.value.characters


def test_unknown_characters_are_skipped_and_named() -> None:
    corpus = tokenize(of_pieces([b"xab", b"yaxb"]), tokenizer=CharTokenizer("ba"), unknown="skip")
    assert corpus.tokenizer.decode(corpus.ids) == "abab"
    assert corpus.skipped == ("x", "y")


def test_nothing_is_said_to_be_skipped_that_was_folded() -> None:
    tokenizer = CharTokenizer(f"ab{REPLACEMENT}")
    corpus = tokenize(of_pieces([b"axb"]), tokenizer=tokenizer, unknown="skip")
    assert corpus.tokenizer.decode(corpus.ids) == f"a{REPLACEMENT}b"
    assert corpus.skipped == ()


def test_a_vocabulary_is_extended_by_what_it_does_not_know() -> None:
    corpus = tokenize(of_pieces([b"cab"]), tokenizer=CharTokenizer("ba"), unknown="extend")
    assert corpus.tokenizer.to_json()["characters"] == ["b", "a", "c"]
    assert corpus.ids.tolist() == [2, 1, 0]


@settings(deadline=None)
@given(text=texts, known=texts.filter(bool))
def test_utf8_bytes_are_those_of_the_text_that_the_ids_mean(text: str, known: str) -> None:
    for tokenizer in (CharTokenizer.fit([known, REPLACEMENT]), ByteTokenizer()):
        ids = tokenizer.encode(text)
        assert utf8_bytes(tokenizer, ids) == len(tokenizer.decode(ids).encode())


@kinds
def test_the_newline_has_an_id_where_the_text_has_newlines(kind: str) -> None:
    tokenizer = tokenized("to be\nor not", kind).tokenizer
    newline = newline_id(tokenizer)
    assert newline is not None
    assert tokenizer.decode([newline]) == "\n"


@pytest.mark.parametrize("characters", ["ab", f"ab{REPLACEMENT}"])
def test_the_newline_has_no_id_where_it_is_unknown_or_folded(characters: str) -> None:
    """Else --lines would cut documents at every rare character."""
    assert newline_id(CharTokenizer(characters)) is None


@kinds
def test_the_bytes_of_a_long_text_are_counted_in_pieces(kind: str) -> None:
    """Counted in one go, each id takes eight bytes more: 16 GB for 2."""
    text = "aé€\N{GRINNING FACE}" * (CHUNK // 4 + 1)
    tokenizer = tokenized(text[:4], kind).tokenizer
    ids = tokenizer.encode(text)
    tracemalloc.start()
    try:
        counted = utf8_bytes(tokenizer, ids), utf8_characters(tokenizer, ids)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counted == (len(text.encode()), len(text))
    assert peak < 12 * CHUNK


# Names


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("book.txt", "book"),
        ("shelf/book.one.txt", "book.one"),
        ("shelf", "shelf"),
        ("shelf/", "shelf"),
        ("fables", "fables"),
        (PYTHON_DOCS, "python-docs"),
        ("-", "stdin"),
    ],
)
def test_a_corpus_has_a_short_name(name: str, short: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are named after it."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a")))
    for file in ("book.txt", "shelf/book.one.txt", "shelf/a.txt", "corpora/fables.txt"):
        put(file, "a")
    assert open_corpus([name]).name == short


@pytest.mark.parametrize("name", [".", "..", "../below", "./"])
def test_a_short_name_is_never_empty_and_never_a_path(name: str) -> None:
    """checkpoints/.. is not where a run should go."""
    put("below/a.txt", "a")
    os.chdir("below")
    assert open_corpus([name]).name.strip("./")
    assert "/" not in open_corpus([name]).name


def test_no_name_means_the_embedded_corpus() -> None:
    corpus = open_corpus([])
    assert corpus.name == corpus.sources[0] == PYTHON_DOCS
    assert "".join(corpus.texts())


def test_sources_are_found_again_from_another_folder(tmp_path: Path) -> None:
    """`--resume` from elsewhere."""
    put("corpora/b.txt", "two")
    corpus = open_corpus([put("a.txt", "one"), "b"])
    text = "".join(corpus.texts())
    (tmp_path / "elsewhere").mkdir()
    os.chdir("elsewhere")
    assert "".join(open_corpus(corpus.sources, corpus.options).texts()) == text


@pytest.mark.parametrize("name", [PYTHON_DOCS, "-"])
def test_sources_name_what_was_read_not_a_file_of_that_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a")))
    put(name, "another text")
    assert open_corpus([name]).sources == (name,)


# Folders


def test_a_folder_is_walked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds is told from the same walk that found its files, which takes minutes on a
    network."""
    walks: list[Path] = []
    find = folders.find_files

    def count(folder: Path, glob: str, *, at_most: int | None = None) -> folders.FolderFiles:
        walks.append(folder)
        return find(folder, glob, at_most=at_most)

    monkeypatch.setattr(sources, "find_files", count)
    put("one/a.txt", "abc")
    put("one/b.md", "left out")
    put("two/c.txt", "def")
    text = tokenize(open_corpus(["one", "two", "one/b.md"]))
    assert walks == [Path("one"), Path("two")]
    assert [found.summary for found in text.folders] == [
        "one: 1 file read; left out: 1 not named *.txt (b.md)",
        "two: 1 file read",
    ]


# Split


@settings(deadline=None)
@given(count=st.integers(20, 5_000))
def test_validation_is_the_last_tenth(count: int) -> None:
    corpus = tokenized("".join(map(chr, range(0x4E00, 0x4E00 + count))))
    training, validation = corpus.split(0.1)
    assert len(training) == count * 9 // 10
    np.testing.assert_array_equal(np.concatenate([training, validation]), corpus.ids)


def test_both_sides_of_a_split_are_views() -> None:
    """A copy would be another corpus' worth of memory."""
    corpus = tokenized("to be or not to be, that is the question\n" * 3)
    for lines in (False, True):
        for side in corpus.split(0.1, lines=lines):
            assert np.shares_memory(side, corpus.ids)


@kinds
@settings(deadline=None)
@given(
    lines=st.lists(st.text("ab\r", max_size=9), min_size=60, max_size=99),
    fraction=st.floats(0.05, 0.5),
    end=st.sampled_from(["", "\n"]),
)
def test_validation_takes_whole_lines(
    kind: str, lines: list[str], fraction: float, end: str
) -> None:
    text = "\n".join(lines) + end
    corpus = tokenized(text, kind)
    training, validation = corpus.split(fraction, lines=True)
    before, after = corpus.tokenizer.decode(training), corpus.tokenizer.decode(validation)
    assert before + after == text
    assert before.endswith("\n")
    assert len(after) >= int(len(text) * fraction)
    assert len(after.partition("\n")[2]) <= len(text) * fraction, "a line less would have done"


@pytest.mark.parametrize("text", ["a" * 100, "a" * 99 + "\n", "a" * 95 + "\nbbbb"])
def test_lines_need_lines(text: str) -> None:
    with pytest.raises(CorpusError, match="--lines needs at least a few lines"):
        tokenized(text).split(0.1, lines=True)


@pytest.mark.parametrize("last", [2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_the_line_that_is_split_may_be_long(last: int) -> None:
    """The newline before it is looked for from the end, a piece at a time."""
    ids = np.zeros(3 * CHUNK, dtype=np.uint8)
    ids[last - 1] = 1
    corpus = dataclasses.replace(tokenized("a\n"), ids=ids, tokenizer=CharTokenizer("a\n"))
    training, validation = corpus.split(0.2, lines=True)
    assert (len(training), len(validation)) == (last, len(ids) - last)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 0.51, 1.0, float("nan")])
def test_a_validation_fraction_out_of_range_is_a_config_error(fraction: float) -> None:
    with pytest.raises(ConfigError, match="validation fraction"):
        tokenized("to be or not to be").split(fraction)


@pytest.mark.parametrize("fraction", [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
def test_a_text_that_is_too_short_is_told_how_long_it_must_be(fraction: float) -> None:
    """With exactly that many characters it trains, and with one fewer it does not."""
    with pytest.raises(CorpusError, match="training needs at least") as caught:
        tokenized("a").split(fraction)
    found = re.search(r"at least (\d+)", str(caught.value))
    assert found is not None
    needed = int(found[1])
    training, validation = tokenized("a" * needed).split(fraction)
    assert min(len(training), len(validation)) >= MINIMUM_SPLIT
    with pytest.raises(CorpusError, match=f"{needed - 1} characters are too few"):
        tokenized("a" * (needed - 1)).split(fraction)


# Memory


@pytest.mark.slow
@kinds
def test_a_corpus_takes_less_than_three_times_its_size_in_memory(kind: str) -> None:
    """sherjilozair #30: twenty times. As a `str`, one emoji makes it four times."""
    line = b"It was a bright cold day in April, and the clocks were striking thirteen.\n"
    size = 50_000_000
    with open("book.txt", "wb") as file:
        file.write((line * (size // len(line))).ljust(size - 4, b"."))
        file.write("\N{GRINNING FACE}".encode())
    tracemalloc.start()
    try:
        corpus = tokenize(open_corpus(["book.txt"]), kind=kind)
        corpus.split(0.1, lines=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert corpus.bytes == size
    assert peak < 3 * size
