import pytest
import torch

from benchmarks.attention_baseline import (
    BEGIN,
    END,
    PADDING,
    AttentionBaseline,
    PairIds,
    Sizes,
    train_step,
)

PAIRS = [("ab", ["A", "B"]), ("b", ["B"]), ("aab", ["A", "A", "B"])]


@pytest.fixture
def ids() -> PairIds:
    return PairIds(PAIRS)


@pytest.fixture
def network(ids: PairIds) -> AttentionBaseline:
    torch.manual_seed(0)
    return AttentionBaseline(Sizes(ids.characters, ids.symbols, 8, 16, 2, 0.0))


def test_a_batch_has_every_pair_once_in_an_epoch(ids: PairIds) -> None:
    whole = ids.batch(3)
    assert sorted(whole.lengths.tolist()) == [3, 4, 5]
    assert whole.characters == 12  # without begin, end and padding
    assert (whole.sources[:, 0] == BEGIN).all()
    assert ((whole.targets == END).sum(1) == 1).all()
    sizes = [len(ids.batch(2).lengths) for _ in range(4)]
    assert sizes == [2, 1, 2, 1]


def test_padding_changes_no_logits(ids: PairIds, network: AttentionBaseline) -> None:
    batch = ids.batch(3)
    logits = network(*batch[:3])
    for row, length in enumerate(batch.lengths.tolist()):
        symbols = int((batch.targets[row] != PADDING).sum())
        alone = network(
            batch.sources[row : row + 1, :length],
            batch.lengths[row : row + 1],
            batch.targets[row : row + 1, :symbols],
        )
        torch.testing.assert_close(alone[0], logits[row, :symbols], atol=1e-5, rtol=1e-4)


def test_the_loop_learns(ids: PairIds, network: AttentionBaseline) -> None:
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    losses = [train_step(network, optimizer, ids.batch(3)) for _ in range(60)]
    assert losses[-1] < 0.1 * losses[0]
