"""Service: what the endpoints share: the models, their schedulers, the settings, the jobs."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from starlette.types import Receive

from charrnn.errors import CharRNNError, ModelError
from charrnn.generation.config import SamplingConfig
from charrnn.serving.api_errors import SERVER_ERROR, ApiError, ClientGone, busy, shutting_down
from charrnn.serving.jobs import Check, Jobs
from charrnn.serving.mailboxes import Mailbox, Pacer
from charrnn.serving.metrics import Labels, Metrics
from charrnn.serving.options import ServingConfig
from charrnn.serving.scheduler import Scheduler
from charrnn.serving.served_models import ServedModel, ServedModels
from charrnn.serving.texts import Busy, Closed, Delivery, dispatch_at_once
from charrnn.serving.token_scores import TokenScorer

T = TypeVar("T")

_JOB_THREADS: Final = 2
_MOST_WAITING_JOBS: Final = 64
_MOST_WAITING_PATTERNS: Final = 8
_MOST_WAITING_LONG: Final = 4
_SECONDS_OF_LONG: Final = 15.0
_MOST_SECONDS_OF_LONG: Final = 600.0


class Service:
    """The models of a server, and what runs them.

    Args:
        models: the models.
        config: the settings.

    Attributes:
        models, config: as given.
        metrics: what the server has done.
        pacer: the moments at which streams send events.
        is_closing: whether the server is shutting down.
    """

    def __init__(self, models: ServedModels, config: ServingConfig) -> None:
        self.models, self.config = models, config
        self.metrics, self.pacer = Metrics(), Pacer()
        self.is_closing = False
        self._mailboxes: set[Mailbox] = set()
        self._waits: set[asyncio.Future[None]] = set()
        self._schedulers: dict[str, Scheduler] = {}
        self._scorers: dict[str, TokenScorer] = {}
        self._jobs = Jobs(_JOB_THREADS, _MOST_WAITING_JOBS)
        self._patterns = Jobs(1, _MOST_WAITING_PATTERNS)
        self._long_jobs = Jobs(
            1, _MOST_WAITING_LONG, seconds_each=_SECONDS_OF_LONG, most_seconds=_MOST_SECONDS_OF_LONG
        )

    def scheduler(self, model: ServedModel) -> Scheduler:
        """Return the scheduler of a language model, which delivers to the running event loop."""
        if model.name not in self._schedulers:
            loop = asyncio.get_running_loop()

            def dispatch(deliveries: list[Delivery]) -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended, and the texts too
                    loop.call_soon_threadsafe(dispatch_at_once, deliveries)

            self._schedulers[model.name] = Scheduler(
                model.sampler,
                max_concurrent=self.config.max_concurrent,
                max_queue=self.config.max_queue,
                dispatch=dispatch,
            )
        return self._schedulers[model.name]

    def scorer(self, model: ServedModel) -> TokenScorer:
        """Return what scores texts under a language model, with the scheduler's states."""
        if model.name not in self._scorers:
            self._scorers[model.name] = TokenScorer(model.sampler, self.scheduler(model).cache)
        return self._scorers[model.name]

    async def prepare(self, model: ServedModel, config: SamplingConfig) -> None:
        """Compile sampling settings, a regular expression where nothing waits for it.

        Raises ApiError.
        """
        prepare = self.scheduler(model).prepare
        with api_errors():
            if config.regex is None:
                prepare(config)
            else:
                await self._patterns.run(lambda check: prepare(config))

    async def answer(
        self, receive: Receive, work: Callable[[Check], T], *, is_long: bool = False
    ) -> T:
        """Return the result of a function that computes for a while, in a thread.

        Raises ApiError: ClientGone when the client goes away, which ends the work at its next
        check; when too many wait; and for what the function raises on purpose.

        Args:
            is_long: whether it takes long: such functions run one after the other, and leave the
                threads of the others free.
        """
        if self.is_closing:
            raise shutting_down()
        jobs = self._long_jobs if is_long else self._jobs
        job = asyncio.ensure_future(jobs.run(work))
        gone = asyncio.ensure_future(disconnected(receive))
        self._waits.add(gone)
        try:
            await asyncio.wait({job, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not job.done():
                raise shutting_down() if self.is_closing else ClientGone()
            with api_errors():
                return job.result()
        finally:
            self._waits.discard(gone)
            gone.cancel()
            job.cancel()

    async def compute(self, work: Callable[[Check], T]) -> T:
        """Return what `answer` returns, where the caller watches the client itself."""
        with api_errors():
            return await self._jobs.run(work)

    async def run(self, work: Callable[[], T]) -> T:
        """Return the same of a function that takes a moment only."""
        return await self.compute(lambda check: work())

    def open_mailbox(self) -> Mailbox:
        """Return a mailbox for the texts of a request, which the end of the server closes."""
        if self.is_closing:
            raise shutting_down()
        mailbox = Mailbox()
        self._mailboxes.add(mailbox)
        return mailbox

    def close_mailbox(self, mailbox: Mailbox) -> None:
        """End the texts of a request."""
        mailbox.close()
        self._mailboxes.discard(mailbox)

    def close(self) -> None:
        """End all texts, whose readers are told so, and then the schedulers, in a thread."""
        self.is_closing = True
        for mailbox in self._mailboxes:
            mailbox.close(shutting_down())
        for wait in self._waits:
            wait.cancel()
        schedulers = list(self._schedulers.values())

        def end() -> None:
            for each in schedulers:
                each.close()

        threading.Thread(target=end, name="charrnn-closing", daemon=True).start()

    def gauges(self) -> list[tuple[str, str, str, list[tuple[Labels, float]]]]:
        """Return the numbers of the schedulers, for Metrics.text."""
        running = [({"model": name}, each) for name, each in self._schedulers.items()]
        most = self.config.max_concurrent
        return [
            (
                "charrnn_texts_active",
                "gauge",
                "Texts that are being written.",
                [(labels, min(each.count, most)) for labels, each in running],
            ),
            (
                "charrnn_texts_waiting",
                "gauge",
                "Texts that wait for their turn.",
                [(labels, max(each.count - most, 0)) for labels, each in running],
            ),
            (
                "charrnn_characters_written_total",
                "counter",
                "Characters that models have written.",
                [(labels, each.characters) for labels, each in running],
            ),
            (
                "charrnn_prompt_cache_bytes",
                "gauge",
                "Memory of the states of prompts.",
                [(labels, each.cache.nbytes) for labels, each in running],
            ),
            (
                "charrnn_streams_open",
                "gauge",
                "Responses that are being streamed.",
                [({}, self.pacer.streams)],
            ),
        ]


async def disconnected(receive: Receive) -> None:
    """Return when the client of a request whose body was read goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass


@contextlib.contextmanager
def api_errors() -> Iterator[None]:
    """Turn the errors that charrnn raises on purpose into those that a client is told."""
    try:
        yield
    except CharRNNError as error:
        raise to_api_error(error) from error


def to_api_error(error: Exception) -> ApiError:
    """Return what a client is told of an error that charrnn raised on purpose."""
    if isinstance(error, Busy):
        return busy(error.retry_after)
    if isinstance(error, Closed):
        return shutting_down()
    if isinstance(error, ModelError):
        return ApiError(str(error), status=500, kind=SERVER_ERROR, code="model_error")
    return ApiError(str(error), param=_setting(str(error)))


def _setting(message: str) -> str | None:
    """Return the setting that a message begins with; None for a sentence about more."""
    word = message.partition(" ")[0].rstrip(":,").lstrip("-").replace("-", "_")
    return word if word in SamplingConfig.__dataclass_fields__ else None
