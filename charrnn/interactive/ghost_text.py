"""GhostText: the greedy continuation of a text while a person types it.

Legend: V vocabulary.
"""

from collections.abc import Iterator
from typing import NamedTuple

from charrnn.data.corpus import newline_id
from charrnn.data.tokenizer import whole_text
from charrnn.engines import Array, State
from charrnn.generation.sampler import Sampler
from charrnn.interactive.kept_states import KeptStates


class GhostText:
    """The likeliest continuation of a text that is being typed.

    The common beginning of two requests is read once, and a predicted character that is then typed
    is not read again. Each iteration takes one step of the engine, so that it can be abandoned
    soon. The manuscript is not changed. An instance is for one thread at a time.

    Args:
        sampler: the sampler of the model.
        logits: (1, V) after the text before the typed part; None if there is no such text.
        state: the state at the same place.
        lines: Manuscript.lines.
    """

    def __init__(
        self, sampler: Sampler, logits: Array | None, state: State | None, *, lines: bool
    ) -> None:
        self._sampler = sampler
        self._lines = lines
        self._begin = None if logits is None else (state, int(logits.argmax()))
        self._newline = newline_id(sampler.model.tokenizer)
        self._path: list[_Step] = []
        self._states = KeptStates()

    def continuations(self, typed: str, count: int) -> Iterator[str]:
        """Yield the growing continuation of the typed text, up to a newline or `count` ids.

        Characters that the model has never seen are skipped.
        """
        tokenizer, path = self._sampler.model.tokenizer, self._path
        typed = tokenizer.without_unknown(typed)
        if self._begin is None:
            ids = self._sampler.prompt_ids(typed, lines=self._lines)
        else:
            ids = [int(i) for i in tokenizer.encode(typed)]
        for position, i in enumerate(ids):
            if self._step(position, i):
                yield ""
        text = ""
        for position in range(len(ids), len(ids) + count):
            if position:
                likeliest = path[position - 1].likeliest
            else:
                assert self._begin is not None
                likeliest = self._begin[1]
            if likeliest == self._newline:
                break
            self._step(position, likeliest)
            text = whole_text(tokenizer, [step.id for step in path[len(ids) : position + 1]])
            yield text

    def _step(self, position: int, i: int) -> bool:
        """Read an id at a position of the path. Returns False if it was read already."""
        path = self._path
        if position < len(path) and path[position].id == i:
            return False
        self._states.truncate(position, len(path))
        del path[position:]
        engine = self._sampler.engine
        nearest, before = self._states.nearest(position)
        if nearest == 0 and self._begin is not None:
            before = self._begin[0]
        if nearest < position:
            before = engine.read([[step.id for step in path[nearest:]]], before)
        logits, state = engine.advance([[i]], before)
        path.append(_Step(i, int(logits[0, -1].argmax())))
        self._states.keep(position + 1, state)
        return True


class _Step(NamedTuple):
    """An id of the path, and the likeliest id after it."""

    id: int
    likeliest: int
