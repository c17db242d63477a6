"""The peak speed of matrix products on a machine, and the peak memory of a program."""

import functools
import itertools
import multiprocessing
import re
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, ParamSpec

import torch
from torch import Tensor

P = ParamSpec("P")

MOMENT: Final = 0.05
"""The fewest seconds for each product."""


def synchronize(device: str) -> None:
    """Wait until the device has finished."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


class ProductPeak:
    """The fastest matrix product of PyTorch, over some shapes.

    Each is computed with both layouts of its second matrix: for bf16 on the CPU, one may be twice
    as fast as the other.

    Args:
        shapes: (M, K, N) of products (M, K) x (K, N).
        dtype: the type of the matrices.
        device: the device of the matrices.
    """

    def __init__(
        self, shapes: set[tuple[int, int, int]], dtype: torch.dtype, device: str = "cpu"
    ) -> None:
        self.device = device
        self.products: list[tuple[int, Callable[[], Tensor]]] = []
        for m, k, n in sorted(shapes):
            a = torch.randn(m, k, device=device).to(dtype)
            b = torch.randn(k, n, device=device).to(dtype)
            out = a.new_empty(m, n)
            for right in (b, b.T.contiguous().T):
                work = functools.partial(torch.mm, a, right, out=out)
                work()
                self.products.append((2 * m * k * n, work))

    def measure(self) -> float:
        """Return the operations per second of the product that is fastest now."""
        return max(itertools.starmap(self._speed, self.products))

    def _speed(self, operations: int, work: Callable[[], Tensor]) -> float:
        synchronize(self.device)
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < MOMENT:
            # On a GPU, a product takes less time than its call, so the calls are not awaited one by
            # one.
            for _ in range(1 if self.device == "cpu" else 20):
                work()
                count += 1
            synchronize(self.device)
        return operations * count / (time.perf_counter() - began)


def peak_megabytes(
    device: str, work: Callable[P, None], *args: P.args, **kwargs: P.kwargs
) -> float:
    """Return the peak memory of some work: on a CPU the resident memory of a fresh process that
    does it, including Python's and PyTorch's (VmHWM); on a GPU the memory that it allocates.

    A process's peak cannot be reset, so each measurement needs its own process. It is spawned,
    since a forked process begins with its parent's peak. PyTorch's peak on a GPU can be reset.
    """
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work(*args, **kwargs)
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_work_and_weigh, functools.partial(work, *args, **kwargs)).result()


def _work_and_weigh(work: Callable[[], None]) -> float:
    work()
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if found:
        return int(found[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes, on macOS
