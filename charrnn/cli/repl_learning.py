"""What a REPL learns from its user: adaptation changes the weights a memory does not."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Final

from charrnn.cli import repl_adaptation, repl_memory
from charrnn.cli.repl_adaptation import Adaptation
from charrnn.cli.repl_memory import TypedMemory
from charrnn.errors import ConfigError
from charrnn.generation.sampler import Sampler
from charrnn.training.training_text import read_training_text

CHOICES: Final = {"adapt": repl_adaptation.CHOICES, "memory": repl_memory.CHOICES}
"""For `/adapt` and `/memory`, their arguments."""


class Learning:
    """The adaptation and the memory of a sampler, which choose its engine.

    Args:
        sampler: the sampler.
        directory: the directory of its model, which may say where the training text is; None for a
            model in memory.
        adapt, memory: whether each is on.
    """

    def __init__(
        self, sampler: Sampler, directory: Path | None, *, adapt: bool = False, memory: bool = False
    ) -> None:
        self.memory = TypedMemory(sampler, partial(read_training_text, directory))
        self.memory.switch(memory)
        self.adaptation = Adaptation(sampler, on=adapt, engine_with=self.memory.engine_with)

    @property
    def descriptions(self) -> dict[str, str]:
        """Whether each is on, and how much it learned, as text for people."""
        return {"adapt": self.adaptation.description, "memory": self.memory.description}

    def learn_before(self, before: str, typed: str, *, lines: bool) -> None:
        """Learn from typed text that is about to be written; see Adaptation.learn."""
        self.adaptation.learn(before, typed, lines=lines)

    def learn_after(self, before: str, typed: str, *, lines: bool) -> None:
        """Learn from typed text that was written; see TypedMemory.learn."""
        self.memory.learn(before, typed, lines=lines)

    def change(self, name: str, argument: str, typed: Iterable[str], *, lines: bool) -> None:
        """Switch one of them on or off, or let it forget. Raises ConfigError.

        Args:
            name, argument: a key of CHOICES, and one of its arguments.
            typed: what was typed so far, which a new memory learns.
            lines: SamplingConfig.lines.
        """
        if argument not in CHOICES[name]:
            raise ConfigError(f"/{name} {argument}: choose one of {', '.join(CHOICES[name])}")
        changed = self.adaptation if name == "adapt" else self.memory
        if argument == "forget":
            changed.forget()
        else:
            is_new = changed is self.memory and argument == "on" and self.memory.is_empty
            changed.switch(argument == "on")
            self.adaptation.use()  # what the memory learns from
            for text in typed if is_new else ():
                self.learn_after("", text, lines=lines)
        self.adaptation.use()
