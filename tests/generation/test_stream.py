import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model
from tests.generation.scripted import scripted

MakeModel = Callable[..., Model]


def test_a_stream_that_is_iterated_again_begins_with_what_comes_next() -> None:
    stream = scripted("abcdef").stream("", SamplingConfig(length=4))
    assert "".join(stream) == "abcd"
    assert list(stream) == []


# Length


@pytest.mark.parametrize("length", [1, 2, 77])
def test_length_counts_the_characters_made(length: int, make_model: MakeModel) -> None:
    stream = Sampler(make_model()).stream("abc", SamplingConfig(length=length))
    assert len("".join(stream)) == stream.characters == length
    assert stream.stop_reason == "length"


def test_length_zero_makes_nothing(make_model: MakeModel) -> None:
    stream = Sampler(make_model()).stream("abc", SamplingConfig(length=0))
    assert list(stream) == []
    assert (stream.characters, stream.nats, stream.stop_reason) == (0, 0.0, "length")


def test_length_none_never_ends_and_begins_like_any_other(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    pieces = sampler.stream("abc", SamplingConfig(length=None))
    endless = itertools.islice(itertools.chain.from_iterable(pieces), 700)
    assert "".join(endless) == sampler.sample("abc", SamplingConfig(length=700))


def test_a_longer_sample_begins_with_the_shorter(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    short, long = (sampler.sample("a", SamplingConfig(length=length)) for length in (30, 90))
    assert long.startswith(short)


def test_pieces_come_as_they_are_made() -> None:
    stream = scripted("abc").stream("", SamplingConfig(length=None))
    first = next(iter(stream))
    assert (first, stream.characters, stream.stop_reason) == ("a", 1, None)


# Stop strings


def cut(text: str, stops: tuple[str, ...]) -> str:
    """The text up to the stop string that is complete first (of those, the one that begins
    first)."""
    for end in range(len(text) + 1):
        found = [i for stop in stops if (i := text[:end].find(stop)) >= 0]
        if found:
            return text[: min(found)]
    return text


@pytest.mark.parametrize(
    ("script", "stop", "expected"),
    [
        ("one END two", ("END",), "one "),
        ("one ENEND two", ("END",), "one EN"),  # a false start that overlaps the true one
        ("aaab", ("aab",), "a"),
        ("one. two! three", ("!", "."), "one"),
        ("one. two! three", ("!", "?"), "one. two"),
        ("abcd", ("bcd", "c"), "ab"),
        ("END", ("END",), ""),
        ("one EN", ("END",), "one EN"),  # held back, and printed after all
        ("naïve €uro", ("€",), "naïve "),
    ],
)
@pytest.mark.parametrize("byte", [False, True], ids=["char", "byte"])
@pytest.mark.filterwarnings("ignore:stop:charrnn.errors.CharRNNWarning")
def test_a_sample_ends_before_a_stop_string(
    script: str, stop: tuple[str, ...], expected: str, byte: bool
) -> None:
    length = len(script.encode()) if byte else len(script)
    stream = scripted(script, byte=byte).stream("", SamplingConfig(length=length, stop=stop))
    assert "".join(stream) == expected
    stopped = any(each in script for each in stop)
    assert stream.stop_reason == ("stop" if stopped else "length")


@pytest.mark.parametrize("batch_size", [1, 3])
def test_stop_strings_end_each_of_many_samples(batch_size: int) -> None:
    made = scripted("one ENEND two").samples(
        "", SamplingConfig(stop=("END",)), indices=range(5), batch_size=batch_size, threads=1
    )
    assert [(each.text, each.characters, each.stop_reason) for each in made] == [
        ("one EN", 9, "stop")
    ] * 5


@given(
    script=st.text("ab", min_size=1, max_size=24),
    stops=st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=3).map(tuple),
)
@pytest.mark.filterwarnings("ignore:stop:charrnn.errors.CharRNNWarning")
def test_no_part_of_a_stop_string_is_ever_given(script: str, stops: tuple[str, ...]) -> None:
    config = SamplingConfig(length=len(script), stop=stops)
    pieces = list(scripted(script).stream("", config))
    assert "".join(pieces) == cut(script, stops)
    assert "" not in pieces


def test_what_cannot_become_a_stop_string_is_not_held_back() -> None:
    stream = scripted("abEabEND").stream("", SamplingConfig(length=None, stop=("END",)))
    made = [(piece, stream.characters) for piece in stream]
    assert made == [("a", 1), ("b", 2), ("E", 4), ("a", 4), ("b", 5)]


def test_a_stop_string_in_the_prompt_does_not_stop() -> None:
    config = SamplingConfig(length=3, stop=("x",))
    assert scripted("abcx").sample("x", config) == "abc"


# Lines


def test_lines_end_before_the_newline() -> None:
    stream = scripted("anna\nbob\n").stream("", SamplingConfig(lines=True))
    assert "".join(stream) == "anna"
    assert stream.stop_reason == "stop"


def test_a_line_ends_at_other_stop_strings_too() -> None:
    config = SamplingConfig(lines=True, stop=("n",))
    assert scripted("anna\n").sample("", config) == "a"


def test_a_line_begins_as_after_a_newline(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    line = sampler.sample("", SamplingConfig(lines=True, length=60, seed=2))
    text = sampler.sample("\n", SamplingConfig(length=60, seed=2))
    assert line == text.split("\n")[0]


# Bytes


def test_bytes_come_as_whole_characters() -> None:
    script = "né€😀, naïve"
    stream = scripted(script, byte=True).stream("", SamplingConfig(length=len(script.encode())))
    assert list(stream) == list(script)


def test_length_counts_bytes_and_those_of_half_a_character_survive() -> None:
    stream = scripted("a€", byte=True).stream("", SamplingConfig(length=3))
    text = "".join(stream)
    assert text.encode("utf-8", "surrogateescape") == "a€".encode()[:3]
    assert stream.characters == 3


@pytest.mark.parametrize("seed", range(3))
def test_whatever_bytes_a_model_makes_survive_a_round_trip(
    seed: int, make_model: MakeModel
) -> None:
    model = make_model(None, sharpness=1.0)
    sampler = Sampler(model)
    text = sampler.sample("né", SamplingConfig(length=300, seed=seed))
    ids = model.tokenizer.encode(text)
    assert len(ids) == 300
    assert model.tokenizer.decode(ids) == text
