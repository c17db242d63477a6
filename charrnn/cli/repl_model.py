"""The model of the REPL."""

from pathlib import Path
from typing import NamedTuple

from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import read_model
from charrnn.storage.run_lookup import name_of, read_found


class OpenModel(NamedTuple):
    """A sampler of a model, the name of the model's run, and the model's directory."""

    sampler: Sampler
    name: str
    directory: Path


def open_sampler(model: str | None, engine: str | None = None) -> OpenModel:
    """Open a model, of the newest run for None.

    The engine is as in Sampler. Raises ModelError.
    """
    directory, found = read_found(model, read_model)
    return OpenModel(Sampler(found, engine), name_of(directory), directory)
