"""Completion: what a request for a completion asks for."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from charrnn.data.tokenizer import unknown_error
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.serving.api_errors import ApiError
from charrnn.serving.completion_fields import BODY, MOST_PROMPTS, SETTINGS, Prompt
from charrnn.serving.options import ServingConfig
from charrnn.serving.served_models import ServedModel
from charrnn.wording import valid_text

MOST_HELD: Final = 1 << 23
"""The most characters that a response holds in memory; the log-probabilities of a character and of
those in its place count as several."""

MOST_ECHOED: Final = 1 << 24
"""The same for prompts that are echoed, which a stream holds as well."""


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
    if not length:  # nothing has to be written
        most = max(most, MOST_PROMPTS)
    if texts > most:
        raise ApiError(
            f"{texts:,} texts: this server answers with at most {most:,} at a time",
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
    echoed = values["n"] * sum(map(len, values["prompt"] or [])) if values["echo"] else 0
    if echoed * cost > MOST_ECHOED:
        raise ApiError(
            f"{echoed:,} characters of prompts are too many for an echo"
            f"{'' if cost == 1 else ' with log-probabilities'}; send fewer at a time",
            param="echo",
        )


def _sampling(values: Mapping[str, Any], model: ServedModel) -> SamplingConfig:
    """Return the sampling settings. Raises ApiError."""
    given: dict[str, Any] = {
        name: tuple(values[name]) if isinstance(values[name], list) else values[name]
        for name in SETTINGS
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
            logit_bias=values["logit_bias"] or (),
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
