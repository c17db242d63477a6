import itertools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from charrnn.engines import ENGINES, Array, Int8NumPyEngine, State
from charrnn.errors import ConfigError, ModelError, UnknownCharacterError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.interactive.kept_states import SPACING
from charrnn.interactive.manuscript import Manuscript, Segment
from charrnn.interactive.suggestions import LONGEST, UNITS
from charrnn.storage.model_directory import Model
from tests.interactive.manuscripts import KINDS, Counting, collect, costs, read_at_once, same
from tests.patterns import needs_regex

MakeModel = Callable[..., Model]


# Writing


@KINDS
def test_a_continuation_is_the_samplers_own(characters: str | None, make_model: MakeModel) -> None:
    sampler = Sampler(make_model(characters))
    config = SamplingConfig(length=90, temperature=1.0 if characters else 0.1, seed=4)
    for prompt in ("", "ab", "a\nb c"):
        for index in (0, 3):
            manuscript = Manuscript(sampler)
            manuscript.write(prompt)
            made = collect(manuscript.continuation(config, index))
            assert sampler.sample(prompt, config, index=index).startswith(made)
            assert len(made) > 20
            assert manuscript.text == prompt + made


def test_a_continuation_goes_on_as_the_sampler_does_after_all_the_text(
    make_model: MakeModel,
) -> None:
    sampler = Sampler(make_model())
    config = SamplingConfig(length=40, no_repeat_ngram=6, repetition_penalty=1.2)
    manuscript = Manuscript(sampler)
    for typed in ("ab", "cd ", "e"):
        manuscript.write(typed)
        before = manuscript.text
        made = collect(manuscript.continuation(config, 7))
        assert made == sampler.sample(before, config, index=7)


@KINDS
@pytest.mark.parametrize("attention", [None, 5])
def test_c_continues_as_python_does_with_the_same_numbers(
    characters: str | None, attention: int | None, make_model: MakeModel
) -> None:
    model = make_model(characters, attention=attention)
    config = SamplingConfig(length=70, temperature=1.0 if characters else 0.1, seed=4, stop=("ba",))
    found = []
    for engine in (ENGINES["int8"](model), Int8NumPyEngine.of(model)):
        manuscript = Manuscript(Sampler(model, engine))
        made = []
        for typed in ("", "ab", "c"):
            manuscript.write(typed)
            made.append(collect(manuscript.continuation(config)))
        made.append(collect(manuscript.again(config)))
        manuscript.undo()
        likely = manuscript.probabilities().tolist()
        made.append(collect(manuscript.continuation(config)))
        found.append((made, likely, costs(manuscript)[1:], manuscript.stop_reason))
    assert found[0] == found[1]


@KINDS
def test_a_continuation_that_is_stopped_early_leaves_what_it_gave(
    characters: str | None, make_model: MakeModel
) -> None:
    model = make_model(characters)
    config = SamplingConfig(length=5000, temperature=1.0 if characters else 0.1)
    manuscript, again = (Manuscript(Sampler(model, "int8")) for _ in range(2))
    manuscript.write("ab")
    pieces = manuscript.continuation(config)
    given = "ab" + collect(itertools.islice(pieces, 3))
    pieces.close()
    assert manuscript.text == given
    again.write(given)
    assert costs(manuscript)[1:] == costs(again)[1:]
    assert manuscript.probabilities().tolist() == again.probabilities().tolist()


