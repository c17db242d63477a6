"""Service: what the endpoints share: the models, their schedulers, the settings, and the threads
for requests that are answered at once."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Final, TypeVar

from charrnn.errors import CharRNNError, ModelError
from charrnn.serving.api_errors import SERVER_ERROR, ApiError
from charrnn.serving.mailboxes import PostOffice
from charrnn.serving.options import ServingConfig
from charrnn.serving.served_models import ServedModel, ServedModels
from charrnn.serving.simple_scheduler import Scheduler

T = TypeVar("T")

WORKERS: Final = 2
"""The threads for requests that are answered as a whole."""

MOST_WAITING_JOBS: Final = 64
"""The most requests that wait for these threads."""


class Service:
    """The models of a server, and what runs them.

    Args:
        models: the models.
        config: the settings.
    """

    def __init__(self, models: ServedModels, config: ServingConfig) -> None:
        self.models, self.config = models, config
        self.closing = False
        self._schedulers: dict[str, Scheduler] = {}
        self._workers = ThreadPoolExecutor(WORKERS, "charrnn-worker")
        self._jobs = 0

    @cached_property
    def office(self) -> PostOffice:
        """The mailboxes of the event loop that answers requests."""
        return PostOffice()

    def scheduler(self, model: ServedModel) -> Scheduler:
        """Return the scheduler of a language model, and start it at the first call."""
        if model.name not in self._schedulers:
            self._schedulers[model.name] = Scheduler(
                model.sampler,
                max_concurrent=self.config.max_concurrent,
                max_queue=self.config.max_queue,
            )
        return self._schedulers[model.name]

    async def run(self, work: Callable[[], T]) -> T:
        """Return the result of a function that computes for a while, from another thread.

        Raises ApiError: also when too many wait, and for what the function raises on purpose.
        """
        if self._jobs >= WORKERS + MOST_WAITING_JOBS:
            raise busy(1.0)
        self._jobs += 1
        future = asyncio.get_running_loop().run_in_executor(self._workers, work)
        future.add_done_callback(self._count_down)
        try:
            return await asyncio.shield(future)
        except CharRNNError as error:
            raise to_api_error(error) from error

    def _count_down(self, _: object) -> None:
        self._jobs -= 1

    def close(self) -> None:
        """End all texts and jobs that have not begun."""
        self.closing = True
        self._workers.shutdown(wait=False, cancel_futures=True)


def busy(retry_after: float) -> ApiError:
    """Return the error for a request that has to wait.

    Args:
        retry_after: the seconds after which there is probably room.
    """
    seconds = max(round(retry_after), 1)
    return ApiError(
        f"too many requests are waiting; try again in {seconds} s",
        status=429,
        kind="rate_limit_exceeded",
        code="rate_limit_exceeded",
        headers={"retry-after": str(seconds)},
    )


def to_api_error(error: Exception, param: str | None = None) -> ApiError:
    """Return what a client is told of an error that charrnn raised on purpose."""
    if isinstance(error, ModelError):
        return ApiError(str(error), status=500, kind=SERVER_ERROR, code="model_error")
    return ApiError(str(error), param=param)
