import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.engines.native_engine import available
from charrnn.errors import ModelError
from charrnn.model.cells import CELLS
from charrnn.tasks.transduce.batches import Pairs
from charrnn.tasks.transduce.engine import TransducerEngine
from charrnn.tasks.transduce.loss import target_nats
from charrnn.tasks.transduce.tokenizer import PairTokenizer
from tests.tasks.transduce.pair_networks import (
    TOKENIZER,
    exact_probability,
    make_network,
    probability_one_way,
)

NATIVE = [False, True] if available() else [False]
EXHAUSTIVE = {"beam": 300, "n": 6}


def encode(text: str, *features: str, tokenizer: PairTokenizer = TOKENIZER) -> list[int]:
    return tokenizer.encode_source(text, features)


@pytest.mark.parametrize(
    ("layers", "members", "native"), list(itertools.product([1, 2], [1, 3], NATIVE))
)
@pytest.mark.parametrize("cell", CELLS)
def test_a_large_beam_finds_exact_probabilities(
    cell: str, layers: int, members: int, native: bool
) -> None:
    network, model = make_network(advance=3.0, cell=cell, layers=layers, members=members)
    engine = TransducerEngine([model], native=native)
    source = encode("ab")
    (found,) = engine.translate_batch([source], **EXHAUSTIVE)
    everything = [
        target for length in range(5) for target in itertools.product([0, 1], repeat=length)
    ]
    exact = {
        target: exact_probability(network.members, TOKENIZER, source, target)
        for target in everything
    }
    best = sorted(exact, key=lambda target: -exact[target])[:6]
    if members == 1:  # else those that one direction finds are compared
        assert [each.symbols for each in found] == best
    assert found[0].symbols == best[0]
    for each in found:
        assert each.log_probability == pytest.approx(math.log(exact[each.symbols]), abs=1e-5)


def test_the_probability_is_that_of_the_loss() -> None:
    network, model = make_network()
    source = encode("aab", "PL")
    (found,) = TransducerEngine([model]).translate_batch([source], **EXHAUSTIVE)
    pairs = Pairs(
        [np.array(source)] * len(found),
        [np.array(each.symbols, dtype=np.int64) for each in found],
        TOKENIZER.copies(),
    )
    with torch.no_grad():
        nats = target_nats(network, pairs.batch(np.arange(len(found)))).numpy()
    np.testing.assert_allclose([-each.log_probability for each in found], nats, atol=1e-5)


def test_several_models_are_averaged_in_each_step() -> None:
    """Their sizes may differ."""
    first, one = make_network()
    second, other = make_network(seed=2, cell="gru", hidden_size=5)
    source = encode("ba")
    (found,) = TransducerEngine([one, other]).translate_batch([source], **EXHAUSTIVE)
    for each in found:
        exact = probability_one_way([first, second], TOKENIZER, source, each.symbols)
        assert each.log_probability == pytest.approx(math.log(exact), abs=1e-5)


def test_characters_that_equal_no_symbol_are_copied_as_themselves() -> None:
    """`x` is a character without an equal symbol, `?` an unknown character; copying the latter at
    two positions are different translations."""
    network, model = make_network()
    network.head.bias.data[:2] += torch.tensor([0.5, 3.0])
    model.tensors["head.bias"][:] = network.head.bias.detach().numpy()
    source = encode("x??", "PL")
    (found,) = TransducerEngine([model]).translate_batch([source], beam=3000, n=200)
    copies = [each for each in found if each.symbols == (-1,)]
    assert sorted(each.positions for each in copies) == [(1,), (2,), (3,)]
    assert all(each.copied == (True,) for each in copies)
    exact = exact_probability(network.members, TOKENIZER, source, (-1,))
    total = sum(math.exp(each.log_probability) for each in copies)
    assert total == pytest.approx(exact, rel=1e-5)


def test_a_copy_of_a_character_that_equals_a_symbol_writes_that_symbol() -> None:
    network, model = make_network()
    network.head.bias.data[1] += 20  # only copies, which are nothing at the ends and of features
    model.tensors["head.bias"][:] = network.head.bias.detach().numpy()
    (found,) = TransducerEngine([model]).translate_batch([encode("a", "PL")], beam=3000, n=50)
    likely = {each.symbols: each for each in found}[(0, 0)]
    assert likely.copied == (True, True)
    assert likely.positions == (1, 1)


def test_features_and_ends_are_never_copied() -> None:
    network, model = make_network()
    network.head.bias.data[1] += 20
    model.tensors["head.bias"][:] = network.head.bias.detach().numpy()
    (found,) = TransducerEngine([model]).translate_batch([encode("", "PL")], beam=50, n=20)
    assert found
    assert all(-1 not in each.symbols and not any(each.copied) for each in found)


@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize("layers", [1, 2])
def test_a_source_is_the_same_to_the_last_bit_in_any_batch(native: bool, layers: int) -> None:
    _, model = make_network(hidden_size=33, layers=layers)
    engine = TransducerEngine([model], native=native)
    sources = [encode(text) for text in ("ab", "", "bbbabab", "xq", "ab", "a" * 30, "abba")]
    for n in (1, 3):
        together = engine.translate_batch(sources, beam=4, n=n)
        assert together == [engine.translate_batch([each], beam=4, n=n)[0] for each in sources]
        assert together[0] == together[4]


