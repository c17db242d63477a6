"""Manuscript: a text that a person and a model write in turns.

The state after every character is a value that is kept, so nothing is read twice: text can be
removed, replaced and continued at any place.

Legend: V vocabulary.
"""

from collections.abc import Generator, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engines import Array, State
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.constraints import Constraints, Draft
from charrnn.generation.draw import check_finite, choose, log_probabilities
from charrnn.generation.filters import probabilities
from charrnn.generation.native_writers import TextWriter, native_rules
from charrnn.generation.randomness import sample_keys, uniforms
from charrnn.generation.request import EncodedPrompt, GenerationRequest
from charrnn.generation.sampler import Sampler
from charrnn.generation.smc import smc_steps
from charrnn.interactive.ghost_text import GhostText
from charrnn.interactive.kept_states import KeptStates, blocks
from charrnn.interactive.suggestions import UNITS, Suggestion, find_suggestions


class Segment(NamedTuple):
    """A part of a manuscript that was typed, or generated, in one piece."""

    made: bool  # by the model
    text: str


class _Mark(NamedTuple):
    """The beginning of a segment: whether it is generated, its first id and character."""

    made: bool
    id: int
    character: int


class Manuscript:
    """A text that a person and a model write in turns.

    Args:
        sampler: the sampler of the model.
        lines: whether the text begins as after a newline. An empty text that the model begins
            always does.

    Attributes:
        stop_reason: why the last continuation ended, as in SampleStream; None if it was stopped, or
            there is none.
        next_index: the sample index of the next continuation, so that no two continuations share
            random numbers.
    """

    def __init__(self, sampler: Sampler, *, lines: bool = False) -> None:
        self.sampler = sampler
        self.lines = lines
        self.stop_reason: str | None = None
        self.next_index = 0
        self._tokenizer = sampler.model.tokenizer
        self._characters: list[str] = []
        self._marks: list[_Mark] = []
        self._ids: list[int] = []  # the ids read: an id before the text, if any, and the text's
        self._nats: list[float] = []  # the surprisal of each id; NaN for the first id read
        self._states = KeptStates()
        self._end: tuple[int, Array] | None = None  # a number of ids, the logits (V,) after them

    def __len__(self) -> int:
        """Return the number of characters."""
        return len(self._characters)

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self._characters)

    def tail(self, count: int) -> str:
        """Return the last `count` characters, or all if there are fewer."""
        return "".join(self._characters[max(len(self) - count, 0) :])

    def segments(self) -> list[Segment]:
        """Return the typed and the generated parts of the text, in order."""
        begins = [*(mark.character for mark in self._marks), len(self)]
        return [
            Segment(mark.made, "".join(self._characters[begin:end]))
            for mark, (begin, end) in zip(self._marks, pairwise(begins), strict=True)
        ]

    def surprisals(self, count: int | None = None) -> list[tuple[str, float]]:
        """Return the last `count` characters (all if None), each with its surprisal in nats.

        The surprisal is the negative log-probability of the character, under the model, after all
        characters before it; NaN for a character that nothing came before.
        """
        begin = 0 if count is None else max(len(self) - count, 0)
        characters = self._characters[begin:]
        sizes = [len(self._tokenizer.encode(character)) for character in characters]
        end = len(self._ids) - sum(sizes)
        surprisals = []
        for size in sizes:
            surprisals.append(sum(self._nats[end : end + size]))
            end += size
        return list(zip(characters, surprisals, strict=True))

    # Writing

    def write(self, text: str) -> None:
        """Add typed text as it is.

        Raises UnknownCharacterError when it has characters that the model has never seen.
        """
        for _ in self.reading(text):
            pass

    def take(self, text: str) -> None:
        """Add text as if the model had generated it, such as one of `suggestions`.

        Raises UnknownCharacterError.
        """
        for _ in self.reading(text, made=True):
            pass

    def refresh(self) -> None:
        """Forget what is predicted at the end, as the engine's memory has learned something."""
        self._end = None

    def reread(self) -> None:
        """Read the whole text again with the sampler's current engine."""
        ids = list(self._ids)
        self._truncate(0)
        self._end = None
        for _ in self._read_in_blocks(ids):
            pass

    def reading(self, text: str, *, made: bool = False) -> Generator[int, None, None]:
        """Add text in steps, as `write` does (or `take`, if `made`). Yields the number of ids read.

        The text is added after the last step; closing the iterator earlier adds nothing.
        """
        ids = [int(i) for i in self._tokenizer.encode(text)]
        if not ids:
            return
        if not self._characters:
            self._truncate(0)
            if self.lines:
                self._open()
        mark = _Mark(made, len(self._ids), len(self))
        yield from self._read_in_blocks(ids)
        self._marks.append(mark)
        self._characters += text
        self.stop_reason = None

    def continuation(
        self, config: SamplingConfig, index: int | None = None
    ) -> Generator[str, None, None]:
        """Yield a continuation in pieces, each of which is added to the text.

        A piece never splits a character. Closing the iterator early keeps the pieces so far. A text
        that matches a pattern comes as a whole, after empty pieces, as its beginning is known only
        at its end.

        Args:
            config: the sampling settings; `length` is the length of the continuation.
            index: the sample index; None takes `next_index`.

        Raises ConfigError, before anything is written, when the settings allow no text.
        """
        return self._continue(Constraints(config, self._tokenizer), index)

    def again(self, config: SamplingConfig) -> Generator[str, None, None]:
        """Yield another continuation, which replaces the last one if the text ends with one.

        Raises ConfigError, before anything is removed, when the settings allow no text.
        """
        constraints = Constraints(config, self._tokenizer)
        if self._marks and self._marks[-1].made:
            self.undo()
        return self._continue(constraints, None)

    def _continue(self, constraints: Constraints, index: int | None) -> Generator[str, None, None]:
        if index is None:
            index = self.next_index
        self.next_index = max(self.next_index, index + 1)
        self.stop_reason = None
        if not self._ids:
            self._open()
        if constraints.automaton is not None:
            yield from self._matching(constraints, index)
            return
        draft = Draft(constraints, self._ids)
        mark = _Mark(True, len(self._ids), len(self))
        whole = True

        def pieces() -> Iterator[Sequence[int]]:
            nonlocal whole
            yield from draft.settled_pieces(self._new_ids(draft, index))
            whole = False  # text decoded from here on is an incomplete character

        given = 0
        try:
            for piece in self._tokenizer.decode_pieces(pieces()):
                if not whole and given:
                    break  # drop the incomplete character
                if not given:
                    self._marks.append(mark)
                self._characters += piece
                given += len(self._tokenizer.encode(piece))
                yield piece
            self.stop_reason = draft.stop_reason
        finally:
            self._truncate(mark.id + given)

    def _request(self, constraints: Constraints, *, score: bool) -> GenerationRequest:
        """Return the request for a text that continues this one."""
        before = len(self._ids) - 1
        prompt = EncodedPrompt(self._state(before) if before else None, list(self._ids))
        engine = self.sampler.engine
        return GenerationRequest(engine, self._tokenizer, prompt, constraints, score)

    def _new_ids(self, draft: Draft, index: int) -> Iterator[Sequence[int]]:
        """Draw ids in pieces, read them, and add them to the draft."""
        request = self._request(draft.constraints, score=True)
        rules = native_rules(request)
        if rules is None:
            yield from self._choices(draft, sample_keys(draft.constraints.config.seed, [index]))
            return
        if draft.stop_reason is not None:
            return
        self._end, writer = None, TextWriter(request, rules, index)
        for piece in writer.pieces():
            if (state := writer.state()) is not None:
                self._states.keep(len(self._ids) + len(piece.ids) - 1, state)
            self._ids += piece.ids
            self._nats += [-score for score in piece.scores]
            draft.add_written(piece.ids, piece.stop_reason, piece.cut)
            yield piece.ids

    def _matching(self, constraints: Constraints, index: int) -> Generator[str, None, None]:
        """Yield a continuation that matches a pattern, the same text as the sampler's."""
        sample = yield from smc_steps(self._request(constraints, score=False), index)
        mark = _Mark(True, len(self._ids), len(self))
        ids = [int(i) for i in self._tokenizer.encode(sample.text)]
        for _ in self._read_in_blocks(ids):
            pass
        if ids:
            self._marks.append(mark)
            self._characters += sample.text
            yield sample.text
        self.stop_reason = sample.stop_reason

    def undo(self) -> bool:
        """Remove the last continuation, and the text typed after it. Returns whether there was
        one."""
        while self._marks and not self._marks[-1].made:
            if not any(mark.made for mark in self._marks):
                return False
            self._forget_segment()
        if not self._marks:
            return False
        self._forget_segment()
        return True

    # Looking ahead

    def probabilities(self) -> npt.NDArray[np.float64]:
        """Return the probabilities (V,) of the next character."""
        return probabilities(self._finite_logits())[0]  # type: ignore[no-any-return]

    def suggestions(self, unit: str, count: int) -> list[Suggestion]:
        """Return the likeliest next characters, words or lines, the likeliest first.

        A word extends up to the white space after it, which counts in its probability but is not
        part of it; a line extends to its newline. Both are found by beam search.

        Args:
            unit: `character`, `word` or `line`.
            count: the largest number of suggestions.

        Raises ConfigError.
        """
        if unit not in UNITS:
            raise ConfigError(f"{unit!r}: choose one of {', '.join(UNITS)}")
        if count < 1:
            raise ConfigError(f"{count} suggestions: choose 1 or above")
        logits = self._finite_logits()
        engine = self.sampler.engine
        state = self._state(len(self._ids))
        return find_suggestions(engine, self._tokenizer, logits, state, unit, count)

    def greedy(self, count: int) -> str:
        """Return the greedy continuation, up to a newline or `count` ids."""
        text = ""
        for text in self.lookahead().continuations("", count):
            pass
        return text

    def lookahead(self) -> GhostText:
        """Return a GhostText that continues the text typed from here on.

        It may be used in another thread.
        """
        if not self._characters:
            return GhostText(self.sampler, None, None, lines=self.lines)
        logits = self._logits()
        return GhostText(self.sampler, logits, self._state(len(self._ids)), lines=self.lines)

    # Reading

    def _choices(self, draft: Draft, key: npt.NDArray[np.uint64]) -> Iterator[Sequence[int]]:
        """Draw ids, read each one, and add it to the draft."""
        while draft.stop_reason is None:
            positions = np.array([draft.made], dtype=np.uint64)
            uniform = uniforms(key, positions)
            choice = int(choose(self._finite_logits(), draft.constraints, [draft], uniform)[0])
            self._read([choice])
            draft.add(choice)
            yield (choice,)

    def _open(self) -> None:
        """Read the id before a text that begins without a prompt."""
        self._read(self.sampler.prompt_ids(""))

    def _read_in_blocks(self, ids: Sequence[int]) -> Iterator[int]:
        """Read ids after the end in blocks, so that states are kept. Yields the number of ids read.

        Closing the iterator early forgets all of them.
        """
        begin, done = len(self._ids), False
        try:
            for start, end in blocks(begin, begin + len(ids)):
                self._read(ids[start - begin : end - begin])
                yield end - begin
            done = True
        finally:
            if not done:
                self._truncate(begin)

    def _read(self, ids: Sequence[int]) -> None:
        """Read ids after the end, and keep the state after the last one."""
        before = self._logits() if self._ids else None
        logits, state = self.sampler.engine.advance([ids], self._state(len(self._ids)))
        if before is None:
            rows, first = logits[0, :-1], [float("nan")]
        else:
            rows, first = np.concatenate([before, logits[0, :-1]]), []
        targets = np.array(ids[len(first) :], dtype=np.intp)
        nats = [*first, *map(float, -log_probabilities(rows, targets))]
        length = len(self._ids) + len(ids)
        self._nats += nats
        self._ids += ids
        self._end = (length, logits[0, -1:].copy())
        self._states.keep(length, state)

    def _logits(self) -> Array:
        """Return the logits (1, V) of the character after the end."""
        length = len(self._ids)
        if not length:
            self._open()
        elif self._end is None or self._end[0] != length:
            nearest, state = self._states.nearest(length - 1)
            logits, state = self.sampler.engine.advance([self._ids[nearest:length]], state)
            self._states.keep(length, state)
            self._end = (length, logits[0, -1:].copy())
        assert self._end is not None
        return self._end[1]

    def _finite_logits(self) -> Array:
        logits = self._logits()
        check_finite(logits)
        return logits

    def _state(self, length: int) -> State | None:
        """Return the state after `length` ids, computed from the nearest one kept before it."""
        nearest, state = self._states.nearest(length)
        if nearest < length:
            state = self.sampler.engine.read([self._ids[nearest:length]], state)
        return state

    def _forget_segment(self) -> None:
        mark = self._marks[-1]
        self._truncate(mark.id)
        del self._characters[mark.character :]
        del self._marks[-1]
        self.stop_reason = None

    def _truncate(self, length: int) -> None:
        """Forget the ids after the first `length`."""
        self._states.truncate(length, max(len(self._ids), len(self._nats)))
        del self._ids[length:], self._nats[length:]
