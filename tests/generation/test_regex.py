import itertools
import re
import sys
from collections.abc import Iterable
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charrnn.data.tokenizer import REPLACEMENT, ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.errors import ConfigError
from charrnn.generation import regex
from charrnn.generation.regex import Automaton, compile_steps

pytest.importorskip("outlines_core")

BYTES = ByteTokenizer()


def build(pattern: str, alphabet: str | Tokenizer = "abc", banned: str = "") -> Automaton:
    """An automaton compiled in this process: what needs no bounds need not wait for another."""
    tokenizer = CharTokenizer(alphabet) if isinstance(alphabet, str) else alphabet
    with patch.object(
        regex, "compile_apart", lambda pattern, symbols, _: compile_steps(pattern, symbols)
    ):
        return Automaton(pattern, tokenizer, excluded=map(int, tokenizer.encode(banned)))


def after(built: Automaton, ids: Iterable[int]) -> int | None:
    """The state after some ids; None where one of them is not allowed."""
    state = built.start
    for i in ids:
        if not built.allowed(state, None)[i]:
            return None
        state = built.next(state, int(i))
    return state


def matches(built: Automaton, text: str, alphabet: str | Tokenizer = "abc") -> bool:
    tokenizer = CharTokenizer(alphabet) if isinstance(alphabet, str) else alphabet
    state = after(built, tokenizer.encode(text))
    return state is not None and built.accepts(state)


def choices(
    built: Automaton,
    text: str = "",
    alphabet: str | Tokenizer = "abc",
    remaining: int | None = None,
) -> str:
    """What may come after a text."""
    tokenizer = CharTokenizer(alphabet) if isinstance(alphabet, str) else alphabet
    state = after(built, tokenizer.encode(text))
    assert state is not None
    return tokenizer.decode(np.flatnonzero(built.allowed(state, remaining)))


# What may come


def test_a_text_is_followed_to_its_end() -> None:
    built = build("ab|c")
    assert choices(built) == "ac"
    assert choices(built, "a") == "b"
    assert choices(built, "ab") == choices(built, "c") == ""
    assert built.shortest == 1


def test_states_are_small_numbers_and_ids_are_masked_by_arrays() -> None:
    built = build("(a|b)c")
    assert built.start == 0
    assert built.next(0, 0) == built.next(0, 1) == 1
    allowed = built.allowed(0, None)
    assert (allowed.shape, allowed.dtype) == ((3,), np.dtype(np.bool_))


def test_an_id_that_is_not_allowed_leads_nowhere() -> None:
    with pytest.raises(AssertionError, match="id 2 is not allowed"):
        build("ab").next(0, 2)


def test_the_longer_alternative_is_not_lost() -> None:
    # The library's own search takes the first alternative that matches, and forgets the others.
    built = build("a|ab|abc")
    assert [matches(built, text) for text in ("a", "ab", "abc", "abcc")] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("pattern", ["a*?", "a*?b??", "(a??|ab)"])
def test_lazy_repetitions_match_as_much_as_greedy_ones(pattern: str) -> None:
    built = build(pattern)
    for text in ("", "a", "aa", "ab", "b", "aab"):
        assert matches(built, text) == bool(re.fullmatch(pattern, text)), text


@pytest.mark.parametrize(
    ("pattern", "remaining", "expected"),
    [
        ("a*b", None, "ab"),
        ("a*b", 9, "ab"),
        ("a*b", 2, "ab"),
        ("a*b", 1, "b"),
        ("a*b", 0, ""),
        ("a*b", -1, ""),
        ("a*b", 1 << 80, "ab"),
        ("abc|bc|c", 3, "abc"),
        ("abc|bc|c", 2, "bc"),
        ("abc|bc|c", 1, "c"),
        ("a*", 0, ""),
        ("ab(c{3})*|c", 2, "ac"),
    ],
)
def test_the_end_stays_within_reach(pattern: str, remaining: int | None, expected: str) -> None:
    assert choices(build(pattern), remaining=remaining) == expected


