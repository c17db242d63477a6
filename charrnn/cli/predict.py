"""charrnn predict: predicts the classes of texts, or numbers."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from charrnn.cli.environment import refuse_unused
from charrnn.cli.options_from_fields import Fields, takes_options
from charrnn.cli.shared_arguments import Json, complete_runs
from charrnn.cli.text_argument import check_text, is_there
from charrnn.cli.unicode_json import dumps
from charrnn.data.read_options import PAIRS, ReadOptions
from charrnn.option_declaration import Relations

if TYPE_CHECKING:
    from charrnn.data.documents import Document
    from charrnn.tasks.classify.predict import Classifier, Prediction

    Show = Callable[[Prediction, Document], None]


@takes_options
def predict(
    *,
    context: typer.Context,
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
            help="An existing file, table or folder, - for stdin, or the text itself.",
            show_default=False,
        ),
    ],
    lines: Annotated[
        bool, typer.Option("--lines", help="Read each line of a file as a text of its own.")
    ] = False,
    read: Annotated[ReadOptions, Fields(without=("label", *PAIRS))],
    as_json: Json = False,
    as_jsonl: Annotated[
        bool,
        typer.Option("--jsonl", help="Print one JSON object per text, each on a line."),
        Relations(excludes=("as_json",)),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Stop at the first text that has no prediction, with exit code 4."
        ),
    ] = False,
) -> None:
    """Predict the class of each text, or a number, with a model trained on labelled texts.

    Each text gets a line on stdout: its class and the probability of that class, separated by a
    tab, or the number. --json and --jsonl print the probabilities of all classes. Among several
    texts, one without a prediction prints null and the reason.
    """
    from charrnn.cli.display import warn
    from charrnn.cli.folders import say_what_is_read
    from charrnn.data.sources import folders_of
    from charrnn.data.tokenizer import unknown_error
    from charrnn.storage.run_lookup import load
    from charrnn.tasks.classify.predict import Classifier

    classifier = Classifier(load(model))
    tokenizer = classifier.model.tokenizer
    documents = _documents(text, read, lines=lines, as_bytes=tokenizer.kind == "byte")
    refuse_unused(context, tokenizer=tokenizer.kind)
    say_what_is_read(folders_of([text], read), classes=False)
    numbers = not classifier.model.labels
    with _printed(as_json=as_json, as_jsonl=as_jsonl, numbers=numbers) as show:
        seen = _predict_all(classifier, documents, show, strict=strict)
    if seen.skipped:
        shown = unknown_error(tokenizer, list(seen.skipped)).shown
        warn(f"the model has never seen {shown}: left out")
    if seen.problems:
        warn(
            f"{seen.problems:,} of {seen.texts:,} texts have no prediction (null); the first: "
            f"{seen.first_problem}; --strict stops there"
        )
    if not seen.texts:
        warn(f"{text}: it has no text")


@dataclass
class _Seen:
    """Counts of the texts that were read, for the messages at the end.

    Attributes:
        texts: how many there were.
        problems: how many have no prediction.
        first_problem: the place of the first text without a prediction, and the reason.
        skipped: the unknown characters in order of appearance, as keys.
    """

    texts: int = 0
    problems: int = 0
    first_problem: str = ""
    skipped: dict[str, None] = field(default_factory=dict)


def _predict_all(
    classifier: "Classifier", documents: "Iterator[Document]", show: "Show", *, strict: bool
) -> _Seen:
    """Predict and show each document, in order.

    Raises CorpusError at the first text without a prediction if `strict`, or if it is the only
    text.
    """
    from itertools import tee

    from charrnn.errors import CorpusError

    seen = _Seen()
    documents, again = tee(documents)
    for prediction, document in zip(classifier.stream(again), documents, strict=False):
        if prediction.problem is not None:
            problem = f"{document.where}: {prediction.problem}"
            if strict or document.place is None:
                raise CorpusError(problem)
            seen.first_problem = seen.first_problem or problem
            seen.problems += 1
        else:
            seen.skipped |= dict.fromkeys(prediction.skipped)
        seen.texts += 1
        show(prediction, document)
    return seen


def _documents(
    name: str, read: ReadOptions, *, lines: bool, as_bytes: bool
) -> "Iterator[Document]":
    """Return the texts of the file, table or folder that `name` is, or `name` itself as the text.

    Raises CorpusError, ConfigError.
    """
    from charrnn.data.documents import Document, read_documents, read_lines
    from charrnn.data.tables import is_table
    from charrnn.errors import ConfigError, CorpusError

    there = is_there(name)
    table = is_table(name) and not os.path.isdir(name)
    if there and not table and read.column is not None:
        raise ConfigError(f"{name}: it has no columns; leave out --text")
    if not there:
        check_text(name)
        if lines or read.column is not None:
            raise CorpusError(f"{name}: no such file; --lines and --text read files")
        return iter([Document("the text", name)])
    if lines and (table or os.path.isdir(name)):
        raise ConfigError(f"{name}: each row or file is one text; leave out --lines")
    return (read_lines if lines else read_documents)(name, read, as_bytes=as_bytes)


@contextmanager
def _printed(*, as_json: bool, as_jsonl: bool, numbers: bool) -> "Iterator[Show]":
    """Yield a function that prints a prediction on stdout at once.

    The output is well-formed JSON even if an error ends it early.
    """
    from charrnn.cli.display import TextOutput

    output = TextOutput()
    count = 0

    def show(prediction: "Prediction", document: "Document") -> None:
        nonlocal count
        record = _record(prediction, document, numbers=numbers)
        if as_json:
            shown = indent(dumps(record, indent=2, ensure_ascii=False), "  ")
            output.write(("[\n" if count == 0 else ",\n") + shown)
        elif as_jsonl:
            output.write(dumps(record, ensure_ascii=False) + "\n")
        else:
            output.write(_line(prediction) + "\n")
        count += 1

    try:
        yield show
    except BrokenPipeError:
        raise
    except BaseException:
        if as_json and count:
            output.write("\n]\n")
        output.close()
        raise
    if as_json:
        output.write("\n]\n" if count else "[]\n")
    output.close()


_ON_A_LINE: Final = {9: "\\t", 10: "\\n", 13: "\\r"}


def _line(prediction: "Prediction") -> str:
    if prediction.problem is not None:
        return f"null\t{prediction.problem.translate(_ON_A_LINE)}"
    if prediction.label is None:
        return f"{prediction.number:.7g}"
    name = prediction.label.translate(_ON_A_LINE)
    return f"{name}\t{prediction.probabilities[prediction.label]:.4f}"


def _record(prediction: "Prediction", document: "Document", *, numbers: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"number": prediction.number}
    if not numbers:
        record = {"label": prediction.label, "probabilities": prediction.probabilities or None}
    if prediction.problem is not None:
        record["reason"] = prediction.problem
        if document.place is not None:
            record |= [document.place]
    return record
