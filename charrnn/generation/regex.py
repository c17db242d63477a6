"""Automata of regular expressions: which ids may come next, so that the whole text matches.

The library outlines_core compiles an expression to transitions between bytes of UTF-8. Here they
become transitions between ids, and dead ends are removed. The syntax is that of Rust's regex crate
(docs.rs/regex), without word boundaries.

The library compiles without bounds: a short pattern may use up the memory, which aborts the
process, or run for hours. So it runs in a separate process with limits on time and memory.

Legend: S states, V vocabulary, B symbols (the bytes that occur in the alphabet), E transitions.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import warnings
from collections import deque
from collections.abc import Iterable
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import Tokenizer
from charrnn.errors import ConfigError

LARGEST_TABLE: Final = 1 << 26
"""The largest number of entries (S * V) of a table; as int32, they take 256 MiB."""

MAX_SECONDS: Final = 20
"""The time limit of compiling a pattern."""

MAX_BYTES: Final = 1 << 30
"""The memory limit of compiling a pattern; not every system enforces it."""

Table = npt.NDArray[np.int32]

_FAR: Final = int(np.iinfo(np.int32).max)
_TOO_LARGE: Final = r"the pattern is too large; shorten repeats; use [a-z] instead of \w or [^a]"
# Look-around, back-references, atomic groups and conditions, if not escaped by a backslash.
_UNSUPPORTED: Final = re.compile(r"(?<!\\)(?:\\\\)*(?:\(\?(?:<?[=!]|P=|[>(])|\\[1-9]|\\k<)")


class Automaton:
    """A deterministic automaton over ids that accepts the texts matching a pattern as a whole.

    Args:
        pattern: the regular expression.
        tokenizer: the model's tokenizer.
        excluded: ids that may never come.
        seconds: the time limit of compiling the pattern.

    Attributes:
        start: the state of the empty text. States are numbers below S.
        shortest: the number of ids in the shortest match.

    Raises ConfigError when the pattern is not valid or too large, when no text of the remaining ids
    matches it, or when outlines_core is not installed.
    """

    def __init__(
        self,
        pattern: str,
        tokenizer: Tokenizer,
        *,
        excluded: Iterable[int] = (),
        seconds: float | None = None,
    ) -> None:
        try:
            import outlines_core  # noqa: F401
        except ImportError as error:
            raise ConfigError("--regex needs another package: pip install outlines-core") from error
        banned = sorted(set(excluded))
        try:
            table, accepting = _table(pattern, tokenizer, banned, seconds)
        except ValueError as error:
            raise ConfigError(f"regex {shown_pattern(pattern)}: {error}") from error
        # Without a next state, the table has -1, which reads the last entry here.
        self._distance = np.append(_distances(table, accepting), np.int32(_FAR))
        if self._distance[0] == _FAR:
            rest = " without the banned ones" if banned else ""
            raise ConfigError(
                f"regex {shown_pattern(pattern)}: no text of the model's characters{rest} matches "
                "it"
            )
        table[self._distance[table] == _FAR] = -1
        self._table, self._accepting = table, accepting
        self.start = 0
        self.shortest = int(self._distance[0])

    def accepts(self, state: int) -> bool:
        """Return whether the text so far matches."""
        return bool(self._accepting[state])

    def ends(self, state: int) -> bool:
        """Return whether the text so far matches and no longer text does."""
        return self.accepts(state) and not (self._table[state] >= 0).any()

    @property
    def nbytes(self) -> int:
        """The bytes that the automaton takes."""
        return self._table.nbytes + self._accepting.nbytes + self._distance.nbytes

    @property
    def can_end(self) -> bool:
        """Whether some match cannot go on with every character of the alphabet."""
        return bool((self._accepting & (self._table < 0).any(axis=1)).any())

    def allowed(self, state: int, remaining: int | None = None) -> npt.NDArray[np.bool_]:
        """Return the ids (V,) after which the text can still become a match.

        At most `remaining` more ids may come, including the next one; None sets no limit. Some id
        is allowed unless the state `ends` or `remaining` was too small from the start.
        """
        limit = _FAR if remaining is None else min(remaining, _FAR)
        return self._distance[self._table[state]] < limit  # type: ignore[no-any-return]

    def leads(self, state: int, choice: int) -> bool:
        """Return whether the text can still become a match after this id."""
        return bool(self._table[state, choice] >= 0)

    def next(self, state: int, choice: int) -> int:
        """Return the state after an allowed id."""
        following = int(self._table[state, choice])
        assert following >= 0, f"id {choice} is not allowed in state {state}"
        return following


def _table(
    pattern: str, tokenizer: Tokenizer, banned: list[int], seconds: float | None
) -> tuple[Table, npt.NDArray[np.bool_]]:
    """Return the next states (S, V), -1 for none, and which states (S,) accept. State 0 is the
    start.

    Raises ValueError with what is wrong with the pattern.
    """
    vocabulary_size = tokenizer.vocabulary_size
    spelled = [
        tokenizer.decode([i]).encode("utf-8", "surrogateescape") for i in range(vocabulary_size)
    ]
    symbols = bytes(sorted(set(b"".join(spelled))))
    bytewise, accepting, start = _bytewise(pattern, symbols, seconds)

    # Characters of fewer bytes are padded with the transition that stays in its state.
    columns = {symbol: column for column, symbol in enumerate(symbols)}
    spelling = np.full((vocabulary_size, max(map(len, spelled))), len(symbols) + 1, dtype=np.intp)
    for i, character in enumerate(spelled):
        spelling[i, : len(character)] = [columns[byte] for byte in character]

    number = np.full(len(bytewise), -1, dtype=np.int32)
    number[start] = 0
    frontier = np.array([start])
    count = 1
    seen, rows = [frontier], []
    while len(frontier):
        if count * vocabulary_size > LARGEST_TABLE:
            raise ValueError(_TOO_LARGE)
        row = np.repeat(frontier.astype(np.int32)[:, None], vocabulary_size, axis=1)
        for column in spelling.T:
            row = bytewise[row, column]
        row[:, banned] = 0
        rows.append(row)
        frontier = np.unique(row[row > 0])
        frontier = frontier[number[frontier] < 0]
        number[frontier] = np.arange(count, count + len(frontier))
        count += len(frontier)
        seen.append(frontier)
    return number[np.concatenate(rows)], accepting[np.concatenate(seen)]


def _bytewise(
    pattern: str, symbols: bytes, seconds: float | None
) -> tuple[Table, npt.NDArray[np.bool_], int]:
    """Return the next states (., B + 2) after each symbol, which states accept, and the start.

    The last two columns are `accepts` and `stays` of `compile_steps`. State 0 is the dead end, the
    target of all transitions that the library does not list. Raises ValueError.
    """
    steps = compile_apart(pattern, symbols, seconds)
    names, numbered = np.unique(steps[:, [0, 2]], return_inverse=True)
    sources, targets = numbered.reshape(-1, 2).T + 1
    if (len(names) + 1) * (len(symbols) + 2) > LARGEST_TABLE:
        raise ValueError(_TOO_LARGE)
    table = np.zeros((len(names) + 1, len(symbols) + 2), dtype=np.int32)
    table[sources, steps[:, 1]] = targets
    return table, table[:, len(symbols)] > 0, int(sources[0])


def _distances(table: Table, accepting: npt.NDArray[np.bool_]) -> Table:
    """Return the fewest ids (S,) from each state to an accepting one; _FAR if there is no way."""
    sorted_rows = np.sort(table, axis=1)
    first = sorted_rows >= 0
    first[:, 1:] &= sorted_rows[:, 1:] != sorted_rows[:, :-1]
    sources, columns = np.nonzero(first)
    before: list[list[int]] = [[] for _ in range(len(table))]
    for source, target in zip(
        sources.tolist(), sorted_rows[sources, columns].tolist(), strict=True
    ):
        before[target].append(source)
    distances = np.where(accepting, 0, _FAR).astype(np.int32)
    queue = deque(np.flatnonzero(accepting).tolist())
    while queue:
        target = queue.popleft()
        for source in before[target]:
            if distances[source] == _FAR:
                distances[source] = distances[target] + 1
                queue.append(source)
    return distances


def compile_steps(pattern: str, symbols: bytes) -> Table:
    """Return the transitions (E, 3) of a pattern's automaton: from a state, by a symbol, to a
    state.

    Symbol B means that the state accepts, B + 1 that it stays. The first transition begins at the
    start state. Raises ValueError. Time and memory are not limited.
    """
    import outlines_core

    accepts, stays, begins = range(len(symbols), len(symbols) + 3)
    tokens = {bytes([byte]): [column] for column, byte in enumerate(symbols)}
    # The library refuses states that no token leaves, even if no text needs them. The empty token
    # leaves every state.
    tokens[b""] = [stays]
    tokens.setdefault(b"\n", []).append(begins)
    vocabulary = outlines_core.Vocabulary(accepts, tokens)
    # As the whole text is matched, an anchor at the very beginning adds nothing. Elsewhere it would
    # never match, silently, because a newline precedes the text here. `$` works everywhere.
    inner = pattern.removeprefix("^").removeprefix(r"\A")
    if re.search(r"\^|\\A", re.sub(r"\\[^A]|\[\^", "", inner)):
        raise ValueError(r"^ and \A may only come first (write \^ for the character itself)")
    try:
        # Check that the pattern is valid without the parentheses added below, unlike a)(b. The
        # word boundary makes the library parse the pattern and then refuse it, at no cost.
        outlines_core.Index(rf"{inner}(?u:\b)", vocabulary)
    except ValueError as error:
        if "NFA" in str(error):
            raise ValueError(_reason(pattern)) from error
    try:
        # Without `\z`, only the first alternative of a|ab would match. With it, the library needs
        # a character before a text that may be empty: the newline.
        index = outlines_core.Index(rf"\n(?:{inner})\z", vocabulary)
    except ValueError as error:
        raise ValueError(_reason(pattern, str(error))) from error
    transitions = index.get_transitions()
    start = transitions[index.get_initial_state()][begins]
    steps = (
        (source, by, target)
        for source, targets in transitions.items()
        for by, target in targets.items()
        if by != begins
    )
    flat = chain((start, stays, start), chain.from_iterable(steps))
    return np.fromiter(flat, dtype=np.int32).reshape(-1, 3)


def compile_apart(pattern: str, symbols: bytes, seconds: float | None = None) -> Table:
    """Call `compile_steps` in a separate process with limits on time and memory.

    Args:
        seconds: the time limit; None is MAX_SECONDS.
    """
    path = os.pathsep.join(folder or os.curdir for folder in sys.path)
    # Each thread that NumPy might start counts as memory.
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    code = f"from {__name__} import answer; answer()"
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            input=json.dumps([pattern, list(symbols), MAX_BYTES]).encode(),
            capture_output=True,
            check=False,
            env=environment | {"OPENBLAS_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
            timeout=MAX_SECONDS if seconds is None else seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(_TOO_LARGE) from error
    if done.returncode < 0:  # the library aborts when it is out of memory
        raise ValueError(_TOO_LARGE)
    if done.returncode > 0:
        raise ValueError(done.stderr.decode("utf-8", "replace").strip().split("\n")[-1])
    return np.frombuffer(done.stdout, dtype=np.int32).reshape(-1, 3)


def answer() -> None:
    """Run the other process of `compile_apart`: read a question on stdin, write the answer to
    stdout."""
    pattern, symbols, max_bytes = json.load(sys.stdin)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (max_bytes, max_bytes))
    try:
        steps = compile_steps(pattern, bytes(symbols))
    except ValueError as error:
        sys.exit(str(error))
    except MemoryError:
        sys.exit(_TOO_LARGE)
    sys.stdout.buffer.write(steps.tobytes())


def _reason(pattern: str, said: str = "") -> str:
    """Return what is wrong with a pattern; the library's own message seldom says it."""
    if "surrogates" in said:
        return "it is not valid Unicode"
    if "word bound" in said:
        return r"word boundaries (\b) are not supported"
    if _UNSUPPORTED.search(pattern):
        return "look-around, back-references and atomic groups are not supported"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except RecursionError:
        return "it is nested too deeply"
    except (re.error, OverflowError) as error:
        return " ".join(str(error).splitlines())  # Python's syntax is near enough
    return "its syntax is not supported (see docs.rs/regex)"


def shown_pattern(pattern: str) -> str:
    """Return a pattern for a message, cut off where it is long."""
    return repr(pattern if len(pattern) <= 100 else f"{pattern[:100]}...")
