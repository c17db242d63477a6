"""charrnn evaluate: how well a model predicts a text."""

import os
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from charrnn.cli.display import BASELINES
from charrnn.cli.environment import is_typed
from charrnn.cli.options import (
    Column,
    Delimiter,
    Encoding,
    Glob,
    Json,
    Label,
    ModelArgument,
    refuse_unused,
)
from charrnn.cli.unicode_json import dumps

if TYPE_CHECKING:
    from charrnn.data.corpus import ReadingProgress
    from charrnn.data.excerpt import AnyIds
    from charrnn.storage.model_directory import Model
    from charrnn.training.checkpoint import Checkpoint


AT_MOST: Final = 1_000_000
"""Characters, or bytes, that are read of a longer text: minutes, for the largest networks."""


def evaluate(
    context: typer.Context,
    model: ModelArgument = None,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="A text; - is stdin.",
            show_default="what was held out of the training text",
        ),
    ] = None,
    protocol: Annotated[
        Literal["stream", "windows"],
        typer.Option(
            help="stream: read once, from the first character to the last. "
            "windows: random windows of 256 characters, each from a cold state, as nanoGPT scores."
        ),
    ] = "stream",
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="Learn from the text while reading it, each part once it was predicted. "
            "The model stays as it is.",
        ),
    ] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help=f"Read all of a text of more than {AT_MOST:,} characters or bytes, not "
            "passages from "
            "all over it.",
        ),
    ] = False,
    encoding: Encoding = "utf-8",
    glob: Glob = "*.txt",
    column: Column = None,
    label: Label = None,
    delimiter: Delimiter = None,
    as_json: Json = False,
) -> None:
    """Measure how well a model predicts a text, beside simpler means on the same text."""
    from charrnn.cli.classification_report import evaluate_labelled
    from charrnn.cli.display import key_value_table, reading, results, say, time_left, warn
    from charrnn.cli.folders import say_what_is_read
    from charrnn.data.sources import ReadOptions
    from charrnn.errors import ConfigError, CorpusError
    from charrnn.evaluation.scoring import evaluate as score
    from charrnn.storage.run_lookup import read_found
    from charrnn.storage.token_cache import keep_for_now

    with reading("reading ...") as progress:
        directory, (network, checkpoint) = read_found(model, _read)
        labelled = network.config.task in ("classify", "regress")
        refuse_unused(
            context,
            [] if file is None else [file],
            unused=() if labelled else ("label",),
            tokenizer=network.tokenizer.kind,
        )
        if labelled:
            if is_typed(context, "adapt", "protocol"):
                raise ConfigError(
                    "--adapt and --protocol are for models to generate; leave them out"
                )
            read = ReadOptions(encoding, glob, column, label, delimiter)
            if file is not None and os.path.isdir(file) and not is_typed(context, "column"):
                read = replace(read, column=None)
            evaluate_labelled(
                network,
                checkpoint,
                directory,
                file,
                read,
                as_json=as_json,
                progress=progress,
            )
            return
        try:
            training, validation = _split(checkpoint, directory, progress)
        except CorpusError as error:
            if file is None:
                raise
            warn(f"no baselines, which learn from the training text: {error}")
            training, validation = None, None
    read = ReadOptions(encoding, glob, column, delimiter=delimiter)
    if file is not None:
        say_what_is_read([file], read)
    text = file if file is not None else validation
    assert text is not None
    with time_left("reading and learning" if adapt else "reading") as tell:
        result = score(
            network,
            text,
            training=training,
            protocol=protocol,
            read=read,
            adapt=adapt,
            at_most=None if everything else AT_MOST,
            keep=keep_for_now,
            progress=tell,
        )
    if result.of_characters is not None:
        where = "from the beginning" if adapt else "in passages from all over the text"
        say(
            f"read {result.characters:,} of {result.of_characters:,} characters, {where}; "
            "--all reads everything"
        )
    if result.skipped:
        from charrnn.data.tokenizer import unknown_error

        shown = unknown_error(network.tokenizer, result.skipped).shown
        warn(f"left out, as the model has never seen {shown}")
    if as_json:
        print(dumps(asdict(result), indent=2))
        return
    rows = [
        ("text", file if file is not None else "held out of the training text"),
        ("characters", f"{result.characters:,}, protocol {result.protocol}"),
        ("bits per character", f"{result.bits_per_character:.4f}"),
        ("bits per byte", f"{result.bits_per_byte:.4f}"),
        ("nats per character", f"{result.nats_per_character:.4f}"),
        ("perplexity", f"{result.perplexity:.3f}"),
    ]
    if result.lines is not None:
        also = (
            f"{result.lines:,}, {result.lines_in_training:,} of them in the training text as well"
        )
        rows.insert(2, ("lines", also))
    rows += [
        (BASELINES[name], f"{bits:.4f} bits per character")
        for name, bits in result.baselines.items()
    ]
    results().print(key_value_table(rows))


def _read(directory: Path) -> "tuple[Model, Checkpoint | None]":
    """A model, and where it is a checkpoint, the rest of it."""
    from charrnn.storage.model_directory import find_manifest, read_model
    from charrnn.training.checkpoint import read_checkpoint

    if find_manifest(directory) is None:
        return read_model(directory), None
    checkpoint = read_checkpoint(directory)
    return checkpoint.model, checkpoint


def _split(
    checkpoint: "Checkpoint | None", directory: Path, progress: "ReadingProgress"
) -> "tuple[AnyIds, AnyIds]":
    """What the model learned from, and what was held out. Raises CorpusError."""
    from charrnn.errors import CorpusError
    from charrnn.evaluation.scoring import held_out
    from charrnn.storage.token_cache import IDS_FOLDER, find_ids, keep_for_now

    if checkpoint is None:
        raise CorpusError(f"{directory}: it does not say where its text is; name a FILE to read")
    find = partial(find_ids, directory.parent / IDS_FOLDER, progress=progress)
    return held_out(
        checkpoint.model, checkpoint.read_corpus(find=find, keep=keep_for_now, progress=progress)
    )
