"""The model of the REPL."""

from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import read_model
from charrnn.storage.run_lookup import name_of, read_found


def open_sampler(model: str | None) -> tuple[Sampler, str]:
    """Return a sampler of a model, of the newest run for None, and the name of the model's run.

    Raises ModelError.
    """
    directory, found = read_found(model, read_model)
    return Sampler(found), name_of(directory)
