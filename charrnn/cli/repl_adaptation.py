"""Adaptation of a REPL's model to what is typed. The model on disk does not change."""

from collections.abc import Callable
from typing import Final

from charrnn.engines import Engine
from charrnn.evaluation.dynamic_evaluation import Adapter
from charrnn.generation.sampler import Sampler

CONTEXT: Final = 500
"""Characters that the model reads as context before it learns from the text typed after them."""

CHOICES: Final = {
    "on": "learn from what you type",
    "off": "use the model as it was trained",
    "forget": "discard what was learned",
}
"""The arguments of `/adapt` and their help."""


class Adaptation:
    """A sampler whose model learns from the text that its user types, while switched on.

    What was learned is kept when adaptation is switched off, and used again when it is switched on.

    Args:
        sampler: the sampler, whose engine is replaced by that of the adapted model.
        engine_with: returns the engine to use for that of a network; None: the same.

    Attributes:
        on: whether the model learns, and the sampler uses what it has learned.
    """

    def __init__(
        self,
        sampler: Sampler,
        *,
        on: bool = False,
        engine_with: Callable[[Engine], Engine] | None = None,
    ) -> None:
        self.on = False
        self._engine_with = engine_with
        self._sampler = sampler
        self._trained = sampler.engine
        self._adapter: Adapter | None = None
        self.switch(on)

    @property
    def learned(self) -> int:
        """The number of characters learned from."""
        return self._adapter.learned if self._adapter is not None else 0

    @property
    def description(self) -> str:
        """Whether adaptation is on, and how much was learned, as text for people."""
        return f"{'on' if self.on else 'off'}, {self.learned:,} characters learned"

    def switch(self, on: bool) -> None:
        """Switch adaptation on or off."""
        self.on = on
        if on and self._adapter is None:
            self._adapter = Adapter(self._sampler.model)
        self.use()

    def forget(self) -> None:
        """Discard what was learned."""
        self._adapter = None
        self.switch(self.on)

    def learn(self, before: str, typed: str, *, lines: bool) -> None:
        """Learn from text that was typed, if adaptation is on.

        Args:
            before: the end of the text before it; known characters only.
            typed: the typed text; known characters only.
            lines: SamplingConfig.lines.
        """
        if not self.on or not typed:
            return
        assert self._adapter is not None
        self._adapter.begin(self._sampler.prompt_ids(before, lines=lines))
        self._adapter.read(self._sampler.model.tokenizer.encode(typed))
        self._adapter.finish()
        self.use()

    def use(self) -> None:
        """Set the sampler's engine to that of the adapted or the trained model."""
        engine = self._trained
        if self.on and self.learned:
            assert self._adapter is not None
            engine = self._sampler.new_engine(self._adapter.adapted())
        self._sampler.engine = engine if self._engine_with is None else self._engine_with(engine)
