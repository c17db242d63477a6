"""Mailboxes: what the threads of a scheduler deliver, handed to coroutines of the event loop.

However many texts go on at a time, the event loop is woken once.
"""

import asyncio
import contextlib
from collections import deque
from typing import Any, Final

FASTEST_TICK: Final = 0.02
SLOWEST_TICK: Final = 0.2
"""The shortest and the longest time between two events of a stream, in seconds, after the first."""

_SECONDS_PER_STREAM: Final = 0.0005
"""How much longer that time is for each stream that is open."""


class Mailbox:
    """The pieces of the texts of one request.

    `deliver` may be called from any thread; all else belongs to the event loop.
    """

    def __init__(self, office: "PostOffice") -> None:
        self._office = office
        self._pieces: deque[tuple[int, Any]] = deque()
        self._news = asyncio.Event()
        self.closed = False

    def deliver(self, place: int, piece: Any) -> None:
        """Add a piece of the text at a place of the request."""
        self._pieces.append((place, piece))
        self._office.announce(self)

    def notice(self) -> None:
        """Wake the coroutine that waits."""
        self._news.set()

    def close(self) -> None:
        """Wake the coroutine that waits, for the last time."""
        self.closed = True
        self._news.set()

    async def take(self) -> list[tuple[int, Any]]:
        """Wait until there are pieces, and return all of them; an empty list once it is closed."""
        while not self._pieces and not self.closed:
            self._news.clear()
            await self._news.wait()
        taken = []
        while self._pieces and not self.closed:
            taken.append(self._pieces.popleft())
        return taken


class PostOffice:
    """All mailboxes of an event loop.

    Attributes:
        streams: how many streams are open.
    """

    def __init__(self) -> None:
        self.streams = 0
        self._loop = asyncio.get_running_loop()
        self._announced: deque[Mailbox] = deque()
        self._woken = False
        self._tick: asyncio.Future[None] | None = None

    def announce(self, mailbox: Mailbox) -> None:
        """Wake the coroutine of a mailbox, from any thread."""
        self._announced.append(mailbox)
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop may have ended
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._woken = False
        while self._announced:
            self._announced.popleft().notice()

    async def next_tick(self) -> None:
        """Wait until streams may send their next events: all together, so that the processor is
        woken seldom, and the less often the more there are."""
        if self._tick is None or self._tick.done():
            self._tick = self._loop.create_future()
            pause = min(max(self.streams * _SECONDS_PER_STREAM, FASTEST_TICK), SLOWEST_TICK)
            self._loop.call_later(pause, self._end_tick, self._tick)
        await asyncio.shield(self._tick)

    @staticmethod
    def _end_tick(tick: "asyncio.Future[None]") -> None:
        if not tick.done():
            tick.set_result(None)
