"""The model of the REPL."""

from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import read_model
from charrnn.storage.run_lookup import name_of, read_found


def open_sampler(model: str | None, engine: str | None = None) -> tuple[Sampler, str]:
    """Return a sampler of a model, of the newest run for None, and the name of the model's run.

    The engine is as in Sampler. Raises ModelError.
    """
    directory, found = read_found(model, read_model)
    return Sampler(found, engine), name_of(directory)
