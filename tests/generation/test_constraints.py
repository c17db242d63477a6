from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.tokenizer import REPLACEMENT, ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.constraints import Constraints, Draft
from tests.patterns import needs_regex

ALPHABET = "\nabcdENDX"

pytestmark = pytest.mark.usefixtures("patterns_compile_here")


def constraints(alphabet: str | Tokenizer = ALPHABET, **settings: Any) -> Constraints:
    tokenizer = CharTokenizer(alphabet) if isinstance(alphabet, str) else alphabet
    return Constraints(SamplingConfig(**settings), tokenizer)


class Writing:
    """A draft that is written and read in characters."""

    def __init__(
        self,
        prompt: str = "",
        alphabet: str = ALPHABET,
        draft: Draft | None = None,
        **settings: Any,
    ) -> None:
        self.alphabet = alphabet
        self.draft = draft or Draft(constraints(alphabet, **settings), self.ids(prompt))

    def ids(self, text: str) -> list[int]:
        return [self.alphabet.index(character) for character in text]

    def add(self, text: str) -> str | None:
        """The stop reason after a text, which must not have ended earlier."""
        reason = None
        for i in self.ids(text):
            assert reason is None, "the text goes on after its end"
            reason = self.draft.add(i)
        return reason

    def may_come(self) -> str:
        allowed, _ = self.draft.constraints.masks([self.draft])
        if allowed is None:
            return self.alphabet
        return "".join(np.array(list(self.alphabet))[allowed.reshape(-1)])

    def recent(self) -> str:
        _, recent = self.draft.constraints.masks([self.draft])
        assert recent is not None
        return "".join(np.array(list(self.alphabet))[recent[0]])

    def text(self) -> str:
        return "".join(self.alphabet[i] for i in self.draft.text_ids())

    def copy(self) -> "Writing":
        return Writing(alphabet=self.alphabet, draft=self.draft.copy())


# Where a text ends


def test_a_text_ends_at_its_length() -> None:
    writing = Writing(length=3)
    assert writing.add("ab") is None
    assert writing.add("c") == "length"
    assert (writing.draft.made, writing.draft.end, writing.draft.stop_reason) == (3, 3, "length")


def test_a_text_of_no_length_has_ended_before_it_begins() -> None:
    assert Writing(length=0).draft.stop_reason == "length"


def test_a_text_without_length_goes_on() -> None:
    assert Writing(length=None).add("ab" * 2000) is None


@pytest.mark.parametrize(
    ("made", "stops", "end"),
    [
        ("abEND", ("END",), 2),
        ("abENEND", ("END",), 4),  # a false start that overlaps the true one
        ("aaab", ("aab",), 1),
        ("abcd", ("bcd", "cd"), 1),  # complete at once: the one that begins first
        ("abc", ("bcd", "c"), 2),  # complete earlier
        ("END", ("END",), 0),
        ("aX", ("ENDX", "X"), 1),
    ],
)
def test_a_text_ends_before_a_stop_string(made: str, stops: tuple[str, ...], end: int) -> None:
    writing = Writing(stop=stops)
    assert writing.add(made) == "stop"
    assert (writing.draft.made, writing.draft.end) == (len(made), end)


def test_a_stop_string_that_is_complete_with_the_last_character_counts() -> None:
    assert Writing(length=3, stop=("bc",)).add("abc") == "stop"


@pytest.mark.parametrize("prompt", ["EN", "END", "aEN"])
def test_no_part_of_the_prompt_is_part_of_a_stop_string(prompt: str) -> None:
    writing = Writing(prompt, stop=("END",), repetition_penalty=2.0)
    assert writing.add("D") is None
    assert writing.draft.held_back() == 0
    assert writing.add("END") == "stop"


def test_a_stop_string_that_the_model_cannot_write_never_ends_a_text() -> None:
    assert constraints(stop=("aZ", "b")).stops == [(2,)]


def test_lines_end_before_either_kind_of_newline() -> None:
    writing = Writing(alphabet="\n\rab", lines=True)
    assert writing.add("ab\r\n") == "stop"
    assert writing.draft.end == 2
    writing = Writing(alphabet="\n\rab", lines=True)
    assert writing.add("a\ra\n") == "stop"  # a \r by itself is a character like any other
    assert writing.draft.end == 3


