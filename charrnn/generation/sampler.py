"""Sampling: prompts in, text out.

`SampleStream` is one text as it comes, a character at a time; `Sampler.samples` makes many side by
side. Both write the same text for the same seed and index (with an engine whose lanes do not
depend on each other, as the CPU's do not).

Legend: B lanes, V vocabulary.
"""

import math
import warnings
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from charrnn.ambient import as_usual, stepwise, usual_numpy
from charrnn.data.corpus import newline_id
from charrnn.data.tokenizer import check_text
from charrnn.engines import ENGINES, Engine, best_engine
from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.generation.batch import make_samples
from charrnn.generation.config import SamplingConfig
from charrnn.generation.constraints import Draft, Rules
from charrnn.generation.draw import (
    EncodedPrompt,
    Sample,
    check_not_endless,
    choose,
    log_probabilities,
)
from charrnn.generation.randomness import sample_keys, uniforms
from charrnn.generation.smc import steered_sample
from charrnn.generation.unwritable import dropped
from charrnn.storage.model_directory import Model
from charrnn.storage.run_lookup import load

_BLOCK: Final = 64
"""Random numbers made at once for a single stream."""


class SampleStream:
    """One sample in the making: iterate over it for pieces of text as they come.

    Attributes:
        nats: the negative log-likelihood, under the model, of the characters made so far; NaN when
            it was not asked for.
        log_probabilities: of each of them, newest last; kept when it was asked for.
        characters: how many were made.
        stop_reason: `length`, `stop` or `match`; None while it is being made.
    """

    def __init__(
        self,
        sampler: "Sampler",
        opening: EncodedPrompt,
        rules: Rules,
        index: int,
        *,
        score: bool,
        log_probabilities: bool,
    ) -> None:
        self.nats = 0.0 if score else math.nan
        self.log_probabilities: list[float] = []
        self._score, self._keep_log_probabilities = score, log_probabilities
        self._sampler = sampler
        self._opening = opening
        self._index = index
        self._key = sample_keys(rules.config.seed, [index])
        self._draft = Draft(rules, opening.ids)

    @property
    def characters(self) -> int:
        """How many were made."""
        return self._draft.made

    @property
    def rules(self) -> Rules:
        """What its configuration means."""
        return self._draft.rules

    @property
    def stop_reason(self) -> str | None:
        """Why it ended; None while it is being made."""
        return self._draft.stop_reason

    def __iter__(self) -> Iterator[str]:
        if self._draft.rules.automaton is not None:
            return stepwise(self._steered(), usual_numpy)
        return stepwise(self._sampler.model.tokenizer.decode_stream(self._ids()), usual_numpy)

    def _steered(self) -> Iterator[str]:
        """The whole text at once: until it has ended, nobody knows how it begins."""
        sampler, opening = self._sampler, self._opening
        tokenizer = sampler.model.tokenizer
        sample = steered_sample(
            sampler.engine, tokenizer, opening, self._draft, self._index, score=self._score
        )
        self._draft.made, self._draft.stop_reason = sample.characters, sample.stop_reason
        self.nats = sample.nats
        if self._keep_log_probabilities:
            self.log_probabilities = list(sample.log_probabilities)
        if sample.text:
            yield sample.text

    def _ids(self) -> Iterator[int]:
        """The ids of the text; what may yet become a stop string is held back."""
        draft, given = self._draft, 0
        held: list[int] = []
        for choice in self._choices():
            held.append(choice)
            ready = len(held) - draft.held()
            if draft.stop_reason is not None:
                ready = draft.end - given
            yield from held[:ready]
            given += ready
            del held[:ready]
            draft.forget()

    def _choices(self) -> Iterator[int]:
        draft, rules = self._draft, self._draft.rules
        lanes = self._sampler.engine.lanes(1)
        lanes.put(0, self._opening.state)
        ids = np.array([self._opening.ids[-1]], dtype=np.intp)
        position, block = 0, np.empty(0)
        while draft.stop_reason is None:
            logits = lanes.step(ids)
            if position % _BLOCK == 0:
                positions = np.arange(position, position + _BLOCK, dtype=np.uint64)
                block = uniforms(self._key, positions)[:, None]  # (_BLOCK, 1)
            ids = choose(logits, rules, [draft], block[position % _BLOCK])
            position += 1
            choice = int(ids[0])
            if self._score:
                likely = float(log_probabilities(logits, ids)[0])
                self.nats -= likely
                if self._keep_log_probabilities:
                    self.log_probabilities.append(likely)
            draft.add(choice)
            yield choice


