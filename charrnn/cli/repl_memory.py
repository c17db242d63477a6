"""The memory of a REPL: what was typed is expected again at once, without a step of learning.

It lasts as long as the REPL does; nothing is written to disk.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from charrnn.cli.display import time_left, warn
from charrnn.data.corpus import newline_id
from charrnn.engines import Engine
from charrnn.engines.memory import Memory
from charrnn.evaluation.memory_scoring import score_with_memory
from charrnn.evaluation.primed_memory import primed_memory
from charrnn.generation.memory_engine import MemoryEngine
from charrnn.generation.sampler import Sampler
from charrnn.training.training_text import TrainingText

CHOICES: Final = {
    "on": "expect what you typed before",
    "off": "use the network alone",
    "forget": "discard what was typed",
}
"""The arguments of `/memory` and their help."""


_HELD_OUT: Final = 20_000
"""The ids of the held-out text on which mixture weights are learned."""

_CHUNK: Final = 512


class TypedMemory:
    """A memory of the training text and of what the user of a sampler types, while switched on.

    What was typed is kept when the memory is switched off, and used again when it is switched on.

    Args:
        sampler: the sampler, whose engine is a MemoryEngine while the memory is on.
        read: returns the training text, once it is needed.

    Attributes:
        on: whether the memory learns and predicts.
        typed: the number of characters that were typed.
    """

    def __init__(self, sampler: Sampler, read: Callable[[], TrainingText]) -> None:
        self.on, self.typed = False, 0
        self._sampler, self._read = sampler, read
        self._memory: Memory | None = None
        self._text: TrainingText | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever typed while it was on."""
        return self._memory is None

    @property
    def description(self) -> str:
        """Whether the memory is on, and how much was typed, as text for people."""
        return f"{'on' if self.on else 'off'}, {self.typed:,} typed characters remembered"

    def switch(self, on: bool) -> None:
        """Switch the memory on or off. `engine_with` is used from then on."""
        self.on = on
        if on and self._memory is None:
            self._memory = self._without_typed()

    def forget(self) -> None:
        """Discard what was typed."""
        self.typed = 0
        if self._memory is not None:
            self._memory = self._without_typed()

    def engine_with(self, engine: Engine) -> Engine:
        """Return the engine for a network: with the memory, if it is on."""
        if not self.on:
            return engine
        assert self._memory is not None
        return MemoryEngine(engine, self._memory)

    def learn(self, before: str, typed: str, *, lines: bool) -> None:
        """Remember text that was typed, if the memory is on.

        Args:
            before: the end of the text before it; known characters only.
            typed: the typed text; known characters only.
            lines: SamplingConfig.lines.
        """
        engine = self._sampler.engine
        if not typed or not isinstance(engine, MemoryEngine):
            return
        tokenizer = self._sampler.model.tokenizer
        ids = [int(i) for i in tokenizer.encode(typed)]
        if lines and (newline := newline_id(tokenizer)) is not None:
            ids.append(newline)
        *context, last = self._sampler.prompt_ids(before, lines=lines)
        state = engine.engine.read([context], None) if context else None
        inputs = [last, *ids[:-1]]
        for begin in range(0, len(ids), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            logits, state = engine.engine.advance([inputs[part]], state)
            engine.memory.score(np.array(ids[part]), logits[0])
        self.typed += len(typed)

    def _without_typed(self) -> Memory:
        """Return a memory of the training text. Its mixture weights have been learned on the
        held-out text, which the network has not learned by heart."""
        if self._text is None:
            self._text = self._read()
            if self._text.training is None:
                warn(f"the memory begins empty, without the training text: {self._text.problem}")
        model = self._sampler.model
        with time_left("remembering the training text") as progress:
            memory = primed_memory(model.tokenizer, self._text.training, progress=progress)
            held_out = self._text.validation
            if held_out is not None and len(held_out) > 1:
                engine = self._sampler.new_engine(model)
                score_with_memory(engine, memory, held_out[:_HELD_OUT], progress)
        return memory