@KINDS
def test_what_is_read_bit_by_bit_costs_what_it_costs_at_once(
    characters: str | None, make_model: MakeModel
) -> None:
    sampler = Sampler(make_model(characters, sharpness=1.0))
    manuscript = Manuscript(sampler)
    config = SamplingConfig(length=150)
    for typed in ("a", "b", "ab" * 70, "c\n"):
        manuscript.write(typed)
        for _ in manuscript.continuation(config):
            pass
    text = manuscript.text
    whole = Manuscript(sampler)
    whole.write(text)
    assert len(costs(whole)) == len(text) > 400
    assert same(costs(manuscript), costs(whole))
    if characters:
        assert costs(whole) == pytest.approx(read_at_once(sampler, text), nan_ok=True)
    assert np.array_equal(manuscript.probabilities(), whole.probabilities())


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_can_be_written_with(engine: str, make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model(), engine))
    manuscript.write("abc")
    collect(manuscript.continuation(SamplingConfig(length=30)))
    manuscript.undo()
    assert manuscript.text == "abc"
    assert len(collect(manuscript.again(SamplingConfig(length=30)))) == 30
    assert len(manuscript.greedy(10)) <= 10
    for unit in UNITS:
        assert manuscript.suggestions(unit, 3)
    expected = read_at_once(manuscript.sampler, manuscript.text)
    assert costs(manuscript) == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_only_the_first_character_of_a_typed_text_has_no_cost(make_model: MakeModel) -> None:
    typed, made, line = (
        Manuscript(Sampler(make_model()), lines=lines) for lines in (False, False, True)
    )
    typed.write("ab")
    collect(made.continuation(SamplingConfig(length=2)))
    line.write("ab")
    assert [math.isnan(nats) for nats in costs(typed)] == [True, False]
    assert [math.isnan(nats) for nats in costs(made)] == [False, False]
    # After a newline, as the model read every line when it learned.
    assert costs(line) == pytest.approx(read_at_once(line.sampler, "ab", prompt="\n"))


def test_a_line_is_written_as_the_sampler_writes_it(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    config = SamplingConfig(lines=True, length=200)
    manuscript = Manuscript(sampler, lines=True)
    manuscript.write("ab")
    assert collect(manuscript.continuation(config, 0)) == sampler.sample("ab", config)
    assert manuscript.stop_reason == "stop"
    assert "\n" not in manuscript.text


def test_a_stop_string_is_no_part_of_the_text_nor_of_what_was_read(make_model: MakeModel) -> None:
    sampler = Sampler(make_model("ab"))
    config = SamplingConfig(length=None, stop=("aabb", "bbaa"))
    manuscript = Manuscript(sampler)
    manuscript.write("a")
    pieces = list(manuscript.continuation(config, 0))
    assert "".join(pieces) == sampler.sample("a", config)
    whole = Manuscript(sampler)
    whole.write(manuscript.text)
    assert np.array_equal(manuscript.probabilities(), whole.probabilities())
    assert same(costs(manuscript), costs(whole))


@KINDS
def test_what_came_before_it_was_stopped_stays(
    characters: str | None, make_model: MakeModel
) -> None:
    sampler = Sampler(make_model(characters))
    manuscript = Manuscript(sampler)
    manuscript.write("ab")
    pieces = manuscript.continuation(SamplingConfig(length=None))
    came = "".join(itertools.islice(pieces, 9))
    pieces.close()
    assert manuscript.text == f"ab{came}"
    assert manuscript.stop_reason is None
    whole = Manuscript(sampler)
    whole.write(manuscript.text)
    assert np.array_equal(manuscript.probabilities(), whole.probabilities())
    assert manuscript.undo()
    assert manuscript.text == "ab"


@needs_regex
@pytest.mark.parametrize(
    ("pattern", "lines"), [("[abc]+", False), ("[abc]+", True), ("(ab|c ?)*", False), ("", False)]
)
@pytest.mark.parametrize("typed", ["", "ab c"])
def test_a_text_that_matches_a_pattern_is_the_samplers_own(
    make_model: MakeModel, pattern: str, lines: bool, typed: str
) -> None:
    sampler = Sampler(make_model())
    config = SamplingConfig(length=300, regex=pattern, lines=lines, seed=2)
    manuscript = Manuscript(sampler, lines=lines)
    manuscript.write(typed)
    for index in range(3):
        expected = next(sampler.samples(typed, config, indices=[index]))
        assert "".join(manuscript.continuation(config, index)) == expected.text
        assert manuscript.stop_reason == expected.stop_reason
        assert manuscript.text == typed + expected.text
        whole = Manuscript(sampler, lines=lines)
        if not manuscript.text:
            break
        if typed or lines:
            whole.write(manuscript.text)
            assert np.array_equal(whole.probabilities(), manuscript.probabilities())
        if expected.text:
            manuscript.undo()


@needs_regex
def test_a_text_that_is_to_match_can_be_stopped_before_it_comes(make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model()))
    manuscript.write("ab")
    pieces = manuscript.continuation(SamplingConfig(regex="[abc ]{50}"))
    assert [next(pieces) for _ in range(5)] == [""] * 5
    pieces.close()
    assert manuscript.text == "ab"
    assert not manuscript.undo()


