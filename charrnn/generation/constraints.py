"""Constraints: what a configuration means for the ids of one model. Draft: one text in the making.

Where a text ends, which ids may not come next and which came recently is decided here, and not by
the model.

Legend: V vocabulary.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain

import numpy as np

from charrnn.data.corpus import newline_id
from charrnn.data.tokenizer import Tokenizer
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.filters import Logits, Mask, apply_filters
from charrnn.generation.ineffective_settings import encode_known, ineffective_settings, stop_strings
from charrnn.generation.ngrams import Followers


class Constraints:
    """A configuration, compiled for a tokenizer.

    Attributes:
        stops: the ids of each string that ends a text.
        may_end, stop_ids: the last id of each, and all of them.
        longest_stop: how many ids the longest has.
        allowed: (V,) the ids that may ever come; None: all.
        newline, carriage_return: the ids that end a line, where lines end a text.
        automaton: that of the regular expression; None without one.

    Raises ConfigError when no character may come at all, no text can match, or what is to end the
    text can never come while nothing else ends it.
    """

    def __init__(self, config: SamplingConfig, tokenizer: Tokenizer) -> None:
        self.config = config
        self.vocabulary_size = tokenizer.vocabulary_size
        self.stops = [
            tuple(int(i) for i in tokenizer.encode(stop))
            for stop in stop_strings(config)
            if not tokenizer.unknown(stop)  # what the model cannot write never ends a text
        ]
        self.may_end = frozenset(stop[-1] for stop in self.stops)
        self.stop_ids = frozenset(i for stop in self.stops for i in stop)
        self.longest_stop = max(map(len, self.stops), default=0)
        self.allowed = self._allowed(tokenizer)
        self.newline = newline_id(tokenizer) if config.lines else None
        if self.newline is not None and self.allowed is not None and not self.allowed[self.newline]:
            self.newline = None  # it is banned
        # In a text whose lines end in \r\n, the model ends a line with the \r already.
        has_returns = self.newline is not None and not tokenizer.unknown("\r")
        self.carriage_return = int(tokenizer.encode("\r")[0]) if has_returns else None
        self.automaton = None
        if config.regex is not None:
            from charrnn.generation.regex import Automaton

            excluded = set() if self.newline is None else {self.newline}
            if self.allowed is not None:
                excluded |= {int(i) for i in np.flatnonzero(~self.allowed)}
            self.automaton = Automaton(config.regex, tokenizer, excluded=excluded)
            if config.length is not None and self.automaton.shortest > config.length:
                raise ConfigError(
                    f"regex {config.regex!r}: a match has at least {self.automaton.shortest:,} "
                    f"characters, and the length is {config.length:,}"
                )
        self._require_end(tokenizer)

    def _require_end(self, tokenizer: Tokenizer) -> None:
        """Raises ConfigError where a text is to end without a length, and never can."""
        config = self.config
        if config.length is not None:
            return
        if self.automaton is not None:
            if self.newline is None and not self.automaton.can_end:
                raise ConfigError(
                    f"regex {config.regex!r}: every text that matches may go on with any "
                    "character, so that none ever ends; give a length"
                )
        elif config.stops and not any(self.may_come(*stop) for stop in self.stops):
            reasons = "; ".join(
                setting.message
                for setting in ineffective_settings(config, tokenizer)
                if setting.ends_text
            )
            raise ConfigError(f"the text would never end: {reasons}; give a length")

    def may_come(self, *ids: int) -> bool:
        """Whether none of these ids is banned."""
        return self.allowed is None or bool(self.allowed[list(ids)].all())

    def _allowed(self, tokenizer: Tokenizer) -> Mask | None:
        """The ids that may ever come (V,); None: all."""
        config = self.config
        if config.ban is None and config.only is None:
            return None
        allowed = np.ones(self.vocabulary_size, dtype=np.bool_)
        banned = encode_known(config.ban or "", tokenizer)
        if config.only is not None:
            only = encode_known(config.only, tokenizer)
            allowed[:] = False
            allowed[only] = True
            allowed[list(self.stop_ids)] = bool(np.setdiff1d(only, banned).size)
        allowed[banned] = False
        if not allowed.any():
            raise ConfigError("ban, only: they leave no character that the model knows")
        return allowed

    @cached_property
    def context_dependent(self) -> bool:
        """Whether the ids that may come, or their penalties, depend on the text so far."""
        config = self.config
        return (
            self.automaton is not None
            or config.no_repeat_ngram is not None
            or config.repetition_penalty is not None
            or (config.min_length > 0 and bool(self.stops))
        )

    @cached_property
    def lookback(self) -> int:
        """How many of the last ids a Draft looks at."""
        config = self.config
        window = config.repetition_window if config.repetition_penalty is not None else 0
        return max(window, config.no_repeat_ngram or 0, self.longest_stop)

    def masks(self, drafts: Sequence["Draft"]) -> tuple[Mask | None, Mask | None]:
        """The ids that may come next in the drafts, and those that came recently: (V,) or (B, V).
        None where all may come, or where it makes no difference."""
        if not self.context_dependent:
            return self.allowed, None
        allowed = np.stack([draft.allowed() for draft in drafts])
        if self.config.repetition_penalty is None:
            return allowed, None
        return allowed, np.stack([draft.recent() for draft in drafts])

    def filtered(self, logits: Logits, allowed: Mask | None, recent: Mask | None) -> Logits:
        """Logits (B, V) after all filters, in float64."""
        config = self.config
        return apply_filters(
            logits,
            allowed=allowed,
            repetition_penalty=config.repetition_penalty,
            recent=recent,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            min_p=config.min_p,
            typical=config.typical,
        )


_Pieces = tuple["_Pieces | None", list[int]]
"""Pieces of a text, linked from the last to the first."""


class Draft:
    """One text in the making, in ids.

    Attributes:
        ids: the prompt's and those made; of the prompt and of very long texts, only the end.
        made: how many were made.
        end: how many of those made are the text, once it has ended: less the stop string.
        stop_reason: `length`, `stop` or `match`; None while it is being made.
    """

    def __init__(self, constraints: Constraints, prompt: Sequence[int] = ()) -> None:
        self.constraints = constraints
        self.ids = list(prompt[max(len(prompt) - constraints.lookback, 0) :])
        self.made = 0
        self.end = 0
        self.stop_reason: str | None = None
        self._state = constraints.automaton.start if constraints.automaton is not None else 0
        size = constraints.config.no_repeat_ngram
        self._followers = None if size is None else Followers(size, prompt)
        # The ids made before the last copy, in pieces that the copies share.
        self._earlier: _Pieces | None = None
        self._copied = 0
        if constraints.config.length == 0:
            self.stop_reason = "length"
        elif self._matched():
            self.stop_reason = "match"

    def complete(self) -> bool:
        """Whether the text matches the pattern and needs no newline, so that it may end here."""
        automaton = self.constraints.automaton
        return (
            automaton is not None
            and self.constraints.newline is None
            and automaton.accepts(self._state)
        )

    def finish(self) -> None:
        """Ends the text here, which is `complete`."""
        self._finish("match", 0)

    def copy(self) -> "Draft":
        """Another draft with the same text. The time it takes grows with the ids made since the
        last copy, not with the whole text."""
        if self.made > self._copied:
            own = self.ids[len(self.ids) - (self.made - self._copied) :]
            self._earlier, self._copied = (self._earlier, own), self.made
            self.ids = self._tail()
        other = Draft.__new__(Draft)
        other.constraints, other.ids, other.made = self.constraints, self.ids.copy(), self.made
        other.end, other.stop_reason, other._state = self.end, self.stop_reason, self._state
        other._followers = None if self._followers is None else self._followers.copy()
        other._earlier, other._copied = self._earlier, self._copied
        return other

    def add(self, choice: int) -> str | None:
        """Adds the next id; gives the stop reason when the text ends with it."""
        constraints, config = self.constraints, self.constraints.config
        if self._followers is not None:
            self._followers.add(self.ids, choice)
        self.ids.append(choice)
        self.made += 1
        if constraints.automaton is not None and choice != constraints.newline:
            automaton = constraints.automaton
            if choice == constraints.carriage_return and not automaton.leads(self._state, choice):
                return self._finish("stop", 1)
            self._state = automaton.next(self._state, choice)
            if self._matched() and self.made != config.length:
                return self._finish("match", 0)
        if choice in constraints.may_end:
            lengths = [len(stop) for stop in constraints.stops if self._ends_with(stop)]
            if lengths:
                return self._finish("stop", max(lengths))
        if self.made == config.length:
            return self._finish("length", 0)
        return None

    def extend(self, choices: Sequence[int]) -> str | None:
        """`add` for each, where no constraint depends on the text and only the last may end it."""
        self.ids += choices[:-1]
        self.made += len(choices) - 1
        return self.add(choices[-1])

    def allowed(self) -> Mask:
        """The ids that may come next (V,)."""
        constraints, config = self.constraints, self.constraints.config
        if constraints.automaton is not None:
            allowed = self._matching()
        elif constraints.allowed is not None:
            allowed = constraints.allowed.copy()
        else:
            allowed = np.ones(constraints.vocabulary_size, dtype=np.bool_)
        if self.made < config.min_length + constraints.longest_stop:
            for stop in constraints.stops:
                if self.made + 1 - len(stop) < config.min_length and self._ends_with(stop[:-1]):
                    allowed[stop[-1]] = False
        if self._followers is not None:
            repeated = self._followers.after(self.ids)
            if repeated:
                others = allowed.copy()
                others[repeated] = False
                if others.any():
                    return others
        return allowed

    def _matching(self) -> Mask:
        """The ids (V,) after which the text can still match the pattern, or that end its line."""
        constraints, length = self.constraints, self.constraints.config.length
        automaton, carriage_return = constraints.automaton, constraints.carriage_return
        assert automaton is not None
        remaining = None if length is None else length - self.made
        allowed: Mask = automaton.allowed(self._state, remaining)
        if constraints.newline is not None:
            allowed = allowed.copy()
            allowed[constraints.newline] = accepts = automaton.accepts(self._state)
            if accepts and carriage_return is not None:
                allowed[carriage_return] = constraints.may_come(carriage_return)
        return allowed

    def recent(self) -> Mask:
        """The ids that came within the repetition window (V,)."""
        recent = np.zeros(self.constraints.vocabulary_size, dtype=np.bool_)
        recent[self.ids[-self.constraints.config.repetition_window :]] = True
        return recent

    def held_back(self) -> int:
        """How many of the last ids may yet become a stop string."""
        if not self.ids or self.ids[-1] not in self.constraints.stop_ids:
            return 0
        for count in range(min(self.made, self.constraints.longest_stop - 1), 0, -1):
            tail = tuple(self.ids[-count:])
            if any(len(stop) > count and stop[:count] == tail for stop in self.constraints.stops):
                return count
        return 0

    def settled_ids(self, choices: Iterable[int]) -> Iterator[int]:
        """The ids that are the text's for good: what may yet become a stop string is held back.

        Args:
            choices: the next ids, each added to this draft by the time it comes.
        """
        waiting: list[int] = []
        given = 0
        for choice in choices:
            waiting.append(choice)
            ended = self.stop_reason is not None
            ready = self.end - given if ended else len(waiting) - self.held_back()
            yield from waiting[:ready]
            given += ready
            del waiting[:ready]
            self.forget()

    def forget(self) -> None:
        """Drops ids that no constraint looks at any more."""
        if len(self.ids) > 1024 + 2 * self.constraints.lookback:
            del self.ids[: len(self.ids) - self.constraints.lookback]

    def text_ids(self) -> list[int]:
        """The ids of the text, when it has ended and nothing was forgotten."""
        pieces = [self.ids[len(self.ids) - (self.made - self._copied) :]]
        earlier = self._earlier
        while earlier is not None:
            earlier, piece = earlier
            pieces.append(piece)
        return list(chain.from_iterable(reversed(pieces)))[: self.end]

    def _tail(self) -> list[int]:
        """The ids that constraints look at."""
        return self.ids[max(len(self.ids) - self.constraints.lookback, 0) :]

    def _matched(self) -> bool:
        """Whether the text matches the pattern, and no longer text does."""
        automaton, length = self.constraints.automaton, self.constraints.config.length
        if automaton is None or not self.complete():
            return False
        remaining = None if length is None else length - self.made
        return not automaton.allowed(self._state, remaining).any()

    def _finish(self, reason: str, cut: int) -> str:
        """Ends the text, without the last so many ids."""
        self.stop_reason, self.end = reason, self.made - cut
        return reason

    def _ends_with(self, stop: tuple[int, ...]) -> bool:
        """Whether the last ids made are these; the prompt's do not count."""
        return self.made >= len(stop) and tuple(self.ids[len(self.ids) - len(stop) :]) == stop
