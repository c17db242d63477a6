"""Sampler: a model, ready to write.

`Sampler.stream` makes one text that can be read while it comes, a character at a time;
`Sampler.samples` makes many side by side. Both write the same text for the same seed and index
(with an engine whose lanes do not depend on each other, as the CPU's do not).
"""

import warnings
from collections.abc import Generator, Iterable

from charrnn.ambient import as_usual, stepwise, usual_numpy
from charrnn.data.corpus import newline_id
from charrnn.data.tokenizer import check_text
from charrnn.engines import ENGINES, Engine, best_engine
from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.constraints import Constraints
from charrnn.generation.draw import check_not_endless
from charrnn.generation.ineffective_settings import ineffective_settings
from charrnn.generation.request import EncodedPrompt, GenerationRequest, Sample
from charrnn.generation.stream import SampleStream
from charrnn.generation.writers import write_samples
from charrnn.storage.model_directory import Model


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
        asks for can never come. CharRNNWarning says which settings have no effect.
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
        """The samples of these indices, in their order; many are made side by side.

        Args:
            indices: may be endless; close the iterator when there are enough.
            score: give log-probabilities and nats as well.
            batch_size: how many a thread makes side by side.
            threads: None: as many as there are cores, for an engine on the CPU.

        Raises as `stream` does; and ConfigError where nothing says that a text ends.
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
        """The whole of `stream` at once. Raises ConfigError where nothing says that it ends."""
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
        """What the writers make texts from: the prompt is read, and the configuration compiled.

        Raises as `stream` does, and gives its warnings.
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
        """Reads a prompt, so that many texts can begin after it. Raises UnknownCharacterError."""
        ids = self.prompt_ids(prompt, lines=lines)
        state = self.engine.read([ids[:-1]], None) if len(ids) > 1 else None
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
