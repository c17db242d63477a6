"""charrnn sample: text from a model."""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count, islice
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
    from charrnn.data.sources import ReadOptions
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.generation.config import SamplingConfig
    from charrnn.generation.draw import Sample
    from charrnn.generation.selection import Lines

ENDS: Final = "Where a text begins and ends"
WHICH: Final = "Which texts"
OUTPUT: Final = "What is printed"

_PIECE: Final = 1 << 20
"""Characters of the training text decoded at once."""


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
    from charrnn.cli.unicode_json import dumps
    from charrnn.data.sources import ReadOptions
    from charrnn.errors import ConfigError
    from charrnn.explain.attention_map import require_attention, write_map
    from charrnn.generation.beam import beam_search
    from charrnn.generation.config import SamplingConfig
    from charrnn.generation.sampler import load_sampler
    from charrnn.generation.selection import best_of as selected
    from charrnn.generation.selection import novel, unique
    from charrnn.generation.unwritable import dropped

    sampler = load_sampler(model)
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
    refuse_unused(context, corpus or [], tokenizer=sampler.model.tokenizer.kind)
    score = as_json or as_json_lines
    several = number > 1 or score or is_unique or is_novel or best_of or beam
    if attention_map is not None:
        require_attention(sampler.model)
    _refuse(
        {
            "--attention-map shows one text as it is printed: leave -n, --json and the like out": (
                attention_map is not None and several
            ),
            "--logprobs goes with --json or --jsonl": log_probabilities and not score,
            "--corpus goes with --novel": corpus is not None and not is_novel,
            "stdin can be read once: give either --prompt or --corpus in another way": (
                prompt == "-" and "-" in (corpus or ())
            ),
            "--beam finds the likeliest by itself: leave --best-of out": beam and best_of,
            "--beam weighs whole texts: leave --logprobs out": beam and log_probabilities,
            f"--beam {beam} finds no more than {beam} texts: ask for no more with -n": (
                beam is not None and number > beam
            ),
            "--length 0: give --lines, --stop or --regex, so that every text ends": (
                config.length is None
                and not (lines or stop or regex)
                and (score or best_of or is_unique or is_novel or number > 1 or attention_map)
            ),
        }
    )
    if not escapes:
        warn_of_escapes(sampler.model.tokenizer, prompt, ban, only, *(stop or ()))
    if strict and (unknown := dropped(config, sampler.model.tokenizer)):
        raise ConfigError(unknown[0])
    prompt = read_prompt(prompt, sampler.model.tokenizer, escapes=escapes)
    prompt = known_characters(sampler.model.tokenizer, prompt, strict=strict)
    opening = sampler.opening(prompt, lines=lines)
    output = TextOutput()
    if not several:
        output.write(prompt)
        written = []
        for text in sampler.stream(opening, config, index=index, score=False):
            output.write(text)
            if attention_map is not None:
                written.append(text)
        if attention_map is not None:
            given = sampler.model.tokenizer.decode(opening.ids)
            write_map(attention_map, sampler.model, given, "".join(written))
        if lines:
            output.write("\n")
    else:
        record = partial(
            _record,
            prompt=prompt,
            config=config,
            tokenizer=sampler.model.tokenizer,
            log_probabilities=log_probabilities,
        )
        known = None
        if is_novel:
            known = _training_lines(
                model,
                sampler.model.tokenizer,
                corpus,
                ReadOptions(encoding, glob, column, delimiter=delimiter),
            )
        with contextlib.ExitStack() as stack:
            if beam is not None:
                samples: Iterator[Sample] = iter(beam_search(sampler, opening, config, width=beam))
            else:
                indices = (
                    count(index)
                    if is_unique or is_novel
                    else range(index, index + number * (best_of or 1))
                )
                samples = stack.enter_context(
                    contextlib.closing(
                        sampler.samples(
                            opening, config, indices=indices, score=score or best_of is not None
                        )
                    )
                )
            if known is not None:
                samples = novel(samples, known, prompt)
            if best_of is not None:
                samples = selected(samples, best_of)
            if is_unique:
                samples = unique(samples)
            samples = tracked(islice(samples, number), number)
            if as_json:
                output.write(dumps([record(each) for each in samples], indent=2) + "\n")
            elif as_json_lines:
                for each in samples:
                    output.write(dumps(record(each)) + "\n")
            else:
                for position, each in enumerate(samples):
                    if position and not lines:
                        output.end_line()
                        output.write("---\n")
                    output.write(prompt + each.text + "\n" * lines)
    output.close()
    if seed is None and output.terminal and not score:
        say(f"seed {config.seed}", "dim")


def _refuse(wrong: Mapping[str, object]) -> None:
    """Raises ConfigError for the first that is so."""
    from charrnn.errors import ConfigError

    for what, is_so in wrong.items():
        if is_so:
            raise ConfigError(what)


def _record(
    sample: "Sample",
    prompt: str,
    config: "SamplingConfig",
    tokenizer: "Tokenizer",
    log_probabilities: bool,
) -> dict[str, Any]:
    """What --json says of a text; of a byte model, whose text need not be valid, with its bytes."""
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


def _training_lines(
    model: str | None, tokenizer: "Tokenizer", names: list[str] | None, options: "ReadOptions"
) -> "Lines":
    """The lines of a corpus: of those named, or of the one that the model was trained on."""
    from charrnn.data.corpus import open_corpus
    from charrnn.data.tokenizer import ByteTokenizer
    from charrnn.errors import CorpusError, ModelError
    from charrnn.generation.selection import Lines
    from charrnn.storage.run_lookup import read_found
    from charrnn.storage.token_cache import keep_for_now
    from charrnn.training.checkpoint import read_checkpoint

    if names is not None:
        opened = open_corpus(names, options)
        if tokenizer.kind == ByteTokenizer.kind:  # whose text need not be text in any encoding
            return Lines(piece.decode("utf-8", "surrogateescape") for piece in opened.bytes())
        return Lines(opened.texts())
    try:
        _, checkpoint = read_found(model, read_checkpoint)
        text = checkpoint.read_corpus(keep=keep_for_now)
    except (CorpusError, ModelError) as error:
        raise CorpusError(f"--novel needs the training text: {error}; --corpus names it") from error
    pieces = (text.ids[begin : begin + _PIECE] for begin in range(0, len(text.ids), _PIECE))
    return Lines(map(text.tokenizer.decode, pieces))