def test_a_newline_in_a_stop_string_is_either_kind() -> None:
    crlf: dict[str, Any] = {"alphabet": "\n\rab", "stop": ("b\n\n",)}
    writing = Writing(**crlf)
    assert writing.add("ab\r\n\r\n") == "stop"
    assert writing.text() == "a"
    assert Writing(**crlf).add("ab\n\n") == "stop"
    writing = Writing(alphabet="\n\rab", stop=("\r\n",))
    assert writing.add("a\nb\r\n") == "stop"  # what says it has a return needs one
    assert constraints("\nab", stop=("\n\n",)).stops == [(0, 0)]  # where the model knows no other


NEVER = "the text would never end"


@pytest.mark.parametrize(
    ("alphabet", "settings", "says"),
    [
        (ALPHABET, {"stop": ("§",)}, f"{NEVER}.*never seen '§'"),
        (ALPHABET, {"stop": ("§", "aZ")}, f"{NEVER}.*'§'.*'Z'"),
        (ALPHABET, {"stop": ("aE",), "ban": "E"}, f"{NEVER}.*ban excludes 'E'"),
        (ALPHABET, {"stop": ("§",), "only": "ab"}, NEVER),
        (ALPHABET, {"lines": True, "ban": "\n"}, f"{NEVER}.*lines"),
        (ALPHABET, {"lines": True, "ban": "\nE", "stop": ("E", "§")}, NEVER),
        ("ab", {"lines": True}, f"{NEVER}.*lines"),
        (ByteTokenizer(), {"stop": ("é",), "ban": "ã"}, f"{NEVER}.*ban excludes 'é'"),
        pytest.param(ALPHABET, {"regex": "(?s).*"}, "no text ever ends", marks=needs_regex),
        pytest.param(ALPHABET, {"regex": r"a[\s\S]*"}, "no text ever ends", marks=needs_regex),
        pytest.param(
            ALPHABET,
            {"regex": "[abcdENDX]*", "lines": True, "ban": "\n", "only": "ab"},
            None,
            marks=needs_regex,
        ),
    ],
)
def test_a_text_without_length_that_can_never_end_is_refused(
    alphabet: str | Tokenizer, settings: dict[str, Any], says: str | None
) -> None:
    constraints(alphabet, **settings)  # it ends at its length
    if says is None:
        constraints(alphabet, length=None, **settings)
        return
    with pytest.raises(ConfigError, match=says):
        constraints(alphabet, length=None, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"stop": ("§", "b")},
        {"stop": ("a", "b"), "ban": "a"},
        {"lines": True, "stop": ("§",)},
        {"stop": ("END",), "only": "ab"},
        {"lines": True, "only": "ab"},
        {},  # nothing says that it is to end
        pytest.param({"regex": ".*"}, marks=needs_regex),
        pytest.param({"regex": "(?s).*", "lines": True}, marks=needs_regex),
        pytest.param({"regex": "(?s).*", "ban": "X"}, marks=needs_regex),
    ],
)
def test_a_text_without_length_that_can_end_is_not(settings: dict[str, Any]) -> None:
    constraints(length=None, **settings)


# What may not come


def test_where_nothing_is_said_nothing_is_excluded() -> None:
    plain = constraints(stop=("a",), lines=True)
    assert plain.masks([Draft(plain)]) == (None, None)


def test_what_is_banned_never_comes() -> None:
    assert Writing(ban="aX").may_come() == "\nbcdEND"
    assert Writing(ban="aXZ").may_come() == "\nbcdEND"  # the model does not know Z


def test_only_these_come() -> None:
    assert Writing(only="abZ").may_come() == "ab"


def test_of_the_only_ones_some_may_be_banned() -> None:
    assert Writing(only="abc", ban="b").may_come() == "ac"


def test_the_characters_of_stop_strings_stay_possible() -> None:
    # Or else a line of nothing but a and b would never end.
    assert Writing(only="ab", lines=True).may_come() == "\nab"
    assert Writing(only="ab", stop=("END",)).may_come() == "abEND"


def test_a_newline_that_is_banned_or_allowed_is_either_kind() -> None:
    assert Writing(alphabet="\n\rab", ban="\n").may_come() == "ab"
    assert Writing(alphabet="\n\rab", only="a\n").may_come() == "\n\ra"