class Sampler:
    """A model, ready to write.

    Args:
        model: read from disk.
        engine: the entry of ENGINES that runs it, or one that runs already; None: the fastest that
            needs no torch.

    Raises ModelError when the model is not one to generate.
    """

    @as_usual
    def __init__(self, model: Model, engine: str | Engine | None = None) -> None:
        model.require("generate")
        self.model = model
        if engine is None:
            self.engine: Engine = best_engine(model)
        else:
            self.engine = ENGINES[engine](model) if isinstance(engine, str) else engine

    @as_usual
    def stream(
        self,
        prompt: str | EncodedPrompt = "",
        config: SamplingConfig | None = None,
        *,
        index: int = 0,
        score: bool = True,
        log_probabilities: bool = False,
    ) -> SampleStream:
        """Sample `index` of `config.seed`, as it comes; without the prompt.

        Args:
            score: keep count of its nats.
            log_probabilities: keep those of every character as well.

        Raises UnknownCharacterError when the prompt has characters the model has never seen,
        ConfigError when nothing that the configuration allows can be written, or the end that it
        asks for can never come. CharRNNWarning says what of the configuration has no effect.
        """
        config = config or SamplingConfig()
        if not isinstance(prompt, EncodedPrompt):
            prompt = self.opening(prompt, lines=config.lines)
        rules = self.rules(config)
        return SampleStream(
            self, prompt, rules, index, score=score, log_probabilities=log_probabilities
        )

    @as_usual
    def samples(
        self,
        prompt: str | EncodedPrompt = "",
        config: SamplingConfig | None = None,
        *,
        indices: Iterable[int],
        score: bool = False,
        batch_size: int = 256,
        threads: int | None = None,
    ) -> Generator[Sample, None, None]:
        """The samples of these indices, in their order; many are made side by side.

        Args:
            indices: may be endless; close the iterator when there are enough.
            score: give log-probabilities and nats as well.
            batch_size: how many a thread makes side by side.
            threads: None: as many as there are cores, for an engine on the CPU.

        Raises as `stream` does; and ConfigError where nothing says that a text ends.
        """
        config = config or SamplingConfig()
        _require_end(config)
        for name, value in (("batch size", batch_size), ("threads", threads)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} {value}: choose 1 or above")
        if not isinstance(prompt, EncodedPrompt):
            prompt = self.opening(prompt, lines=config.lines)
        rules = self.rules(config)
        samples = make_samples(
            self.engine, self.model.tokenizer, prompt, rules, indices, score, batch_size, threads
        )
        return stepwise(samples, usual_numpy)

    def sample(
        self, prompt: str = "", config: SamplingConfig | None = None, *, index: int = 0
    ) -> str:
        """The whole of `stream` at once. Raises ConfigError where nothing says that it ends."""
        config = config or SamplingConfig()
        _require_end(config)
        stream, pieces = self.stream(prompt, config, index=index, score=False), []
        for piece in stream:
            pieces.append(piece)
            check_not_endless(stream.rules, index, stream.characters)
        return "".join(pieces)

    def rules(self, config: SamplingConfig) -> Rules:
        """What a configuration means for this model, after a CharRNNWarning for what of it has no
        effect, as the model can never write it. Raises ConfigError."""
        rules = Rules(config, self.model.tokenizer)
        for line in dropped(config, self.model.tokenizer):
            warnings.warn(line, CharRNNWarning, stacklevel=3)
        return rules

    @as_usual
    def opening(self, prompt: str = "", *, lines: bool = False) -> EncodedPrompt:
        """Where a text after a prompt begins. Raises UnknownCharacterError."""
        ids = self.prompt_ids(prompt, lines=lines)
        state = None
        if len(ids) > 1:
            state = self.engine.read([ids[:-1]], None)
        return EncodedPrompt(state, ids)

    def prompt_ids(self, prompt: str, *, lines: bool = False) -> list[int]:
        """What the model reads before it writes: never nothing."""
        check_text(prompt, "the prompt")
        tokenizer = self.model.tokenizer
        ids = [int(i) for i in tokenizer.encode(prompt)]
        if lines or not ids:
            # A text begins as if after a newline; where there is none in the alphabet, a space.
            newline = newline_id(tokenizer)
            space = None if tokenizer.unknown(" ") else int(tokenizer.encode(" ")[0])
            beginning = newline if newline is not None else space if space is not None else 0
            ids.insert(0, beginning)
        return ids


def _require_end(config: SamplingConfig) -> None:
    """Raises ConfigError where texts are wanted whole that would never end."""
    if config.length is None and not config.stops and config.regex is None:
        raise ConfigError(
            "without a length, give stop, lines or regex, so that every text ends; or stream it"
        )


@as_usual
def load_sampler(model: str | Path | None = None, *, engine: str | None = None) -> Sampler:
    """The sampler of a model directory, a run (its best model), or the newest run.

    Raises ModelError.
    """
    return Sampler(load(model), engine)


@as_usual
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
