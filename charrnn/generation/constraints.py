"""Constraints: a sampling configuration, compiled for a tokenizer. Draft: a text being generated.

They decide where a text ends, which ids are allowed next, and which ids are recent.

Legend: B drafts, V vocabulary.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Final

import numpy as np

from charrnn.data.corpus import newline_id
from charrnn.data.tokenizer import Tokenizer
from charrnn.engines import native_choice
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.elementary import log
from charrnn.generation.filters import Counts, Logits, Mask, apply_filters
from charrnn.generation.ineffective_settings import encode_known, ineffective_settings
from charrnn.generation.logit_bias import biases_of_ids
from charrnn.generation.ngrams import Followers
from charrnn.generation.stops import begun_stop, encoded_stops

_SHARED: Final = (
    *("repetition_penalty", "presence_penalty", "frequency_penalty"),
    *("temperature", "top_k", "top_p", "typical"),
)
"""The settings of filters that NumPy and C take alike."""


class Constraints:
    """A configuration, compiled for a tokenizer.

    Args:
        regex_seconds: the time limit of compiling the regular expression; None is the usual one.

    Attributes:
        stops: the ids of each string that ends a text.
        may_end: the last ids of the stops.
        stop_ids: all ids of the stops.
        longest_stop: the number of ids in the longest stop.
        allowed: (V,) the ids that are not banned; None if all are allowed.
        bias: (V,) what is added to the logits; None for nothing.
        newline, carriage_return: the ids that end a line, if a line ends the text.
        automaton: the automaton of the regular expression; None without one.

    Raises ConfigError when no character is allowed at all, no text can match, nothing can ever end
    the text, or an id of the bias is not in the vocabulary.
    """

    def __init__(
        self, config: SamplingConfig, tokenizer: Tokenizer, *, regex_seconds: float | None = None
    ) -> None:
        self.config = config
        self.vocabulary_size = tokenizer.vocabulary_size
        self.stops = list(encoded_stops(config, tokenizer))
        self.may_end = frozenset(stop[-1] for stop in self.stops)
        self.stop_ids = frozenset(i for stop in self.stops for i in stop)
        self.longest_stop = max(map(len, self.stops), default=0)
        self.allowed = self._allowed(tokenizer)
        biases = biases_of_ids(config.logit_bias, self.vocabulary_size)
        self.bias = np.array(biases) if config.logit_bias else None
        self.newline = newline_id(tokenizer) if config.lines else None
        if self.newline is not None and self.allowed is not None and not self.allowed[self.newline]:
            self.newline = None  # it is banned
        # If the lines of the text end in \r\n, the \r already ends one.
        has_returns = self.newline is not None and not tokenizer.unknown("\r")
        self.carriage_return = int(tokenizer.encode("\r")[0]) if has_returns else None
        self.automaton = None
        if config.regex is not None:
            from charrnn.generation.regex import Automaton, shown_pattern

            excluded = set() if self.newline is None else {self.newline}
            if self.allowed is not None:
                excluded |= {int(i) for i in np.flatnonzero(~self.allowed)}
            self.automaton = Automaton(
                config.regex, tokenizer, excluded=excluded, seconds=regex_seconds
            )
            if config.length is not None and self.automaton.shortest > config.length:
                raise ConfigError(
                    f"regex {shown_pattern(config.regex)}: a match has at least "
                    f"{self.automaton.shortest:,} characters, and the length is {config.length:,}"
                )
        self._require_end(tokenizer)

    def _require_end(self, tokenizer: Tokenizer) -> None:
        """Raise ConfigError if a text without a length can never end."""
        config = self.config
        if config.length is not None:
            return
        if self.automaton is not None:
            if self.newline is None and not self.automaton.can_end:
                raise ConfigError(
                    f"regex {config.regex!r}: every match can go on with any character, so no "
                    "text ever ends; give a length"
                )
        elif config.stops and not any(self.may_come(*stop) for stop in self.stops):
            reasons = "; ".join(
                setting.message
                for setting in ineffective_settings(config, tokenizer)
                if setting.ends_text
            )
            raise ConfigError(f"the text would never end: {reasons}; give a length")

    def may_come(self, *ids: int) -> bool:
        """Return whether none of these ids is banned."""
        return self.allowed is None or bool(self.allowed[list(ids)].all())

    def _allowed(self, tokenizer: Tokenizer) -> Mask | None:
        """Return the ids that are not banned (V,); None if all are allowed."""
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
        """Whether the allowed ids, or their penalties, depend on the text so far."""
        config = self.config
        return (
            self.automaton is not None
            or config.no_repeat_ngram is not None
            or config.penalty_window > 0
            or (config.min_length > 0 and bool(self.stops))
        )

    @cached_property
    def lookback(self) -> int:
        """The number of last ids that a Draft needs."""
        config = self.config
        return max(config.penalty_window, config.no_repeat_ngram or 0, self.longest_stop)

    def masks(self, drafts: Sequence["Draft"]) -> tuple[Mask | None, Mask | None]:
        """Return the ids that are allowed next, and those that are recent: (V,) or (B, V).

        None if all ids are allowed, or if there is no repetition penalty.
        """
        if not self.context_dependent:
            return self.allowed, None
        allowed = np.stack([draft.allowed() for draft in drafts])
        if self.config.repetition_penalty is None:
            return allowed, None
        return allowed, np.stack([draft.recent() for draft in drafts])

    def counts(self, drafts: Sequence["Draft"]) -> Counts | None:
        """Return how often each id came (B, V); None if no penalty asks."""
        if not self.config.penalizes_counts:
            return None
        return np.stack([draft.counts() for draft in drafts])

    def filtered(
        self, logits: Logits, allowed: Mask | None, recent: Mask | None, counts: Counts | None
    ) -> Logits:
        """Return the logits (B, V) after all filters, in float64."""
        masks: dict[str, Any] = {"allowed": allowed, "recent": recent, "counts": counts}
        return apply_filters(logits, **masks, **self._filters, min_p=self.config.min_p)

    @cached_property
    def native_filters(self) -> native_choice.Filters | None:
        """The same filters in C, with the same bits; None where it is not available."""
        if not native_choice.available():
            return None
        min_p = self.config.min_p
        log_min_p = None if min_p is None else float(log(min_p))
        return native_choice.Filters(self.vocabulary_size, **self._filters, log_min_p=log_min_p)

    @property
    def _filters(self) -> dict[str, Any]:
        return {"bias": self.bias} | {name: getattr(self.config, name) for name in _SHARED}


_Pieces = tuple["_Pieces | None", list[int]]
"""A linked list of the pieces of a text, from the last to the first."""


class Draft:
    """The ids of a text while it is being generated.

    Attributes:
        ids: the last ids of the prompt and of the text, as many as the constraints need.
        made: the number of ids generated.
        end: the number of these that belong to the text once it has ended, without the stop string.
        stop_reason: `length`, `stop` or `match`; None before the text has ended.
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
        # The ids generated before the last copy, in pieces that all copies share.
        self._earlier: _Pieces | None = None
        self._copied = 0
        if constraints.config.length == 0:
            self.stop_reason = "length"
        elif self._matched():
            self.stop_reason = "match"

    def complete(self) -> bool:
        """Return whether the text matches the pattern and may end here without a newline."""
        automaton = self.constraints.automaton
        return (
            automaton is not None
            and self.constraints.newline is None
            and automaton.accepts(self._state)
        )

    def finish(self) -> None:
        """End the text here. It must be `complete`."""
        self._finish("match", 0)

    def copy(self) -> "Draft":
        """Return a copy. The time this takes grows with the ids added since the last copy only."""
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
        """Add the next id. Returns the stop reason if the text ends with it."""
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
        """Add several ids, only the last of which may end the text.

        Requires that no constraint is `context_dependent`.
        """
        self.ids += choices[:-1]
        self.made += len(choices) - 1
        return self.add(choices[-1])

    def add_written(self, ids: Sequence[int], reason: str | None, cut: int) -> None:
        """Add ids that C has written, and the end of the text, of which the last `cut` ids are no
        part, if there is a stop reason."""
        self.ids += ids
        self.made += len(ids)
        if reason is not None:
            self._finish(reason, cut)

    def allowed(self) -> Mask:
        """Return the ids that are allowed next (V,)."""
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
        """Return the ids (V,) after which the text can still match the pattern, or that end its
        line."""
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
        """Return the ids within the repetition window (V,)."""
        recent = np.zeros(self.constraints.vocabulary_size, dtype=np.bool_)
        recent[self.ids[-self.constraints.config.repetition_window :]] = True
        return recent

    def counts(self) -> Counts:
        """Return how often each id (V,) was generated within the repetition window."""
        count = min(self.made, self.constraints.config.repetition_window)
        ids = np.array(self.ids[len(self.ids) - count :], dtype=np.intp)
        return np.bincount(ids, minlength=self.constraints.vocabulary_size).astype(np.uint32)

    def held_back(self) -> int:
        """Return how many of the last ids may still become a stop string."""
        if not self.ids or self.ids[-1] not in self.constraints.stop_ids:
            return 0
        most = min(self.made, self.constraints.longest_stop - 1)
        return begun_stop(self.ids, most, self.constraints.stops)

    def settled_ids(self, choices: Iterable[int]) -> Iterator[int]:
        """Yield the ids that certainly belong to the text, which excludes a possible stop string.

        Args:
            choices: the next ids, each of which is already added to this draft when it is yielded.
        """
        return chain.from_iterable(self.settled_pieces([choice] for choice in choices))

    def settled_pieces(self, pieces: Iterable[Sequence[int]]) -> Iterator[list[int]]:
        """Yield the same of ids that come in pieces, in pieces."""
        waiting: list[int] = []
        given = 0
        for piece in pieces:
            waiting += piece
            ended = self.stop_reason is not None
            ready = self.end - given if ended else len(waiting) - self.held_back()
            if ready:
                yield waiting[:ready]
            given += ready
            del waiting[:ready]
            self.forget()

    def forget(self) -> None:
        """Drop ids that no constraint needs any more."""
        if len(self.ids) > 1024 + 2 * self.constraints.lookback:
            del self.ids[: len(self.ids) - self.constraints.lookback]

    def text_ids(self) -> list[int]:
        """Return the ids of a text that has ended. Call it only if `forget` was never called."""
        pieces = [self.ids[len(self.ids) - (self.made - self._copied) :]]
        earlier = self._earlier
        while earlier is not None:
            earlier, piece = earlier
            pieces.append(piece)
        return list(chain.from_iterable(reversed(pieces)))[: self.end]

    def _tail(self) -> list[int]:
        """Return the last ids that the constraints need."""
        return self.ids[max(len(self.ids) - self.constraints.lookback, 0) :]

    def _matched(self) -> bool:
        """Return whether the text matches the pattern and no longer text does."""
        automaton, length = self.constraints.automaton, self.constraints.config.length
        if automaton is None or not self.complete():
            return False
        remaining = None if length is None else length - self.made
        return not automaton.allowed(self._state, remaining).any()

    def _finish(self, reason: str, cut: int) -> str:
        """End the text without its last `cut` ids."""
        self.stop_reason, self.end = reason, self.made - cut
        return reason

    def _ends_with(self, stop: tuple[int, ...]) -> bool:
        """Return whether the generated ids (without the prompt) end with these."""
        return self.made >= len(stop) and tuple(self.ids[len(self.ids) - len(stop) :]) == stop
