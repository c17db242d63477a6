"""The result of one stress test, and the time it may take."""

import time
from dataclasses import dataclass, field


@dataclass
class Report:
    """What was done, how often, and what broke.

    Attributes:
        what: in a few words, for a table.
        tried: how often.
        failures: a line for each time that something broke.
        facts: figures worth telling, such as `slowest 0.02 s`.
    """

    what: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    facts: str = ""


class Deadline:
    """A moment after which nothing new is begun; None: never."""

    def __init__(self, seconds: float | None = None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return self._end is not None and time.monotonic() > self._end
