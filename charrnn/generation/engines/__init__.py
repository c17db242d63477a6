"""ENGINES: ids, state -> logits, state. What sampling and scoring run on.

An engine runs a model in either of two ways: `advance` reads whole texts, and `lanes` writes
character after character. Each engine says in its docstring how exact and how fast it is.
"""

from collections.abc import Callable

from charrnn.generation.engines.engine import Array, Engine, Lanes, State
from charrnn.generation.engines.numpy_engine import NumPyEngine
from charrnn.generation.engines.torch_engine import TorchEngine
from charrnn.storage.model_directory import Model

ENGINES: dict[str, Callable[[Model], Engine]] = {"numpy": NumPyEngine.of, "torch": TorchEngine.of}

__all__ = ["ENGINES", "Array", "Engine", "Lanes", "NumPyEngine", "State", "TorchEngine"]
