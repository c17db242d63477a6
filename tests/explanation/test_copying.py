import math

import numpy as np
import pytest

from charrnn.data.excerpt import Excerpt
from charrnn.data.tokenizer import CharTokenizer, Ids
from charrnn.explanation.copying import copied_passages, describe_copies, find_matches

TOKENIZER = CharTokenizer("\n abcdefghijklmnopqrstuvwxyz")


def encode(*texts: str) -> list[Ids]:
    return [TOKENIZER.encode(text) for text in texts]


@pytest.mark.parametrize("symbols", [2, 3, 10, 300])
def test_the_longest_passage_from_each_place(symbols: int) -> None:
    """Compared with the plainest search. Some texts are empty, one is a copy, one goes on where the
    next begins: a passage must not go from one text to another, nor past the training text."""
    random = np.random.default_rng(symbols)
    kind = np.min_scalar_type(symbols - 1)
    for _ in range(10):
        training = random.integers(0, symbols, 60).astype(kind)
        texts = [random.integers(0, symbols, size).astype(kind) for size in (0, 7, 1, 20)]
        texts += [training[10:40].copy(), training[40:].copy(), training[:9].copy(), training]
        matches = find_matches(training, texts)
        found = iter(zip(matches.lengths.tolist(), matches.places.tolist(), strict=True))
        whole = training.tolist()
        for text in (each.tolist() for each in texts):
            for begin in range(len(text)):
                length, place = next(found)
                most = max(
                    next(
                        (n for n in range(len(text) - begin) if text[begin + n] != whole[at + n])
                        if at + len(text) - begin <= len(whole)
                        else (
                            n
                            for n in range(len(whole) - at + 1)
                            if at + n == len(whole) or text[begin + n] != whole[at + n]
                        ),
                        len(text) - begin,
                    )
                    for at in range(len(whole))
                )
                assert length == most
                assert whole[place : place + length] == text[begin : begin + length] or not length


def test_shares_novelty_and_longest() -> None:
    passage = "the quick brown fox jumps"  # 25 characters
    (training,) = encode(f"zzz\n{passage}\nyyy")
    texts = encode("qqqqq", f"w{passage}v")
    matches = find_matches(training, texts)
    figures = describe_copies("samples", matches, texts, training, TOKENIZER)
    assert (figures.texts, figures.characters) == (2, 32)
    assert figures.shares[20] == pytest.approx(25 / 32)
    assert figures.shares[50] == 0
    first = figures.longest[0]
    assert (first.text_number, first.place, first.length, first.passage) == (1, 1, 25, passage)
    assert (first.training_place, first.training_line) == (4, 2)
    assert figures.novelty[0] == pytest.approx(1 / 32)  # v
    assert figures.novelty[19] == pytest.approx(1 - 6 / 8)  # 8 sequences of 20, 6 are copied
    assert figures.novelty[25] == 1
    assert len(figures.novelty) == 50


def test_the_end_of_a_copy_is_no_copy_of_its_own() -> None:
    (training,) = encode("abcdefgh xyz")
    (text,) = encode("abcdefgh")
    assert copied_passages(find_matches(training, [text]), least=3) == [(0, 8, 0)]


def test_two_texts_that_continue_each_other_are_two_copies() -> None:
    (training,) = encode("abcdefgh")
    matches = find_matches(training, encode("abcd", "efgh"))
    assert copied_passages(matches, least=3) == [(0, 4, 0), (4, 4, 4)]
    assert matches.of(1, 2).lengths.tolist() == [4, 3, 2, 1]
    assert matches.of(0, 1).ends == (4,)


def test_places_are_those_of_the_whole_text() -> None:
    """Where lines in between are held out, the training text is an excerpt."""
    (ids,) = encode("one\ntwo\nthree\nfour\n")
    kind = np.uint64  # as of lines that are held out
    training = Excerpt(ids, np.array([0, 8], kind), np.array([4, 19], kind))  # without "two"
    texts = encode("xfourx")
    matches = find_matches(np.asarray(training), texts)
    first = describe_copies("text", matches, texts, training, TOKENIZER).longest[0]
    assert (first.passage, first.training_place, first.training_line) == ("four", 14, 4)


def test_nothing_is_copied_from_nothing() -> None:
    (empty,) = encode("")
    matches = find_matches(empty, encode("abc"))
    assert matches.lengths.tolist() == [0, 0, 0]
    figures = describe_copies("text", matches, encode("abc"), empty, TOKENIZER)
    assert figures.longest == ()
    assert figures.novelty[:3] == (1, 1, 1) and all(map(math.isnan, figures.novelty[3:]))
    assert find_matches(empty, []).ends == ()


def test_a_text_that_is_copied_as_a_whole_takes_no_quadratic_time() -> None:
    """Each place is compared from where the last one ended, not from its beginning."""
    ids = np.random.default_rng(0).integers(0, 4, 30_000).astype(np.uint8)
    assert find_matches(ids, [ids]).lengths.tolist() == list(range(30_000, 0, -1))
