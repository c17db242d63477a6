"""charrnn sample: writes text with a model."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.environment import refuse_unused
from charrnn.cli.options_from_fields import Fields, takes_options
from charrnn.cli.sampling_defaults import decided
from charrnn.cli.shared_arguments import OUTPUT, ModelArgument
from charrnn.data.read_options import PAIRS, ReadOptions
from charrnn.generation.config import (
    ENDS,
    SELECTION,
    EngineConfig,
    MixtureConfig,
    SamplingConfig,
    SelectionConfig,
)
from charrnn.option_declaration import Relations

if TYPE_CHECKING:
    from charrnn.cli.display import TextOutput
    from charrnn.data.excerpt import AnyIds
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.generation.request import Sample
    from charrnn.generation.sampler import Sampler


@takes_options
def sample(
    *,
    context: typer.Context,
    model: ModelArgument = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            "-p",
            help="Begin the text with this; - reads it from stdin.",
            rich_help_panel=ENDS,
        ),
    ] = None,
    sampling: SamplingConfig,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail on characters the model has never seen, in the prompt and in options.",
            rich_help_panel=ENDS,
        ),
    ] = False,
    escapes: Annotated[
        bool,
        typer.Option(
            "--escapes",
            help="Read \\n, \\t, \\r, \\uXXXX and \\\\ in --prompt, --stop, --ban and --only as "
            "escapes.",
            rich_help_panel=ENDS,
        ),
    ] = False,
    mixture: MixtureConfig,
    selection: SelectionConfig,
    running: EngineConfig,
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            "--corpus",
            metavar="CORPUS",
            help="Compare with this text for --novel, and learn it for --memory.",
            show_default="the training text",
            rich_help_panel=SELECTION,
        ),
        Relations(needs=("novel", "novel_length", "memory")),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print a JSON array.", rich_help_panel=OUTPUT),
        Relations(excludes=("as_json_lines",)),
    ] = False,
    as_json_lines: Annotated[
        bool,
        typer.Option(
            "--jsonl",
            help="Print one JSON object per text, each on a line.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    log_probabilities: Annotated[
        bool,
        typer.Option(
            "--logprobs",
            help="Add each character's log-probability, in nats, to the JSON.",
            rich_help_panel=OUTPUT,
        ),
        Relations(needs=("as_json", "as_json_lines"), excludes=("beam",)),
    ] = False,
    attention_map: Annotated[
        Path | None,
        typer.Option(
            "--attention-map",
            metavar="FILE.html",
            help="Write an HTML page that shows the attention of each character. The model must "
            "have been trained with --attention.",
            rich_help_panel=OUTPUT,
        ),
        Relations(
            excludes=(
                *("number", "as_json", "as_json_lines"),
                *("unique", "novel", "novel_length", "best_of", "beam"),
            )
        ),
    ] = None,
    read: Annotated[ReadOptions, Fields(without=("label", *PAIRS))],
) -> None:
    """Write text with a model, and print it as it is written.

    The prompt and the text go to stdout, messages to stderr. Several texts are separated by a line
    of ---, or by newlines if each is a line.
    """
    from charrnn.cli.display import TextOutput, say, time_left, tracked
    from charrnn.cli.escapes import warn_of_escapes
    from charrnn.cli.prompts import known_characters, read_prompt
    from charrnn.errors import ConfigError
    from charrnn.explanation.attention_map import require_attention
    from charrnn.generation.generate import generate_samples
    from charrnn.generation.ineffective_settings import ineffective_settings
    from charrnn.generation.passages import Passages
    from charrnn.generation.selection import Lines
    from charrnn.tasks.generate.memory import open_sampler

    learning = mixture.memory is not None
    shown = time_left("remembering the text") if learning else contextlib.nullcontext()
    with shown as progress:
        sampler, learned = open_sampler(
            model, running.engine, mixture, corpus=corpus, read=read, progress=progress
        )
    tokenizer = sampler.model.tokenizer
    config = decided(sampling, context, trained_on_lines=sampler.model.provenance.lines)
    refuse_unused(context, tokenizer=tokenizer.kind)
    is_record = as_json or as_json_lines
    streams = selection.is_plain and not is_record
    if attention_map is not None:
        require_attention(sampler.model)
    if prompt == "-" and "-" in (corpus or ()):
        raise ConfigError("stdin can be read once: give either --prompt or --corpus in another way")
    if attention_map is not None or not streams:
        config.require_end()
    if not escapes:
        warn_of_escapes(tokenizer, prompt, config.ban, config.only, *config.stop)
    if strict and (ineffective := ineffective_settings(config, tokenizer)):
        raise ConfigError(ineffective[0].message)
    prompt = read_prompt(prompt, tokenizer, escapes=escapes)
    prompt = known_characters(tokenizer, prompt, strict=strict)
    output = TextOutput()
    if streams:
        _write_stream(output, sampler, prompt, config, selection.index, attention_map)
    else:
        texts = _compared(model, tokenizer, corpus, read) if selection.compares else iter(())
        length = selection.novel_length
        samples = generate_samples(
            sampler,
            prompt,
            config,
            selection,
            score=is_record,
            training_lines=Lines(texts) if selection.novel else None,
            training_passages=Passages(texts, length) if length is not None else None,
        )
        with contextlib.closing(samples):
            if is_record:
                found = tracked(samples, selection.number)
                records = (
                    _record(each, prompt, config, tokenizer, log_probabilities) | copied
                    for each, copied in _with_copies(found, learned, tokenizer)
                )
                _write_records(output, records, as_array=as_json)
            else:
                _write_texts(output, tracked(samples, selection.number), prompt, lines=config.lines)
    output.close()
    if context.params["seed"] is None and output.terminal and not is_record:
        say(f"seed {config.seed}", "dim")


def _compared(
    model: str | None, tokenizer: "Tokenizer", corpus: list[str] | None, read: ReadOptions
) -> "Iterator[str]":
    """Return the text that --novel compares with: that of --corpus, or the training text."""
    from charrnn.tasks.generate.training_lines import corpus_texts, training_texts

    return training_texts(model) if corpus is None else corpus_texts(corpus, tokenizer, read)


def _write_stream(
    output: "TextOutput",
    sampler: "Sampler",
    prompt: str,
    config: SamplingConfig,
    index: int,
    attention_map: Path | None,
) -> None:
    """Write one text while it is generated, then its attention map if a path is given."""
    from charrnn.explanation.attention_map import write_map

    stream = sampler.stream(prompt, config, index=index, score=False)
    output.write(prompt)
    pieces = []
    for piece in stream:
        output.write(piece)
        if attention_map is not None:
            pieces.append(piece)
    if attention_map is not None:
        given = sampler.model.tokenizer.decode(sampler.prompt_ids(prompt, lines=config.lines))
        write_map(attention_map, sampler.model, given, "".join(pieces))
    if config.lines:
        output.write("\n")


def _write_texts(
    output: "TextOutput", samples: "Iterable[Sample]", prompt: str, *, lines: bool
) -> None:
    """Write texts, each on a line of its own, or separated by a line of ---."""
    for position, each in enumerate(samples):
        if position and not lines:
            output.end_line()
            output.write("---\n")
        output.write(prompt + each.text + "\n" * lines)


def _write_records(
    output: "TextOutput", records: Iterable[dict[str, Any]], *, as_array: bool
) -> None:
    """Write one JSON array, or a JSON object a line as soon as each is there."""
    from charrnn.cli.unicode_json import dumps

    if as_array:
        output.write(dumps(list(records), indent=2) + "\n")
        return
    for record in records:
        output.write(dumps(record) + "\n")


def _with_copies(
    samples: "Iterator[Sample]", learned: "AnyIds | None", tokenizer: "Tokenizer"
) -> "Iterator[tuple[Sample, dict[str, Any]]]":
    """Yield each sample with the fields about its longest copy of the text that the memory learned,
    for which all samples are needed; without a memory, there are no such fields."""
    from charrnn.tasks.generate.memory import longest_copies

    if learned is None:
        yield from ((sample, {}) for sample in samples)
        return
    written = list(samples)
    copies = longest_copies(learned, written, tokenizer)
    for number, sample in enumerate(written):
        copy = None if copies is None else copies[number]
        count = None if copy is None else len(tokenizer.encode(copy))
        yield sample, {"longest_copy_characters": count, "longest_copy": copy}


def _record(
    sample: "Sample",
    prompt: str,
    config: SamplingConfig,
    tokenizer: "Tokenizer",
    log_probabilities: bool,
) -> dict[str, Any]:
    """Return the JSON object of a sample; that of a byte model includes the bytes of its texts."""
    from charrnn.cli.unicode_json import with_bytes
    from charrnn.data.tokenizer import ByteTokenizer

    texts = {"prompt": prompt, "text": sample.text}
    record: dict[str, Any] = {}
    for name, text in texts.items():
        record |= with_bytes(name, text) if tokenizer.kind == ByteTokenizer.kind else {name: text}
    record |= {
        "seed": config.seed,
        "index": sample.index,
        "characters": sample.characters,
        "nats": sample.nats,
        "stop_reason": sample.stop_reason,
    }
    if log_probabilities:
        record["log_probabilities"] = sample.log_probabilities
    return record
