"""The fields of a request for a completion: OpenAI's, and as extensions all settings of
SamplingConfig, as it declares them."""

import re
from typing import Any, Final

from charrnn.generation.config import SamplingConfig
from charrnn.serving.api_errors import ApiError, shown
from charrnn.serving.configuration_fields import LONGEST_SETTING, MOST_TEXTS, fields_of
from charrnn.serving.fields import (
    Body,
    Field,
    Flag,
    Kind,
    ListOf,
    Number,
    OneOrMore,
    Schema,
    Text,
    refuse,
)

MOST_CHOICES: Final = 1024
MOST_PROMPTS: Final = 2048
MOST_TOP: Final = 20
MOST_BIASES: Final = 4096

Prompt = str | list[int]


class Prompts:
    """The kind of prompts: a string, a list of strings, a list of ids, or a list of lists of
    ids."""

    _text = Text()
    _id = Number(whole=True, least=0)

    def read(self, value: Any, name: str) -> list[Prompt]:
        """See Kind."""
        if isinstance(value, str):
            return [self._text.read(value, name)]
        if not isinstance(value, list):
            refuse(name, value, "give a string, a list of strings, token ids, or lists of those")
        if value and isinstance(value[0], int):
            return [self._ids(value, name)]
        if not 1 <= len(value) <= MOST_PROMPTS:
            raise ApiError(
                f"{name} has {len(value):,} entries: give 1 to {MOST_PROMPTS:,}", param=name
            )
        if isinstance(value[0], list):
            return [self._ids(each, name) for each in value]
        return [self._text.read(each, name) for each in value]

    def _ids(self, value: Any, name: str) -> list[int]:
        """Return token ids, of which there may be hundreds of thousands."""
        if not isinstance(value, list):
            refuse(name, value, "give only lists of token ids, or only strings")
        if all(type(each) is int for each in value) and (not value or min(value) >= 0):
            return value
        return [self._id.read(each, name) for each in value]

    def schema(self) -> Schema:
        """See Kind."""
        ids = ListOf(self._id, least=1)
        kinds: list[Kind] = [
            self._text,
            ListOf(self._text, 1, MOST_PROMPTS),
            ids,
            ListOf(ListOf(self._id), 1, MOST_PROMPTS),
        ]
        return {"anyOf": [each.schema() for each in kinds]}


class StreamOptions:
    """The kind of `stream_options`: whether a stream ends with the usage."""

    _body = Body(
        {
            "include_usage": Field(Flag(), "End with an event that has the usage.", default=False),
            "include_obfuscation": Field(Flag(), "Accepted, and ignored.", default=False),
        }
    )

    def read(self, value: Any, name: str) -> bool:
        """See Kind."""
        if not isinstance(value, dict):
            refuse(name, value, "give an object")
        return bool(self._body.read(value)["include_usage"])

    def schema(self) -> Schema:
        """See Kind."""
        return self._body.schema()


class LogitBias:
    """The kind of `logit_bias`: an object of biases by token id, whose keys are strings."""

    _bias = Number(least=-100, most=100)

    def read(self, value: Any, name: str) -> tuple[tuple[int, float], ...]:
        """See Kind."""
        if not isinstance(value, dict):
            refuse(name, value, "give an object with a bias for each token id")
        if len(value) > MOST_BIASES:
            raise ApiError(
                f"{name} has {len(value):,} entries: give at most {MOST_BIASES:,}", param=name
            )
        for key in value:
            if not _ID.fullmatch(key):
                raise ApiError(f"{name}: {shown(key)} is no token id", param=name)
        biases = {int(key): self._bias.read(bias, name) for key, bias in value.items()}
        return tuple(sorted(biases.items()))

    def schema(self) -> Schema:
        """See Kind."""
        return {
            "type": "object",
            "patternProperties": {f"^{_ID.pattern}$": self._bias.schema()},
            "additionalProperties": False,
            "maxProperties": MOST_BIASES,
        }


_ID: Final = re.compile("(?:0|[1-9][0-9]{0,5})")

OWN: Final = ("length", "seed", "temperature", "top_p", "stop", "logit_bias")
"""The settings of SamplingConfig that OpenAI's API has under its own name or rules."""

SETTINGS: Final = tuple(fields_of(SamplingConfig, without=OWN))
"""The other settings, which are extensions under their own names."""

BODY: Final = Body(
    {
        "model": Field(
            Text(longest=4096),
            "The id of a model; the first one that completes texts if none is given.",
        ),
        "prompt": Field(
            Prompts(),
            "The text to continue, or several, each as a string or as token ids. Without one, a "
            "text begins as after a newline.",
        ),
        "suffix": Field(
            Text(),
            "The text that follows: a model that was trained to restore fills what is between, "
            "with at most max_tokens characters.",
        ),
        "max_tokens": Field(
            Number(whole=True, least=0),
            "Write at most this many characters (of a byte model, bytes).",
            default=16,
        ),
        "temperature": Field(
            Number(least=0),
            "Divide the logits by this: below 1 is safer, above 1 is wilder, 0 is greedy.",
            default=1.0,
        ),
        "top_p": Field(
            Number(above=0, most=1),
            "Choose among the likeliest characters that together reach this probability.",
        ),
        "n": Field(Number(whole=True, least=1, most=MOST_CHOICES), "Write N texts.", default=1),
        "best_of": Field(
            Number(whole=True, least=1, most=MOST_CHOICES),
            "Write this many texts, and return the n likeliest, by log-probability per character.",
        ),
        "stream": Field(Flag(), "Send the text while it is written.", default=False),
        "stream_options": Field(StreamOptions(), "What a stream has besides.", default=False),
        "logprobs": Field(
            Number(whole=True, least=0, most=MOST_TOP),
            "Return the log-probability of each character, and those of this many likeliest ones "
            "in its place.",
        ),
        "echo": Field(Flag(), "Return the prompt before the text.", default=False),
        "stop": Field(
            OneOrMore(Text(longest=LONGEST_SETTING), MOST_TEXTS),
            "End the text before any of these strings.",
        ),
        "logit_bias": Field(
            LogitBias(),
            "Add a number from -100 to 100 to the logit of each of these token ids.",
        ),
        "seed": Field(
            Number(whole=True, least=0),
            "Seed the random choices: the same seed gives the same text. A random one if none is "
            "given.",
        ),
        "index": Field(
            Number(whole=True, least=0),
            "Begin with text K of the seed's texts; the first is 0.",
            default=0,
        ),
        "skip_unknown": Field(
            Flag(),
            "Leave out characters of the prompt that the model has never seen, instead of an "
            "error.",
            default=False,
        ),
        **fields_of(SamplingConfig, without=OWN),
    },
    ignored=("user",),
)
