import pytest
import torch
from torch import Tensor

from charrnn.errors import ConfigError
from charrnn.model.config import POOLINGS
from charrnn.model.pooling import Pooling, attended, reversed_within

# Two sequences of two features: one of three steps, one of two and padding.
OUTPUTS = torch.tensor(
    [
        [[1.0, 8.0], [2.0, -1.0]],
        [[2.0, 4.0], [6.0, -5.0]],
        [[6.0, 0.0], [99.0, 99.0]],
    ],
    dtype=torch.float64,
)  # (T, B, F)
LENGTHS = torch.tensor([3, 2])

BY_HAND = {
    "last": [[6.0, 0.0], [6.0, -5.0]],
    "mean": [[3.0, 4.0], [4.0, -3.0]],
    "max": [[6.0, 8.0], [6.0, -1.0]],
    "attention": [[3.0, 4.0], [4.0, -3.0]],  # fresh, it is the mean
}


def make(kind: str, features: int = 2, *, bidirectional: bool = False) -> Pooling:
    pooling = Pooling(kind, features, bidirectional=bidirectional).double()
    pooling.reset_parameters()
    return pooling


@pytest.mark.parametrize("kind", sorted(POOLINGS))
def test_pooling_by_hand(kind: str) -> None:
    assert make(kind)(OUTPUTS, LENGTHS).tolist() == BY_HAND[kind]


def test_the_last_of_the_other_direction_is_the_first() -> None:
    """At the last step it has read one step only."""
    pooled = make("last", bidirectional=True)(OUTPUTS, LENGTHS)
    assert pooled.tolist() == [[6.0, 8.0], [6.0, -1.0]]


def test_attention_by_hand() -> None:
    # w . output is 0, 0 and ln 3 in one, and ln 3, 0 in the other.
    outputs = torch.tensor([[[0.0], [1.0]], [[0.0], [0.0]], [[1.0], [7.0]]], dtype=torch.float64)
    weight = torch.tensor([[3.0]], dtype=torch.float64).log()
    pooled = attended(outputs, LENGTHS, weight)[:, 0]
    assert pooled.tolist() == pytest.approx([3 / 5, 3 / 4])


@pytest.mark.parametrize("kind", sorted(POOLINGS))
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_is_nothing_and_learns_nothing(kind: str, bidirectional: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 3, 4, generator=generator, dtype=torch.float64)
    lengths = torch.tensor([5, 1, 3])
    pooling = make(kind, 4, bidirectional=bidirectional)
    for weight in pooling.parameters():
        torch.nn.init.normal_(weight, generator=generator)
    alone = [pooling(x[:length, [i]])[0] for i, length in enumerate(lengths.tolist())]
    padding = torch.arange(5)[:, None] >= lengths
    for filled in (0.0, 1e30, torch.nan):
        padded = x.masked_fill(padding[:, :, None], filled).requires_grad_()
        pooled = pooling(padded, lengths)
        torch.testing.assert_close(pooled, torch.stack(alone), rtol=1e-12, atol=1e-12)
        (gradient,) = torch.autograd.grad(pooled.sum(), padded)
        assert (gradient[padding] == 0).all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", sorted(POOLINGS))
def test_a_sequence_without_steps_is_zeros(kind: str) -> None:
    x = OUTPUTS.clone().requires_grad_()
    pooled = make(kind)(x, torch.tensor([0, 3]))
    assert pooled[0].tolist() == [0, 0]
    pooled.sum().backward()
    gradient = x.grad
    assert gradient is not None and (gradient[:, 0] == 0).all() and gradient.isfinite().all()


@pytest.mark.parametrize("kind", sorted(POOLINGS))
def test_outputs_in_bf16_are_pooled_in_float32(kind: str) -> None:
    """A mean over a thousand steps would lose the last hundreds of them."""
    outputs = torch.full((1000, 1, 1), 0.7, dtype=torch.bfloat16)
    pooling = make(kind, 1).float()
    assert pooling(outputs).item() == pytest.approx(outputs[0].item(), rel=1e-5)
    assert pooling(outputs).dtype == torch.float32


def test_only_attention_has_weights() -> None:
    for kind in POOLINGS:
        shapes = {name: tuple(weight.shape) for name, weight in make(kind, 6).named_parameters()}
        assert shapes == ({"weight": (1, 6)} if kind == "attention" else {})


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="choose from last, mean, max, attention"):
        Pooling("median", 2)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2)])
def test_reversed_within_within_its_length(shape: tuple[int, ...]) -> None:
    x = torch.arange(torch.Size(shape).numel()).view(shape)
    lengths = torch.tensor([4, 0, 2])

    def order(lane: int) -> Tensor:
        return reversed_within(x, lengths)[:, lane]

    assert order(0).equal(x[[3, 2, 1, 0], 0])
    assert order(1).equal(x[:, 1])
    assert order(2).equal(x[[1, 0, 2, 3], 2])
    assert reversed_within(reversed_within(x, lengths), lengths).equal(x)
    assert reversed_within(x).equal(reversed_within(x, torch.tensor([4, 4, 4])))
