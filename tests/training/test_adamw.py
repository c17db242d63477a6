import pytest
import torch
from torch import Tensor

from charrnn.training.adamw import AdamW
from charrnn.training.loss import BETAS

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, gpu])]
RATES = [0.01, 0.02, 0.005, 0.0, 0.1]
SCALE = 2.0


def parameters(device: str) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    shapes = [(7, 33), (33,), (5, 4)]
    return [torch.randn(shape, generator=random).to(device).requires_grad_() for shape in shapes]


def draw_gradients(parameters: list[Tensor], step: int) -> None:
    random = torch.Generator().manual_seed(1 + step)
    for each in parameters:
        each.grad = torch.randn(each.shape, generator=random).to(each.device)


@pytest.mark.parametrize("device", DEVICES)
def test_steps_are_those_of_torch_optim_to_the_last_bit(device: str) -> None:
    mine, expected = parameters(device), parameters(device)
    optimizer = AdamW([(mine[:2], 1.0), (mine[2:], SCALE)])
    groups = [{"params": expected[:2], "scale": 1.0}, {"params": expected[2:], "scale": SCALE}]
    theirs = torch.optim.AdamW(groups, betas=BETAS, weight_decay=0.0, fused=True)
    for step, rate in enumerate(RATES):
        draw_gradients(mine, step)
        draw_gradients(expected, step)
        for group in theirs.param_groups:
            group["lr"] = rate * group["scale"]
        theirs.step()
        optimizer.step(rate)
        for one, other in zip(mine, expected, strict=True):
            assert torch.equal(one, other)
            kept, same = optimizer.state[one], theirs.state[other]
            assert kept.keys() == same.keys()
            assert all(torch.equal(kept[name], same[name]) for name in same)