def test_strange_characters_are_refused_and_leave_no_trace(make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model()))
    manuscript.write("ab")
    with pytest.raises(UnknownCharacterError):
        manuscript.write("cZ")
    assert manuscript.text == "ab"


def test_a_text_that_is_not_read_to_its_end_leaves_no_trace(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    manuscript = Manuscript(sampler)
    manuscript.write("ab")
    before = manuscript.probabilities()
    steps = manuscript.reading("abc " * 100)
    assert next(steps) < 400
    steps.close()
    assert manuscript.text == "ab"
    assert np.array_equal(manuscript.probabilities(), before)
    manuscript.write("c")
    assert costs(manuscript)[1:] == pytest.approx(read_at_once(sampler, "abc")[1:])


def test_nothing_is_written_by_writing_nothing(make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model()))
    manuscript.write("")
    assert (manuscript.text, manuscript.segments(), len(manuscript)) == ("", [], 0)
    assert collect(manuscript.continuation(SamplingConfig(length=0))) == ""
    assert manuscript.segments() == []


# Bytes


class Script(Counting):
    """An engine that is certain of what comes next: a script, over and over. Where it is in the
    script is its state."""

    def __init__(self, model: Model, script: bytes) -> None:
        super().__init__(model)
        self.script = script

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        end = (state[0] if state else 0) + np.asarray(ids).shape[1]
        logits = np.full((1, np.asarray(ids).shape[1], 256), -50, dtype=np.float32)
        logits[0, -1, self.script[(end - 1) % len(self.script)]] = 50
        return logits, (end,)


def test_a_piece_is_never_half_a_character(make_model: MakeModel) -> None:
    model = make_model(None)
    manuscript = Manuscript(Sampler(model, Script(model, "€é".encode())))
    manuscript.write("x")
    assert list(manuscript.continuation(SamplingConfig(length=4))) == ["€"]  # half an é is dropped
    assert list(manuscript.continuation(SamplingConfig(length=5))) == ["é", "€"]
    assert manuscript.text == "x€é€"
    assert [character for character, _ in manuscript.surprisals()] == list("x€é€")
    assert manuscript.greedy(4) == "é"
    assert manuscript.undo() and manuscript.undo() and not manuscript.undo()
    assert manuscript.text == "x"


def test_bytes_that_come_one_by_one_are_not_lost(make_model: MakeModel) -> None:
    model = make_model(None)
    manuscript = Manuscript(Sampler(model, Script(model, "€".encode())))
    manuscript.write("x")
    for _ in range(3):
        collect(manuscript.continuation(SamplingConfig(length=1)))
    assert manuscript.text.encode("utf-8", "surrogateescape") == "x€".encode()


# Taking back


def test_undo_takes_back_continuations_one_by_one(make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model()))
    config = SamplingConfig(length=20)
    assert not manuscript.undo()
    manuscript.write("ab")
    assert not manuscript.undo()
    first = collect(manuscript.continuation(config))
    second = collect(manuscript.continuation(config))
    manuscript.write("cd")
    third = collect(manuscript.continuation(config))
    assert manuscript.segments() == [
        Segment(False, "ab"),
        Segment(True, first),
        Segment(True, second),
        Segment(False, "cd"),
        Segment(True, third),
    ]
    for left in (f"ab{first}{second}cd", f"ab{first}", "ab"):
        assert manuscript.undo()
        assert manuscript.text == left
    assert not manuscript.undo()
    assert manuscript.text == "ab"


@KINDS
def test_after_an_undo_all_is_as_it_was(characters: str | None, make_model: MakeModel) -> None:
    sampler = Sampler(make_model(characters))
    manuscript, other = Manuscript(sampler), Manuscript(sampler)
    config = SamplingConfig(length=70)
    for each in (manuscript, other):
        each.write("ab" * 50)
        collect(each.continuation(config, 0))
    collect(manuscript.continuation(config, 1))
    manuscript.undo()
    assert np.array_equal(manuscript.probabilities(), other.probabilities())
    assert same(costs(manuscript), costs(other))
    assert collect(manuscript.continuation(config, 5)) == collect(other.continuation(config, 5))
    assert manuscript.text == other.text


