"""charrnn evaluate: measures how well a model predicts a text."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from charrnn.cli.environment import is_typed, refuse_unused
from charrnn.cli.options_from_fields import takes_options
from charrnn.cli.shared_arguments import Json, ModelArgument
from charrnn.cli.unicode_json import dumps
from charrnn.data.read_options import ReadOptions
from charrnn.option_declaration import Relations

if TYPE_CHECKING:
    from charrnn.explanation.explanation import Explanation
    from charrnn.storage.model_directory import Model
    from charrnn.training.report import EvaluationReport, EvaluationRequest
    from charrnn.training.task import TaskDefinition

SHOWN: Final = 2_000
"""Characters whose surprisals are shown."""

AT_MOST: Final = 1_000_000
"""Characters or bytes of a longer text that are read; the largest networks take minutes."""


@takes_options
def evaluate(
    *,
    context: typer.Context,
    model: ModelArgument = None,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="The text to read; - is stdin.",
            show_default="the held-out part of the training text",
        ),
    ] = None,
    protocol: Annotated[
        Literal["stream", "windows"],
        typer.Option(
            help="Score with this protocol: stream reads the text once, from the first character "
            "to the last; windows reads random windows of 256 characters, each from a zero state, "
            "as nanoGPT does."
        ),
    ] = "stream",
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="Adapt to the text: learn from each part after predicting it (dynamic "
            "evaluation). The saved model does not change.",
        ),
        Relations(excludes=("protocol",)),
    ] = False,
    memory: Annotated[
        bool,
        typer.Option(
            "--memory",
            help="Mix the network's predictions with counts and repeated passages of the training "
            "text and of what was read, as compress does.",
        ),
        Relations(excludes=("protocol",)),
    ] = False,
    engine: Annotated[
        Literal["int8", "float32"] | None,
        typer.Option(
            help="Read with this engine. float32 is the official one; int8 shows its loss, and by "
            "how much that differs from float32.",
            show_default="float32, with --memory int8",
        ),
        Relations(excludes=("adapt",)),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help=f"Read a text of more than {AT_MOST:,} characters or bytes in full, instead of "
            "passages spread over it.",
        ),
    ] = False,
    surprise: Annotated[
        bool,
        typer.Option(
            "--surprise",
            help=f"Show the first {SHOWN:,} characters in the colours of their surprisal as well; "
            "with --json, those of each character.",
        ),
        Relations(excludes=("protocol", "adapt", "memory", "engine")),
    ] = False,
    read: ReadOptions,
    as_json: Json = False,
) -> None:
    """Measure how well a model predicts a text, next to baselines on the same text."""
    from charrnn.cli.display import reading, time_left
    from charrnn.cli.folders import say_what_is_read
    from charrnn.data.sources import folders_of
    from charrnn.storage.run_lookup import read_found
    from charrnn.training.report import EvaluationRequest
    from charrnn.training.saved_model_evaluation import (
        checked_request,
        prepare_evaluation,
        read_evaluated,
    )
    from charrnn.training.task import task_definition

    with reading("reading ...") as progress:
        directory, (evaluated, checkpoint) = read_found(model, read_evaluated, lists=True)
        definition = task_definition(evaluated.config.task)
        refuse_unused(
            context,
            unused=definition.unused_read_options,
            tokenizer=evaluated.tokenizer.kind,
        )
        request = EvaluationRequest(
            model=evaluated,
            read=_read_options(context, definition, read),
            directory=directory,
            checkpoint=checkpoint,
            file=file,
            at_most=None if everything else AT_MOST,
            **_settings(context, definition),
        )
        request = checked_request(request)
        measure = prepare_evaluation(request, progress)
    if file is not None:
        read = request.read
        say_what_is_read(folders_of([file], read), classes=read.label is not None)
    with time_left("reading and learning" if adapt else "reading") as show_progress:
        report = measure(show_progress)
    found = _explain(request) if surprise else None
    _show(report, evaluated, found, as_json=as_json)


def _settings(context: typer.Context, definition: "TaskDefinition") -> dict[str, Any]:
    """Return the settings that the model's task has, and those that were typed.

    A typed setting that the task lacks is refused later; one from the environment is ignored, as it
    may be meant for other models.
    """
    return {
        name: context.params[name]
        for name in ("protocol", "adapt", "memory", "engine")
        if name in definition.evaluation_options or is_typed(context, name)
    }


def _read_options(
    context: typer.Context, definition: "TaskDefinition", read: ReadOptions
) -> ReadOptions:
    """Return how to read the file, without environment variables that do not apply to it."""
    file = context.params["file"]
    unused: dict[str, Any] = dict.fromkeys(definition.unused_read_options)
    read = replace(read, **unused)
    if (
        definition.labelled
        and file is not None
        and os.path.isdir(file)
        and not is_typed(context, "column")
    ):
        return replace(read, column=None)
    return read


def _explain(request: "EvaluationRequest") -> "Explanation":
    """Return the surprisals of the text that is evaluated."""
    from charrnn.explanation.config import ExplainConfig
    from charrnn.explanation.request import ExplainRequest
    from charrnn.training.explained_text import read_text
    from charrnn.training.explaining import explain_request

    text = None
    if request.file is not None:
        text = read_text(request.file, request.model.tokenizer, request.read)
    config = ExplainConfig(parts=("surprise",), samples=0, shown=SHOWN)
    return explain_request(
        ExplainRequest(
            model=request.model,
            directory=request.directory,
            text=text,
            source=request.file or "",
            config=config,
        )
    )


def _show(
    report: "EvaluationReport", model: "Model", found: "Explanation | None", *, as_json: bool
) -> None:
    """Print a report on stdout, and its remarks and warnings on stderr."""
    from charrnn.cli.display import key_value_table, report_table, results, say, warn

    for remark in report.remarks:
        say(remark)
    if report.skipped:
        from charrnn.data.tokenizer import unknown_error

        shown = unknown_error(model.tokenizer, report.skipped).shown
        warn(f"the model has never seen {shown}: left out")
    if as_json:
        record = report.to_json()
        if found is not None:
            from charrnn.cli.surprise_colours import surprise_record

            record = record | {"surprise": surprise_record(found)}
        print(dumps(record, indent=2))
        return
    results().print(key_value_table(report.rows))
    if report.table is not None:
        results().print(report_table(report.table))
    if found is not None:
        from charrnn.cli.surprise_colours import print_surprise

        print_surprise(found)
