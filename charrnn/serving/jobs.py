"""Jobs: threads for what is computed as a whole, such as a text that is filled or scored.

They are daemons, so that the end of the server does not wait for them, and they are few, so that
texts that are being written go on.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from charrnn.serving.api_errors import SERVER_ERROR, ApiError, busy

T = TypeVar("T")

Check = Callable[[], None]
"""To be called now and then by what computes for long: it raises the error that ends it."""

MOST_SECONDS: Final = 120.0
"""The longest time of a job, unless it is a long one."""


class JobCancelled(Exception):
    """Nobody waits for the job any more."""


class _Job:
    """A job, and the future of its result."""

    def __init__(self, work: Callable[[Check], Any], most_seconds: float) -> None:
        self.work = work
        self._most_seconds = most_seconds
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.is_cancelled = False
        self._end = 0.0

    def run(self) -> None:
        """Do the work, in a thread."""
        self._end = time.monotonic() + self._most_seconds
        result, failure = None, None
        try:
            self._check()
            result = self.work(self._check)
        except BaseException as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the server has ended
            self.loop.call_soon_threadsafe(self._finish, result, failure)

    def _check(self) -> None:
        if self.is_cancelled:
            raise JobCancelled
        if time.monotonic() > self._end:
            raise ApiError(
                f"the answer takes longer than {self._most_seconds:.0f} s; send a shorter text",
                status=503,
                kind=SERVER_ERROR,
                code="takes_too_long",
            )

    def _finish(self, result: Any, failure: BaseException | None) -> None:
        if self.future.done():
            return
        if failure is None:
            self.future.set_result(result)
        elif isinstance(failure, JobCancelled):
            self.future.cancel()
        else:
            self.future.set_exception(failure)


class Jobs:
    """Threads that do one job after another.

    Args:
        threads: how many jobs run at the same time.
        most_waiting: how many more may wait.
        seconds_each: the guess of how long a job takes, for Retry-After.
        most_seconds: the longest time of a job.
    """

    def __init__(
        self,
        threads: int,
        most_waiting: int,
        *,
        seconds_each: float = 0.5,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._threads, self._most = threads, threads + most_waiting
        self._seconds_each, self._most_seconds = seconds_each, most_seconds
        self._queue: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._count = self._started = 0

    async def run(self, work: Callable[[Check], T]) -> T:
        """Return the result of a function that computes for a while.

        When the caller is cancelled, so is the job. Raises ApiError when too many wait, and what
        the function raises.
        """
        if self._count >= self._most:
            raise busy(self._count * self._seconds_each / self._threads)
        if self._started < min(self._count + 1, self._threads):
            self._started += 1
            threading.Thread(target=self._serve, name="charrnn-job", daemon=True).start()
        job = _Job(work, self._most_seconds)
        self._count += 1
        self._queue.put(job)
        try:
            result: T = await job.future
            return result
        finally:
            job.is_cancelled = True
            self._count -= 1

    def _serve(self) -> None:
        while True:
            self._queue.get().run()
