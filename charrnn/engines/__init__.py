"""ENGINES: the engines that run a trained network, from ids and state to logits and state.

Sampling and scoring run on them. An engine works in two ways: `advance` reads whole texts, and
`lanes` generates character by character. Each engine's docstring states its precision and speed.
"""

from collections.abc import Callable
from typing import Final

from charrnn.engines.engine import Array, Engine, Lanes, Reader, State
from charrnn.engines.int8_engine import Int8Engine
from charrnn.engines.int8_numpy import Int8NumPyEngine
from charrnn.engines.int8_structures import available as int8_available
from charrnn.engines.native_engine import NativeEngine, available
from charrnn.engines.numpy_engine import NumPyEngine
from charrnn.engines.torch_engine import TorchEngine
from charrnn.errors import ConfigError
from charrnn.storage.model_directory import Model


def int8_engine(model: Model) -> Int8Engine | Int8NumPyEngine:
    """Return the int8 engine of a model, in C if it is available. The numbers are the same."""
    return Int8Engine.of(model) if int8_available() else Int8NumPyEngine.of(model)


def best_engine(model: Model) -> Engine:
    """Return the fastest engine of float32 that needs no torch."""
    return NativeEngine.of(model) if available() else NumPyEngine.of(model)


ENGINES: Final[dict[str, Callable[[Model], Engine]]] = {
    "float32": best_engine,
    "numpy": NumPyEngine.of,
    "torch": TorchEngine.of,
    "int8": int8_engine,
}
if available():
    ENGINES["native"] = NativeEngine.of


def check_engine(name: str) -> None:
    """Raise ConfigError unless this is the name of an engine."""
    if name not in ENGINES:
        raise ConfigError(f"engine {name!r}: choose from {', '.join(ENGINES)}")


__all__ = [
    "ENGINES",
    "Array",
    "Engine",
    "Int8Engine",
    "Int8NumPyEngine",
    "Lanes",
    "NativeEngine",
    "NumPyEngine",
    "Reader",
    "State",
    "TorchEngine",
    "best_engine",
    "check_engine",
    "int8_engine",
]
