"""The hand-derived backward pass against finite differences (`gradcheck`), in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from charrnn.model.cells import CELLS, LayerWeights
from charrnn.model.config import GATES, STATES
from charrnn.model.kernels.recurrence import LayerInputs, PlainRecurrence
from charrnn.model.kernels.sequence import SequenceKernel

V, E, H = 3, 2, 3


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def learned(cell: str, batch: int) -> tuple[Tensor, ...]:
    """Four weights, then the state before."""
    wide = GATES[cell] * H
    weights = (numbers(wide, E), numbers(wide, H), numbers(wide), numbers(wide))
    return *weights, *(numbers(batch, H) for _ in STATES[cell])


@pytest.mark.parametrize("into", ["outputs", "state", "both"])
@pytest.mark.parametrize(("time", "batch"), [(1, 1), (4, 1), (1, 2), (4, 2)])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_those_of_differences(cell: str, time: int, batch: int, into: str) -> None:
    torch.manual_seed(time + batch)
    kernel = SequenceKernel(PlainRecurrence(cell))
    ids = torch.randint(V, (time, batch))

    def results(outputs: Tensor, after: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return {"outputs": (outputs,), "state": after, "both": (outputs, *after)}[into]

    def layer(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        return results(*kernel.layer(x, rest[4:], LayerWeights(*rest[:4])))

    def first(embedding: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        return results(*kernel.first(ids, embedding, rest[4:], LayerWeights(*rest[:4])))

    check: Callable[..., bool] = torch.autograd.gradcheck
    assert check(layer, (numbers(time, batch, E), *learned(cell, batch)))
    assert check(first, (numbers(V, E), *learned(cell, batch)))


@pytest.mark.parametrize("cell", CELLS)
def test_only_what_is_asked_for_has_a_gradient(cell: str) -> None:
    kernel = SequenceKernel(PlainRecurrence(cell))
    weights, state = learned(cell, 2)[:4], learned(cell, 2)[4:]
    frozen = LayerWeights(*(weight.detach() for weight in weights))
    fixed = tuple(part.detach() for part in state)
    x = numbers(4, 2, E)
    for reads in (x, x.detach()):
        for before in (state, fixed):
            for learns in (LayerWeights(*weights), frozen):
                wanted = [t for t in (reads, *before, *learns) if t.requires_grad]
                outputs, _ = kernel.layer(reads, before, learns)
                expected, _ = CELLS[cell](reads, before, learns)
                assert outputs.requires_grad == expected.requires_grad == bool(wanted)
                if wanted:
                    # An LSTM's last c reaches no output.
                    pairs = zip(
                        torch.autograd.grad(outputs.sum(), wanted),
                        torch.autograd.grad(expected.sum(), wanted),
                        strict=True,
                    )
                    for mine, theirs in pairs:
                        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_there_is_no_second_derivative_and_nobody_is_told_otherwise(cell: str) -> None:
    rest = learned(cell, 2)
    outputs, _ = SequenceKernel(PlainRecurrence(cell)).layer(
        numbers(4, 2, E), rest[4:], LayerWeights(*rest[:4])
    )
    (gradient,) = torch.autograd.grad(outputs.square().sum(), rest[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_is_kept_where_nothing_learns(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Under no_grad the weights still say that they want gradients.
    kept = []
    forward = PlainRecurrence.forward

    def watched(self: PlainRecurrence, inputs: LayerInputs, *, keep: bool) -> object:
        kept.append(keep)
        return forward(self, inputs, keep=keep)

    monkeypatch.setattr(PlainRecurrence, "forward", watched)
    kernel, rest = SequenceKernel(PlainRecurrence(cell)), learned(cell, 2)
    x, state, weights = numbers(4, 2, E), rest[4:], LayerWeights(*rest[:4])
    with torch.no_grad():
        kernel.layer(x, state, weights)
        kernel.first(torch.zeros(4, 2, dtype=torch.int64), numbers(V, E), state, weights)
    kernel.layer(x, state, weights)
    assert kept == [False, False, True]
