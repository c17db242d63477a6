import pytest
import torch

from charrnn.tasks.transduce.network import Transducer
from charrnn.tasks.transduce.similar_symbols import (
    MOST_SYMBOLS,
    begin_alike,
    characters_of,
    share_gradients,
)
from tests.tasks.transduce.pair_networks import TOKENIZER, make_network

SYMBOLS = ("t", "tʰ", "kʰ", "é")


def test_symbols_that_share_characters_are_found() -> None:
    table = characters_of(SYMBOLS)
    assert table is not None
    assert (table @ table.T).tolist() == [
        [1, 1, 0, 0],
        [1, 2, 1, 0],
        [0, 1, 2, 0],
        [0, 0, 0, 2],  # a letter and its accent
    ]


@pytest.mark.parametrize("symbols", [("a", "b"), tuple(f"{i:x}-" for i in range(MOST_SYMBOLS + 1))])
def test_where_none_do_or_they_are_too_many_nothing_is_shared(symbols: tuple[str, ...]) -> None:
    assert characters_of(symbols) is None


@pytest.fixture
def network() -> Transducer:
    found, _ = make_network(TOKENIZER, members=2)
    assert isinstance(found, Transducer)
    return found


def test_a_gradient_reaches_similar_symbols_of_every_member(network: Transducer) -> None:
    share_gradients(network, torch.tensor([[1.0, 1.0], [1.0, 0.0]]))  # of `a` and `b`
    for member in network.members:
        (member.head.weight[2].sum() + member.decoder.embedding.weight[1].sum()).backward()  # type: ignore[no-untyped-call]
        # Of the symbol itself once, and once for each of its two characters; of the other one once.
        assert member.head.weight.grad is not None
        assert member.head.weight.grad[:, 0].tolist() == [0, 0, 3, 1]
        assert member.decoder.embedding.weight.grad is not None
        assert member.decoder.embedding.weight.grad[:, 0].tolist() == [0, 3, 1]


def test_similar_symbols_begin_alike(network: Transducer) -> None:
    before = [member.head.weight.detach().clone() for member in network.members]
    begin_alike(network, torch.tensor([[1.0], [1.0]]))
    added = [
        member.head.weight.detach() - old
        for member, old in zip(network.members, before, strict=True)
    ]
    for each in added:
        assert (each[:2] == 0).all() and (each[2] != 0).any()
        torch.testing.assert_close(each[2], each[3])
    assert not torch.equal(added[0], added[1])  # members begin differently
