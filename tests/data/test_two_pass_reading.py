"""A text is read twice, whoever reads it."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from charrnn.data import two_pass_reading
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Ids
from charrnn.data.two_pass_reading import (
    EncodedText,
    IdsKey,
    LongerTextError,
    Reading,
    ReadingProgress,
    count_characters,
    no_progress,
    read_twice,
)
from charrnn.errors import ConfigError, CorpusError, UnknownCharacterError


class Words(Reading):
    """A pass over words."""

    nothing = "there are no words in it"

    def __init__(self, words: list[str], at_most: int | None = None) -> None:
        super().__init__("words", at_most)
        self.words = words

    def chunks(self, prepare: Callable[[str], str]) -> Iterator[str | bytes]:
        for word in map(prepare, self.words):
            content = word.encode()
            self.add(content, size=len(content), count=len(word))
            yield word


def read(*passes: list[str], **options: Any) -> EncodedText[Words]:
    """Reads words, which are other ones in the second pass where that is given."""
    later = iter([*passes, passes[0]])

    def begin(
        *, as_bytes: bool, at_most: int | None = None, progress: ReadingProgress = no_progress
    ) -> Words:
        return Words(next(later), at_most)

    defaults: dict[str, Any] = {
        "kind": "char",
        "min_count": 1,
        "tokenizer": None,
        "unknown": "error",
        "find": None,
        "keep": None,
        "at_most": None,
        "progress": no_progress,
    }
    return read_twice(begin, **(defaults | options))


@pytest.mark.parametrize("tokenizer", [None, CharTokenizer("abc"), ByteTokenizer()])
def test_an_empty_text_says_what_it_lacks(
    tokenizer: CharTokenizer | ByteTokenizer | None,
) -> None:
    with pytest.raises(CorpusError, match="^words: it is empty; there are no words in it$"):
        read([], tokenizer=tokenizer)


@pytest.mark.parametrize(
    "second", [["abba", "acca"], ["abba"], ["abba", "baab", "c"], ["abba", "baad"]]
)
def test_another_text_in_the_second_pass_is_refused(second: list[str]) -> None:
    with pytest.raises(CorpusError, match="^words: it changed while it was being read"):
        read(["abba", "baac"], second)


def test_an_unknown_character_is_no_change() -> None:
    with pytest.raises(UnknownCharacterError):
        read(["ab", "x"], tokenizer=CharTokenizer("ab"))


def test_unknown_characters_are_skipped_in_both_passes() -> None:
    text = read(["ax", "bay"], tokenizer=CharTokenizer("ab"), unknown="skip")
    assert (text.ids.tolist(), text.skipped) == ([0, 1, 0], ("x", "y"))
    assert (text.first.count, text.first.bytes) == (3, 3)


def test_a_text_that_is_too_long_is_not_read_to_its_end() -> None:
    words = Words(["ab", "cd", "ef"], at_most=3)
    with pytest.raises(LongerTextError, match="^words: it has more than 3 bytes"):
        count_characters(words, None)
    assert words.count == 4


@pytest.mark.parametrize("wrong", [{"min_count": 0}, {"kind": "word"}, {"kind": ""}], ids=str)
def test_what_cannot_be_is_refused_before_anything_is_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        read([], **wrong)


def test_ids_that_are_found_are_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_pass_reading, "LARGEST_IN_MEMORY", 0)
    kept: dict[IdsKey, Ids] = {}

    def keep(key: IdsKey, ids: Iterator[Ids]) -> Ids:
        return kept.setdefault(key, np.concatenate(list(ids)))

    first = read(["abba"], find=kept.get, keep=keep)
    second = read(["abba"], ["its second pass is not read"], find=kept.get, keep=keep)
    assert second.ids is first.ids and len(kept) == 1
    read(["bab"], find=kept.get, keep=keep)
    assert len(kept) == 2


def test_progress_is_told_of_the_second_pass() -> None:
    told: list[tuple[str, int, int | None]] = []
    read(["ab", "c"], progress=lambda *each: told.append(each))
    assert told == [("numbering", 2, 3), ("numbering", 3, 3)]
