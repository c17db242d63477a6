"""The command line: one Typer app, with the error handling that all commands share.

Exit codes: 0 ok, 1 failed, 2 usage, 3 unusable model, 4 unusable corpus, 130 Ctrl-C, 143 SIGTERM,
129 closed terminal. A pipe that the reader closes ends a command quietly.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from charrnn import __version__
from charrnn.cli import (
    card,
    compress,
    corpora,
    decompress,
    evaluate,
    explain,
    export,
    fill,
    import_,
    info,
    plan,
    plot,
    predict,
    proofread,
    pull,
    push,
    repl,
    sample,
    score,
    serve,
    train,
    translate,
)
from charrnn.cli.command import Command
from charrnn.cli.streams import finish_stdout, open_standard_streams, write_one_way
from charrnn.errors import CharRNNError, CharRNNWarning, ConfigError, CorpusError, ModelError
from charrnn.training.parallel.rank import rank_info

EXIT_CODES: Final[dict[type[BaseException], int]] = {
    ConfigError: 2,
    ModelError: 3,
    CorpusError: 4,
    CharRNNError: 1,
}
INTERRUPTED: Final = 130


class Commands(TyperGroup):
    """A group of commands that turns an exception into a one-line message and an exit code."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        """Run the command that the arguments name, and flush stdout before returning."""
        write_one_way()
        try:
            try:
                return super().main(*arguments, **settings)
            finally:
                sys.stdout.flush()
        except SystemExit as leaving:
            if isinstance(leaving.__context__, BrokenPipeError):  # while Typer printed help
                finish_stdout()
                sys.exit(0)
            raise
        except BrokenPipeError:
            finish_stdout()
            sys.exit(0)
        except OSError as error:  # while printing --help or --version; invoke() handles commands
            from charrnn.cli.display import fail

            finish_stdout()
            fail(f"output: {error.strerror or error}")
            sys.exit(1)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and report its exceptions as one-line messages."""
        try:
            try:
                with _warnings_in_a_line():
                    return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError as error:  # the reader has closed the pipe
            finish_stdout()
            end = error.__context__  # the exit of a command that had finished its work
            raise typer.Exit(end.exit_code if isinstance(end, typer.Exit) else 0) from None
        except KeyboardInterrupt:
            if sys.stderr.isatty():  # so that the shell's prompt starts on a line of its own
                sys.stderr.write("\n")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if ctx.params.get("debug") or _is_usage_error(error):
                raise
            from charrnn.cli.display import fail

            finish_stdout()
            if isinstance(error, CharRNNError):
                fail(str(error))
            elif isinstance(error, OSError):
                fail(f"{error.filename or 'output'}: {error.strerror or error}")
            elif package := _missing_package(error):
                fail(
                    f"the package {package} is missing or broken; install it with: "
                    f"pip install --upgrade {package} ({error})"
                )
            else:
                fail(f"{type(error).__name__}: {error}; charrnn --debug COMMAND shows a traceback")
            codes = EXIT_CODES
            if ctx.invoked_subcommand == "proofread":
                codes = {**EXIT_CODES, CharRNNError: proofread.FAILED}
            code = next((codes[k] for k in type(error).__mro__ if k in codes), codes[CharRNNError])
            raise typer.Exit(code) from None


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """Show charrnn's own warnings as one-line messages, without their source line."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CharRNNWarning)
        others = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, CharRNNWarning):
                others(message, category, *place, **more)
                return
            from charrnn.cli.display import warn

            warn(str(message))

        warnings.showwarning = show
        yield


def _missing_package(error: Exception) -> str | None:
    """Return the name of the package whose import failed, or None for any other error."""
    name = isinstance(error, ImportError) and (error.name or "").partition(".")[0]
    return name.replace("_", "-") if name and name not in sys.stdlib_module_names else None


def _is_usage_error(error: Exception) -> bool:
    """Return whether Typer raised the error itself. Typer then prints what is wrong."""
    return hasattr(error, "exit_code")


_ENVIRONMENT: Final = (
    "Every option has an environment variable: CHARRNN_SEED for --seed, and so on."
)

app = typer.Typer(
    cls=Commands,
    help="Train a character-level language model on your own text, and write with it.",
    epilog="Start with charrnn train FILE, then charrnn sample.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    *(train.train, plan.plan, sample.sample, repl.repl, predict.predict),
    *(translate.translate, evaluate.evaluate, explain.explain, score.score),
    *(fill.fill, proofread.proofread, serve.serve),
    *(compress.compress, decompress.decompress),
    *(info.info, plot.plot, card.card, export.export, import_.import_),
    *(push.push, pull.pull, corpora.corpora),
):
    app.command(command.__name__.rstrip("_"), cls=Command, epilog=_ENVIRONMENT)(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"charrnn {__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", envvar="CHARRNN_DEBUG", help="Show a traceback when something fails."
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Accept the options that come before the command."""
    if context.invoked_subcommand != "train" and rank_info().rank > 0:
        raise typer.Exit  # only the first of several processes runs the command


def main() -> None:
    """Run the command that the arguments of the process name, and exits."""
    open_standard_streams(silent=_is_silent())
    app()


def _is_silent() -> bool:
    """Return whether this process is not the first one of torchrun, which speaks for all."""
    try:
        return rank_info().rank > 0 and "--debug" not in sys.argv
    except ConfigError:
        return False  # the command will raise it
