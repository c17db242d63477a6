"""The log of a made-up web server.

Each line has a time, a level, a worker, the id of a request, and what happened. A request has
three lines or more, mixed with those of others: it is received, asks the database, and is answered.
Rules: time never goes back; a request's id, worker, path and user stay the same; a query of 300 ms
or more is a WARN; an answer of status 500 or more is an ERROR.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from invented.chance import below, between, chance, pick, pick_early
from invented.counts import share

HEX = "0123456789abcdef"
USERS = ("mira", "jonas", "ada", "tomas", "lin", "petra", "omar", "yuki", "sven", "noor", "ines")
PAGES = (
    "/",
    "/login",
    "/cart",
    "/orders/{}",
    "/items/{}",
    "/items/{}/reviews",
    "/search",
    "/static/app.css",
)
TABLES = ("items", "orders", "users", "carts", "reviews")
OPEN = 4  # requests at a time
ODD_CHANCE = 0.02


@dataclass
class Request:
    """One request, and what is left to be said of it: the level and the message of each line."""

    name: str
    worker: int
    left: list[tuple[str, str]] = field(default_factory=list)


def name(random: Random) -> str:
    return "".join(pick(random, HEX) for _ in range(8))


def request(random: Random) -> Request:
    """A request with all its lines."""
    method = "POST" if chance(random, 0.2) else "GET"
    path = pick_early(random, PAGES).format(between(random, 100, 999))
    user = pick_early(random, USERS)
    address = f"10.0.{below(random, 4)}.{between(random, 1, 40)}"
    lines = [("INFO", f"received {method} {path} from {address} user={user}")]
    spent = between(random, 1, 9)
    for _ in range(between(random, 1, 2)):
        slow = chance(random, 0.05)
        taken = between(random, 300, 900) if slow else between(random, 2, 60)
        spent += taken
        table = pick_early(random, TABLES)
        lines.append(
            ("WARN" if slow else "INFO", f"query {table} rows={below(random, 50)} took {taken} ms")
        )
    status = 500 if chance(random, 0.02) else 404 if chance(random, 0.04) else 200
    level = "ERROR" if status >= 500 else "INFO"
    lines.append((level, f"answered {method} {path} status={status} in {spent} ms user={user}"))
    return Request(name(random), between(random, 1, 6), lines)


def lines(random: Random) -> Iterator[str]:
    """Lines of the log without end, without the newline."""
    clock = 8 * 3_600_000  # milliseconds of the day
    day = 1
    open_requests: list[Request] = []
    while True:
        if len(open_requests) < OPEN and (not open_requests or chance(random, 0.45)):
            open_requests.append(request(random))
        clock += between(random, 1, 400)
        if clock >= 86_400_000:
            clock, day = clock - 86_400_000, day % 28 + 1
        current = pick(random, open_requests)
        level, message = current.left.pop(0)
        yield f"{stamp(day, clock)} {level:<5} worker-{current.worker} [{current.name}] {message}"
        if not current.left:
            open_requests.remove(current)


def stamp(day: int, clock: int) -> str:
    seconds, milliseconds = divmod(clock, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"2026-03-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"


def documents(random: Random) -> Iterator[str]:
    """The log without end, one line at a time."""
    return (line + "\n" for line in lines(random))


def odd(random: Random, line: str) -> str:
    """A line that the server never writes, made of one that it does."""
    strange: tuple[Callable[[], str], ...] = (
        lambda: re.sub(r"(GET|POST) \S+|query \S+", "GET /items/../../etc/passwd", line),
        lambda: re.sub(r"user=\w+|rows=\d+", "user=' OR 1=1 --", line),
        lambda: re.sub(r"from [\d.]+|in \d+ ms|took \d+ ms", "from 203.0.113.77", line),
        lambda: line[: between(random, 30, 48)],
        lambda: re.sub(r"\] .*", "] Traceback: connection reset by peer", line),
        lambda: re.sub(r"INFO |WARN |ERROR", "FATAL", line),
        lambda: line.replace("status=200", "status=000").replace(" ms", " ms retry=17"),
    )
    while (changed := pick(random, strange)()) == line:
        pass  # this change has nothing to change in this line
    return changed


def incidents(random: Random) -> Iterator[str]:
    """Lines after a label and a tab: `usual`, or with ODD_CHANCE `odd`."""
    for line in lines(random):
        if chance(random, ODD_CHANCE):
            yield f"odd\t{odd(random, line)}\n"
        else:
            yield f"usual\t{line}\n"


LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) (?P<level>INFO |WARN |ERROR) worker-\d "
    r"\[(?P<name>[0-9a-f]{8})\] (?:received (?:GET|POST) (?P<received>/\S*) from [\d.]+ user=\w+"
    r"|query \w+ rows=\d+ took (?P<taken>\d+) ms"
    r"|answered (?:GET|POST) (?P<answered>/\S*) status=(?P<status>\d{3}) in \d+ ms user=\w+)"
)


def check(text: str) -> list[str]:
    """Counts lines that are well-formed, in order, of the right level, and true to a request."""
    parts = text.strip().splitlines()
    found = [match for match in map(LINE.fullmatch, parts) if match]
    ordered = sum(a["time"] <= b["time"] for a, b in pairwise(found))
    paths = {match["name"]: match["received"] for match in found if match["received"]}
    later = [match for match in found if not match["received"]]
    answers = [match for match in found if match["answered"] and match["name"] in paths]
    return [
        share(len(found), len(parts), "lines that are well-formed"),
        share(ordered, max(0, len(found) - 1), "lines not earlier than the one before"),
        share(
            sum(level(m) == m["level"].strip() for m in found),
            len(found),
            "lines of the right level",
        ),
        share(
            sum(m["name"] in paths for m in later),
            len(later),
            "later lines of a request received before",
        ),
        share(
            sum(paths[m["name"]] == m["answered"] for m in answers),
            len(answers),
            "answers with its path",
        ),
    ]


def level(match: re.Match[str]) -> str:
    """The level that a line must have."""
    if match["taken"]:
        return "WARN" if int(match["taken"]) >= 300 else "INFO"
    return "ERROR" if match["status"] and int(match["status"]) >= 500 else "INFO"
