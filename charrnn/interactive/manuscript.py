"""Manuscript: a text that a person and a model write in turns.

Nothing is ever read twice: the state after every character is a value, and kept, so that what was
written can be taken back, tried again, and gone on from.

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
from charrnn.generation.randomness import sample_keys, uniforms
from charrnn.generation.request import EncodedPrompt, GenerationRequest
from charrnn.generation.sampler import Sampler
from charrnn.generation.smc import smc_steps
from charrnn.interactive.ghost_text import GhostText
from charrnn.interactive.kept_states import SPACING, KeptStates
from charrnn.interactive.suggestions import UNITS, Suggestion, find_suggestions


class Segment(NamedTuple):
    """A part of a manuscript that was typed, or made by the model, at once."""

    made: bool  # by the model
    text: str


class _Mark(NamedTuple):
    """Where a segment begins."""

    made: bool
    id: int
    character: int


class Manuscript:
    """A text that a person and a model write in turns.

    Args:
        sampler: the model that reads it and writes on.
        lines: begin as after a newline; else only a text that the model itself begins does.

    Attributes:
        stop_reason: why the last continuation ended, as SampleStream has it; None when it was
            stopped, or there was none.
        next_index: which of its seed the next continuation is, so that no two are made of the same
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
        self._ids: list[int] = []  # what was read: the text's, after what stands before it, if so
        self._nats: list[float] = []  # surprisal of each of them; NaN where nothing came before it
        self._states = KeptStates()
        self._end: tuple[int, Array] | None = None  # so many ids, the logits (V,) after them

    def __len__(self) -> int:
        """How many characters it has."""
        return len(self._characters)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._characters)

    def tail(self, count: int) -> str:
        """Its last characters, so many at most."""
        return "".join(self._characters[max(len(self) - count, 0) :])

    def segments(self) -> list[Segment]:
        """Its parts, in order: those that were typed and those that were made."""
        begins = [*(mark.character for mark in self._marks), len(self)]
        return [
            Segment(mark.made, "".join(self._characters[begin:end]))
            for mark, (begin, end) in zip(self._marks, pairwise(begins), strict=True)
        ]

    def surprisals(self, count: int | None = None) -> list[tuple[str, float]]:
        """Its last characters (all, when None), each with its surprisal in nats: the negative
        log-probability, under the model, of the character after all before it.

        NaN for a character that nothing came before.
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
        """Adds what was typed, to the letter.

        Raises UnknownCharacterError when it has characters that the model has never seen.
        """
        for _ in self.reading(text):
            pass

    def take(self, text: str) -> None:
        """Adds a text as if the model had made it, such as one of `suggestions`. Raises
        UnknownCharacterError."""
        for _ in self.reading(text, made=True):
            pass

    def reread(self) -> None:
        """Reads all of it again, with the engine that the sampler has now."""
        ids = list(self._ids)
        self._truncate(0)
        self._end = None
        for _ in self._read_in_blocks(ids):
            pass

    def reading(self, text: str, *, made: bool = False) -> Generator[int, None, None]:
        """What `write` (or `take`, when `made`) does, in steps; gives how many ids were read.

        The text is added after the last step; when the iterator is closed before, nothing is.
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
        """What the model writes next, in pieces, each added as it comes.

        A piece is never half a character. When the iterator is closed early, what came stays. A
        text that is to match a pattern comes as a whole, after empty pieces: nobody knows how it
        begins until it has ended.

        Args:
            config: how to sample; `length` is that of the continuation.
            index: which continuation of its seed; None: the next that this manuscript did not have.

        Raises ConfigError, before anything is written, when nothing can be.
        """
        return self._continue(Constraints(config, self._tokenizer), index)

    def again(self, config: SamplingConfig) -> Generator[str, None, None]:
        """Another continuation, which replaces the last one if the text ends with one.

        Raises ConfigError, before anything is taken back, when nothing can be written.
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

        def ids() -> Iterator[int]:
            nonlocal whole
            key = sample_keys(constraints.config.seed, [index])
            yield from draft.settled_ids(self._choices(draft, key))
            whole = False  # what is decoded after this is the beginning of a character

        given = 0
        try:
            for piece in self._tokenizer.decode_stream(ids()):
                if not whole and given:
                    break  # it can be made anew from here
                if not given:
                    self._marks.append(mark)
                self._characters += piece
                given += len(self._tokenizer.encode(piece))
                yield piece
            self.stop_reason = draft.stop_reason
        finally:
            self._truncate(mark.id + given)

    def _matching(self, constraints: Constraints, index: int) -> Generator[str, None, None]:
        """A continuation that matches a pattern, as the sampler makes it."""
        before = len(self._ids) - 1
        prompt = EncodedPrompt(self._state(before) if before else None, self._ids)
        request = GenerationRequest(self.sampler.engine, self._tokenizer, prompt, constraints)
        sample = yield from smc_steps(request, index)
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
        """Takes back the last continuation, and what was typed after it; whether there was one."""
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
        """How likely each character of the vocabulary is to come next (V,)."""
        return probabilities(self._finite_logits())[0]  # type: ignore[no-any-return]

    def suggestions(self, unit: str, count: int) -> list[Suggestion]:
        """The likeliest characters, words or lines that may come next, the likeliest first.

        A word goes up to the white space after it, which is not part of it but of its probability;
        a line goes to its newline. Both are found by beam search.

        Args:
            unit: character, word or line.
            count: how many at most.

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
        """The likeliest characters one after another, up to a newline, so many ids at most."""
        text = ""
        for text in self.lookahead().continuations("", count):
            pass
        return text

    def lookahead(self) -> GhostText:
        """What continues, greedily, what is typed from here on, in a thread of its own if need
        be."""
        if not self._characters:
            return GhostText(self.sampler, None, None, lines=self.lines)
        logits = self._logits()
        return GhostText(self.sampler, logits, self._state(len(self._ids)), lines=self.lines)

    # Reading

    def _choices(self, draft: Draft, key: npt.NDArray[np.uint64]) -> Iterator[int]:
        """Draws and reads one id after another, and adds each to the draft."""
        while draft.stop_reason is None:
            positions = np.array([draft.made], dtype=np.uint64)
            uniform = uniforms(key, positions)
            choice = int(choose(self._finite_logits(), draft.constraints, [draft], uniform)[0])
            self._read([choice])
            draft.add(choice)
            yield choice

    def _open(self) -> None:
        """Reads what stands before a text that begins without a prompt."""
        self._read(self.sampler.prompt_ids(""))

    def _read_in_blocks(self, ids: Sequence[int]) -> Iterator[int]:
        """Reads ids after the end in blocks, so that states are kept; gives how many were read.

        When the iterator is closed before its end, none of them is.
        """
        begin, done = len(self._ids), False
        try:
            for start, end in _blocks(begin, begin + len(ids)):
                self._read(ids[start - begin : end - begin])
                yield end - begin
            done = True
        finally:
            if not done:
                self._truncate(begin)

    def _read(self, ids: Sequence[int]) -> None:
        """Reads ids after the end; only the state after the last is kept."""
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
        """The logits (1, V) of the character after the end."""
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
        """The state after so many ids, from the nearest that is kept before it."""
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
        """Forgets what was read after so many ids."""
        self._states.truncate(length, max(len(self._ids), len(self._nats)))
        del self._ids[length:], self._nats[length:]


def _blocks(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a range of ids that end where a state is to be kept."""
    while begin < end:
        stop = min(begin - begin % SPACING + SPACING, end)
        yield begin, stop
        begin = stop
