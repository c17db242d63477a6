"""charrnn explain: shows what a model does with a text, by character and by unit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.environment import refuse_unused
from charrnn.cli.options_from_fields import Fields, takes_options
from charrnn.cli.output_file import check_output, write_output
from charrnn.cli.shared_arguments import OUTPUT, Json, ModelArgument
from charrnn.cli.text_argument import check_text, is_there
from charrnn.cli.unicode_json import dumps
from charrnn.data.read_options import ReadOptions
from charrnn.explanation.config import ExplainConfig
from charrnn.option_declaration import Relations

if TYPE_CHECKING:
    from charrnn.data.tokenizer import Tokenizer


@takes_options
def explain(
    *,
    context: typer.Context,
    model: ModelArgument = None,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE|-|TEXT",
            help="An existing file or folder, - for stdin, or the text itself.",
            show_default="what was held out of the training text",
        ),
    ] = None,
    config: ExplainConfig,
    read: Annotated[ReadOptions, Fields(without=("label",))],
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE.html",
            help="Write a web page in one file, which shows all of it wherever it is opened, "
            "without a server or a network; - is stdout.",
            rich_help_panel=OUTPUT,
        ),
        Relations(excludes=("as_json",)),
    ] = None,
    as_json: Json = False,
) -> None:
    """Explain what a model does with a text: what surprises it, what its units show, how far back
    it remembers, what it copies, and what it learned when.

    Of a model of labelled texts, show which characters made its prediction; of a model of pairs,
    which characters of each line made which symbols of its translation.
    """
    from charrnn.cli.display import results, warn, working
    from charrnn.cli.explain_tables import tables
    from charrnn.explanation.request import ExplainRequest
    from charrnn.storage.model_directory import read_model
    from charrnn.storage.run_lookup import read_found
    from charrnn.training.explaining import explain_request

    if html is not None:
        check_output(html)
    with working("reading ...") as say_stage:
        directory, found = read_found(model, read_model)
        refuse_unused(context, tokenizer=found.tokenizer.kind)
        given, source = (None, "") if text is None else read_argument(text, found.tokenizer, read)
        explanation = explain_request(
            ExplainRequest(
                model=found,
                directory=directory,
                text=given,
                source=source,
                config=config,
                stage=lambda what: say_stage(f"{what} ..."),
            )
        )
    if as_json:
        print(dumps(explanation.to_json()))
        return
    for part, why in explanation.absent.items():
        if part in config.parts:
            warn(f"no {part}: {why}")
    if html is not None:
        from charrnn.export.explanation_page import explanation_page

        write_output(html, explanation_page(explanation))
        return
    for table in tables(explanation):
        results().print(table)


def read_argument(name: str, tokenizer: "Tokenizer", read: ReadOptions) -> tuple[str, str]:
    """Return the text of an argument, and where it comes from. Raises CorpusError."""
    from charrnn.training.explained_text import read_text

    if is_there(name):
        return read_text(name, tokenizer, read), "stdin" if name == "-" else name
    check_text(name)
    return name, "the text"
