"""Completions between a prompt and a suffix, by models that restore a text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from charrnn.serving.api_errors import ApiError
from charrnn.serving.completion_fields import BODY
from charrnn.serving.completion_response import response_head, usage_of
from charrnn.serving.jobs import Check
from charrnn.serving.served_models import ServedModel
from charrnn.serving.task_endpoints import LONGEST_FILL, LONGEST_TEXT, MOST_FILLS
from charrnn.tasks.infill.config import FillConfig
from charrnn.tasks.infill.fill import Filling, fill
from charrnn.wording import valid_text

USED: Final = frozenset(
    {
        *("model", "prompt", "suffix", "max_tokens", "n", "echo", "stream", "stream_options"),
        *("temperature", "top_p", "seed", "index"),
    }
)
"""The fields that apply. The last four are about random choices, of which there are none: the
likeliest texts are returned."""

_FIRST_GAP: Final = 0xE000
"""The first character for private use, one of which stands for the gap."""


@dataclass(frozen=True)
class Infilling:
    """What a request asks for.

    Attributes:
        model: the model.
        prompts: the texts before the gap.
        suffix: the text after it.
        longest: the most characters to fill.
        number: how many texts of each prompt are returned, the likeliest first.
        echo: whether the prompt comes before the text.
    """

    model: ServedModel
    prompts: list[str]
    suffix: str
    longest: int
    number: int
    echo: bool


def read_infilling(values: Mapping[str, Any], model: ServedModel) -> Infilling:
    """Return what the values of the fields ask for. Raises ApiError."""
    for name, each in BODY.fields.items():
        if name not in USED and values[name] != each.default:
            raise ApiError(
                f"{name}: what is between a prompt and a suffix is the likeliest text; leave "
                f"{name} out",
                param=name,
            )
    tokenizer, prompts = model.model.tokenizer, []
    for prompt in values["prompt"] or [""]:
        if isinstance(prompt, list):
            size = tokenizer.vocabulary_size
            if prompt and max(prompt) >= size:
                raise ApiError(
                    f"prompt: token {max(prompt)}: ids go from 0 to {size - 1}", param="prompt"
                )
            prompt = tokenizer.decode(prompt)
        prompts.append(prompt)
        if len(prompt) + len(values["suffix"]) > LONGEST_TEXT:
            raise ApiError(
                f"prompt and suffix: give at most {LONGEST_TEXT:,} characters", param="prompt"
            )
    for name, most in (("max_tokens", LONGEST_FILL), ("n", MOST_FILLS)):
        if not 1 <= values[name] <= most:
            raise ApiError(f"{name} {values[name]}: choose 1 to {most} with a suffix", param=name)
    return Infilling(
        model, prompts, values["suffix"], values["max_tokens"], values["n"], values["echo"]
    )


def infill(infilling: Infilling, check: Check) -> dict[str, Any]:
    """Return the completion. Takes a while; `check` is called meanwhile."""
    model, tokenizer = infilling.model, infilling.model.model.tokenizer
    choices: list[dict[str, Any]] = []
    read = made = 0
    for prompt in infilling.prompts:
        around = prompt + infilling.suffix
        gap = next(chr(i) for i in range(_FIRST_GAP, 0x110000) if chr(i) not in around)
        config = FillConfig(gap=gap, longest=infilling.longest, alternatives=infilling.number)
        fillings = fill(
            model.model,
            f"{prompt}{gap}{infilling.suffix}",
            config,
            progress=lambda *_: check(),
        )
        read += len(tokenizer.encode(tokenizer.without_unknown(around)))
        for each in fillings:
            choices.append(_choice(each, prompt, infilling, len(choices)))
            made += len(tokenizer.encode(each.gaps[0].filled))
    head = response_head(model.name, {"seed": None, "index": 0})
    return {**head, "choices": choices, "usage": usage_of(read, made)}


def _choice(filling: Filling, prompt: str, infilling: Infilling, number: int) -> dict[str, Any]:
    filled = filling.gaps[0].filled
    size = len(infilling.model.model.tokenizer.encode(filled))
    return {
        "text": valid_text((prompt if infilling.echo else "") + filled),
        "index": number,
        "logprobs": None,
        "finish_reason": "length" if size == infilling.longest else "stop",
        "charrnn": {"index": 0, "stop_reason": "match", "probability": filling.probability},
    }
