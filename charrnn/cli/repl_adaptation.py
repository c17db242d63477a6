"""Adaptation: what the model of a REPL learns from what is typed. On disk, nothing changes."""

from typing import Final

from charrnn.engines import best_engine
from charrnn.evaluation.dynamic_evaluation import Adapter
from charrnn.generation.sampler import Sampler

CONTEXT: Final = 500
"""Characters that the model looks back at before it learns from what is typed after them."""

CHOICES: Final = {
    "on": "learn from what you type",
    "off": "write as it was trained",
    "forget": "drop what was learned",
}
"""What may follow `/adapt`, and its meaning."""


class Adaptation:
    """A sampler whose model learns from its writer, while it is switched on.

    What was learned stays when it is switched off, for when it is on again.

    Args:
        sampler: it writes with what was learned from then on.

    Attributes:
        on: whether it learns, and writes with what it has learned.
    """

    def __init__(self, sampler: Sampler, *, on: bool = False) -> None:
        self.on = False
        self._sampler = sampler
        self._trained = sampler.engine
        self._adapter: Adapter | None = None
        self.switch(on)

    @property
    def learned(self) -> int:
        """How many characters it has learned from."""
        return self._adapter.learned if self._adapter is not None else 0

    @property
    def description(self) -> str:
        """Whether it is on, and how much it has learned, for people."""
        return f"{'on' if self.on else 'off'}, {self.learned:,} characters learned"

    def switch(self, on: bool) -> None:
        """Writes with what was learned, and learns more; or writes as it was trained."""
        self.on = on
        if on and self._adapter is None:
            self._adapter = Adapter(self._sampler.model)
        self._use()

    def forget(self) -> None:
        """Drops what was learned: the model is as it was trained."""
        self._adapter = None
        self.switch(self.on)

    def learn(self, before: str, typed: str, *, lines: bool) -> None:
        """Learns from what was typed, where it is on.

        Args:
            before: the end of the text that it was typed after, known characters only.
            typed: known characters only.
            lines: as SamplingConfig has it.
        """
        if not self.on or not typed:
            return
        assert self._adapter is not None
        self._adapter.begin(self._sampler.prompt_ids(before, lines=lines))
        self._adapter.read(self._sampler.model.tokenizer.encode(typed))
        self._adapter.finish()
        self._use()

    def _use(self) -> None:
        """Gives the sampler the engine of what is to write."""
        if self.on and self.learned:
            assert self._adapter is not None
            self._sampler.engine = best_engine(self._adapter.adapted())
        else:
            self._sampler.engine = self._trained