def test_accepting_is_not_ending() -> None:
    built = build("ab*|c")
    nothing, a, c = (after(built, ids) for ids in ([], [0], [2]))
    assert nothing is not None and a is not None and c is not None
    assert [built.accepts(state) for state in (nothing, a, c)] == [False, True, True]
    assert [built.ends(state) for state in (nothing, a, c)] == [False, False, True]


def test_a_text_ends_where_only_dead_ends_could_follow() -> None:
    built = build("a(bq)?")
    assert built.ends(built.next(built.start, 0))


@pytest.mark.parametrize("pattern", ["", "()", "^", "$", "^$", "a*", "a?|b", "(|a)*"])
def test_the_empty_text_may_match(pattern: str) -> None:
    built = build(pattern)
    assert built.shortest == 0
    assert built.accepts(built.start)
    assert built.ends(built.start) == ("a" not in pattern)


def test_what_only_the_empty_text_matches_may_be_made_of_letters_that_are_not_there() -> None:
    built = build("(é|q)*")
    assert built.accepts(built.start)
    assert built.ends(built.start)


# Dead ends


@pytest.mark.parametrize("pattern", ["(a[éè]|bc)", "(a(é|q)*q|bc)", "(a[a&&b]|bc)", "(a$a|bc)"])
def test_what_leads_nowhere_is_never_begun(pattern: str) -> None:
    built = build(pattern)
    assert choices(built) == "b"
    assert choices(built, "b") == "c"


def test_what_is_banned_makes_dead_ends_too() -> None:
    built = build("ab+|b|ca?b?", banned="b")
    assert choices(built) == "c"
    assert choices(built, "c") == "a"
    assert built.ends(after(built, [2, 0]) or 0)


def test_what_is_banned_makes_the_shortest_text_longer() -> None:
    assert build("a|bc").shortest == 1
    assert build("a|bc", banned="a").shortest == 2


# Alphabets


SPECIAL = "\0\n\r .*+?()[]{}|\\^$#&~-aé€😀" + REPLACEMENT


@pytest.mark.parametrize("character", SPECIAL, ids=ascii)
def test_every_character_can_be_matched(character: str) -> None:
    written = [re.escape(character), f"\\x{{{ord(character):x}}}"]
    for pattern in [*written, f"[{written[1]}]"]:
        for tokenizer in (CharTokenizer(SPECIAL), BYTES):
            built = build(pattern, tokenizer)
            length = len(tokenizer.encode(character))
            assert built.shortest == length
            ids = [int(i) for i in tokenizer.encode(character)]
            state = built.start
            for i in ids:
                assert np.flatnonzero(built.allowed(state, None)).tolist() == [i]
                state = built.next(state, i)
            assert built.ends(state)


def test_a_dot_is_everything_but_a_newline() -> None:
    assert choices(build(".", SPECIAL), alphabet=SPECIAL) == SPECIAL.replace("\n", "")
    assert choices(build("(?s).", SPECIAL), alphabet=SPECIAL) == SPECIAL


def test_a_caret_can_be_excluded_and_escaped() -> None:
    assert choices(build(r"[^\^\\A]", "^\\Ab"), alphabet="^\\Ab") == "b"
    assert choices(build(r"\^", "^a"), alphabet="^a") == "^"
    assert choices(build(r"\\A", "\\A"), alphabet="\\A") == "\\"


@pytest.mark.parametrize("pattern", ["^a$", r"\Aa\z", "a$", "^a", "(a$|b)a?", "^a|b"])
def test_anchors_may_stand_where_they_are_always_true(pattern: str) -> None:
    built = build(pattern)
    assert matches(built, "a")
    assert not matches(built, "aa")


def test_a_character_of_several_bytes_is_several_ids() -> None:
    built = build("é|€", BYTES)
    assert built.shortest == 2
    assert np.flatnonzero(built.allowed(0, None)).tolist() == [0xC3, 0xE2]
    assert np.flatnonzero(built.allowed(0, 2)).tolist() == [0xC3]
    assert matches(built, "é", BYTES) and matches(built, "€", BYTES)


