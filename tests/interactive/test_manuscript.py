import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from charrnn.data.tokenizer import CharTokenizer
from charrnn.engines import ENGINES, Array, Lanes, State
from charrnn.engines.numpy_engine import NumPyEngine
from charrnn.errors import ConfigError, ModelError, UnknownCharacterError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.interactive import kept_states
from charrnn.interactive.kept_states import RECENT, SPACING
from charrnn.interactive.lookahead import Lookahead
from charrnn.interactive.manuscript import Manuscript, Segment
from charrnn.interactive.suggestions import LONGEST, UNITS, _LineSearch
from charrnn.storage.model_directory import Model
from tests.exact_scores import exact_log_probabilities
from tests.patterns import needs_regex

MakeModel = Callable[..., Model]


KINDS = pytest.mark.parametrize("characters", ["\n abc", None], ids=["char", "byte"])


class Counting:
    """The CPU's engine, which counts the characters that it reads, lanes side by side as one."""

    def __init__(self, model: Model) -> None:
        self._engine = NumPyEngine.of(model)
        self.vocabulary_size = self._engine.vocabulary_size
        self.parallel = True
        self.steps = 0

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        self.steps += np.asarray(ids).shape[1]
        return self._engine.advance(ids, state)

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        return self.advance(ids, state)[1]

    def lanes(self, count: int) -> Lanes:
        lanes = self._engine.lanes(count)
        step = lanes.step

        def counted(ids: npt.NDArray[np.intp]) -> Array:
            self.steps += 1
            return step(ids)

        lanes.step = counted  # type: ignore[method-assign]
        return lanes

    def spent(self) -> int:
        steps, self.steps = self.steps, 0
        return steps


@pytest.fixture
def counted(make_model: MakeModel) -> tuple[Sampler, Counting]:
    model = make_model(" abc", hidden_size=8, layers=1)
    engine = Counting(model)
    return Sampler(model, engine), engine


def collect(pieces: Iterator[str]) -> str:
    return "".join(pieces)


def costs(manuscript: Manuscript) -> list[float]:
    return [nats for _, nats in manuscript.surprisals()]


def same(one: list[float], other: list[float]) -> bool:
    return np.array_equal(np.array(one), np.array(other), equal_nan=True)


def read_at_once(sampler: Sampler, text: str, *, prompt: str = "") -> list[float]:
    """The surprisal of each character of a text, by one pass over all of it."""
    ids = sampler.model.tokenizer.encode(prompt + text)
    nats = [math.nan, *-exact_log_probabilities(sampler.engine, ids)]
    return nats[len(prompt) :]


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


def test_characters_of_many_bytes_are_suggested_whole(make_model: MakeModel) -> None:
    sampler = Sampler(make_model(None, sharpness=0.5))
    manuscript = Manuscript(sampler)
    manuscript.write("a")
    found = manuscript.suggestions("character", 5)
    assert len(found) == 5
    tokenizer = sampler.model.tokenizer
    for text, probability in found:
        ids = tokenizer.encode(f"a{text}").astype(np.intp)
        logits, _ = sampler.engine.advance([ids], None)
        product = 1.0
        for t in range(len(ids) - 1):
            row = np.exp(logits[0, t].astype(np.float64))
            product *= row[ids[t + 1]] / row.sum()
        assert probability == pytest.approx(product)


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


def test_states_are_kept_sparse_and_going_back_is_exact_and_cheap(
    counted: tuple[Sampler, Counting],
) -> None:
    sampler, engine = counted
    manuscript = Manuscript(sampler)
    manuscript.write("ab")
    texts = [manuscript.text]
    for _ in range(7):
        collect(manuscript.continuation(SamplingConfig(length=777)))
        texts.append(manuscript.text)
    length = len(manuscript)
    assert len(manuscript._states) <= RECENT + length // SPACING + 1
    assert len(manuscript._states) >= length // SPACING
    for text in reversed(texts[:-1]):
        manuscript.undo()
        assert manuscript.text == text
        engine.spent()
        ours = manuscript.probabilities()
        assert engine.spent() <= SPACING
        whole = Manuscript(sampler)
        whole.write(text)
        assert np.array_equal(ours, whole.probabilities())
    assert all(after <= 2 for after in manuscript._states)
    collect(manuscript.continuation(SamplingConfig(length=length)))
    assert len(manuscript._states) <= RECENT + length // SPACING + 1


