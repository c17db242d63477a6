"""CompiledSettings: sampling settings, compiled once for all texts that share them."""

import copy
import dataclasses
import threading
from collections import OrderedDict
from typing import Final, NamedTuple

from charrnn.data.tokenizer import Tokenizer
from charrnn.engines import Engine
from charrnn.engines.int8_writer import Rules
from charrnn.generation.config import SamplingConfig
from charrnn.generation.constraints import Constraints
from charrnn.generation.native_writers import native_rules
from charrnn.generation.request import EncodedPrompt, GenerationRequest

_MOST: Final = 256
"""The number of settings that are kept."""

_MOST_PATTERN_BYTES: Final = 128 << 20
"""The memory of the automata that are kept."""


class Settings(NamedTuple):
    """Compiled sampling settings.

    Attributes:
        constraints: the settings, compiled for the model's tokenizer.
        rules: the same for C; None if only Python can write such a text.
    """

    constraints: Constraints
    rules: Rules | None


class CompiledSettings:
    """Sampling settings that were compiled for a model, the last ones used. Several threads may
    use it."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer) -> None:
        self._engine, self._tokenizer = engine, tokenizer
        self._lock, self._compiling = threading.Lock(), threading.Lock()
        self._settings: OrderedDict[SamplingConfig, Settings] = OrderedDict()

    def of(self, config: SamplingConfig) -> Settings:
        """Return compiled settings. To compile a regular expression may take many seconds, one at
        a time.

        Raises ConfigError when the settings allow no text, or an end that can never come.
        """
        key = dataclasses.replace(config, seed=0)
        found = self._known(key)
        if found is None and config.regex is None:
            found = self._compiled(key)
        elif found is None:
            with self._compiling:
                found = self._known(key) or self._compiled(key)
        constraints = copy.copy(found.constraints)
        constraints.config = config
        return Settings(constraints, found.rules)

    def _known(self, config: SamplingConfig) -> Settings | None:
        with self._lock:
            found = self._settings.get(config)
            if found is not None:
                self._settings.move_to_end(config)
            return found

    def _compiled(self, config: SamplingConfig) -> Settings:
        constraints = Constraints(config, self._tokenizer)
        prompt = EncodedPrompt(None, [0])
        request = GenerationRequest(self._engine, self._tokenizer, prompt, constraints)
        found = Settings(constraints, native_rules(request))
        with self._lock:
            self._settings[config] = found
            self._forget()
        return found

    def _forget(self) -> None:
        """Drop settings that were not used for long, while there are too many."""
        while len(self._settings) > 1 and (
            len(self._settings) > _MOST
            or sum(map(_pattern_bytes, self._settings.values())) > _MOST_PATTERN_BYTES
        ):
            self._settings.popitem(last=False)


def _pattern_bytes(settings: Settings) -> int:
    automaton = settings.constraints.automaton
    return 0 if automaton is None else automaton.nbytes
