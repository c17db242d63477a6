"""Mailboxes: what schedulers deliver, handed to the coroutines that answer requests.

A scheduler's thread hands all pieces of a round to the event loop at once, however many texts there
are, so everything here runs in the event loop.
"""

import asyncio
from typing import Final

from charrnn.serving.api_errors import ApiError, ClientGone
from charrnn.serving.scheduler import Ticket
from charrnn.serving.texts import Piece

MOST_WAITING: Final = 1 << 16
"""The ids that wait for a slow reader before its texts are paused."""

FASTEST_TICK: Final = 0.02
SLOWEST_TICK: Final = 0.2
"""The shortest and the longest time between two events of a stream, in seconds, after the first."""

_SECONDS_PER_STREAM: Final = 0.0005
"""How much longer that time is for each stream that is open."""


class Mailbox:
    """The pieces of the texts of one request.

    Attributes:
        is_closed: whether nobody reads it any more.
    """

    def __init__(self) -> None:
        self.is_closed = False
        self._pieces: list[tuple[int, Piece]] = []
        self._waiting = 0  # ids
        self._news = asyncio.Event()
        self._ticket: Ticket | None = None
        self._is_paused = False
        self._failure: ApiError | None = None

    def attach(self, ticket: Ticket) -> None:
        """Pause and cancel these texts from now on. If the mailbox is closed, they end."""
        self._ticket = ticket
        if self.is_closed:
            ticket.cancel()

    def deliver(self, place: int, piece: Piece) -> None:
        """Add a piece of the text at a place of the request."""
        if self.is_closed:
            return
        self._pieces.append((place, piece))
        self._waiting += len(piece.ids)
        self._news.set()
        if self._waiting > MOST_WAITING and not self._is_paused and self._ticket is not None:
            self._is_paused = True
            for each in range(len(self._ticket.texts)):
                self._ticket.pause(each)

    async def take(self) -> list[tuple[int, Piece]]:
        """Wait until there are pieces, and return all of them. Raises ApiError once it is closed:
        ClientGone, unless another reason was given."""
        while not self._pieces and not self.is_closed:
            self._news.clear()
            await self._news.wait()
        if self.is_closed:
            raise self._failure or ClientGone()
        taken, self._pieces, self._waiting = self._pieces, [], 0
        if self._is_paused and self._ticket is not None:
            self._is_paused = False
            for each in range(len(self._ticket.texts)):
                self._ticket.resume(each)
        return taken

    def close(self, failure: ApiError | None = None) -> None:
        """End the texts, and wake the reader.

        Args:
            failure: what the reader is told; None: the client is gone.
        """
        if not self.is_closed:
            self.is_closed, self._failure = True, failure
            self._pieces = []
            self._news.set()
            if self._ticket is not None:
                self._ticket.cancel()


class Pacer:
    """The moments at which streams send their events.

    All send them together, so that the processor is woken seldom; and the more streams there are,
    the longer the pauses between.

    Attributes:
        streams: how many streams are open.
    """

    def __init__(self) -> None:
        self.streams = 0
        self._tick: asyncio.Future[None] | None = None

    async def next_tick(self) -> None:
        """Wait until a stream that has sent its first event may send the next."""
        if self._tick is None or self._tick.done():
            loop = asyncio.get_running_loop()
            self._tick = loop.create_future()
            pause = min(max(self.streams * _SECONDS_PER_STREAM, FASTEST_TICK), SLOWEST_TICK)
            loop.call_later(pause, _end, self._tick)
        await asyncio.shield(self._tick)


def _end(tick: "asyncio.Future[None]") -> None:
    if not tick.done():
        tick.set_result(None)