def test_a_text_that_the_model_began_can_be_begun_by_hand_after_an_undo(
    make_model: MakeModel,
) -> None:
    sampler = Sampler(make_model())
    manuscript, other = Manuscript(sampler), Manuscript(sampler)
    collect(manuscript.continuation(SamplingConfig(length=5)))
    manuscript.undo()
    assert manuscript.text == ""
    for each in (manuscript, other):
        each.write("ab")  # and no newline stands before it any more
    assert np.array_equal(manuscript.probabilities(), other.probabilities())
    assert same(costs(manuscript), costs(other))


def test_again_gives_one_alternative_after_another(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    config = SamplingConfig(length=30, seed=9)
    manuscript = Manuscript(sampler)
    manuscript.write("ab")
    texts = [collect(manuscript.continuation(config))]
    for _ in range(3):
        texts.append(collect(manuscript.again(config)))
        assert manuscript.text == f"ab{texts[-1]}"
    assert texts == [sampler.sample("ab", config, index=index) for index in range(4)]
    assert len(set(texts)) == 4


@pytest.mark.parametrize("undo_before", [False, True])
def test_probabilities_are_those_after_the_text_that_replaced_one_as_long(
    undo_before: bool, make_model: MakeModel
) -> None:
    sampler = Sampler(make_model(), "int8")
    config = SamplingConfig(length=30, temperature=1.0)
    manuscript = Manuscript(sampler)
    manuscript.write("ab")
    first = collect(manuscript.continuation(config))
    before = manuscript.probabilities()
    if undo_before:
        manuscript.undo()
    second = collect(manuscript.again(config))
    assert len(first) == len(second)
    other = Manuscript(sampler)
    other.write(manuscript.text)
    assert manuscript.probabilities().tolist() == other.probabilities().tolist() != before.tolist()


def test_more_is_never_made_of_the_same_random_numbers(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    config = SamplingConfig(length=30)
    manuscript = Manuscript(sampler)
    manuscript.write("ab")
    collect(manuscript.continuation(config))
    before = manuscript.text
    more = collect(manuscript.continuation(config))
    assert more == sampler.sample(before, config, index=1)
    manuscript.undo()
    assert collect(manuscript.again(config)) == sampler.sample("ab", config, index=2)


def test_nothing_is_taken_back_where_nothing_can_be_written(make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model("ab")))
    manuscript.write("ab")
    collect(manuscript.continuation(SamplingConfig(length=9)))
    before = manuscript.text
    for write in (manuscript.again, manuscript.continuation):
        with pytest.raises(ConfigError, match="ban"):
            write(SamplingConfig(ban="ab"))
    assert manuscript.text == before


# Long texts


def test_at_the_end_of_a_long_text_a_character_costs_a_step(
    counted: tuple[Sampler, Counting],
) -> None:
    sampler, engine = counted
    manuscript = Manuscript(sampler)
    manuscript.write("ab c" * 25_000)
    assert engine.spent() == 100_000
    manuscript.write("a")
    assert engine.spent() == 1
    collect(manuscript.continuation(SamplingConfig(length=50)))
    assert engine.spent() == 50
    manuscript.undo()
    manuscript.tail(2000)
    manuscript.surprisals(2000)
    assert engine.spent() == 0
    collect(manuscript.again(SamplingConfig(length=50)))
    assert engine.spent() <= 50 + SPACING
    manuscript.greedy(24)
    assert engine.spent() == 24
    manuscript.suggestions("character", 5)
    assert engine.spent() == 0
    manuscript.suggestions("word", 5)
    assert engine.spent() <= LONGEST["word"]


def test_weights_that_overflow_are_a_model_error(make_model: MakeModel) -> None:
    model = make_model()
    model.tensors["head.bias"][0] = np.inf
    manuscript = Manuscript(Sampler(model))
    for ask in (
        manuscript.probabilities,
        lambda: manuscript.suggestions("word", 3),
        lambda: collect(manuscript.continuation(SamplingConfig(length=5))),
    ):
        with pytest.raises(ModelError, match="overflow"):
            ask()
