"""The thread that computes ghost text (`interactive/ghost_text.py`) while a person types.

The thread works in steps of one character, so that no key waits for it: each step takes a fraction
of a millisecond, and ends early when a key is pressed.
"""

from collections.abc import Callable
from functools import partial
from threading import Condition, Thread
from typing import Final, NamedTuple

from charrnn.cli.display import printable
from charrnn.errors import CharRNNError
from charrnn.interactive.ghost_text import GhostText

LENGTH: Final = 24
"""The largest number of characters shown."""

PAUSE: Final = 0.02
"""Seconds without a key before work begins, so that it does not delay the echo of a key."""

Deliver = Callable[[str], None]


class _Request(NamedTuple):
    lookahead: GhostText
    typed: str
    deliver: Deliver


class Ghost:
    """A thread that computes ghost texts; a new request replaces the previous one."""

    def __init__(self) -> None:
        self._request: _Request | None = None
        self._changed = Condition()
        self._thread: Thread | None = None
        self._known: dict[str, str] = {}
        self._lookahead: GhostText | None = None

    def begin(self, lookahead: GhostText) -> None:
        """Use this lookahead for the requests that follow."""
        self.cancel()
        self._lookahead, self._known = lookahead, {}

    def ask(self, typed: str, deliver: Deliver) -> str | None:
        """Return the ghost text after what is typed, if it is known already.

        Otherwise request it, and return the rest of the previous ghost text if what is typed agrees
        with it, or None. `deliver` is called with the ghost text, in this thread, once it is known,
        unless another request has replaced it.
        """
        if typed in self._known:
            self.cancel()
            return self._known[typed]
        assert self._lookahead is not None
        with self._changed:
            self._request = _Request(self._lookahead, typed, deliver)
            self._changed.notify()
        if self._thread is None:
            self._thread = Thread(target=self._work, name="ghost", daemon=True)
            self._thread.start()
        before = self._known.get(typed[:-1], "")
        return before[1:] if typed and before.startswith(typed[-1]) else None

    def cancel(self) -> None:
        """Drop the pending request, if there is one."""
        with self._changed:
            self._request = None

    def _replaced(self, request: _Request) -> bool:
        return self._request is not request

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._request is None:
                    self._changed.wait()
                request = self._request
                if self._changed.wait_for(partial(self._replaced, request), PAUSE):
                    continue
            text = ""
            try:
                for text in request.lookahead.continuations(request.typed, LENGTH):
                    if self._replaced(request):
                        break
            except CharRNNError:
                text = ""  # the same error is shown when the line is entered
            with self._changed:
                if self._replaced(request):
                    continue
                self._request = None
                self._known[request.typed] = text = _showable(text)
            request.deliver(text)


def _showable(text: str) -> str:
    """Return the text up to the first character that a terminal does not show as it is."""
    end = next((place for place, each in enumerate(text) if printable(each) != each), len(text))
    return text[:end]