@pytest.mark.parametrize(
    "settings",
    [
        {"ban": ALPHABET},
        {"only": "Z"},
        {"only": "a", "ban": "a"},
        {"only": "Z", "lines": True},  # every text would be empty
        {"only": "a", "ban": "a", "stop": ("b",)},
    ],
)
def test_where_nothing_may_come_at_all_it_is_said_at_once(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="no character"):
        constraints(**settings)


def test_a_mask_for_all_drafts_is_one_mask() -> None:
    banned = constraints(ban="a")
    allowed, _ = banned.masks([Draft(banned), Draft(banned)])
    assert allowed is not None and allowed.shape == (len(ALPHABET),)


def test_what_one_draft_changes_is_its_own() -> None:
    banned = constraints(ban="a", no_repeat_ngram=1)
    one, other = Draft(banned), Draft(banned)
    one.add(2)
    allowed, _ = banned.masks([one, other])
    assert allowed is not None
    assert [row[:4].tolist() for row in allowed] == [
        [True, False, False, True],
        [True, False, True, True],
    ]
    assert banned.allowed is not None and banned.allowed.sum() == len(ALPHABET) - 1


# Min-length


def test_no_newline_comes_before_the_least_length() -> None:
    writing = Writing(lines=True, min_length=2)
    for made in "ab":
        assert "\n" not in writing.may_come()
        writing.add(made)
    assert "\n" in writing.may_come()


def test_only_the_last_character_of_a_stop_string_has_to_wait() -> None:
    # It would begin after the first character, and the text would have one instead of two.
    writing = Writing(stop=("EN",), min_length=2)
    writing.add("aE")
    assert writing.may_come() == ALPHABET.replace("N", "")
    writing = Writing(stop=("EN",), min_length=2)
    writing.add("abE")
    assert writing.may_come() == ALPHABET


@given(
    stops=st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3).map(tuple),
    least=st.integers(0, 8),
    text=st.text("abc", max_size=30),
    prompt=st.text("ab", max_size=3),
)
def test_exactly_what_would_end_a_text_too_early_may_not_come(
    stops: tuple[str, ...], least: int, text: str, prompt: str
) -> None:
    writing = Writing(prompt, "abc", stop=stops, min_length=least, length=None)
    for character in text:
        expected = ""
        for each in "abc":
            tried = writing.copy()
            if tried.add(each) is None or tried.draft.end >= least:
                expected += each
        assert writing.may_come() == expected
        if character not in expected or writing.add(character) is not None:
            break


# No-repeat-ngram


@given(size=st.integers(1, 4), prompt=st.text("abc", max_size=12), text=st.text("abc", max_size=20))
def test_no_so_many_characters_in_a_row_come_twice(size: int, prompt: str, text: str) -> None:
    writing = Writing(prompt, "abc", no_repeat_ngram=size, length=None)
    whole = prompt
    for character in text:
        beginning = whole[len(whole) - size + 1 :]
        came = [] if len(whole) < size - 1 else [c for c in "abc" if beginning + c in whole]
        expected = "".join(c for c in "abc" if c not in came)
        # Where nothing else is left, all may come.
        assert writing.may_come() == (expected or "abc")
        writing.add(character)
        whole += character


def test_what_is_banned_does_not_come_back_where_the_rest_are_repeats() -> None:
    writing = Writing("ab", "abc", no_repeat_ngram=1, ban="c")
    assert writing.may_come() == "ab"


def test_the_least_length_does_not_give_way_where_the_rest_are_repeats() -> None:
    writing = Writing("ab", "\nab", no_repeat_ngram=1, lines=True, min_length=3)
    assert writing.may_come() == "ab"


# The repetition window


def test_recent_is_what_came_within_the_window_and_the_prompt_counts() -> None:
    writing = Writing("abcd", repetition_penalty=1.5, repetition_window=3)
    assert writing.recent() == "bcd"
    writing.add("E")
    assert writing.recent() == "cdE"
    writing.add("ccc")
    assert writing.recent() == "c"


def test_nothing_is_recent_before_the_first_character() -> None:
    assert Writing(repetition_penalty=1.5).recent() == ""


