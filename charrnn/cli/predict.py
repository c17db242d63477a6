"""charrnn predict: the class of texts, or a number."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.options import Column, Encoding, Glob, Json, complete_runs
from charrnn.cli.unicode_json import dumps

if TYPE_CHECKING:
    from charrnn.data.sources import ReadOptions
    from charrnn.generation.classifier import Prediction


def predict(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A run's name, a run directory or a model directory, trained with --label.",
            autocompletion=complete_runs,
            show_default=False,
        ),
    ],
    text: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-|TEXT",
            help="A file, a table or a folder that is there, stdin (-), or else the text itself.",
            show_default=False,
        ),
    ],
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line of a file is a text of its own.")
    ] = False,
    encoding: Encoding = "utf-8",
    glob: Glob = "*.txt",
    column: Column = None,
    as_json: Json = False,
    as_jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print JSON on stdout, a line for each text.")
    ] = False,
) -> None:
    """Tell the class of texts, or a number, with a model of labelled texts.

    A line for each text goes to stdout: its class and how probable that is, divided by a tab, or the
    number. --json and --jsonl print the probabilities of all classes.
    """
    from charrnn.cli.display import warn
    from charrnn.data.sources import ReadOptions
    from charrnn.data.tokenizer import unknown_error
    from charrnn.errors import ConfigError
    from charrnn.generation.classifier import Classifier
    from charrnn.storage.run import load

    if as_json and as_jsonl:
        raise ConfigError("--json and --jsonl exclude each other; choose one")
    classifier = Classifier(load(model))
    texts = _texts(text, ReadOptions(encoding, glob, column), lines=lines)
    skipped: dict[str, None] = {}
    records = []
    for prediction in classifier.stream(texts):
        skipped |= dict.fromkeys(prediction.skipped)
        if as_json:
            records.append(_record(prediction))
        elif as_jsonl:
            print(dumps(_record(prediction), ensure_ascii=False))
        else:
            print(_line(prediction))
    if as_json:
        print(dumps(records, indent=2, ensure_ascii=False))
    if skipped:
        shown = unknown_error(classifier.model.tokenizer, list(skipped)).shown
        warn(f"left out, as the model has never seen {shown}")


def _texts(name: str, read: "ReadOptions", *, lines: bool) -> Iterator[str]:
    """The texts that an argument names, or is. Raises CorpusError, ConfigError."""
    from charrnn.data.labelled import read_documents
    from charrnn.data.tables import is_table
    from charrnn.errors import ConfigError, CorpusError

    there = name == "-" or os.path.exists(name)
    table = is_table(name) and not os.path.isdir(name)
    if there and not table and read.column is not None:
        raise ConfigError(f"{name}: it has no columns; leave out --text")
    if not there:
        spaced = any(map(str.isspace, name))
        if not spaced and (is_table(name) or Path(name).suffix.lower() == ".txt"):
            raise CorpusError(f"{name}: no such file")
        if lines or read.column is not None:
            raise CorpusError(f"{name}: no such file, to read lines or columns of")
        return iter([name])
    if lines and (table or os.path.isdir(name)):
        raise ConfigError(f"{name}: a row, or a file, is a text already; leave out --lines")
    if lines:
        return _lines(name, read)
    return (document.text for document in read_documents(name, read))


def _lines(name: str, read: "ReadOptions") -> Iterator[str]:
    """The lines of a file, one after another."""
    from charrnn.data.sources import decode, open_source

    pending = ""
    for part in open_source(name, read):
        for piece in decode(part):
            *whole, pending = (pending + piece).split("\n")
            yield from whole
        if pending:
            yield pending
        pending = ""


def _line(prediction: "Prediction") -> str:
    from charrnn.cli.display import printable

    if prediction.label is None:
        return f"{prediction.number:.7g}"
    name = prediction.label.translate({9: "\\t", 10: "\\n", 13: "\\r"})
    if sys.stdout.isatty():
        name = printable(name)
    return f"{name}\t{prediction.probabilities[prediction.label]:.4f}"


def _record(prediction: "Prediction") -> dict[str, Any]:
    if prediction.label is None:
        return {"number": prediction.number}
    return {"label": prediction.label, "probabilities": prediction.probabilities}
