"""Sampling: prompts in, text out, a character at a time.

Everything streams; what collects is a loop over the stream. Sample `index` of a seed is the same
text whether it is made alone or among others: each has a random generator of its own, and is
computed by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.data.corpus import newline_id
from charrnn.errors import ConfigError, ModelError
from charrnn.generation.engines import ENGINES, Engine
from charrnn.generation.filters import apply_filters, check_filters, draw, probabilities
from charrnn.storage.model_directory import Model
from charrnn.storage.run import load


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How to sample. Raises ConfigError when a setting is out of range.

    Attributes:
        length: characters to make at most (bytes, under a byte tokenizer); None: without end.
        temperature: below 1 bolder guesses give way to safer ones; 0 is greedy.
        top_k: choose among the k likeliest only.
        top_p: choose among the likeliest that together reach this probability.
        stop: end before any of these strings.
        lines: begin as after a newline, and end before the next.
        seed: of the random choices.
    """

    length: int | None = 500
    temperature: float = 0.8
    top_k: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    lines: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_filters(self.temperature, self.top_k, self.top_p)
        if self.length is not None and self.length < 0:
            raise ConfigError(f"length {self.length}: choose 0 or above")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}: choose 0 or above")
        if isinstance(self.stop, str):
            raise ConfigError(f"stop: give a tuple of strings, such as ({self.stop!r},)")
        if "" in self.stop:
            raise ConfigError("a stop string is empty; leave it out")


class SampleStream:
    """One sample in the making: iterate over it for pieces of text as they come.

    Attributes:
        nats: the negative log-likelihood, under the model, of the characters made so far.
        characters: how many were made.
        stop_reason: `length` or `stop`; None while it is being made.
    """

    def __init__(self, sampler: "Sampler", prompt: str, config: SamplingConfig, index: int) -> None:
        self.nats = 0.0
        self.characters = 0
        self.stop_reason: str | None = None
        self._sampler, self._config = sampler, config
        self._prompt = sampler.prompt_ids(prompt, lines=config.lines)
        self._generator = np.random.default_rng([config.seed, index])

    def __iter__(self) -> Iterator[str]:
        stops = (*self._config.stop, "\n", "\r\n") if self._config.lines else self._config.stop
        pending = ""
        for text in self._sampler.model.tokenizer.decode_stream(self._ids()):
            pending += text
            if any(stop in pending for stop in stops):
                self.stop_reason = "stop"
                pending = pending[: min(i for stop in stops if (i := pending.find(stop)) >= 0)]
                break
            # What may yet become a stop string is held back.
            held = max((_overlap(pending, stop) for stop in stops), default=0)
            ready, pending = pending[: len(pending) - held], pending[len(pending) - held :]
            if ready:
                yield ready
        else:
            self.stop_reason = "length"
        if pending:
            yield pending

    def _ids(self) -> Iterator[int]:
        config, engine = self._config, self._sampler.engine
        logits, state = engine.advance([self._prompt], None)
        while config.length is None or self.characters < config.length:
            last = logits[0, -1]
            if not np.isfinite(last).all():
                raise ModelError("the model's weights are so large that its numbers overflow")
            allowed = apply_filters(
                last, temperature=config.temperature, top_k=config.top_k, top_p=config.top_p
            )
            choice = draw(allowed, self._generator.random())
            self.nats -= float(np.log(probabilities(last)[choice]))
            self.characters += 1
            yield choice
            logits, state = engine.advance([[choice]], state)


class Sampler:
    """A model, ready to write.

    Args:
        model: read from disk.
        engine: the entry of ENGINES that runs it, or one that runs already.
    """

    def __init__(self, model: Model, engine: str | Engine = "numpy") -> None:
        self.model = model
        self.engine = ENGINES[engine](model) if isinstance(engine, str) else engine

    def stream(
        self, prompt: str = "", config: SamplingConfig | None = None, *, index: int = 0
    ) -> SampleStream:
        """Sample `index` of `config.seed`, as it comes; without the prompt.

        Raises UnknownCharacterError when the prompt has characters the model has never seen.
        """
        return SampleStream(self, prompt, config or SamplingConfig(), index)

    def sample(
        self, prompt: str = "", config: SamplingConfig | None = None, *, index: int = 0
    ) -> str:
        """The whole of `stream` at once."""
        return "".join(self.stream(prompt, config, index=index))

    def prompt_ids(self, prompt: str, *, lines: bool = False) -> list[int]:
        """What the model reads before it writes: never nothing."""
        tokenizer = self.model.tokenizer
        ids = [int(i) for i in tokenizer.encode(prompt)]
        if lines or not ids:
            # A text begins as if after a newline; where there is none in the alphabet, a space.
            newline = newline_id(tokenizer)
            space = None if tokenizer.unknown(" ") else int(tokenizer.encode(" ")[0])
            beginning = newline if newline is not None else space if space is not None else 0
            ids.insert(0, beginning)
        return ids


def load_sampler(model: str | Path | None = None, *, engine: str = "numpy") -> Sampler:
    """The sampler of a model directory, a run (its best model), or the newest run.

    Raises ModelError.
    """
    return Sampler(load(model), engine)


def sample(
    model: str | Path | None = None,
    prompt: str = "",
    *,
    index: int = 0,
    **settings: object,
) -> str:
    """Text from a model; `settings` are those of SamplingConfig.

    >>> charrnn.sample("checkpoints/fables", "The fox", length=200, temperature=0.7)

    Raises ModelError, ConfigError, UnknownCharacterError.
    """
    return load_sampler(model).sample(prompt, SamplingConfig(**settings), index=index)  # type: ignore[arg-type]


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of the text that is a beginning of the stop string."""
    return next(
        (n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0
    )
