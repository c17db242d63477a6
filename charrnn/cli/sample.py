"""charrnn sample: text from a model."""

import contextlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from charrnn.cli.options import (
    Ban,
    Column,
    Delimiter,
    Encoding,
    Escapes,
    Glob,
    Length,
    MinP,
    ModelArgument,
    NoRepeatNgram,
    Only,
    RepetitionPenalty,
    RepetitionWindow,
    Seed,
    Temperature,
    TopK,
    TopP,
    Typical,
    refuse_unused,
)

if TYPE_CHECKING:
    from charrnn.cli.display import TextOutput
    from charrnn.data.sources import ReadOptions
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.generation.config import SamplingConfig
    from charrnn.generation.request import Sample
    from charrnn.generation.sampler import Sampler
    from charrnn.generation.selection import Lines

ENDS: Final = "Where a text begins and ends"
WHICH: Final = "Which texts"
OUTPUT: Final = "What is printed"


def sample(
    context: typer.Context,
    model: ModelArgument = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            "-p",
            help="What the text begins with; -: read it from stdin.",
            rich_help_panel=ENDS,
        ),
    ] = None,
    length: Length = 500,
    min_length: Annotated[
        int,
        typer.Option(
            "--min-length",
            metavar="N",
            min=0,
            help="Characters before a stop string or newline may end it.",
            rich_help_panel=ENDS,
        ),
    ] = 0,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            "--stop",
            help="End before this string; may be given several times. A newline is \\r\\n as well.",
            rich_help_panel=ENDS,
        ),
    ] = None,
    lines: Annotated[
        bool | None,
        typer.Option(
            "--lines/--no-lines",
            help="Each text is one line.",
            show_default="as the model was trained",
            rich_help_panel=ENDS,
        ),
    ] = None,
    regex: Annotated[
        str | None,
        typer.Option(
            "--regex",
            metavar="PATTERN",
            help="Only texts that match, prompt aside, from beginning to end.",
            rich_help_panel=ENDS,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail on characters the model has never seen, in prompt and options.",
            rich_help_panel=ENDS,
        ),
    ] = False,
    escapes: Escapes = False,
    ban: Ban = None,
    only: Only = None,
    no_repeat_ngram: NoRepeatNgram = None,
    repetition_penalty: RepetitionPenalty = None,
    repetition_window: RepetitionWindow = 64,
    temperature: Temperature = 0.8,
    top_k: TopK = None,
    top_p: TopP = None,
    min_p: MinP = None,
    typical: Typical = None,
    number: Annotated[
        int, typer.Option("-n", metavar="N", min=1, help="How many.", rich_help_panel=WHICH)
    ] = 1,
    seed: Seed = None,
    index: Annotated[
        int,
        typer.Option(
            "--index",
            metavar="K",
            min=0,
            help="Begin with the K-th text of the seed.",
            rich_help_panel=WHICH,
        ),
    ] = 0,
    is_unique: Annotated[
        bool, typer.Option("--unique", help="No text twice.", rich_help_panel=WHICH)
    ] = False,
    is_novel: Annotated[
        bool,
        typer.Option(
            "--novel", help="No text with a line of the training text.", rich_help_panel=WHICH
        ),
    ] = False,
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            "--corpus",
            help="The text that --novel compares with.",
            show_default="where the training found it",
            rich_help_panel=WHICH,
        ),
    ] = None,
    best_of: Annotated[
        int | None,
        typer.Option(
            "--best-of",
            metavar="N",
            min=1,
            help="Of every N texts the likeliest, by its characters' mean.",
            rich_help_panel=WHICH,
        ),
    ] = None,
    beam: Annotated[
        int | None,
        typer.Option(
            "--beam",
            metavar="N",
            min=1,
            help="Search for the likeliest texts, going on with the N best beginnings.",
            rich_help_panel=WHICH,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON array.", rich_help_panel=OUTPUT)
    ] = False,
    as_json_lines: Annotated[
        bool, typer.Option("--jsonl", help="A JSON object a line.", rich_help_panel=OUTPUT)
    ] = False,
    log_probabilities: Annotated[
        bool,
        typer.Option(
            "--logprobs",
            help="In JSON, each character's log-probability in nats.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    attention_map: Annotated[
        Path | None,
        typer.Option(
            "--attention-map",
            metavar="FILE.html",
            help="Of a model with attention: a page that shows what each character looked at.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    encoding: Encoding = "utf-8",
    glob: Glob = "*.txt",
    column: Column = None,
    delimiter: Delimiter = None,
) -> None:
    """Write text with a model, as it comes.

    The prompt and what follows it go to stdout, and nothing else does.
    Texts are divided by a line of ---, or by newlines when each is a line.
    """
    from charrnn.cli.display import TextOutput, say, tracked
    from charrnn.cli.escapes import unescaped, warn_of_escapes
    from charrnn.cli.prompts import known_characters, read_prompt
    from charrnn.data.sources import ReadOptions
    from charrnn.errors import ConfigError
    from charrnn.explain.attention_map import require_attention
    from charrnn.generation.config import SamplingConfig, SelectionConfig
    from charrnn.generation.generate import generate_samples
    from charrnn.generation.ineffective_settings import ineffective_settings
    from charrnn.generation.sampler import Sampler
    from charrnn.storage.run_lookup import load

    sampler = Sampler(load(model))
    tokenizer = sampler.model.tokenizer
    meant: Callable[[str], str] = unescaped if escapes else str
    lines = sampler.model.provenance.lines if lines is None else lines
    config = SamplingConfig(
        length=length or None,
        min_length=min_length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        typical=typical,
        repetition_penalty=repetition_penalty,
        repetition_window=repetition_window,
        no_repeat_ngram=no_repeat_ngram,
        ban=None if ban is None else meant(ban),
        only=None if only is None else meant(only),
        stop=tuple(map(meant, stop or ())),
        lines=lines,
        regex=regex,
        seed=secrets.randbelow(2**32) if seed is None else seed,
    )
    selection = SelectionConfig(
        number=number,
        index=index,
        unique=is_unique,
        novel=is_novel,
        best_of=best_of,
        beam=beam,
    )
    refuse_unused(context, corpus or [], tokenizer=tokenizer.kind)
    is_record = as_json or as_json_lines
    streams = selection.is_plain and not is_record
    if attention_map is not None:
        require_attention(sampler.model)
    _refuse(
        {
            "--attention-map shows one text as it is printed: leave -n, --json and the like out": (
                attention_map is not None and not streams
            ),
            "--logprobs goes with --json or --jsonl": log_probabilities and not is_record,
            "--corpus goes with --novel": corpus is not None and not is_novel,
            "stdin can be read once: give either --prompt or --corpus in another way": (
                prompt == "-" and "-" in (corpus or ())
            ),
            "--beam weighs whole texts: leave --logprobs out": beam and log_probabilities,
        }
    )
    if attention_map is not None or not streams:
        config.require_end()
    if not escapes:
        warn_of_escapes(tokenizer, prompt, ban, only, *(stop or ()))
    if strict and (ineffective := ineffective_settings(config, tokenizer)):
        raise ConfigError(ineffective[0].message)
    prompt = read_prompt(prompt, tokenizer, escapes=escapes)
    prompt = known_characters(tokenizer, prompt, strict=strict)
    output = TextOutput()
    if streams:
        _write_stream(output, sampler, prompt, config, index, attention_map)
    else:
        read = ReadOptions(encoding, glob, column, delimiter=delimiter)
        known = _training_lines(model, tokenizer, corpus, read) if is_novel else None
        samples = generate_samples(
            sampler, prompt, config, selection, score=is_record, training_lines=known
        )
        with contextlib.closing(samples):
            if is_record:
                records = (
                    _record(each, prompt, config, tokenizer, log_probabilities)
                    for each in tracked(samples, number)
                )
                _write_records(output, records, as_array=as_json)
            else:
                _write_texts(output, tracked(samples, number), prompt, lines=lines)
    output.close()
    if seed is None and output.terminal and not is_record:
        say(f"seed {config.seed}", "dim")


def _refuse(wrong: Mapping[str, object]) -> None:
    """Raises ConfigError for the first that is so."""
    from charrnn.errors import ConfigError

    for what, is_so in wrong.items():
        if is_so:
            raise ConfigError(what)


def _training_lines(
    model: str | None, tokenizer: "Tokenizer", corpus: list[str] | None, read: "ReadOptions"
) -> "Lines":
    """The lines that --novel compares with: those of --corpus, or of what the model was trained
    on."""
    from charrnn.tasks.generate.training_lines import corpus_lines, training_lines

    return training_lines(model) if corpus is None else corpus_lines(corpus, tokenizer, read)


def _write_stream(
    output: "TextOutput",
    sampler: "Sampler",
    prompt: str,
    config: "SamplingConfig",
    index: int,
    attention_map: Path | None,
) -> None:
    """Writes one text as it comes; then the page that shows what it looked at, if it is wanted."""
    from charrnn.explain.attention_map import write_map

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
    """Writes texts, each in a line, or divided by a line of ---."""
    for position, each in enumerate(samples):
        if position and not lines:
            output.end_line()
            output.write("---\n")
        output.write(prompt + each.text + "\n" * lines)


def _write_records(
    output: "TextOutput", records: Iterable[dict[str, Any]], *, as_array: bool
) -> None:
    """Writes JSON: one array, or an object a line, each as it comes."""
    from charrnn.cli.unicode_json import dumps

    if as_array:
        output.write(dumps(list(records), indent=2) + "\n")
        return
    for record in records:
        output.write(dumps(record) + "\n")


def _record(
    sample: "Sample",
    prompt: str,
    config: "SamplingConfig",
    tokenizer: "Tokenizer",
    log_probabilities: bool,
) -> dict[str, Any]:
    """The JSON object of a text; of a byte model, whose text need not be valid, with its bytes."""
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
