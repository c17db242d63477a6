"""The commands to try after a training."""

import dataclasses
import shlex
from typing import Any

import numpy as np
import pytest

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.training.next_commands import MOST, WORTH_IT, example_passage, next_commands
from charrnn.training.report import NextCommand

TEXT = 'It\'s "so": $(x)\n`Nope`! The old crow, quick and grey, flew over 12 hills.\n'


class FakeTask:
    """A task whose loss a longer training is expected to lower by a share."""

    def __init__(self, gain: float) -> None:
        self.gain = gain

    def next_commands(self) -> tuple[NextCommand, ...]:
        return tuple(NextCommand(f"charrnn {each} {{run}}", each) for each in ("a", "b", "c", "d"))

    def gain_of_epochs(self, config: object, times: float) -> float:
        assert times > 1
        return self.gain


def commands(gain: float, *, longer: str | None = "charrnn train x", early: bool = False) -> Any:
    task: Any = FakeTask(gain)
    config: Any = None
    return next_commands(task, config, "'my run'", longer=longer, stopped_early=early)


def test_they_name_the_run_and_what_they_do() -> None:
    shown = commands(0.0)
    assert len(shown) == MOST
    assert shown[0] == ("charrnn a 'my run'", "a")


@pytest.mark.parametrize(
    ("gain", "settings", "suggested"),
    [
        (WORTH_IT, {}, True),
        (WORTH_IT / 2, {}, False),
        (0.5, {"early": True}, False),
        (0.5, {"longer": None}, False),
    ],
)
def test_a_longer_training_is_suggested_where_it_is_worth_it(
    gain: float, settings: dict[str, Any], suggested: bool
) -> None:
    shown = [each.command for each in commands(gain, **settings)]
    assert len(shown) == MOST
    assert ("charrnn train x" in shown) == suggested


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_an_example_is_words_that_a_shell_takes_as_they_are(kind: str) -> None:
    tokenizer = CharTokenizer("".join(sorted({*TEXT}))) if kind == "char" else ByteTokenizer()
    for length in (12, 20, 28, 40):
        words = example_passage(tokenizer, tokenizer.encode(TEXT), length)
        assert words is not None and words in TEXT and len(words) <= length
        assert shlex.split(f"'{words}'") == [words] and words[0].isalpha()


def test_there_may_be_no_words() -> None:
    tokenizer = CharTokenizer("0123456789\n")
    assert example_passage(tokenizer, tokenizer.encode("12\n345\n"), 28) is None
    assert example_passage(ByteTokenizer(), np.array([255, 254, 253], np.uint8), 28) is None


def test_the_gain_is_large_where_a_text_was_hardly_read_and_small_where_it_was_read_often() -> None:
    from charrnn.data.corpus import open_corpus, tokenize
    from charrnn.tasks.generate.task import GenerationTask

    corpus = tokenize(open_corpus(["fables"]))
    task = GenerationTask(corpus, validation_fraction=0.1)

    @dataclasses.dataclass
    class Config:
        steps: int
        batch_size: int = 32
        sequence_length: int = 48

    few: Any = Config(steps=20)
    many: Any = Config(steps=1000)
    assert task.gain_of_epochs(few, 4) > WORTH_IT > task.gain_of_epochs(many, 4) > 0


def test_an_example_has_no_underscore_which_is_a_gap() -> None:
    for text, words in (("red_fox_hen, a_b", None), ("red_fox(the old crow)", "the old crow")):
        tokenizer = CharTokenizer("".join(sorted({*text})))
        assert example_passage(tokenizer, tokenizer.encode(text), 28) == words


@pytest.mark.parametrize(
    ("words", "swapped"),
    [
        ("The old crow", "The old corw"),
        ("a letter", "a lteter"),
        ("so so so", "os so so"),
        ("aaaa ab", "aaaa ba"),
        ("a b c d", None),
        ("aaaaa", None),
    ],
)
def test_two_letters_that_are_swapped_are_of_a_word_and_differ(
    words: str, swapped: str | None
) -> None:
    from charrnn.tasks.infill.task import _middle_pair

    at = _middle_pair(words)
    shown = None if at is None else words[:at] + words[at + 1] + words[at] + words[at + 2 :]
    assert shown == swapped


@pytest.mark.parametrize(
    ("source", "verb"), [("book.txt", "evaluate"), ("-", "info"), ("hf:owner/name", "info")]
)
def test_evaluate_is_suggested_where_it_finds_the_text_again(source: str, verb: str) -> None:
    from charrnn.data.corpus import open_corpus, tokenize
    from charrnn.tasks.generate.task import GenerationTask

    corpus = dataclasses.replace(tokenize(open_corpus(["fables"])), sources=(source,))
    task = GenerationTask(corpus, validation_fraction=0.1)
    assert task.next_commands()[-1].command == f"charrnn {verb} {{run}}"