def counts(writing: Writing) -> dict[str, int]:
    found = writing.draft.constraints.counts([writing.draft])
    assert found is not None
    return {c: n for c, n in zip(writing.alphabet, found[0].tolist(), strict=True) if n}


@pytest.mark.parametrize("name", ["presence_penalty", "frequency_penalty"])
def test_what_is_counted_was_written_within_the_window_and_is_not_of_the_prompt(name: str) -> None:
    settings: dict[str, Any] = {name: 0.5, "repetition_window": 3}
    writing = Writing("abcd", **settings)
    assert counts(writing) == {}
    writing.add("ab")
    assert counts(writing) == {"a": 1, "b": 1}
    writing.add("bc")
    assert counts(writing.copy()) == counts(writing) == {"b": 2, "c": 1}


def test_nobody_counts_without_a_penalty_that_asks() -> None:
    others: list[dict[str, Any]] = [{}, {"repetition_penalty": 2.0}, {"presence_penalty": 0.0}]
    for settings in others:
        made = constraints(**settings)
        assert made.counts([Draft(made)]) is None
    assert not constraints(presence_penalty=0.0, frequency_penalty=0.0).context_dependent


def test_a_bias_is_for_ids_of_the_vocabulary() -> None:
    assert constraints().bias is None
    last = len(ALPHABET) - 1
    bias = constraints(logit_bias=((0, -100), (last, 1.5))).bias
    assert bias is not None
    assert bias.tolist() == [-100, *[0] * (last - 1), 1.5]
    for wrong in (-1, last + 1, 1 << 70):
        with pytest.raises(ConfigError, match=f"logit-bias: id {wrong}: the model's ids go from 0"):
            constraints(logit_bias=((wrong, 1.0),))


def test_without_a_penalty_nobody_asks_what_is_recent() -> None:
    counting = constraints(no_repeat_ngram=3, repetition_window=10)
    assert counting.masks([Draft(counting)])[1] is None


# What is held back


@given(
    stops=st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=3).map(tuple),
    text=st.text("abc", max_size=20),
)
def test_held_is_the_longest_end_that_may_yet_become_a_stop_string(
    stops: tuple[str, ...], text: str
) -> None:
    writing = Writing("ab", "abc", stop=stops, length=None)
    made = ""
    for character in text:
        made += character
        if writing.add(character) is not None:
            break
        beginnings = {stop[:end] for stop in stops for end in range(len(stop))}
        expected = max(n for n in range(len(made) + 1) if made[len(made) - n :] in beginnings)
        assert writing.draft.held_back() == expected


# Memory


def random_text(count: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list(ALPHABET), size=count))


EVERYTHING: dict[str, Any] = {
    "length": None,
    "stop": ("abcdEND",),
    "repetition_penalty": 1.2,
    "frequency_penalty": 0.1,
    "repetition_window": 9,  # the farthest that any of them looks back
    "no_repeat_ngram": 4,
}


@pytest.mark.parametrize("prompt", ["", "a", random_text(3000, seed=1)], ids=len)
def test_what_is_forgotten_changes_nothing(prompt: str) -> None:
    forgetful, other = Writing(prompt, **EVERYTHING), Writing(prompt, **EVERYTHING)
    for character in random_text(4000):
        for writing in (forgetful, other):
            writing.add(character)
        forgetful.draft.forget()
        assert forgetful.may_come() == other.may_come()
        assert forgetful.recent() == other.recent()
        assert counts(forgetful) == counts(other)
        assert forgetful.draft.held_back() == other.draft.held_back()
    assert len(forgetful.draft.ids) < 1200
    assert len(other.draft.ids) >= 4000
    assert forgetful.draft.made == other.draft.made == 4000


def test_of_a_long_prompt_only_what_rules_look_at_is_kept() -> None:
    prompt = random_text(5000)
    assert len(Writing(prompt, length=None).draft.ids) == 0
    window = Writing(prompt, repetition_penalty=2.0, repetition_window=7, stop=("abc",))
    assert len(window.draft.ids) == 7


def test_the_text_is_what_was_made_less_the_stop_string() -> None:
    writing = Writing("abcd" * 20, stop=("EN",), repetition_penalty=2.0, repetition_window=9)
    writing.add("dcbaEN")
    assert writing.text() == "dcba"