def test_large_states_are_kept_as_far_as_there_is_room(
    counted: tuple[Sampler, Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler, engine = counted
    one = sum(part.nbytes for part in sampler.engine.read([[1]], None))
    monkeypatch.setattr(kept_states, "KEPT_BYTES", 40 * one)
    manuscript = Manuscript(sampler)
    manuscript.write("ab c" * 2000)
    collect(manuscript.continuation(SamplingConfig(length=300)))
    assert len(manuscript._states) <= 80
    engine.spent()
    manuscript.write("a")
    assert engine.spent() == 1
    manuscript.undo()  # nothing that is kept is near
    whole = Manuscript(sampler)
    whole.write("ab c" * 2000)
    assert np.array_equal(manuscript.probabilities(), whole.probabilities())
    lookahead = manuscript.lookahead()
    for _ in lookahead.continuations("ab c" * 100, 4):
        assert len(lookahead._states) <= 80
    (last,) = deque(lookahead.continuations("ab c" * 20, 4), maxlen=1)
    (fresh,) = deque(manuscript.lookahead().continuations("ab c" * 20, 4), maxlen=1)
    assert last == fresh


# Suggestions


def hand_computed(sampler: Sampler, before: str, text: str) -> float:
    """The probability of a text, character by character."""
    return math.exp(-sum(read_at_once(sampler, before + text)[len(before) :]))


def all_words(sampler: Sampler, before: str, alphabet: str, longest: int) -> dict[str, float]:
    """The probability of every next word that is short enough."""
    words = {}
    for length in range(1, longest + 1):
        for letters in itertools.product(alphabet, repeat=length):
            word = "".join(letters)
            if not word.strip() or any(c.isspace() for c in word.lstrip()):
                continue
            words[word] = sum(hand_computed(sampler, before, word + end) for end in " \n")
    return words


def test_characters_are_the_likeliest_with_their_probabilities(make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model()))
    manuscript.write("abc")
    found = manuscript.suggestions("character", 4)
    likely = manuscript.probabilities()
    assert likely.sum() == pytest.approx(1)
    assert [p.probability for p in found] == pytest.approx(sorted(likely, reverse=True)[:4])
    for text, probability in found:
        expected = likely[manuscript.sampler.model.tokenizer.encode(text)[0]]
        assert probability == pytest.approx(expected)
    everything = manuscript.suggestions("character", 100)
    assert sum(p.probability for p in everything) == pytest.approx(1)
    assert len(everything) == 10


def test_words_are_the_likeliest_of_all_words(make_model: MakeModel) -> None:
    sampler = Sampler(make_model("\n ab", sharpness=2.0))
    manuscript = Manuscript(sampler)
    manuscript.write("ab a")
    words = all_words(sampler, "ab a", "\n ab", 6)
    likeliest = sorted(words, key=words.__getitem__, reverse=True)[:5]
    assert max(map(len, likeliest)) < 6
    found = manuscript.suggestions("word", 5)
    assert [each.text for each in found] == likeliest
    assert [p.probability for p in found] == pytest.approx([words[word] for word in likeliest])
    assert sum(p.probability for p in manuscript.suggestions("word", 30)) <= 1


def test_the_first_line_found_is_not_taken_for_the_likeliest() -> None:
    search = _LineSearch(CharTokenizer("\nab"), 1)
    search.extend(np.log([[0.3, 0.1, 0.6]]))
    assert not search.done
    assert [hypothesis.text for hypothesis in search.live] == ["b", "a"]
    search.extend(np.log([[0.9, 0.05, 0.05], [0.5, 0.25, 0.25]]))
    assert search.done
    assert [(each.text, pytest.approx(each.probability)) for each in search.suggestions()] == [
        ("b\n", 0.54)
    ]


def test_lines_are_the_likeliest_and_end_in_a_newline(make_model: MakeModel) -> None:
    sampler = Sampler(make_model("\nab", sharpness=2.0))
    manuscript = Manuscript(sampler)
    manuscript.write("ab")
    lines = {
        line: hand_computed(sampler, "ab", line)
        for length in range(7)
        for letters in itertools.product("ab", repeat=length)
        if (line := "".join(letters) + "\n")
    }
    likeliest = sorted(lines, key=lines.__getitem__, reverse=True)[:5]
    found = manuscript.suggestions("line", 5)
    assert [each.text for each in found] == likeliest
    assert [p.probability for p in found] == pytest.approx([lines[line] for line in likeliest])


@pytest.mark.parametrize("unit", UNITS)
@KINDS
def test_suggestions_are_different_ordered_and_can_be_taken(
    unit: str, characters: str | None, make_model: MakeModel
) -> None:
    manuscript = Manuscript(Sampler(make_model(characters, sharpness=3.0)))
    manuscript.write("ab")
    for _ in range(4):
        found = manuscript.suggestions(unit, 6)
        assert 1 <= len(found) <= 6
        assert len({each.text for each in found}) == len(found)
        likely = [each.probability for each in found]
        assert likely == sorted(likely, reverse=True)
        assert likely[-1] > 0 and sum(likely) <= 1 + 1e-9
        before = manuscript.text
        manuscript.take(found[-1].text)
        assert manuscript.text == before + found[-1].text
        assert manuscript.segments()[-1] == Segment(True, found[-1].text)
    assert manuscript.undo()
    assert manuscript.text == before


def test_looking_at_suggestions_changes_nothing(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    manuscript, other = Manuscript(sampler), Manuscript(sampler)
    for each in (manuscript, other):
        each.write("ab")
    for unit in UNITS:
        manuscript.suggestions(unit, 5)
    manuscript.greedy(20)
    config = SamplingConfig(length=30)
    assert collect(manuscript.continuation(config)) == collect(other.continuation(config))
    assert same(costs(manuscript), costs(other))


@pytest.mark.parametrize("unit", UNITS)
def test_a_model_without_spaces_or_newlines_has_suggestions(
    unit: str, make_model: MakeModel
) -> None:
    manuscript = Manuscript(Sampler(make_model("ab")))
    found = manuscript.suggestions(unit, 2)
    assert len(found) == 2
    assert all(len(each.text) == (1 if unit == "character" else LONGEST[unit]) for each in found)
    assert [each.probability for each in found] == pytest.approx(
        [
            math.exp(-sum(read_at_once(manuscript.sampler, each.text, prompt="a")))
            for each in found  # what stands before a text is the first of the alphabet here
        ]
    )


def test_suggestions_of_no_known_unit_are_refused(make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model()))
    with pytest.raises(ConfigError, match="character, word, line"):
        manuscript.suggestions("sentence", 3)
    with pytest.raises(ConfigError):
        manuscript.suggestions("word", 0)


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


# Lookahead


def last(texts: Iterator[str]) -> str:
    text = ""
    for text in texts:
        pass
    return text


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("before", ["", "abc a"])
def test_what_is_foreseen_is_what_greedy_sampling_makes(
    before: str, lines: bool, make_model: MakeModel
) -> None:
    sampler = Sampler(make_model())
    config = SamplingConfig(length=24, temperature=0, lines=lines)
    manuscript = Manuscript(sampler, lines=lines)
    manuscript.write(before)
    lookahead = manuscript.lookahead()
    for typed in ("", "a", "ab", "abd", "ab", "cab c", "", "h"):
        expected = sampler.sample(before + typed, config).split("\n")[0]
        assert last(lookahead.continuations(typed, 24)) == expected
    assert manuscript.greedy(24) == sampler.sample(before, config).split("\n")[0]


def test_what_is_foreseen_grows_by_one_step_of_the_engine(
    counted: tuple[Sampler, Counting],
) -> None:
    sampler, engine = counted
    manuscript = Manuscript(sampler)
    manuscript.write("ab")
    lookahead = manuscript.lookahead()
    engine.spent()
    text = ""
    for longer in lookahead.continuations("c b", 20):
        assert engine.spent() == 1
        assert longer.startswith(text)
        text = longer


def test_a_key_more_is_one_character_to_read(counted: tuple[Sampler, Counting]) -> None:
    sampler, engine = counted
    manuscript = Manuscript(sampler)
    manuscript.write("ab" * 300)
    lookahead = manuscript.lookahead()
    foreseen = last(lookahead.continuations("c", 20))
    assert engine.spent() > 600
    unforeseen = "a" if foreseen[:1] != "a" else "b"
    last(lookahead.continuations(f"c{unforeseen}", 20))
    assert engine.spent() <= 21
    foreseen = last(lookahead.continuations("c", 20))
    assert len(foreseen) == 20
    engine.spent()
    last(lookahead.continuations(f"c{foreseen[0]}", 20))  # typed as it was foreseen
    assert engine.spent() == 1
    assert last(lookahead.continuations(f"c{foreseen}", 0)) == ""
    assert engine.spent() == 0


def test_characters_that_the_model_does_not_know_are_passed_over(make_model: MakeModel) -> None:
    lookahead: Any = Manuscript(Sampler(make_model())).lookahead()
    assert isinstance(lookahead, Lookahead)
    assert last(lookahead.continuations("aZb", 9)) == last(lookahead.continuations("ab", 9))


def test_foresight_does_not_notice_what_becomes_of_the_manuscript(make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model(" abc")))
    manuscript.write("abc")
    lookahead = manuscript.lookahead()
    expected = last(lookahead.continuations("a", 9))
    assert len(expected) == 9
    collect(manuscript.continuation(SamplingConfig(length=20)))
    last(lookahead.continuations("b", 9))
    assert last(lookahead.continuations("a", 9)) == expected
