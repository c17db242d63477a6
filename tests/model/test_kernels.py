import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from charrnn.model.cells import CELLS, LayerState, LayerWeights
from charrnn.model.config import STATES
from charrnn.model.kernels import KERNELS

INPUTS, HIDDEN, CHARACTERS = 5, 8, 4

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, gpu])]


def stacked(
    kernel: str,
    cell: str,
    module: nn.RNNBase,
    x: Tensor,
    state: tuple[Tensor, ...],
    ids: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """What `module` computes, layer by layer through a kernel; state parts are (L, B, H). With ids
    (T, B), x is the embedding of characters."""
    computed = KERNELS[kernel](cell)
    states: list[LayerState] = []
    for number, parameters in enumerate(module.all_weights):
        before, weights = tuple(part[number] for part in state), LayerWeights(*parameters)
        if number == 0 and ids is not None:
            x, after = computed.first(ids, x, before, weights)
        else:
            x, after = computed.layer(x, before, weights)
        states.append(after)
    return x, tuple(torch.stack(parts) for parts in zip(*states, strict=True))


def by_pytorch(
    module: nn.RNNBase, x: Tensor, state: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    outputs, after = module(x, state if len(state) > 1 else state[0])
    return outputs, after if isinstance(after, tuple) else (after,)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("reads", ["x", "ids"])
@pytest.mark.parametrize(("time", "batch"), [(1, 1), (11, 1), (11, 4)])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_outputs_states_and_every_gradient_are_those_of_torch_nn(
    kernel: str, cell: str, layers: int, time: int, batch: int, reads: str, device: str
) -> None:
    torch.manual_seed(1)
    options = {"dtype": torch.float64, "device": device}
    module: nn.RNNBase = getattr(nn, cell.upper())(INPUTS, HIDDEN, layers, **options)
    # More characters than are read in the first case, fewer in the others.
    ids = torch.randint(CHARACTERS, (time, batch), device=device) if reads == "ids" else None
    shape = (time, batch) if ids is None else (CHARACTERS,)
    x = torch.randn(*shape, INPUTS, **options, requires_grad=True)  # type: ignore[call-overload]
    state = tuple(
        torch.randn(layers, batch, HIDDEN, **options, requires_grad=True)  # type: ignore[call-overload]
        for _ in STATES[cell]
    )
    mine, after = stacked(kernel, cell, module, x, state, ids)
    theirs, expected = by_pytorch(module, x if ids is None else embedding(ids, x), state)
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-10)
    torch.testing.assert_close(after, expected, rtol=0, atol=1e-10)

    # A loss that weighs every output and every part of the final state differently.
    weights = [torch.randn_like(part) for part in (theirs, *expected)]
    learned = [x, *state, *module.parameters()]
    gradients, expected_gradients = (
        torch.autograd.grad(
            sum(
                ((w * part).sum() for w, part in zip(weights, parts, strict=True)), torch.zeros(())
            ),
            learned,
        )
        for parts in ((mine, *after), (theirs, *expected))
    )
    assert len(gradients) == 1 + len(state) + 4 * layers
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        assert expected_gradient.abs().max() > 0
        torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-10)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_computes_the_equations_in_float32(
    kernel: str, cell: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # float32 on a CPU is where oneDNN's operator takes over, in evaluation and in training.
    # cuDNN's default, TF32, has ten bits of the mantissa.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.manual_seed(2)
    module: nn.RNNBase = getattr(nn, cell.upper())(INPUTS, HIDDEN).to(device)
    weights = LayerWeights(*module.all_weights[0])
    x = torch.randn(20, 3, INPUTS, device=device)
    state = tuple(torch.randn(3, HIDDEN, device=device) for _ in STATES[cell])
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            mine, after = KERNELS[kernel](cell).layer(x, state, weights)
            theirs, expected = CELLS[cell](x, state, weights)
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
        torch.testing.assert_close(after, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_no_kernel_changes_the_state_it_is_given(kernel: str, cell: str) -> None:
    module: nn.RNNBase = getattr(nn, cell.upper())(INPUTS, HIDDEN)
    weights = LayerWeights(*module.all_weights[0])
    state = tuple(torch.randn(2, HIDDEN) for _ in STATES[cell])
    copies = tuple(part.clone() for part in state)
    with torch.no_grad():
        KERNELS[kernel](cell).layer(torch.randn(6, 2, INPUTS), state, weights)
        ids = torch.randint(CHARACTERS, (6, 2))
        KERNELS[kernel](cell).first(ids, torch.randn(CHARACTERS, INPUTS), state, weights)
    for part, copy in zip(state, copies, strict=True):
        assert torch.equal(part, copy)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_under_bf16_autocast_kernels_stay_near_float32(kernel: str, cell: str, device: str) -> None:
    torch.manual_seed(3)
    module: nn.RNNBase = getattr(nn, cell.upper())(INPUTS, HIDDEN).to(device)
    weights = LayerWeights(*module.all_weights[0])
    ids = torch.randint(CHARACTERS, (8, 2), device=device)
    characters = torch.randn(CHARACTERS, INPUTS, device=device)
    x = embedding(ids, characters)
    state = tuple(torch.zeros(2, HIDDEN, device=device) for _ in STATES[cell])
    exact, _ = CELLS[cell](x, state, weights)
    with torch.autocast(device, torch.bfloat16):
        rounded, _ = KERNELS[kernel](cell).layer(x, state, weights)
        looked_up, _ = KERNELS[kernel](cell).first(ids, characters, state, weights)
    assert torch.float16 not in (rounded.dtype, looked_up.dtype)  # as cuDNN's autocast has it
    torch.testing.assert_close(rounded.float(), exact, rtol=0, atol=0.05)
    torch.testing.assert_close(looked_up.float(), exact, rtol=0, atol=0.05)


@pytest.mark.parametrize("wrong", [-1, CHARACTERS, -(2**62), 2**62])
@pytest.mark.parametrize("time", [1, 20])
@pytest.mark.parametrize("kernel", KERNELS)
def test_characters_that_are_not_there_are_refused(kernel: str, time: int, wrong: int) -> None:
    module = nn.LSTM(INPUTS, HIDDEN)
    ids = torch.zeros(time, 2, dtype=torch.int64)
    ids[-1, 1] = wrong
    with pytest.raises(IndexError):
        KERNELS[kernel]("lstm").first(
            ids,
            torch.randn(CHARACTERS, INPUTS),
            (torch.zeros(2, HIDDEN), torch.zeros(2, HIDDEN)),
            LayerWeights(*module.all_weights[0]),
        )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_ids_of_another_type_are_the_same_characters(kernel: str, cell: str) -> None:
    # Read as int64, those in int32 would be others, and some beyond the last.
    module: nn.RNNBase = getattr(nn, cell.upper())(INPUTS, HIDDEN)
    ids, characters = torch.randint(CHARACTERS, (9, 2)), torch.randn(CHARACTERS, INPUTS)
    state = tuple(torch.zeros(2, HIDDEN) for _ in STATES[cell])
    with torch.no_grad():
        expected, found = (
            KERNELS[kernel](cell).first(each, characters, state, LayerWeights(*weights))[0]
            for weights in module.all_weights
            for each in (ids, ids.int())
        )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