def test_several_ids_at_once_are_as_good_as_one_after_another() -> None:
    # Where no mask asks what came, and none but the last may end the text.
    for text, settings in (("abEabEN", {"stop": ("EN",)}), ("abc", {"length": 3}), ("a", {})):
        one, other = Writing("aE", **settings), Writing("aE", **settings)
        reason = one.add(text)
        assert other.draft.extend(other.ids(text)) == reason
        assert (other.text(), other.draft.made) == (one.text(), one.draft.made)
        assert other.draft.ids == one.draft.ids


def test_copies_share_what_they_have_in_common() -> None:
    """Or else a search that copies at every character takes the square of the length."""
    writing = Writing("ab", length=None, stop=("END",), no_repeat_ngram=3)
    text = ""
    for character in "abcdX" * 200:
        text += character
        other = writing.copy()
        other.add("d")
        writing = writing.copy()
        writing.add(character)
        assert (
            max(len(writing.draft.ids), len(other.draft.ids))
            <= writing.draft.constraints.lookback + 1
        )
    writing.add("END")
    assert writing.text() == text
    assert writing.copy().text() == text
    assert other.draft.made == len(text)


def test_a_copy_goes_on_by_itself() -> None:
    settings: dict[str, Any] = {"no_repeat_ngram": 2, "repetition_penalty": 1.5, "stop": ("EN",)}
    one = Writing("ab", **settings)
    one.add("cE")
    other = one.copy()
    before = (one.may_come(), one.recent(), one.draft.held_back(), one.draft.made)
    assert (other.may_come(), other.recent(), other.draft.held_back(), other.draft.made) == before
    assert other.add("dcdN") is None
    assert (one.may_come(), one.recent(), one.draft.held_back(), one.draft.made) == before
    assert one.add("N") == "stop"
    assert other.draft.stop_reason is None
    ended = one.copy().draft
    assert (ended.stop_reason, ended.end, ended.text_ids()) == ("stop", 1, [3])


# Regular expressions


def all_texts(writing: Writing) -> Iterator[tuple[str, str]]:
    """Every text that can be made, with its stop reason."""
    if writing.draft.stop_reason is not None:
        yield writing.text(), writing.draft.stop_reason
        return
    for character in writing.may_come():
        longer = writing.copy()
        longer.add(character)
        yield from all_texts(longer)


@needs_regex
def test_texts_that_match_as_a_whole_are_all_that_can_be_made() -> None:
    writing = Writing("ab", "\nabc", regex="a(b|cc)?ab?c", length=9)
    assert sorted(all_texts(writing)) == [
        (text, "match") for text in ("aabc", "aac", "ababc", "abac", "accabc", "accac")
    ]


@needs_regex
def test_a_text_that_may_go_on_goes_on() -> None:
    # Nothing but the length or a newline tells a text that matches to end.
    assert dict(all_texts(Writing(alphabet="ab", regex="a+", length=4))) == {"aaaa": "length"}
    assert dict(all_texts(Writing(alphabet="ab", regex="a{1,2}", length=4))) == {"aa": "match"}


@needs_regex
def test_no_text_is_longer_than_there_is_room_for() -> None:
    # A way that needs more than what remains is not entered.
    made = dict(all_texts(Writing(alphabet="abc", regex="a(bc)*c|b", length=5)))
    assert made == {"b": "match", "ac": "match", "abcc": "match"}
    # What matches may need the last character that there is room for.
    made = dict(all_texts(Writing(alphabet="abc", regex="a(bc)*", length=5)))
    assert made == {"abcbc": "length"}


@needs_regex
def test_a_text_ends_where_it_matches_and_has_no_room_to_go_on() -> None:
    made = dict(all_texts(Writing(alphabet="abc", regex="a(bc)*", length=4)))
    assert list(made) == ["abc"]


@needs_regex
def test_a_newline_comes_exactly_where_the_line_matches() -> None:
    made = dict(all_texts(Writing(alphabet="\nab", regex="a(ab)*", lines=True, length=5)))
    assert made == {"a": "stop", "aab": "stop", "aabab": "length"}


