"""The lattice, against the enumeration of all alignments."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from charrnn.array_types import Float64Array
from charrnn.tasks.transduce import lattice
from charrnn.tasks.transduce.lattice import Posterior, align, align_in_numpy, symbol_nats

SOURCES = np.array([4, 3, 1, 2])
TARGETS = np.array([3, 2, 2, 0])
LENGTH, WIDTH = 4, 4


@pytest.fixture
def edges() -> tuple[Float64Array, Float64Array]:
    generator = np.random.default_rng(0)
    shape = (LENGTH, WIDTH, len(SOURCES))
    return np.log(generator.random(shape)), np.log(generator.random(shape))


def paths(positions: int, symbols: int) -> list[list[tuple[int, int, bool]]]:
    """All alignments: the nodes of each, and whether it writes there. The last edge advances."""
    found = []
    for writes in itertools.combinations(range(positions - 1 + symbols), symbols):
        i = j = 0
        path = []
        for step in range(positions - 1 + symbols):
            writing = step in writes
            path.append((i, j, writing))
            i, j = i + (not writing), j + writing
        found.append([*path, (i, j, False)])
    return found


def test_it_sums_over_all_alignments(edges: tuple[Float64Array, Float64Array]) -> None:
    advance, write = edges
    found = align_in_numpy(advance, write, SOURCES, TARGETS)
    for lane, (positions, symbols) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        total = 0.0
        advanced, written = np.zeros((LENGTH, WIDTH)), np.zeros((LENGTH, WIDTH))
        for path in paths(positions, symbols):
            logs = [(write if writes else advance)[i, j, lane] for i, j, writes in path]
            probability = np.exp(sum(logs))
            total += probability
            for i, j, writes in path:
                (written if writes else advanced)[i, j] += probability
        assert found.nats[lane] == pytest.approx(-np.log(total))
        np.testing.assert_allclose(found.advance[..., lane], advanced / total, atol=1e-12)
        np.testing.assert_allclose(found.write[..., lane], written / total, atol=1e-12)


def test_the_costs_of_symbols(edges: tuple[Float64Array, Float64Array]) -> None:
    """The probability that a target begins with some symbols is that of all alignments up to the
    last of them; where a target ends, that of whole alignments."""
    advance, write = edges
    found = symbol_nats(advance, write, SOURCES, TARGETS)
    for lane, (positions, symbols) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        before = 0.0
        for count in range(symbols + 1):
            begun = {
                tuple(path if count == symbols else path[: _written(path, count)])
                for path in paths(positions, symbols)
            }
            total = sum(
                np.exp(sum((write if writes else advance)[i, j, lane] for i, j, writes in path))
                for path in begun
            )
            assert found[count, lane] == pytest.approx(-np.log(total) - before)
            before = -np.log(total)
        assert (found[symbols + 1 :, lane] == 0).all()
    totals = align_in_numpy(advance, write, SOURCES, TARGETS).nats
    np.testing.assert_allclose(found.sum(axis=0), totals)


def _written(path: list[tuple[int, int, bool]], count: int) -> int:
    """The edges of an alignment up to the one that writes symbol number `count`."""
    return [place for place, edge in enumerate(path) if edge[2]][count] + 1


def test_c_computes_the_same(edges: tuple[Float64Array, Float64Array]) -> None:
    if lattice._library() is None:
        pytest.skip("the C code was not built")
    before = [each.copy() for each in edges]
    for ours, plain in zip(
        align(*edges, SOURCES, TARGETS), align_in_numpy(*edges, SOURCES, TARGETS), strict=True
    ):
        np.testing.assert_allclose(ours, plain, rtol=1e-12, atol=1e-15)
    for array, kept in zip(edges, before, strict=True):
        assert (array == kept).all()  # the arguments are not written to


@pytest.mark.parametrize("function", [align, align_in_numpy])
def test_a_long_pair_neither_overflows_nor_underflows(function: Callable[..., Posterior]) -> None:
    shape = (600, 601, 1)
    edges = np.full(shape, np.log(1e-8))
    found = function(edges, edges, np.array([600]), np.array([600]))
    assert np.isfinite(found.nats).all()
    assert found.write.sum() == pytest.approx(600)
    assert found.advance.sum() == pytest.approx(600)
