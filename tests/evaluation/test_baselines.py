import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.data.memmap import chunks
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Ids, Tokenizer
from charrnn.evaluation import baselines as module
from charrnn.evaluation.baselines import NGram, baselines, n_gram, unigram, xz


def ids_of(values: Sequence[int]) -> Ids:
    return np.array(values, dtype=np.uint8)


def structured(prose: str) -> tuple[CharTokenizer, Ids, Ids]:
    tokenizer = CharTokenizer.fit([prose])
    ids = tokenizer.encode(prose * 3)
    return tokenizer, ids[: 2 * len(prose)], ids[2 * len(prose) :]


# Order 0


def test_order_0_by_hand() -> None:
    # Counts 2, 1 and 0, each one too high: 3/6, 2/6 and 1/6. The first character is not predicted.
    expected = -(math.log(3 / 6) + math.log(2 / 6) + math.log(1 / 6)) / 3
    assert unigram(ids_of([0, 0, 1]), ids_of([2, 0, 1, 2]), 3) == pytest.approx(expected)


def test_order_0_has_no_order() -> None:
    training, held_out = ids_of([0, 0, 1, 2, 2, 2]), ids_of([0, 1, 2, 2, 0])
    shuffled = unigram(training[::-1], ids_of([0, 0, 2, 2, 1]), 3)
    assert unigram(training, held_out, 3) == pytest.approx(shuffled)


# The n-gram


