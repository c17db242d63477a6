"""Real servers, with small models of random weights."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving_load import Server
from charrnn.storage.model_directory import Model, write_model

LETTERS = "\n abcdefgh.,ABC"
MANY = "\n aeéü☃日本𝄞🙂"
"""An alphabet with characters of one to four bytes."""

Models = dict[str, Model]
Serve = Callable[..., Server]


@pytest.fixture(scope="module")
def models(make_model: Callable[..., Model]) -> Models:
    """The models that the servers have, by their ids."""
    return {
        "letters": make_model(LETTERS, seed=1),
        "many": make_model(MANY, cell="gru", layers=1, hidden_size=16, seed=2),
        "bytes": make_model(None, cell="rnn", hidden_size=10, seed=3),
        "restorer": make_model(LETTERS, task="restore", seed=4),
    }


@pytest.fixture(scope="module")
def model_folder(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of these models."""
    folder = tmp_path_factory.mktemp("models")
    for name, model in models.items():
        write_model(folder / name, model)
    return folder


@pytest.fixture(scope="module")
def serve(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts servers of all these models, with some options, which end with the module."""
    with ExitStack() as stack:

        def start(*options: str, **settings: Any) -> Server:
            folder = tmp_path_factory.mktemp("server")
            names = ("letters", "many", "bytes", "restorer")
            server = Server(folder, [*names, *options], cwd=model_folder, **settings)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    """A server without further options."""
    return serve()
