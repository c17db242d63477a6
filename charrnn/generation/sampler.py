"""Sampler: generates text with a model.

`Sampler.stream` writes one text, which can be read while it is written. `Sampler.samples` writes
many side by side. Both write the same text for the same seed and index, with any engine whose lanes
are independent, as they are on the CPU.
"""

import warnings
from collections.abc import Generator, Iterable

from charrnn.ambient import as_usual, stepwise, usual_numpy
from charrnn.data.corpus import newline_id
from charrnn.data.tokenizer import check_text
from charrnn.engines import ENGINES, Engine, check_engine
from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.generation.config import DEFAULT_ENGINE, SamplingConfig
from charrnn.generation.constraints import Constraints
from charrnn.generation.draw import check_not_endless
from charrnn.generation.ineffective_settings import ineffective_settings
from charrnn.generation.request import EncodedPrompt, GenerationRequest, Sample
from charrnn.generation.stream import SampleStream
from charrnn.generation.writers import write_samples
from charrnn.storage.model_directory import Model


class Sampler:
    """A model and an engine that generate text.

    Args:
        model: a model, as `read_model` or `load` returns it.
        engine: `int8`, `float32` (the fastest one that needs no torch), another entry of ENGINES,
            or an engine; None takes DEFAULT_ENGINE.

    Attributes:
        engine_name: the name given; of an engine that was given, its precision; or DEFAULT_ENGINE.

    Raises ModelError when the model is not a language model, ConfigError for an unknown engine.
    """

    @as_usual
    def __init__(self, model: Model, engine: str | Engine | None = None) -> None:
        model.require("generate")
        self.model = model
        self.engine: Engine
        if engine is None or isinstance(engine, str):
            self.engine_name = engine or DEFAULT_ENGINE
            self.engine = self.new_engine(model)
        else:
            self.engine_name, self.engine = engine.precision, engine

    def new_engine(self, model: Model) -> Engine:
        """Return an engine of the chosen kind for a model, such as one that has learned more."""
        check_engine(self.engine_name)
        return ENGINES[self.engine_name](model)

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
        """Return a stream of the pieces of one sample, without the prompt.

        Args:
            prompt: the beginning of the text.
            config: the sampling settings.
            index: which sample of `config.seed` to write.
            score: whether to add up its nats.
            log_probabilities: whether to keep the log-probability of every character.

        Raises UnknownCharacterError when the prompt has characters the model has never seen,
        ConfigError when the configuration allows no text, or an end that can never come. Warns with
        CharRNNWarning of settings without effect.
        """
        request = self.request(prompt, config or SamplingConfig(), score=score)
        return SampleStream(request, index, keep_log_probabilities=log_probabilities)

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
        """Yield the samples of these indices, in their order, many of them computed side by side.

        Args:
            prompt: the beginning of the texts.
            config: the sampling settings.
            indices: may be endless; close the iterator to end.
            score: whether to compute log-probabilities and nats.
            batch_size: the number of samples that a thread writes side by side.
            threads: None takes as many as this process may use, for an engine on the CPU.

        Raises as `stream` does, and ConfigError when a text would never end.
        """
        config = config or SamplingConfig()
        config.require_end()
        for name, value in (("batch size", batch_size), ("threads", threads)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} {value}: choose 1 or above")
        request = self.request(prompt, config, score=score)
        samples = write_samples(request, indices, batch_size=batch_size, threads=threads)
        return stepwise(samples, usual_numpy)

    def sample(
        self, prompt: str = "", config: SamplingConfig | None = None, *, index: int = 0
    ) -> str:
        """Return the whole text of `stream`. Raises ConfigError when it would never end."""
        config = config or SamplingConfig()
        config.require_end()
        stream, pieces = self.stream(prompt, config, index=index, score=False), []
        for piece in stream:
            pieces.append(piece)
            check_not_endless(stream.constraints, index, stream.characters)
        return "".join(pieces)

    def request(
        self, prompt: str | EncodedPrompt, config: SamplingConfig, *, score: bool = False
    ) -> GenerationRequest:
        """Read the prompt and compile the configuration for the writers.

        Raises and warns as `stream` does.
        """
        if not isinstance(prompt, EncodedPrompt):
            prompt = self.encode_prompt(prompt, lines=config.lines)
        tokenizer = self.model.tokenizer
        constraints = Constraints(config, tokenizer)
        for setting in ineffective_settings(config, tokenizer):
            warnings.warn(setting.message, CharRNNWarning, stacklevel=4)
        return GenerationRequest(self.engine, tokenizer, prompt, constraints, score)

    @as_usual
    def encode_prompt(self, prompt: str = "", *, lines: bool = False) -> EncodedPrompt:
        """Read a prompt, so that many texts can continue it. Raises UnknownCharacterError."""
        ids = self.prompt_ids(prompt, lines=lines)
        state = self.engine.read([ids[:-1]], None) if len(ids) > 1 else None
        return EncodedPrompt(state, ids)

    def prompt_ids(self, prompt: str, *, lines: bool = False) -> list[int]:
        """Return the ids that the model reads before the first character; there is always one."""
        check_text(prompt, "the prompt")
        tokenizer = self.model.tokenizer
        ids = [int(i) for i in tokenizer.encode(prompt)]
        if lines or not ids:
            # A text begins as after a newline or, if the model knows none, after a space.
            newline = newline_id(tokenizer)
            space = None if tokenizer.unknown(" ") else int(tokenizer.encode(" ")[0])
            beginning = newline if newline is not None else space if space is not None else 0
            ids.insert(0, beginning)
        return ids