def test_more_sources_than_are_searched_together(monkeypatch: pytest.MonkeyPatch) -> None:
    _, model = make_network()
    engine = TransducerEngine([model])
    sources = [encode("ab" * (number % 4)) for number in range(9)]
    whole = engine.translate_batch(sources, beam=2, n=1)
    monkeypatch.setattr("charrnn.tasks.transduce.engine._MOST_SOURCES", 4)
    assert engine.translate_batch(sources, beam=2, n=1) == whole
    monkeypatch.setattr("charrnn.tasks.transduce.engine._MOST_CANDIDATES", 1)
    assert engine.translate_batch(sources, beam=2, n=1) == whole
    assert engine.translate_batch([], beam=2, n=1) == []


def test_the_n_best_differ_and_come_in_order() -> None:
    _, model = make_network(advance=0.0)
    (found,) = TransducerEngine([model]).translate_batch([encode("abab")], beam=8, n=8)
    assert len(found) == 8
    assert len({each.symbols for each in found}) == 8
    logarithms = [each.log_probability for each in found]
    assert logarithms == sorted(logarithms, reverse=True)
    for each in found:
        assert list(each.positions) == sorted(each.positions)
        assert len(each.positions) == len(each.symbols) == len(each.copied)


def test_a_target_may_be_empty() -> None:
    _, model = make_network(advance=20.0)
    (found,) = TransducerEngine([model]).translate_batch([encode("ab")], beam=4, n=1)
    assert found[0].symbols == ()
    assert math.exp(found[0].log_probability) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("advance", [3.0, -200.0])
def test_long_sources_end(advance: float) -> None:
    """Also where the network would never advance: it is stopped after three symbols for each
    position, and 20 more."""
    _, model = make_network(advance=advance)
    source = encode("ab" * 500)
    (found,) = TransducerEngine([model]).translate_batch([source], beam=2, n=1)
    assert math.isfinite(found[0].log_probability)
    if advance < 0:
        assert len(found[0].symbols) == 3 * len(source) + 20


def test_numbers_that_overflow_are_an_error() -> None:
    _, model = make_network()
    for name in ("head.weight", "head.bias"):
        model.tensors[name][:] = 3.4e38
    with pytest.raises(ModelError, match="overflow"):
        TransducerEngine([model]).translate_batch([encode("ab")], beam=4, n=1)


def test_models_of_different_tokenizers_are_refused() -> None:
    _, model = make_network()
    _, other = make_network(PairTokenizer("abc", ("a", "b"), ("PL",)))
    with pytest.raises(ModelError, match="different tokenizers"):
        TransducerEngine([model, other])


def test_a_target_is_placed_where_the_other_direction_wrote_it() -> None:
    """Also where only the members that read from the end find it."""
    _, model = make_network(members=2)
    source = encode("xab?", "PL")
    (found,) = TransducerEngine([model]).translate_batch([source], beam=200, n=40)
    assert len(found) > 10
    for each in found:
        assert list(each.positions) == sorted(each.positions)
        for symbol, position in zip(each.symbols, each.positions, strict=True):
            assert symbol >= 0 or source[position] in (2, source[1])  # `x` and `?` are copied


@pytest.mark.parametrize("members", [2, 4])
def test_members_of_both_directions_are_the_same_in_any_batch(members: int) -> None:
    _, model = make_network(members=members)
    engine = TransducerEngine([model])
    sources = [encode(text) for text in ("ab", "", "bbbabab", "xq", "abba")]
    for n in (1, 3):
        together = engine.translate_batch(sources, beam=4, n=n)
        assert together == [engine.translate_batch([each], beam=4, n=n)[0] for each in sources]


@pytest.mark.parametrize("beam", [1, 2, 4])
def test_leaving_out_what_cannot_be_among_the_best_changes_nothing(
    beam: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Improbable outputs that are added to other hypotheses are kept, to the last bit."""
    tokenizer = PairTokenizer("abcdefx", tuple("abcdefgh"))
    _, model = make_network(tokenizer, advance=0.5)
    engine = TransducerEngine([model], margin=None)
    sources = [encode(text, tokenizer=tokenizer) for text in ("abc", "fxxa", "", "abcdef?", "bbb")]
    found = engine.translate_batch(sources, beam=beam, n=beam)
    calls = []

    def everything(self: Any, shares: Any) -> Any:
        calls.append(len(shares))
        return np.ones(shares.shape, dtype=np.bool_)

    monkeypatch.setattr("charrnn.tasks.transduce.beam._Search._may_be_best", everything)
    assert engine.translate_batch(sources, beam=beam, n=beam) == found
    assert calls


def test_an_unknown_character_is_copied_at_most_once_where_it_stands() -> None:
    """A network that has never seen it went on copying it for ever."""
    network, model = make_network(advance=0.0)
    network.head.bias.data[1] += 20
    model.tensors["head.bias"][:] = network.head.bias.detach().numpy()
    (found,) = TransducerEngine([model]).translate_batch([encode("?x")], beam=4, n=1)
    assert [each.positions for each in found if each.symbols == (-1, -1)] == [(1, 2)]
