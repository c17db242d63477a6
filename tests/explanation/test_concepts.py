import numpy as np
import pytest

from charrnn.explanation.concepts import CONCEPTS, KINDS, kinds_of, values_of

AWKWARD = ("", "\n", '"', "))]}", "a\x00b", "\U0001f98a\udcff", "   \n\n\t", "é" * 3, "((" * 20)


@pytest.mark.parametrize("name", CONCEPTS)
def test_every_concept_has_a_value_for_each_character(name: str) -> None:
    for text in AWKWARD:
        values = values_of(name, text)
        assert values.shape == (len(text),), repr(text)
        assert np.isfinite(values.astype(float)).all()
    assert CONCEPTS[name].description


def marks(name: str, text: str) -> str:
    values = values_of(name, text)
    if values.dtype == np.bool_:
        return "".join(".#"[int(each)] for each in values)
    return "".join(str(int(each)) for each in values)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("inside_quotes", 'a "b" c', "..##..."),
        ("inside_quotes", '"a\n\nb', "##...".replace("...", "#..")),
        ("inside_quotes", "\u201ca\u201d b", "##..."),
        ("inside_single_quotes", "it's 'so' b", ".....###..."[:11]),
        ("inside_parentheses", "a(b(c)d)e", ".######.."),
        ("depth_of_parentheses", "a(b(c)d)e", "011221100"),
        ("depth_of_brackets", "([{}])", "123210"),
        ("depth_of_brackets", ")(", "01"),
        ("deep_in_brackets", "([{}])", ".###.."),
        ("inside_word", "ab, c", "##..#"),
        ("position_in_word", "ab, cde", "1200123"),
        ("beginning_of_word", "ab, cde", "#...#.."),
        ("length_of_last_word", "ab cde ", "0222233"),
        ("capitalized_word", "Ab cD", "##..."),
        ("column", "ab\nc", "1201"),
        ("near_end_of_line", "abcdefgh\na", "...#####.#"),
        ("until_end_of_line", "ab\ncd", "21021"),
        ("indentation", "  a b\n\tc", "12222044"),
        ("empty_line", "a\n\nb", "..#."),
        ("after_sentence_end", 'a. "B', ".###."),
        ("since_comma", "a,b c", "10123"),
        ("upper_case_run", "AB c D", "##...."),
        ("after_capital", "Ab", ".#"),
        ("vowel", "aBe", "#.#"),
        ("doubled_letter", "book", "..#."),
        ("inside_number", "a 1,000 b", "..#####.."),
        ("several_spaces", "a  b c", ".##..."),
        ("url", "at https://x.org/a b", "...###############.."),
        ("comment", "x # y\nz", "..###.."),
        ("tag_or_label", "Act: b", "####.."),
        ("next_is_space", "ab c", ".#.."),
        ("next_is_line_end", "ab\n", ".#."),
    ],
)
def test_concepts_are_what_they_say(name: str, text: str, expected: str) -> None:
    assert marks(name, text) == expected


def test_each_character_has_one_kind() -> None:
    text = 'aB1 \n"(.\x00'
    assert kinds_of(text) == list(KINDS[:1] + KINDS[1:])
