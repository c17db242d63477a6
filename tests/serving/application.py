"""A client of the application, in this process and without sockets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient

from charrnn.serving.app import make_app
from charrnn.serving.options import ServingConfig
from charrnn.serving.served_models import ServedModel, ServedModels
from charrnn.serving.service import Service
from charrnn.storage.model_directory import Model


@contextmanager
def client_of(models: dict[str, Model], **settings: Any) -> Iterator[TestClient]:
    """A client of these models under `http://localhost`; its `service` is what answers."""
    served = ServedModels({name: ServedModel(name, model) for name, model in models.items()})
    service = Service(served, ServingConfig(**settings))
    unexpected: list[BaseException] = []
    app = make_app(service, report=unexpected.append)
    with TestClient(app, base_url="http://localhost") as client:
        client.service = service  # type: ignore[attr-defined]
        yield client
    service.close()
    assert unexpected == []