@pytest.mark.parametrize(
    ("pattern", "no"), [(".", "\n"), (r"\w", "."), ("[^é]", "é"), ("é|è", "e")]
)
def test_bytes_make_up_whole_characters(pattern: str, no: str) -> None:
    built = build(pattern, BYTES)
    random = np.random.default_rng(0)
    for _ in range(50):
        state, ids = built.start, []
        while not built.ends(state):
            ids.append(int(random.choice(np.flatnonzero(built.allowed(state, None)))))
            state = built.next(state, ids[-1])
        assert len(bytes(ids).decode()) == 1
    for character in "aé€😀.\n":
        expected = bool(re.fullmatch(pattern, character))
        assert matches(built, character, BYTES) == expected, character
    assert not matches(built, no, BYTES)


def test_half_a_character_is_not_a_match() -> None:
    built = build(".*", BYTES)
    half = after(built, "é".encode()[:1])
    assert half is not None
    assert not built.accepts(half)
    assert not built.allowed(built.start, 1)[0xC3]  # there would be no room for the other half


def test_a_large_alphabet_is_no_larger_than_its_table() -> None:
    # Thousands of characters are some seventy bytes to the library.
    tokenizer = CharTokenizer([chr(point) for point in range(0x4E00, 0x6E00)])
    built = build(".{50}", tokenizer)
    assert built.shortest == 50
    assert built.allowed(0, 50).all()
    assert not built.allowed(0, 49).any()


# Errors

INVALID = [
    ("(", "unterminated subpattern"),
    ("a)(b", "unbalanced parenthesis"),
    ("a\n(", "position 2"),
    ("a\\", "bad escape"),
    ("a{3,1}", "min repeat greater than max"),
    ("*a", "nothing to repeat"),
    ("[", "unterminated character set"),
    ("[c-a]", "bad character range"),
    ("(?=a)b", "look-around"),
    ("(?!a)b", "look-around"),
    ("(?<=a)b", "look-around"),
    ("(?<!a)b", "look-around"),
    (r"(a)\1", "back-references"),
    (r"(?P<x>a)(?P=x)", "back-references"),
    ("(?>a)", "atomic groups"),
    (r"\ba", "word boundaries"),
    (r"a\b", "word boundaries"),
    ("a{,3}", "docs.rs/regex"),
    ("a^b", "may only come first"),
    (r"(\Aa|b)", "may only come first"),
    ("[a^b]", r"write \^"),
    ("\ud800", "Unicode"),
    ("(" * 2000 + ")" * 2000, "nested too deeply"),
    ("q", "no text of the model's characters matches it"),
    ("aé|[^abc]", "no text of the model's characters matches it"),
    ("a$b", "no text of the model's characters matches it"),
]


@pytest.mark.parametrize(("pattern", "reason"), INVALID, ids=ascii)
def test_a_pattern_that_cannot_be_used_says_why_in_a_line(pattern: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(reason)) as error:
        build(pattern)
    message = str(error.value)
    assert message.startswith(f"regex {pattern!r}"[:90])
    assert "\n" not in message and len(message) < 300


def test_what_is_banned_may_leave_no_text() -> None:
    with pytest.raises(ConfigError, match="without the banned ones matches it"):
        build("ab?", banned="a")


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "outlines_core", None)
    with pytest.raises(ConfigError, match="pip install outlines-core"):
        Automaton("a", CharTokenizer("a"))


@pytest.mark.parametrize("tokenizer", [CharTokenizer("abc"), BYTES], ids=["char", "byte"])
def test_a_table_that_is_too_large_is_refused(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build("a{20}", tokenizer)
    monkeypatch.setattr(regex, "LARGEST_TABLE", 20 * tokenizer.vocabulary_size)
    with pytest.raises(ConfigError, match="too large"):
        build("a{20}", tokenizer)


def test_a_table_of_bytes_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex, "LARGEST_TABLE", 40)
    build("a{10}", "a")
    with pytest.raises(ConfigError, match="too large"):
        build("a{20}", "a")


