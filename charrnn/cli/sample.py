"""charrnn sample: text from a model."""

import json
import secrets
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options import Json, Length, ModelArgument, Seed, Temperature, TopK, TopP

if TYPE_CHECKING:
    from charrnn.data.tokenizer import Tokenizer


def sample(
    model: ModelArgument = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt", "-p", help="What the text begins with; - or a pipe: read it from stdin."
        ),
    ] = None,
    length: Length = 500,
    temperature: Temperature = 0.8,
    top_k: TopK = None,
    top_p: TopP = None,
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many samples.")] = 1,
    stop: Annotated[
        list[str] | None,
        typer.Option("--stop", help="End before this string; may be given several times."),
    ] = None,
    lines: Annotated[
        bool | None,
        typer.Option(
            "--lines/--no-lines",
            help="Each sample is one line.",
            show_default="as the model was trained",
        ),
    ] = None,
    seed: Seed = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Fail on prompt characters the model has never seen."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write text with a model, as it comes.

    The prompt and what follows it go to stdout, and nothing else does.
    Samples are divided by a line of ---, or by newlines when each is a line.
    """
    from charrnn.cli.display import TextOutput, say
    from charrnn.generation.sampler import SamplingConfig, load_sampler

    sampler = load_sampler(model)
    lines = sampler.model.provenance.lines if lines is None else lines
    config = SamplingConfig(
        length=length or None,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        stop=tuple(stop or ()),
        lines=lines,
        seed=secrets.randbelow(2**32) if seed is None else seed,
    )
    prompt = known_characters(sampler.model.tokenizer, read_prompt(prompt), strict=strict)
    output = TextOutput()
    records = []
    for index in range(number):
        stream = sampler.stream(prompt, config, index=index)
        if as_json:
            text = "".join(stream)
            records.append(
                {
                    "prompt": prompt,
                    "text": text,
                    "seed": config.seed,
                    "index": index,
                    "characters": stream.characters,
                    "nats": stream.nats,
                    "stop_reason": stream.stop_reason,
                }
            )
            continue
        if index and not lines:
            output.end_line()
            output.write("---\n")
        output.write(prompt)
        for text in stream:
            output.write(text)
        if lines:
            output.write("\n")
    if as_json:
        output.write(json.dumps(records, indent=2) + "\n")
    output.close()
    if seed is None and output.terminal and not as_json:
        say(f"seed {config.seed}", "dim")


def read_prompt(prompt: str | None) -> str:
    """The prompt given, or what comes in on stdin, less the newline that ends it."""
    if sys.stdin is not None and (prompt == "-" or (prompt is None and not sys.stdin.isatty())):
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
        return text.removesuffix("\n").removesuffix("\r")
    return prompt or ""


def known_characters(tokenizer: "Tokenizer", prompt: str, *, strict: bool) -> str:
    """The prompt without characters the model has never seen, after a warning that shows them.

    Raises UnknownCharacterError instead when `strict`.
    """
    from charrnn.cli.display import warn
    from charrnn.errors import UnknownCharacterError

    unknown = tokenizer.unknown(prompt)
    if not unknown:
        return prompt
    error = UnknownCharacterError(unknown)
    if strict:
        raise error
    known = tokenizer.without_unknown(prompt)
    done = "read as U+FFFD, as rare ones were" if known == prompt else "skipped"
    warn(f"the model has never seen {error.shown}: {done}")
    return known
