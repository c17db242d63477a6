import random
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.classification_texts import (
    Labelled,
    Parts,
    cut,
    echoes,
    label_of_name,
    natural_languages,
    packages,
    programming_languages,
)


def prose(seed: int, words: int = 60) -> str:
    generator = random.Random(seed)
    return " ".join(f"word{generator.randrange(10**6)}" for _ in range(words))


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def check_parts(parts: Parts, labels: list[str], training: int, test: int) -> None:
    """So many of each class, none twice."""
    for part, count in ((parts.training, training), (parts.test, test)):
        assert Counter(each.label for each in part) == dict.fromkeys(labels, count)
    texts = [each.text for part in parts for each in part]
    assert len(set(texts)) == len(texts)


def test_pieces_of_a_text_are_as_long_as_asked_for() -> None:
    pieces = cut("a b " * 500, (20, 30), random.Random(0))
    assert all(20 <= len(piece) <= 30 and piece == piece.strip() for piece in pieces)
    assert cut("short", (20, 30), random.Random(0)) == []


def test_languages_go_by_the_names_of_files(tmp_path: Path) -> None:
    write(tmp_path, {f"{n}{end}": prose(n) for n in range(10) for end in (".py", ".js")})
    write(tmp_path, {f"more/{n}.tcl": prose(n) for n in range(10)})  # the texts of others
    write(tmp_path, {"one.css": prose(1), "two.h": prose(2), "empty.py": ""})
    parts = programming_languages(roots=[tmp_path], training=6, test=2, length=(20, 30))
    labels = sorted({each.label for each in parts.test})
    assert "css" not in labels and "python" in labels
    check_parts(parts, labels, 6, 2)
    assert parts == programming_languages(roots=[tmp_path], training=6, test=2, length=(20, 30))
    other = programming_languages(1, roots=[tmp_path], training=6, test=2, length=(20, 30))
    assert parts.test != other.test


def test_no_file_is_in_both_parts(tmp_path: Path) -> None:
    """A file's names and habits come again in all its snippets, and would be known by heart."""
    # A text that repeats itself may give the same snippet twice, depending on where it is cut.
    words = ["a" * (k % 9) + "b" * (k // 9) for k in range(60)]
    files = {f"email/{n}.py": " ".join(f"number{n}{word}" for word in words) for n in range(10)}
    files |= {f"asyncio/{n}.py": " ".join(f"{n}async{word}" for word in words) for n in range(10)}
    write(tmp_path, files | {"email/test/test.py": "never " * 99})
    parts = packages(library=tmp_path, training=2, test=1, length=(200, 201))
    check_parts(parts, ["asyncio", "email"], 2, 1)
    for label in ("asyncio", "email"):
        training, test = (
            {c for each in part if each.label == label for c in each.text if c.isdigit()}
            for part in parts
        )
        assert training and test and not training & test
    assert not any("never" in each.text for part in parts for each in part)


def catalogue(messages: Mapping[str, str]) -> bytes:
    """A compiled catalogue of gettext: its header, two tables of places, and the texts."""
    header = {"": "Content-Type: text/plain; charset=UTF-8\n"}
    pairs = sorted((header | dict(messages)).items())
    texts, places = b"", []
    start = 28 + 16 * len(pairs)
    for column in (0, 1):
        for pair in pairs:
            encoded = pair[column].encode()
            places.append(struct.pack("<II", len(encoded), start + len(texts)))
            texts += encoded + b"\0"
    sizes = (0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return struct.pack("<7I", *sizes) + b"".join(places) + texts


def test_messages_that_tell_the_language(tmp_path: Path) -> None:
    for language in ("de", "fr", "fr_CA"):
        folder = tmp_path / language / "LC_MESSAGES"
        folder.mkdir(parents=True)
        for program in range(5):
            messages = {f"m{n}": f"{language} message {program} {n} of many" for n in range(8)}
            messages |= {"same in both, and long enough": "the same for everybody, and long"}
            messages |= {"not translated, and long enough": "not translated, and long enough"}
            messages |= {"short": "kurz"}
            (folder / f"program{program}.mo").write_bytes(catalogue(messages))
    (tmp_path / "de" / "LC_MESSAGES" / "bad.mo").write_bytes(b"no catalogue")
    parts = natural_languages(locale=tmp_path, languages=["de", "fr"], training=12, test=8)
    check_parts(parts, ["de", "fr"], 12, 8)
    assert all(each.text.startswith(each.label) for part in parts for each in part)
    for label in ("de", "fr"):  # of four programs one learns, of the fifth it is asked
        test = {each.text.split()[2] for each in parts.test if each.label == label}
        training = {each.text.split()[2] for each in parts.training if each.label == label}
        assert len(test) == 1 and not test & training


@pytest.mark.parametrize(
    ("name", "label"),
    [("bado", "other"), ("bada", "echo"), ("obadok", "echo"), ("bodak", "other"), ("bo", "echo")],
)
def test_the_rule_of_names(name: str, label: str) -> None:
    assert label_of_name(name) == label


def test_names_are_by_the_rule_and_as_many_of_each_class() -> None:
    parts = echoes(training=80, test=20)
    assert [len(part) for part in parts] == [80, 20]
    labelled = [each for part in parts for each in part]
    assert Counter(each.label for each in labelled) == {"echo": 50, "other": 50}
    assert all(each == Labelled(each.text, label_of_name(each.text)) for each in labelled)
    assert len({each.text for each in labelled}) == 100
    assert parts == echoes(training=80, test=20) != echoes(1, training=80, test=20)
