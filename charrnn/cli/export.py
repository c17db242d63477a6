"""charrnn export: writes a model in a form that other programs open."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from charrnn.cli.environment import refuse_typed
from charrnn.cli.options_from_fields import Fields, takes_options
from charrnn.cli.output_file import write_output
from charrnn.cli.shared_arguments import OUTPUT, ModelArgument
from charrnn.errors import ConfigError
from charrnn.export.page_config import PAGE, SETTINGS, PageConfig
from charrnn.generation.config import SamplingConfig
from charrnn.option_declaration import Relations, options_of

if TYPE_CHECKING:
    from charrnn.storage.model_directory import Model

_PAGE_LENGTH: Final = 200


@takes_options
def export(
    *,
    context: typer.Context,
    model: ModelArgument = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE.html",
            help="Write a web page in one file, which writes with the model wherever it is opened, "
            "without a server or a network; - is stdout.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    zip_file: Annotated[
        Path | None,
        typer.Option(
            "--zip",
            metavar="FILE.zip",
            help="Write the model directory as one file, which charrnn import takes; - is stdout.",
            rich_help_panel=OUTPUT,
        ),
        Relations(excludes=("html", "onnx")),
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option(
            "--onnx",
            metavar="FILE.onnx",
            help="Write an ONNX file, for onnxruntime and other programs; - is stdout. "
            "It needs the extra onnx.",
            rich_help_panel=OUTPUT,
        ),
        Relations(excludes=("html",)),
    ] = None,
    page: PageConfig,
    card: Annotated[
        Path | None,
        typer.Option(
            "--card",
            metavar="FILE.md",
            help="Show this text, the model's card, a click away.",
            rich_help_panel=PAGE,
        ),
        Relations(needs=("html",)),
    ] = None,
    sampling: Annotated[SamplingConfig, Fields(*SETTINGS, length=_PAGE_LENGTH)],
) -> None:
    """Write a model in a form that other programs open.

    The page of --html computes with the int8 engine: it writes what `charrnn sample` writes with
    the same seed. Options of sampling say where its sliders begin.

    The file of --onnx computes in float32, and has the alphabet in its metadata.
    """
    from charrnn.storage.run_lookup import load

    if html is not None:
        write_output(html, _html(load(model), page, sampling, card))
        return
    refuse_typed(context, *options_of(PageConfig), *SETTINGS, why="without --html")
    if zip_file is not None:
        write_output(zip_file, _zip(load(model)))
    elif onnx is not None:
        write_output(onnx, _onnx(load(model)))
    else:
        raise ConfigError(
            "what to write is missing; give --html FILE.html, --onnx FILE.onnx or --zip FILE.zip"
        )


def _html(model: "Model", page: PageConfig, sampling: SamplingConfig, card: Path | None) -> bytes:
    from charrnn.export.html import html_page

    text = None if card is None else _read_card(card)
    return html_page(model, page, sampling=sampling, card=text)


def _onnx(model: "Model") -> bytes:
    from charrnn.export.onnx_file import make_onnx_file

    return make_onnx_file(model)


def _zip(model: "Model") -> bytes:
    from charrnn.export.archive import model_zip

    return model_zip(model)


def _read_card(path: Path) -> str:
    """Return the text of a model's card. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: it is no text in UTF-8") from error
