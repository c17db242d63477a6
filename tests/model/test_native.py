"""The steps in C: the same numbers as `cells.py` on every kind of processor that this one can
be."""

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from charrnn.model.cells import CELLS, LayerWeights
from charrnn.model.config import GATES, STATES
from charrnn.model.kernels import KERNELS, native
from charrnn.model.kernels.kernel import CellKernel, Kernel
from charrnn.model.kernels.native import NativeRecurrence
from charrnn.model.kernels.recurrence import LayerInputs, PlainRecurrence, Recurrence
from charrnn.model.kernels.sequence import SequenceKernel

V, E = 6, 5

KINDS = {"avx2": torch.float32, "avx512": torch.float32}
BF16_KINDS = {"bf16": torch.bfloat16, "amx": torch.bfloat16}
DTYPES = KINDS | BF16_KINDS

needs_library = pytest.mark.skipif(
    not native.available(), reason="the C was not built, or CHARRNN_NATIVE=0"
)


def where_it_is(*names: str) -> pytest.MarkDecorator:
    """Once for each kind of processor, where this one can compute as that."""
    there = native.kinds() if native.available() else {}
    return pytest.mark.parametrize(
        "kind",
        [
            pytest.param(name, marks=pytest.mark.skipif(name not in there, reason=f"no {name}"))
            for name in names
        ],
    )


every_kind = where_it_is(*DTYPES)


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Case(NamedTuple):
    """A layer, what it reads, and what weighs its outputs and last state in a loss."""

    weights: LayerWeights
    state: tuple[Tensor, ...]
    x: Tensor  # (T, B, E), or the embedding (V, E)
    ids: Tensor | None
    doutputs: Tensor
    dstate: tuple[Tensor, ...]

    def tensors(self) -> list[Tensor]:
        return [self.x, *self.weights, *self.state]


def make_case(cell: str, hidden: int, batch: int, time: int, *, ids: bool) -> Case:
    generator = torch.Generator().manual_seed(hidden + batch + time)

    def numbers(*shape: int, scale: float = 1.0) -> Tensor:
        return torch.randn(*shape, generator=generator) * scale

    wide = GATES[cell] * hidden
    return Case(
        LayerWeights(
            numbers(wide, E, scale=0.5),
            numbers(wide, hidden, scale=hidden**-0.5),
            numbers(wide, scale=0.5),
            numbers(wide, scale=0.5),
        ),
        tuple(numbers(batch, hidden, scale=0.5) for _ in STATES[cell]),
        numbers(V, E) if ids else numbers(time, batch, E),
        torch.randint(V, (time, batch), generator=generator) if ids else None,
        numbers(time, batch, hidden),
        tuple(numbers(batch, hidden) for _ in STATES[cell]),
    )


def computed(
    kernel: Kernel, case: Case, dtype: torch.dtype, *, autocast: bool = False
) -> list[Tensor]:
    """Outputs, last state, then the gradients of everything, in float64."""
    x, *rest = (tensor.to(dtype).requires_grad_() for tensor in case.tensors())
    weights, state = LayerWeights(*rest[:4]), tuple(rest[4:])
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        if case.ids is None:
            outputs, after = kernel.layer(x, state, weights)
        else:
            outputs, after = kernel.first(case.ids, x, state, weights)
    loss = (outputs.double() * case.doutputs).sum()
    for part, weight in zip(after, case.dstate, strict=True):
        loss = loss + (part.double() * weight).sum()
    gradients = torch.autograd.grad(loss, [x, *rest])
    return [part.detach().double() for part in (outputs, *after, *gradients)]


def of_kind(cell: str, kind: str) -> Kernel:
    return SequenceKernel(NativeRecurrence(cell, kind))


