"""The operators as they run on a GPU, as far as that can be seen without one."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from charrnn.model.cells import CELLS, LayerWeights
from charrnn.model.config import GATES, STATES
from charrnn.model.kernels.fused import fused, in_one_block

TIME, BATCH, INPUTS, HIDDEN = 3, 2, 5, 4
OPERATORS = {"rnn": "rnn_tanh", "gru": "gru", "lstm": "lstm"}


def shapes(cell: str) -> list[tuple[int, ...]]:
    rows = GATES[cell] * HIDDEN
    return [(rows, INPUTS), (rows, HIDDEN), (rows,), (rows,)]


@pytest.mark.parametrize("autocast", [torch.bfloat16, None], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_on_a_gpu_the_type_is_autocasts_and_not_float16(
    cell: str, autocast: torch.dtype | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's autocast gives cuDNN float16 when it was told bf16, and gradients became 0."""
    seen: list[Any] = []
    parts = tuple(torch.zeros(1, BATCH, HIDDEN) for _ in STATES[cell])

    def operator(x: Tensor, state: Any, weights: Any, *_: Any) -> tuple[Tensor, ...]:
        before = state if isinstance(state, tuple) else (state,)
        seen.extend(each.dtype for each in (x, *before, *weights))
        seen.append(torch.is_autocast_enabled("cuda"))
        return torch.zeros(TIME, BATCH, HIDDEN), *parts

    monkeypatch.setattr(torch, OPERATORS[cell], operator)
    enabled, usual = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        x = torch.zeros(TIME, BATCH, INPUTS, device="cuda")
        state = tuple(torch.zeros(BATCH, HIDDEN, device="cuda") for _ in STATES[cell])
        weights = LayerWeights(*(torch.zeros(each, device="cuda") for each in shapes(cell)))
        try:
            # torch.autocast itself refuses where there is no GPU.
            torch.set_autocast_enabled("cuda", autocast is not None)
            torch.set_autocast_dtype("cuda", autocast or usual)
            fused(cell)(x, state, weights)
        finally:
            torch.set_autocast_enabled("cuda", enabled)
            torch.set_autocast_dtype("cuda", usual)
    assert seen == [autocast or torch.float32] * (1 + len(parts) + 4) + [False]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("cell", CELLS)
def test_weights_in_one_block_follow_one_another_and_pass_gradients_on(
    cell: str, dtype: torch.dtype
) -> None:
    """cuDNN warned of weights that lie in several places, and copied them in every call."""
    weights = LayerWeights(*(torch.randn(each, requires_grad=True) for each in shapes(cell)))
    block = in_one_block(weights, dtype)
    place = 0
    for old, new in zip(weights, block, strict=True):
        assert (new.dtype, new.storage_offset(), new.is_contiguous()) == (dtype, place, True)
        assert new.untyped_storage().data_ptr() == block.weight_ih.untyped_storage().data_ptr()
        torch.testing.assert_close(new, old.to(dtype), rtol=0, atol=0)
        place += new.numel()
    total = sum((number * new.float().sum() for number, new in enumerate(block)), torch.zeros(()))
    for number, gradient in enumerate(torch.autograd.grad(total, weights)):
        assert (gradient == number).all()