def test_characters_of_several_bytes_count_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = CharTokenizer([chr(point) for point in range(0x4E00, 0x4F00)])
    monkeypatch.setattr(regex, "LARGEST_TABLE", 20 * 256)
    build(".{18}", tokenizer)
    with pytest.raises(ConfigError, match="too large"):
        build(".{21}", tokenizer)


# In a process of its own


def test_apart_it_compiles_the_same() -> None:
    built = Automaton("(a|é\0?)*", CharTokenizer("a\0é"))
    assert matches(built, "éaé\0", "a\0é")
    assert not matches(built, "a\0", "a\0é")


@pytest.mark.parametrize(
    ("pattern", "reason"), [("é(", "subpattern"), ("\ud800", "Unicode")], ids=ascii
)
def test_apart_it_says_what_is_wrong(pattern: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Automaton(pattern, CharTokenizer("aé"))


@pytest.mark.skipif(sys.platform != "linux", reason="where memory can be limited")
@pytest.mark.parametrize("pattern", ["(.{1,1000}x){1,1000}", "(a|b)*a(a|b){17}"])
def test_what_takes_too_much_memory_is_refused(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first would abort the process; the second takes some seconds and half a gigabyte.
    monkeypatch.setattr(regex, "MAX_BYTES", 1 << 28)
    with pytest.raises(ConfigError, match="too large"):
        Automaton(pattern, CharTokenizer("abx"))


def test_what_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex, "MAX_SECONDS", 0.5)
    with pytest.raises(ConfigError, match="too large"):
        Automaton("(((a{1,100}){1,100}){1,100})", CharTokenizer("abx"))
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="too large"):
        Automaton("(((a{1,100}){1,100}){1,100})", CharTokenizer("abx"), seconds=0.5)


# Against Python's own

LETTERS = "aé€"  # of one, two and three bytes; d is not among them

atoms = st.sampled_from(["a", "é", "€", "d", "[aé]", "[^a]", ".", "(?:)", "[d-é]"])


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = inner.map("({})".format)
    counts = st.sampled_from(["{0}", "{2}", "{1,}", "{0,1}", "{1,2}", "{2,3}"])
    repeats = st.sampled_from(["*", "+", "?", "*?"]) | counts
    return (
        inner
        | st.tuples(inner, inner).map("".join)
        | st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})")
        | st.tuples(group, repeats).map("".join)
    )


# Three deep: repetitions of repetitions of repetitions soon take all memory.
patterns = combined(combined(combined(atoms)))

TEXTS = ["".join(text) for n in range(6) for text in itertools.product(LETTERS, repeat=n)]


def built_or_none(pattern: str) -> Automaton | None:
    try:
        return build(pattern, LETTERS)
    except ConfigError as error:
        assert "no text" in str(error)
        return None


@settings(deadline=None)
@given(pattern=patterns)
@example(pattern="(a|aé)(€|é€d|é€)")
@example(pattern="(a|ad)*")
def test_the_texts_that_match_are_those_of_python(pattern: str) -> None:
    built = built_or_none(pattern)
    expected = [text for text in TEXTS if re.fullmatch(pattern, text)]
    assert [text for text in TEXTS if built and matches(built, text, LETTERS)] == expected
    if built is not None and expected:
        assert built.shortest == min(map(len, expected))


@settings(deadline=None)
@given(pattern=patterns, seed=st.integers(0, 9), spare=st.integers(0, 6))
def test_a_walk_among_what_is_allowed_always_arrives(pattern: str, seed: int, spare: int) -> None:
    built = built_or_none(pattern)
    if built is None:
        return
    random = np.random.default_rng(seed)
    state, text = built.start, ""
    remaining = built.shortest + spare
    while True:
        allowed = np.flatnonzero(built.allowed(state, remaining - len(text)))
        if not len(allowed):
            break
        assert len(text) < remaining
        choice = int(random.choice(allowed))
        state, text = built.next(state, choice), text + LETTERS[choice]
    assert built.accepts(state)
    assert re.fullmatch(pattern, text)
