"""The request of a completion: its fields, and what they ask for.

The fields are OpenAI's, and as extensions all settings of SamplingConfig, as it declares them.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from charrnn.data.tokenizer import unknown_error
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.serving.api_errors import ApiError
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
from charrnn.serving.options import ServingConfig
from charrnn.serving.served_models import ServedModel
from charrnn.serving.settled_text import valid_text

MOST_CHOICES: Final = 1024
MOST_PROMPTS: Final = 2048
MOST_TOP: Final = 20
MOST_HELD: Final = 1 << 23
"""The most characters that a response holds in memory; the log-probabilities of a character and of
those in its place count as several."""

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


_OWN: Final = ("length", "seed", "temperature", "top_p", "stop", "logit_bias")
"""The settings of SamplingConfig that OpenAI's API has under its own name or rules."""

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
        **fields_of(SamplingConfig, without=_OWN),
    },
    ignored=("user",),
)


@dataclass(frozen=True)
class Prompted:
    """A prompt that was read.

    Attributes:
        text: its text.
        ids: its own ids.
        read_ids: the ids that the model reads before the first character; never empty.
    """

    text: str
    ids: list[int]
    read_ids: list[int]


@dataclass(frozen=True)
class Completion:
    """What a request asks for.

    Attributes:
        model: the model.
        prompts: the prompts.
        config: the sampling settings.
        index: the first text's index among those of the seed.
        number: how many texts of each prompt are returned.
        best_of: how many texts of each prompt are written.
        top: the number of alternatives of each character; None without log-probabilities.
        echo: whether the prompt comes before the text.
        stream: whether the text is sent while it is written.
        with_usage: whether the stream ends with the usage.
        writes: whether anything is written, or only the prompt is returned.
    """

    model: ServedModel
    prompts: list[Prompted]
    config: SamplingConfig
    index: int
    number: int
    best_of: int
    top: int | None
    echo: bool
    stream: bool
    with_usage: bool
    writes: bool

    @property
    def is_scored(self) -> bool:
        """Whether log-probabilities of what is written are needed."""
        return self.top is not None or self.best_of > self.number


def read_completion(
    values: Mapping[str, Any], model: ServedModel, limits: ServingConfig
) -> Completion:
    """Return what the values of the fields ask for.

    Args:
        values: a value for each field of BODY.
        model: the model.
        limits: the settings of the server.

    Raises ApiError.
    """
    length, choices = values["max_tokens"], values["n"]
    best_of = values["best_of"] or choices
    _check_size(values, best_of, limits)
    if best_of < choices:
        raise ApiError(f"best_of {best_of}: choose n, {choices}, or more", param="best_of")
    if values["stream"] and best_of > choices:
        raise ApiError("best_of: a stream cannot wait for the best text", param="best_of")
    config = _sampling(values, model)
    return Completion(
        model,
        [
            _read_prompt(each, model, lines=config.lines, skip=values["skip_unknown"])
            for each in values["prompt"] or [""]
        ],
        config,
        values["index"],
        choices,
        best_of,
        values["logprobs"],
        values["echo"],
        values["stream"],
        values["stream_options"],
        length > 0,
    )


def _check_size(values: Mapping[str, Any], best_of: int, limits: ServingConfig) -> None:
    """Raise ApiError for a request that this server never answers."""
    length, prompts = values["max_tokens"], len(values["prompt"] or [""])
    if length > limits.max_tokens:
        raise ApiError(
            f"max_tokens {length:,}: this server writes at most {limits.max_tokens:,} characters",
            param="max_tokens",
        )
    texts, most = prompts * best_of, limits.max_concurrent + limits.max_queue
    if length and texts > most:
        raise ApiError(
            f"{texts:,} texts: this server writes at most {most:,} for a request",
            param="prompt" if best_of == 1 else "n",
        )
    cost = 1 if values["logprobs"] is None else 8 * (2 + values["logprobs"])
    if not (values["stream"] and cost == 1) and texts * length * cost > max(
        MOST_HELD, limits.max_tokens
    ):
        raise ApiError(
            f"{texts * length:,} characters are too many for a response"
            f"{'' if cost == 1 else ' with log-probabilities'}; ask for fewer at a time",
            param="max_tokens",
        )


def _sampling(values: Mapping[str, Any], model: ServedModel) -> SamplingConfig:
    """Return the sampling settings. Raises ApiError."""
    given: dict[str, Any] = {
        name: tuple(values[name]) if isinstance(values[name], list) else values[name]
        for name in fields_of(SamplingConfig, without=_OWN)
        if values[name] is not None
    }
    given.setdefault("lines", model.model.provenance.lines)
    if values["top_p"] is not None and values["top_p"] < 1:
        given["top_p"] = values["top_p"]
    seed = secrets.randbelow(2**32) if values["seed"] is None else values["seed"]
    try:
        return SamplingConfig(
            **given,
            length=max(values["max_tokens"], 1),
            temperature=values["temperature"],
            stop=tuple(each for each in values["stop"] or () if each),
            seed=seed,
        )
    except ConfigError as error:
        raise ApiError(str(error), param=_named(error)) from None


def _named(error: ConfigError) -> str | None:
    """Return the field that the message of an error begins with."""
    word = str(error).split(" ")[0].rstrip(":").replace("-", "_")
    return word if word in BODY.fields else None


def _read_prompt(prompt: Prompt, model: ServedModel, *, lines: bool, skip: bool) -> Prompted:
    """Encode a prompt. Raises ApiError."""
    tokenizer, sampler = model.model.tokenizer, model.sampler
    if isinstance(prompt, list):
        size = tokenizer.vocabulary_size
        wrong = next((each for each in prompt if each >= size), None)
        if wrong is not None:
            raise ApiError(f"prompt: token {wrong}: ids go from 0 to {size - 1}", param="prompt")
        beginning = sampler.prompt_ids("")[:1] if lines or not prompt else []
        return Prompted(valid_text(tokenizer.decode(prompt)), prompt, [*beginning, *prompt])
    if unknown := tokenizer.unknown(prompt):
        if not skip:
            seen = unknown_error(tokenizer, unknown, prompt).shown
            raise ApiError(
                f"prompt: the model has never seen {seen}; leave these characters out, or give "
                "skip_unknown",
                param="prompt",
            )
        prompt = tokenizer.without_unknown(prompt)
    ids = sampler.prompt_ids(prompt, lines=lines)
    own = ids[1:] if lines or not prompt else ids
    return Prompted(prompt, own, ids)
