"""CompiledSettings: sampling settings, compiled once for all texts that share them."""

import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from operator import attrgetter
from typing import Final, NamedTuple

from charrnn.data.tokenizer import Tokenizer
from charrnn.engines import Engine
from charrnn.engines.int8_writer import Rules
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.constraints import Constraints
from charrnn.generation.native_writers import native_rules
from charrnn.generation.request import EncodedPrompt, GenerationRequest

_MOST: Final = 256
"""The number of settings that are kept."""

_PATTERN_SECONDS: Final = 4.0
"""The time limit of compiling a pattern, while others wait."""

_REFUSED_SECONDS: Final = 60.0
"""How long it is remembered that a pattern was refused."""

_MOST_PATTERN_BYTES: Final = 128 << 20
"""The memory of the automata that are kept."""

_all_but_seed: Final = attrgetter(
    *(field.name for field in dataclasses.fields(SamplingConfig) if field.name != "seed")
)


class Settings(NamedTuple):
    """Compiled sampling settings.

    Attributes:
        constraints: the settings, compiled for the model's tokenizer; with another seed, perhaps.
        rules: the same for C; None if only Python can write such a text.
        scored_rules: the same, with log-probabilities.
    """

    constraints: Constraints
    rules: Rules | None
    scored_rules: Rules | None


class CompiledSettings:
    """Sampling settings that were compiled for a model, the last ones used. Several threads may
    use it."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer) -> None:
        self._engine, self._tokenizer = engine, tokenizer
        self._lock, self._compiling = threading.Lock(), threading.Lock()
        self._settings: OrderedDict[Hashable, Settings] = OrderedDict()
        self._refused: OrderedDict[Hashable, tuple[float, str]] = OrderedDict()

    def of(self, config: SamplingConfig) -> Settings:
        """Return compiled settings, whose seed may be another one. Compiling a regular expression
        may take many seconds; they are compiled one at a time.

        Raises ConfigError when the settings allow no text, or an end that can never come.
        """
        key = _all_but_seed(config)
        found = self._known(key)
        if found is not None:
            return found
        if config.regex is None:
            return self._compiled(key, config)
        with self._compiling:
            until, reason = self._refused.get(key, (0.0, ""))
            if time.monotonic() < until:
                raise ConfigError(reason)
            try:
                return self._known(key) or self._compiled(key, config)
            except ConfigError as error:
                # It may have taken seconds to find out, and may be otherwise at another time.
                self._refused[key] = time.monotonic() + _REFUSED_SECONDS, str(error)
                if len(self._refused) > _MOST:
                    self._refused.popitem(last=False)
                raise

    def _known(self, key: Hashable) -> Settings | None:
        with self._lock:
            found = self._settings.get(key)
            if found is not None:
                self._settings.move_to_end(key)
            return found

    def _compiled(self, key: Hashable, config: SamplingConfig) -> Settings:
        constraints = Constraints(config, self._tokenizer, regex_seconds=_PATTERN_SECONDS)
        rules = [self._rules(constraints, scored=scored) for scored in (False, True)]
        found = Settings(constraints, *rules)
        with self._lock:
            self._settings[key] = found
            self._forget()
        return found

    def _rules(self, constraints: Constraints, *, scored: bool) -> Rules | None:
        if constraints.config.length == 0:  # C writes at least one id
            return None
        prompt = EncodedPrompt(None, [0])
        request = GenerationRequest(self._engine, self._tokenizer, prompt, constraints, scored)
        return native_rules(request)

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