def kneser_ney(training: Sequence[int], held_out: Sequence[int], size: int, context: int) -> float:
    """Chen & Goodman's interpolated modified Kneser-Ney, slowly, from its definition. Every order
    counts at the same positions: those that have a whole context before them."""
    ends = range(context, len(training))
    tables: list[dict[tuple[int, ...], Counter[int]]] = []
    discounts: list[list[float]] = []
    for length in range(context + 1):
        counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        if length == context:
            for end in ends:
                counts[tuple(training[end - length : end])][training[end]] += 1
        else:  # how many different characters come before
            for gram in {tuple(training[end - length - 1 : end + 1]) for end in ends}:
                counts[gram[1:-1]][gram[-1]] += 1
        tables.append(counts)
        occurring = Counter(c for counter in counts.values() for c in counter.values())
        n1, n2, n3, n4 = (max(occurring[n], 1) for n in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        wanted = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
        discounts.append([min(max(d / n, 0.05), 0.95) * n for n, d in enumerate(wanted, 1)])

    def probability(before: tuple[int, ...], character: int) -> float:
        length = len(before)
        lower = probability(before[1:], character) if before else 1 / size
        seen = tables[length].get(before)
        if not seen:
            return lower
        spared = sum(discounts[length][min(count, 3) - 1] for count in seen.values())
        own = 0.0
        if character in seen:
            own = seen[character] - discounts[length][min(seen[character], 3) - 1]
        return (own + spared * lower) / seen.total()

    nats = [
        -math.log(probability(tuple(held_out[max(0, i - context) : i]), held_out[i]))
        for i in range(1, len(held_out))
    ]
    return sum(nats) / len(nats)


@settings(max_examples=30, deadline=None)
@given(
    training=st.lists(st.integers(0, 3), min_size=12, max_size=60),
    held_out=st.lists(st.integers(0, 4), min_size=8, max_size=20),
    context=st.integers(0, 4),
)
def test_the_n_gram_is_modified_kneser_ney(
    training: list[int], held_out: list[int], context: int
) -> None:
    expected = kneser_ney(training, held_out, 5, context)
    assert n_gram(ids_of(training), ids_of(held_out), 5, context=context) == pytest.approx(expected)


def nats_of_the_last(training: Ids, held_out: Ids, size: int) -> float:
    total = n_gram(training, held_out, size) * (len(held_out) - 1)
    return total - n_gram(training, held_out[:-1], size) * (len(held_out) - 2)


@pytest.mark.parametrize("seed", range(6))
def test_probabilities_of_the_next_character_sum_to_one(seed: int, prose: str) -> None:
    tokenizer, training, _ = structured(prose)
    size = tokenizer.vocabulary_size + 1  # one that the training text does not have
    random = np.random.default_rng(seed)
    if seed % 2:  # a context of the text, and one that is in no text
        start = int(random.integers(len(training) - 20))
        context = training[start : start + 20]
    else:
        context = random.integers(size, size=20).astype(np.uint8)
    continuations = [np.append(context, np.uint8(i)) for i in range(size)]
    likelihoods = [math.exp(-nats_of_the_last(training, each, size)) for each in continuations]
    assert min(likelihoods) > 0
    assert sum(likelihoods) == pytest.approx(1, abs=1e-6)


def test_the_n_gram_beats_order_0_on_prose(prose: str) -> None:
    tokenizer, training, held_out = structured(prose)
    size = tokenizer.vocabulary_size
    assert n_gram(training, held_out, size) < 0.5 * unigram(training, held_out, size)


def test_without_context_the_n_gram_is_near_order_0(prose: str) -> None:
    tokenizer, training, held_out = structured(prose)
    size = tokenizer.vocabulary_size
    assert n_gram(training, held_out, size, context=0) == pytest.approx(
        unigram(training, held_out, size), abs=0.05
    )


def test_large_alphabets_do_not_overflow() -> None:
    # 7 characters of 100,000 do not fit in 64 bits; packed all the same, contexts would collide.
    random = np.random.default_rng(0)
    ids = random.integers(5, size=400).astype(np.uint32)
    small = n_gram(ids[:300], ids[300:], 100_000)
    spread = ids * 24_999 + 3  # other numbers for the same characters
    assert n_gram(spread[:300], spread[300:], 100_000) == pytest.approx(small)


@pytest.mark.parametrize(("training", "held_out"), [(2, 2), (2, 3), (3, 2), (5, 2), (8, 8)])
@pytest.mark.parametrize("size", [1, 2, 256])
def test_tiny_texts_have_an_n_gram(training: int, held_out: int, size: int) -> None:
    random = np.random.default_rng(0)
    ids = random.integers(size, size=training + held_out).astype(np.uint8)
    nats = n_gram(ids[:training], ids[training:], size)
    assert math.isfinite(nats) and nats >= 0


# xz


@pytest.mark.parametrize("tokenizer", [CharTokenizer.fit(["a\nbé€"]), ByteTokenizer()])
@pytest.mark.parametrize(
    ("before", "after"), [("ab€é\n" * 40, "aéb€\n" * 40), ("a" * 300, "a" * 30), ("aé", "ba")]
)
def test_xz_is_positive_and_finite(tokenizer: Tokenizer, before: str, after: str) -> None:
    # .xz files are padded to multiples of four bytes: a difference of two may be nothing.
    assert 0 < xz(tokenizer.encode(before), tokenizer.encode(after), tokenizer) < 1000


def test_xz_of_noise_is_near_its_entropy() -> None:
    random = np.random.default_rng(0)
    training, held_out = random.integers(256, size=(2, 4000)).astype(np.uint8)
    assert xz(training, held_out, ByteTokenizer()) == pytest.approx(math.log(256), rel=0.05)


def test_xz_learns_from_the_training_text(prose: str) -> None:
    tokenizer, training, held_out = structured(prose)
    assert xz(training, held_out, tokenizer) < 0.2 * xz(training[:2], held_out, tokenizer)


def test_bytes_that_are_no_text_can_be_compressed() -> None:
    ids = np.arange(256, dtype=np.uint8)
    assert xz(ids, ids, ByteTokenizer()) > 0


# Piece by piece, for a corpus that is larger than memory


@pytest.mark.parametrize("size", [1, 2, 7, 100, 10_000])
@pytest.mark.parametrize("kind", ["char", "byte"])
def test_baselines_do_not_depend_on_where_texts_are_cut(
    size: int, kind: str, prose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context reaches across the cut, and so do the bytes of a character."""
    text = prose[:300].replace("e", "é") * 2
    tokenizer = CharTokenizer.fit([text]) if kind == "char" else ByteTokenizer()
    ids = tokenizer.encode(text)
    whole = baselines(ids[:400], ids[400:], tokenizer)
    monkeypatch.setattr(module, "chunks", lambda ids, _size=0: chunks(ids, size))
    cut = baselines(ids[:400], ids[400:], tokenizer)
    assert cut == {name: pytest.approx(nats, rel=1e-12) for name, nats in whole.items()}


def test_xz_is_given_what_it_can_look_back_on(prose: str) -> None:
    tokenizer, training, held_out = structured(prose)
    near = xz(training[-500:], held_out, tokenizer)
    assert near != xz(training, held_out, tokenizer)
    assert baselines(training, held_out, tokenizer, memory=500)["xz"] == near


def test_there_are_three_baselines(prose: str) -> None:
    tokenizer, training, held_out = structured(prose)
    simpler = baselines(training, held_out, tokenizer)
    assert simpler == {
        "unigram": unigram(training, held_out, tokenizer.vocabulary_size),
        "n_gram": n_gram(training, held_out, tokenizer.vocabulary_size),
        "xz": xz(training, held_out, tokenizer),
    }


def test_an_n_gram_tells_what_comes_next_as_it_scores() -> None:
    generator = np.random.default_rng(0)
    ids = generator.integers(5, size=3000).cumsum().astype(np.uint8) % 5
    model = NGram(ids[:2000], 5, context=3)
    text = ids[2000:2050]
    nats = 0.0
    for place in range(1, len(text)):
        before = text[max(0, place - 3) : place]
        probabilities = model.next(before[None])
        assert probabilities.sum() == pytest.approx(1)
        nats -= np.log(probabilities[0, text[place]])
    assert model.nats(text) == pytest.approx(nats / (len(text) - 1))
    assert model.next(np.zeros((2, 0))).shape == (2, 5)