def error(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


# Sizes around those of vectors (8, 16), tiles (16 lanes, 16 or 32 units), blocks (32 lanes) and
# panels (16 or 64 units); every hidden size, batch size and length at least twice.
SIZES = [
    (1, 17, 9),
    (7, 1, 9),
    (7, 33, 2),
    (20, 5, 9),
    (20, 64, 1),
    (33, 16, 2),
    (33, 31, 9),
    (64, 32, 9),
    (64, 70, 2),
    (100, 17, 9),
    (130, 1, 2),
    (130, 33, 2),
]


@where_it_is(*KINDS)
@pytest.mark.parametrize("ids", [True, False], ids=["ids", "x"])
@pytest.mark.parametrize("cell", CELLS)
def test_in_float32_it_computes_the_equations(cell: str, ids: bool, kind: str) -> None:
    for hidden, batch, time in SIZES:
        case = make_case(cell, hidden, batch, time, ids=ids)
        found = computed(of_kind(cell, kind), case, torch.float32)
        exact = computed(CellKernel(CELLS[cell]), case, torch.float64)
        values = 1 + len(case.state)
        for mine, theirs in zip(found[:values], exact[:values], strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
        for mine, theirs in zip(found[values:], exact[values:], strict=True):
            assert error(mine, theirs) < 1e-5, (hidden, batch, time)


@where_it_is(*BF16_KINDS)
@pytest.mark.parametrize("ids", [True, False], ids=["ids", "x"])
@pytest.mark.parametrize("cell", CELLS)
def test_in_bf16_it_is_as_near_as_rounding_lets_it_be(cell: str, ids: bool, kind: str) -> None:
    for hidden, batch, time in SIZES:
        if hidden * batch < 100:  # too few numbers for errors to even out
            continue
        case = make_case(cell, hidden, batch, time, ids=ids)
        exact = computed(CellKernel(CELLS[cell]), case, torch.float64)
        found, plain = (
            computed(kernel, case, torch.float32, autocast=True)
            for kernel in (of_kind(cell, kind), SequenceKernel(PlainRecurrence(cell)))
        )
        for mine, other, theirs in zip(found, plain, exact, strict=True):
            assert torch.cosine_similarity(mine.flatten(), theirs.flatten(), dim=0) > 0.999
            assert float(mine.norm() / theirs.norm()) == pytest.approx(1, abs=0.01)
            assert error(mine, theirs) < 2 * max(error(other, theirs), 0.003)


@pytest.mark.skipif(
    not {"avx2", "avx512"} <= native.kinds().keys(), reason="not both kinds of float32"
)
@pytest.mark.parametrize("cell", CELLS)
def test_avx2_and_avx512_give_the_same_bits(cell: str) -> None:
    # The compiler chose which products and sums were rounded once, for each kind as it liked.
    case = make_case(cell, 50, 5, 20, ids=True)
    narrow, wide = (computed(of_kind(cell, kind), case, torch.float32) for kind in KINDS)
    for mine, other in zip(narrow, wide, strict=True):
        assert torch.equal(mine, other)


@every_kind
@pytest.mark.parametrize("cell", CELLS)
def test_threads_and_repetition_change_no_bit(cell: str, kind: str) -> None:
    # Small weights are shared by lanes, large ones by units; 300 units have four gates of 1.4 MB.
    for hidden, batch, ids in ((20, 5, True), (100, 70, False), (100, 130, True), (300, 33, True)):
        recurrence = NativeRecurrence(cell, kind)
        expected: list[Tensor] | None = None
        for threads in (1, 1, 2, 3, 4):
            torch.set_num_threads(threads)
            found = steps_of(recurrence, cell, DTYPES[kind], hidden, batch, 4, ids=ids)
            expected = expected or found
            for part, before in zip(found, expected, strict=True):
                assert torch.equal(part, before), (hidden, batch, threads)


def steps_of(
    recurrence: Recurrence,
    cell: str,
    dtype: torch.dtype,
    hidden: int,
    batch: int,
    time: int,
    *,
    ids: bool,
) -> list[Tensor]:
    """Everything that a Recurrence computes, forward and backward, without PyTorch's products."""
    case = make_case(cell, hidden, batch, time, ids=ids)
    wide, weight = GATES[cell] * hidden, case.weights.weight_hh
    preactivations = torch.sin(torch.arange((V if ids else time * batch) * wide).float()).to(dtype)
    preactivations = preactivations.view(*((V,) if ids else (time, batch)), wide)
    bias = case.weights.bias_hh[-hidden:]
    inputs = LayerInputs(preactivations, case.ids, case.state, weight, bias)
    activations = recurrence.forward(inputs, keep=True)
    gradients = recurrence.backward(activations, weight, case.doutputs.to(dtype), case.dstate)
    rows = recurrence.sum_rows(gradients.preactivations, case.ids, V if ids else 1)
    return [
        activations.outputs,
        *activations.state,
        gradients.preactivations,
        gradients.recurrent,
        *gradients.state,
        rows,
    ]


@every_kind
@pytest.mark.parametrize("cell", CELLS)
def test_in_python_threads_at_once(cell: str, kind: str) -> None:
    def work(number: int, found: dict[int, list[Tensor]]) -> None:
        torch.set_num_threads(2)
        found[number] = [
            part
            for _ in range(5)
            for part in steps_of(
                NativeRecurrence(cell, kind), cell, DTYPES[kind], 40 + number, 33, 5, ids=True
            )
        ]

    expected: dict[int, list[Tensor]] = {}
    found: dict[int, list[Tensor]] = {}
    workers = [threading.Thread(target=work, args=(number, found)) for number in range(3)]
    for number in range(3):
        work(number, expected)
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for number in range(3):
        for part, before in zip(found[number], expected[number], strict=True):
            assert torch.equal(part, before)


@every_kind
@pytest.mark.parametrize("doutputs", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_what_it_is_given_does_not_change(cell: str, doutputs: bool, kind: str) -> None:
    hidden, batch, time = 20, 17, 3
    case = make_case(cell, hidden, batch, time, ids=True)
    wide, dtype = GATES[cell] * hidden, DTYPES[kind]
    preactivations, weight = torch.randn(V, wide).to(dtype), case.weights.weight_hh
    bias, weighed = case.weights.bias_hh[-hidden:], case.doutputs.to(dtype) if doutputs else None
    assert case.ids is not None
    given = [preactivations, case.ids, *case.state, *case.weights, *case.dstate]
    given += [] if weighed is None else [weighed]
    # Each in the middle of others' memory, which is not to change either.
    around = [torch.full((3, *tensor.shape), 7).to(tensor.dtype) for tensor in given]
    for tensor, room in zip(given, around, strict=True):
        room[1] = tensor
        tensor.data = room[1]
    copies = [room.clone() for room in around]
    recurrence = NativeRecurrence(cell, kind)
    inputs = LayerInputs(preactivations, case.ids, case.state, weight, bias)
    activations = recurrence.forward(inputs, keep=True)
    kept = [part.clone() for part in (activations.outputs, activations.gates, activations.c)]
    gradients = recurrence.backward(activations, weight, weighed, case.dstate)
    recurrence.sum_rows(gradients.preactivations, case.ids, V)
    for room, copy in zip(around, copies, strict=True):
        assert torch.equal(room, copy)
    for part, copy in zip((activations.outputs, activations.c), (kept[0], kept[2]), strict=True):
        assert torch.equal(part, copy)
    assert torch.equal(activations.gates.isfinite(), kept[1].isfinite())


@every_kind
@pytest.mark.parametrize("cell", CELLS)
def test_what_is_kept_for_the_way_back_is_not_needed_to_read(cell: str, kind: str) -> None:
    case = make_case(cell, 20, 17, 5, ids=True)
    for tensor in case.tensors():
        tensor.requires_grad_()
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=kind in BF16_KINDS)
    assert case.ids is not None
    with autocast:
        outputs, after = of_kind(cell, kind).first(case.ids, case.x, case.state, case.weights)
        with torch.no_grad():
            read, then = of_kind(cell, kind).first(case.ids, case.x, case.state, case.weights)
    for part, other in zip((outputs, *after), (read, *then), strict=True):
        assert torch.equal(part, other) and not other.requires_grad


@every_kind
@pytest.mark.parametrize("cell", CELLS)
def test_two_ways_back_are_the_same(cell: str, kind: str) -> None:
    case = make_case(cell, 20, 17, 5, ids=True)
    for tensor in case.tensors():
        tensor.requires_grad_()
    assert case.ids is not None
    with torch.autocast("cpu", torch.bfloat16, enabled=kind in BF16_KINDS):
        outputs, _ = of_kind(cell, kind).first(case.ids, case.x, case.state, case.weights)
    loss = (outputs * case.doutputs).sum()
    first, second = (torch.autograd.grad(loss, case.tensors(), retain_graph=True) for _ in range(2))
    for once, again in zip(first, second, strict=True):
        assert torch.equal(once, again)


@every_kind
@pytest.mark.parametrize("cell", CELLS)
def test_results_that_are_changed_in_place_are_not_gone_back_through(cell: str, kind: str) -> None:
    # They are parts of what the backward pass reads.
    case = make_case(cell, 20, 3, 5, ids=False)
    for tensor in case.tensors():
        tensor.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=kind in BF16_KINDS):
        outputs, _ = of_kind(cell, kind).layer(case.x, case.state, case.weights)
    outputs_then = outputs * 1
    with torch.no_grad():
        outputs.zero_()
    with pytest.raises(RuntimeError, match="in-?place|modified"):
        outputs_then.sum().backward()  # type: ignore[no-untyped-call]


@every_kind
@pytest.mark.parametrize("cell", CELLS)
def test_where_it_lies_in_memory_makes_no_difference(cell: str, kind: str) -> None:
    def spread(tensor: Tensor) -> Tensor:
        """The same, with something between its numbers."""
        holes = torch.full((*tensor.shape, 3), 99).to(tensor.dtype)
        holes[..., 1] = tensor
        return holes[..., 1]

    def turned(tensor: Tensor) -> Tensor:
        return tensor.transpose(0, 1).contiguous().transpose(0, 1)

    autocast = kind in BF16_KINDS
    for ids in (True, False):
        case = make_case(cell, 20, 17, 5, ids=ids)
        expected = computed(of_kind(cell, kind), case, torch.float32, autocast=autocast)
        other = Case(
            LayerWeights(*(spread(weight) for weight in case.weights)),
            tuple(turned(part) for part in case.state),
            turned(case.x),
            None if case.ids is None else turned(case.ids),
            turned(case.doutputs),
            tuple(spread(part) for part in case.dstate),
        )
        found = computed(of_kind(cell, kind), other, torch.float32, autocast=autocast)
        for part, before in zip(found, expected, strict=True):
            assert error(part, before) < (1e-2 if autocast else 1e-5)


FAR_OUT = [0.0, 1.0, 1e4, -1e4, 1e30, -1e30, 3e38, -3e38, torch.inf, -torch.inf]


@every_kind
@pytest.mark.parametrize("nan", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_far_out_it_is_what_the_equations_are(cell: str, nan: bool, kind: str) -> None:
    generator = torch.Generator().manual_seed(1)
    hidden, batch, time = 20, 40, 4
    case = make_case(cell, hidden, batch, time, ids=False)
    choice = torch.randint(len(FAR_OUT), (time, batch, GATES[cell] * hidden), generator=generator)
    preactivations = torch.tensor(FAR_OUT)[choice].to(DTYPES[kind])
    if nan:
        preactivations[1, ::3, ::7] = torch.nan
    weight, bias = case.weights.weight_hh, case.weights.bias_hh[-hidden:]
    # The equations in float32: PyTorch's product in bf16 (2.13, oneDNN on AMX) puts one row's NaN
    # into others.
    inputs = LayerInputs(preactivations, None, case.state, weight, bias)
    wide = replace(inputs, preactivations=preactivations.float())
    mine = NativeRecurrence(cell, kind).forward(inputs, keep=True)
    theirs = PlainRecurrence(cell).forward(wide, keep=True)
    assert theirs.outputs.isnan().any() == nan

    def same(found: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02, equal_nan=True)

    same(mine.outputs, theirs.outputs)
    for part, other in zip(mine.state, theirs.state, strict=True):
        same(part, other)
    most = max(1, float(case.state[0].abs().max()))  # a closed gate of the GRU keeps h
    assert float(mine.outputs[1:].float().nan_to_num().abs().max()) <= 1.001 * most
    doutputs = case.doutputs.to(DTYPES[kind])
    back = NativeRecurrence(cell, kind).backward(mine, weight, doutputs, case.dstate)
    back_again = PlainRecurrence(cell).backward(theirs, weight, doutputs, case.dstate)
    assert torch.equal(back.preactivations.isfinite(), back_again.preactivations.isfinite())


@every_kind
@pytest.mark.parametrize("cell", ["rnn", "lstm"])  # z times infinity may be NaN
def test_a_state_of_infinities_is_read_as_the_equations_read_it(cell: str, kind: str) -> None:
    # Beyond the last unit and lane of 20 and 3 there are zeros, whose product with it is NaN.
    case = make_case(cell, 20, 3, 4, ids=False)
    preactivations = torch.zeros(4, 3, GATES[cell] * 20, dtype=DTYPES[kind])
    weight, bias = case.weights.weight_hh, case.weights.bias_hh[-20:]
    h = case.state[0].clone()
    h[0, 3] = torch.inf
    state = (h, *case.state[1:])
    inputs = LayerInputs(preactivations, None, state, weight, bias)
    wide = replace(inputs, preactivations=preactivations.float())
    mine = NativeRecurrence(cell, kind).forward(inputs, keep=False)
    theirs = PlainRecurrence(cell).forward(wide, keep=False)
    assert mine.outputs[1:].isfinite().all()
    torch.testing.assert_close(mine.outputs.float(), theirs.outputs, rtol=0, atol=0.02)


@every_kind
@pytest.mark.parametrize(("time", "batch"), [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("cell", CELLS)
def test_nothing_to_read_leaves_the_state_as_it_was(
    cell: str, time: int, batch: int, kind: str
) -> None:
    # The equations have no empty sequence (torch.stack has none); an empty batch is one of theirs.
    case = make_case(cell, 20, batch, time, ids=False)
    for tensor in case.tensors():
        tensor.requires_grad_()
    outputs, after = of_kind(cell, kind).layer(case.x, case.state, case.weights)
    assert outputs.shape == (time, batch, 20)
    for part, before in zip(after, case.state, strict=True):
        assert torch.equal(part, before)
    sum((part * 2).sum() for part in (outputs, *after)).backward()  # type: ignore[union-attr]
    for part in case.state:
        assert part.grad is not None and torch.equal(part.grad, torch.full_like(part, 2))
    for weight in case.weights:
        assert weight.grad is not None and not weight.grad.any()


@every_kind
@pytest.mark.parametrize("cell", CELLS)
def test_a_state_of_another_shape_is_no_way_into_memory(cell: str, kind: str) -> None:
    case = make_case(cell, 20, 4, 3, ids=False)
    weights = case.weights
    for state in ((1, 20), (4, 20), (20,)):  # as the equations take them
        parts = tuple(torch.ones(state) for _ in case.state)
        expected, _ = CELLS[cell](case.x, tuple(torch.ones(4, 20) for _ in parts), weights)
        found, _ = of_kind(cell, kind).layer(case.x, parts, weights)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    for state in ((3, 20), (5, 20), (4, 19), (0, 20)):
        with pytest.raises(RuntimeError, match="size"):
            of_kind(cell, kind).layer(case.x, tuple(torch.ones(state) for _ in case.state), weights)


@needs_library
@pytest.mark.parametrize("cell", CELLS)
def test_weights_of_another_cell_are_no_way_into_memory(cell: str) -> None:
    for other in CELLS:
        if GATES[other] != GATES[cell]:
            case = make_case(other, 20, 4, 3, ids=False)
            state = make_case(cell, 20, 4, 3, ids=False).state
            with pytest.raises(AssertionError):
                KERNELS["native"](cell).layer(case.x, state, case.weights)


@needs_library
def test_other_types_are_computed_in_pytorch() -> None:
    for dtype in (torch.float64, torch.float16):
        assert native.kind_for(dtype) is None
        case = make_case("gru", 7, 3, 2, ids=False)
        parts = [tensor.to(dtype) for tensor in case.tensors()]
        outputs, _ = KERNELS["native"]("gru").layer(
            parts[0], tuple(parts[5:]), LayerWeights(*parts[1:5])
        )
        assert outputs.dtype == dtype


@needs_library
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_it_goes_on_after_a_fork() -> None:
    # With one thread: a fork has none of OpenMP's others, and GNU's waits for them for ever, in
    # PyTorch's own operations too.
    script = """
import os, sys, torch
from charrnn.model.config import ModelConfig
from charrnn.model.language_model import CharRNN
torch.set_num_threads(1)
network = CharRNN(ModelConfig(vocabulary_size=9, hidden_size=70), kernel="native")
ids = torch.arange(200).view(4, 50) % 9
def gradient(precision):
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        network(ids)[0].sum().backward()
    return network.embedding.weight.grad.clone()
before = [gradient(precision) for precision in ("fp32", "bf16")]
child = os.fork()
after = [gradient(precision) for precision in ("fp32", "bf16")]
assert all(map(torch.equal, before, after))
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@needs_library
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_kind_of_other_numbers_is_not_taken(dtype: torch.dtype) -> None:
    # It would read twice as many bytes as there are.
    for kind in native.kinds():
        if DTYPES[kind] is not dtype and native.kind_for(dtype):
            found = NativeRecurrence("gru", kind)
            expected = NativeRecurrence("gru", native.kind_for(dtype))
            parts = zip(
                steps_of(found, "gru", dtype, 20, 5, 3, ids=True),
                steps_of(expected, "gru", dtype, 20, 5, 3, ids=True),
                strict=True,
            )
            assert all(torch.equal(*pair) for pair in parts)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", ["sequence", "native"])
def test_weights_of_bf16_learn_too(kernel: str, cell: str) -> None:
    case = make_case(cell, 20, 5, 4, ids=True)
    exact = computed(CellKernel(CELLS[cell]), case, torch.float64)
    for mine, theirs in zip(
        computed(KERNELS[kernel](cell), case, torch.bfloat16), exact, strict=True
    ):
        assert torch.cosine_similarity(mine.flatten(), theirs.flatten(), dim=0) > 0.998


# Where there is no C


def network_results() -> list[Tensor]:
    case = make_case("gru", 20, 3, 5, ids=True)
    return computed(KERNELS["native"]("gru"), case, torch.float32)


def plain_results() -> list[Tensor]:
    case = make_case("gru", 20, 3, 5, ids=True)
    return computed(KERNELS["sequence"]("gru"), case, torch.float32)


@pytest.fixture
def fresh_library() -> Iterator[pytest.MonkeyPatch]:
    """The library is looked for anew, in the test and after it."""
    with pytest.MonkeyPatch.context() as patch:
        native._library.cache_clear()
        native.kinds.cache_clear()
        yield patch
    native._library.cache_clear()
    native.kinds.cache_clear()


def assert_it_is_computed_in_pytorch() -> None:
    assert not native.available()
    assert native.kind_for(torch.float32) is native.kind_for(torch.bfloat16) is None
    for mine, theirs in zip(network_results(), plain_results(), strict=True):
        assert torch.equal(mine, theirs)


def test_switched_off_no_c_is_called(fresh_library: pytest.MonkeyPatch) -> None:
    fresh_library.setenv("CHARRNN_NATIVE", "0")
    fresh_library.setattr(native, "_call", None)
    assert_it_is_computed_in_pytorch()


@pytest.mark.parametrize("content", [None, b"", b"\x7fELF, and then nothing of it"])
def test_without_a_library_it_is_computed_in_pytorch(
    content: bytes | None, tmp_path: Path, fresh_library: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "native").mkdir()
        for suffix in EXTENSION_SUFFIXES:
            (tmp_path / "native" / f"recurrence{suffix}").write_bytes(content)
    fresh_library.setattr(native, "__file__", str(tmp_path / "native.py"))
    assert native.kinds() == {}
    assert_it_is_computed_in_pytorch()


@needs_library
def test_a_library_of_another_layout_is_not_called(fresh_library: pytest.MonkeyPatch) -> None:
    class Longer(ctypes.Structure):
        _fields_ = [*native._Sum._fields_, ("more", ctypes.c_size_t)]

    fresh_library.setattr(native, "_Sum", Longer)
    assert native.kinds() == {}
    assert_it_is_computed_in_pytorch()


@needs_library
def test_it_is_on_one_thread_where_pytorch_has_no_openmp(
    fresh_library: pytest.MonkeyPatch,
) -> None:
    torch.set_num_threads(2)
    expected = network_results()
    fresh_library.setattr(native, "_team", lambda: None)
    assert native._threads().most == 1
    for part, before in zip(network_results(), expected, strict=True):
        assert torch.equal(part, before)


@needs_library
def test_it_is_of_pytorchs_threads() -> None:
    torch.set_num_threads(2)
    assert native._threads().most == (2 if native._team() else 1)
    torch.set_num_threads(1)
    assert native._threads().parallel is None


def test_activations_have_the_sizes_that_are_documented() -> None:
    # `sequence.py` relies on them, and no type says them.
    for cell in CELLS:
        case = make_case(cell, 20, 3, 5, ids=True)
        weight, bias = case.weights.weight_hh, case.weights.bias_hh[-20:]
        preactivations = torch.zeros(V, GATES[cell] * 20)
        inputs = LayerInputs(preactivations, case.ids, case.state, weight, bias)
        for recurrence in (NativeRecurrence(cell), PlainRecurrence(cell)):
            for keep in (True, False):
                activations = recurrence.forward(inputs, keep=keep)
                assert activations.outputs.shape == (6, 3, 20)
                assert torch.equal(activations.outputs[0], case.state[0])
                assert torch.equal(activations.outputs[-1], activations.state[0])
                assert len(activations.gates) == 0 or keep
