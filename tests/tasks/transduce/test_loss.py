"""The loss and its gradient, against sums over the lattice by PyTorch's autograd."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.model.config import GATES, ModelConfig
from charrnn.tasks.transduce.batches import PairBatch, Pairs
from charrnn.tasks.transduce.loss import pair_loss, target_nats
from charrnn.tasks.transduce.network import Transducer

SYMBOLS = 4


def network(**changes: Any) -> Transducer:
    sizes: dict[str, Any] = {
        "cell": "lstm",
        "hidden_size": 6,
        "embedding_size": 5,
        "layers": 1,
    } | changes
    config = ModelConfig(
        task="transduce", vocabulary_size=7, outputs=SYMBOLS, bidirectional=True, **sizes
    )
    return Transducer(config, kernel="equations", generator=torch.Generator().manual_seed(1))


@pytest.fixture
def pairs() -> Pairs:
    sources = [[0, 3, 4, 1], [0, 5, 1], [0, 6, 2, 3, 5, 1]]
    targets = [[2, 0, 3], [], [1, 1]]
    copies = np.array([-1, -1, -1, 0, 2, -1, 1])  # the symbols that equal the source's characters
    return Pairs([*map(np.array, sources)], [np.array(each, dtype=int) for each in targets], copies)


def nats_one_by_one(transducer: Transducer, pairs: Pairs, place: int) -> torch.Tensor:
    """The same, node by node."""
    source, target = pairs.sources[place], pairs.targets[place]
    written = torch.tensor([[0], *([number + 1] for number in target)])
    logits = transducer(torch.tensor(source)[:, None], torch.tensor([len(source)]), written)
    p = logits[:, :, 0].softmax(dim=-1)
    total: dict[tuple[int, int], torch.Tensor] = {}
    for i in range(len(source)):
        for j in range(len(target) + 1):
            arriving = [torch.ones(())] if i == j == 0 else []
            if i:
                arriving.append(total[i - 1, j] * p[i - 1, j, 0])
            if j:
                copied = pairs.copies[source[i]] == target[j - 1]
                writes = p[i, j - 1, target[j - 1] + 2] + p[i, j - 1, 1] * float(copied)
                arriving.append(total[i, j - 1] * writes)
            total[i, j] = torch.stack(arriving).sum()
    end = len(source) - 1, len(target)
    nats: torch.Tensor = -(total[end] * p[(*end, 0)]).log()
    return nats


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", GATES)
def test_nats_and_gradients_are_those_of_each_pair_alone(
    cell: str, layers: int, pairs: Pairs
) -> None:
    transducer = network(cell=cell, layers=layers).double().eval()
    places = np.arange(len(pairs))
    nats = target_nats(transducer, pairs.batch(places))
    plain = torch.stack([nats_one_by_one(transducer, pairs, place) for place in range(len(pairs))])
    torch.testing.assert_close(nats.double(), plain, rtol=1e-9, atol=1e-9)
    weights = [each for name, each in transducer.named_parameters()]
    ours = torch.autograd.grad(nats.sum(), weights, retain_graph=True)
    autograd = torch.autograd.grad(plain.sum(), weights)
    for each, expected in zip(ours, autograd, strict=True):
        torch.testing.assert_close(each, expected, rtol=1e-6, atol=1e-8)


def test_the_loss_is_the_mean_of_the_members(pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.tasks.transduce.loss.HIDDEN", 0.0)
    transducer = network(members=3).eval()
    assert len(transducer.members) == 3
    batch = pairs.batch(np.arange(3))
    learned = pair_loss(
        transducer, batch, None, random=np.random.default_rng(0), masks=torch.Generator()
    )
    # Every other one reads and writes from the end.
    ways = batch, batch.backwards(), batch
    each = [
        target_nats(member, way).mean()
        for member, way in zip(transducer.members, ways, strict=True)
    ]
    assert len({nats.item() for nats in each}) == 3  # they begin differently
    torch.testing.assert_close(learned.loss, torch.stack(each).mean())


def test_the_weights_have_the_declared_names_and_shapes() -> None:
    for members in (1, 2):
        transducer = network(members=members, layers=2)
        shapes = {name: tuple(each.shape) for name, each in transducer.named_parameters()}
        assert shapes == transducer.config.tensor_shapes()


def test_dropout_changes_the_loss_in_training_only(pairs: Pairs) -> None:
    batch = pairs.batch(np.arange(3))
    transducer = network(dropout=0.5, weight_dropout=0.3)
    seeded = [
        target_nats(transducer, batch, generator=torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    ]
    assert torch.equal(seeded[0], seeded[1]) and not torch.equal(seeded[0], seeded[2])
    transducer.eval()
    assert torch.equal(target_nats(transducer, batch), target_nats(transducer, batch))


def test_backwards_reverses_each_pair_within_its_length(pairs: Pairs) -> None:
    batch = pairs.batch(np.arange(3))
    backwards = batch.backwards()
    assert backwards.sources[:, 0].tolist() == [0, 4, 3, 1, 1, 1]
    assert backwards.sources[:, 2].tolist() == [0, 5, 3, 2, 6, 1]
    assert backwards.targets[:, 0].tolist() == [3, 0, 2]
    assert (backwards.copies == pairs.copies[backwards.sources]).all()
    assert (backwards.backwards().targets == batch.targets).all()


def test_some_characters_are_hidden_but_no_ends(
    pairs: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[PairBatch] = []

    def keep(network: Transducer, batch: PairBatch, generator: torch.Generator) -> torch.Tensor:
        seen.append(batch)
        return torch.zeros(1)

    monkeypatch.setattr("charrnn.tasks.transduce.loss.HIDDEN", 0.5)
    monkeypatch.setattr("charrnn.tasks.transduce.loss.member_nats", keep)
    batch = pairs.batch(np.arange(3))
    pair_loss(network(), batch, None, random=np.random.default_rng(0), masks=torch.Generator())
    changed = seen[0].sources != batch.sources
    assert changed.any() and (seen[0].sources[changed] == 2).all()
    assert (batch.sources[changed] >= 3).all()
    assert (seen[0].copies == batch.copies).all()  # a hidden character is still copied
    unread = seen[0].unread
    assert unread is not None and unread.any() and not unread.all()
    assert (seen[0].targets == batch.targets).all()  # a symbol that is not read is still written
    nats = [target_nats(network().eval(), each) for each in (batch, replace(batch, unread=unread))]
    assert not torch.equal(*nats)