@needs_regex
def test_a_line_that_matches_has_no_newline_in_it() -> None:
    made = dict(all_texts(Writing(alphabet="\nab", regex=r"a[^b]?", lines=True, length=5)))
    assert made == {"a": "stop", "aa": "stop"}
    assert dict(all_texts(Writing(alphabet="\nab", regex=r"a\s", length=5))) == {"a\n": "match"}


@needs_regex
def test_a_line_that_matches_ends_at_a_carriage_return_too() -> None:
    settings: dict[str, Any] = {"alphabet": "\n\rab", "regex": "a(ab)*", "lines": True, "length": 4}
    writing = Writing(**settings)
    assert writing.may_come() == "a"
    assert writing.add("a") is None
    assert writing.may_come() == "\n\ra"
    assert writing.add("\r") == "stop" and writing.text() == "a"
    assert dict(all_texts(Writing(**settings))) == {"a": "stop", "aab": "stop"}
    writing = Writing(**settings, ban="\r")
    writing.add("a")
    assert writing.may_come() == "\na"


@needs_regex
def test_a_newline_that_is_banned_ends_no_line_that_matches() -> None:
    settings: dict[str, Any] = {
        "alphabet": "\nab",
        "regex": "a+",
        "lines": True,
        "ban": "\n",
        "length": 3,
    }
    assert dict(all_texts(Writing(**settings))) == {"aaa": "length"}


@needs_regex
def test_a_line_may_be_empty_where_nothing_matches() -> None:
    assert dict(all_texts(Writing(alphabet="\nab", regex="a?", lines=True, length=2))) == {
        "": "stop",
        "a": "stop",
    }


@needs_regex
def test_where_only_nothing_matches_the_text_is_empty() -> None:
    writing = Writing(alphabet="ab", regex="")
    assert (writing.draft.stop_reason, writing.text()) == ("match", "")


@needs_regex
def test_a_carriage_return_that_the_pattern_needs_is_not_cut_off() -> None:
    made = dict(all_texts(Writing(alphabet="\n\rab", regex="a[^b]", lines=True, length=5)))
    assert "a" not in made


@needs_regex
def test_a_pattern_is_kept_with_what_is_banned() -> None:
    made = dict(all_texts(Writing(alphabet="abc", regex="[abc]{2}", ban="b", length=5)))
    assert sorted(made) == ["aa", "ac", "ca", "cc"]
    made = dict(all_texts(Writing(alphabet="abc", regex="[abc]{2}", only="ab", length=5)))
    assert sorted(made) == ["aa", "ab", "ba", "bb"]


@needs_regex
def test_a_pattern_is_kept_where_the_rest_are_repeats() -> None:
    made = dict(all_texts(Writing(alphabet="abc", regex="[ab]{3}", no_repeat_ngram=1, length=5)))
    assert sorted(made) == ["aba", "abb", "baa", "bab"]


@needs_regex
def test_the_prompt_is_no_part_of_what_matches() -> None:
    assert dict(all_texts(Writing("aab", "ab", regex="ab", length=5))) == {"ab": "match"}


@needs_regex
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"regex": "a{6}", "length": 5}, "6"),
        ({"regex": "Z"}, "matches"),
        ({"regex": "(a"}, "a"),
        ({"regex": "ab", "ban": "b"}, "matches"),
    ],
)
def test_a_pattern_that_nothing_can_match_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        constraints("abc", **settings)


@needs_regex
def test_a_pattern_that_fits_exactly_is_not_refused() -> None:
    assert dict(all_texts(Writing(alphabet="abc", regex="a{5}b*", length=5))) == {"aaaaa": "length"}


# Tokenizers


def test_under_bytes_rules_count_bytes() -> None:
    made = constraints(ByteTokenizer(), stop=("é",), min_length=2)
    draft = Draft(made)
    for byte in b"ab\xc3":
        assert draft.add(byte) is None
    assert draft.allowed().all()
    assert draft.held_back() == 1
    assert draft.add(0xA9) == "stop"
    assert bytes(draft.text_ids()) == b"ab"


def test_what_rare_characters_were_folded_into_can_be_banned() -> None:
    folded = constraints("ab" + REPLACEMENT, ban="☃")
    assert folded.allowed is not None
    assert folded.allowed.tolist() == [True, True, False]
