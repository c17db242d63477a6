"""Settings that a process has made for all of NumPy and PyTorch, which the verbs do not follow.

A notebook's first cell may have made float64 PyTorch's default type, disabled gradients, or made
NumPy raise an error on underflow. The results of a verb depend only on its arguments. So `as_usual`
runs every verb with the default settings of NumPy and PyTorch, and restores the caller's settings
whenever the caller's code goes on.
"""

import contextlib
import functools
import inspect
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final, ParamSpec, TypeVar

from charrnn.forks import forked

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_AUTOCAST_DEVICES: Final = ("cpu", "cuda")

_inside = threading.local()


def as_usual(verb: Callable[P, R]) -> Callable[P, R]:
    """Make a function, method or generator run within `usual_settings`."""
    if inspect.isgeneratorfunction(verb):

        @functools.wraps(verb)
        def stepping(*args: P.args, **kwargs: P.kwargs) -> Any:
            return stepwise(verb(*args, **kwargs), usual_settings)

        return stepping

    @functools.wraps(verb)
    def running(*args: P.args, **kwargs: P.kwargs) -> R:
        with usual_settings():
            return verb(*args, **kwargs)

    return running


def with_parameters_of(verb: Callable[P, Any]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Give a function that passes all its arguments on to a verb the signature of that verb, for
    `help` and for type checkers."""

    def decorate(function: Callable[..., R]) -> Callable[P, R]:
        returned = inspect.signature(function).return_annotation
        signature = inspect.signature(verb).replace(return_annotation=returned)
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return decorate


def stepwise(
    steps: Iterator[T], settings: Callable[[], AbstractContextManager[None]]
) -> Generator[T, None, Any]:
    """Yield what an iterator yields, and return what it returns. The iterator's code runs within
    the settings, the caller's code in between without them."""
    try:
        while True:
            with settings():
                try:
                    value = next(steps)
                except StopIteration as end:
                    return end.value
            yield value
    finally:
        if isinstance(steps, Generator):
            with settings():
                steps.close()


@contextlib.contextmanager
def usual_settings() -> Iterator[None]:
    """Set the default settings of NumPy and PyTorch for a block, then restore the previous ones.

    PyTorch's number of threads stays (a training sets its own), and so do its global random state
    (which is not used) and its deterministic algorithms (which give the same numbers here).
    """
    if getattr(_inside, "entered", False):
        yield
        return
    _inside.entered = True
    try:
        with usual_numpy(), contextlib.ExitStack() as stack:
            if "torch" in sys.modules:  # nothing is set where it is not loaded
                _set_pytorch(stack)
            yield
    finally:
        _inside.entered = False


def usual_numpy() -> AbstractContextManager[None]:
    """Set the default settings of NumPy only, for a block; this takes a microsecond."""
    import numpy as np

    settings: AbstractContextManager[None] = np.errstate(
        divide="warn", over="warn", under="ignore", invalid="warn"
    )
    return settings


def _set_pytorch(stack: contextlib.ExitStack) -> None:
    """Set the default settings of PyTorch until the stack is closed."""
    import torch

    def change(setter: Callable[[Any], Any], before: Any, usual: Any) -> None:
        if before != usual:
            setter(usual)
            stack.callback(setter, before)

    if torch.is_inference_mode_enabled():
        stack.enter_context(torch.inference_mode(False))
    if not torch.is_grad_enabled():
        stack.enter_context(torch.enable_grad())
    if torch.get_default_device().type != "cpu":
        stack.enter_context(torch.device("cpu"))
    if torch.is_anomaly_enabled():
        stack.enter_context(torch.autograd.set_detect_anomaly(False))
    change(torch.set_default_dtype, torch.get_default_dtype(), torch.float32)
    for device in _AUTOCAST_DEVICES:
        setter = functools.partial(torch.set_autocast_enabled, device)
        change(setter, torch.is_autocast_enabled(device), False)
    try:
        precision = torch.get_float32_matmul_precision()
    except RuntimeError:  # set for each library separately, which no single value describes
        for library in (torch.backends.mkldnn, torch.backends.cuda):
            matmul = library.matmul
            change(
                functools.partial(setattr, matmul, "fp32_precision"), matmul.fp32_precision, "ieee"
            )
    else:
        change(torch.set_float32_matmul_precision, precision, "highest")
    if forked():
        change(torch.set_num_threads, torch.get_num_threads(), 1)
