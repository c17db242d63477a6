"""What every command has in common: where its options' values come from, and advice on what is
mistyped."""

import shlex
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperOption

from charrnn.cli.environment import settle


class Command(TyperCommand):
    """A command whose every option has an environment variable, under each of the option's own
    names.

    `--top-k` of `sample` reads CHARRNN_SAMPLE_TOP_K, then CHARRNN_TOP_K. What is typed goes first;
    see `environment.py`.
    """

    def __init__(self, name: str | None, **settings: Any) -> None:
        if settings.get("help"):  # else lines would end where they do in the code
            paragraphs = settings["help"].strip().split("\n\n")
            settings["help"] = "\n\n".join(" ".join(each.split()) for each in paragraphs)
        super().__init__(name, **settings)
        for option in self.params:
            if isinstance(option, TyperOption):
                long = [each for each in option.opts if each.startswith("--")] or option.opts
                names = [each.lstrip("-").replace("-", "_").upper() for each in long]
                own = [f"CHARRNN_{str(name).upper()}_{each}" for each in names]
                option.envvar = [*own, *(f"CHARRNN_{each}" for each in names)]
                option.show_envvar = False  # thirty of them would bury the help

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the command line; adds a hint to the error where an argument that begins with a
        dash seems to be a text, not an option."""
        given = list(args)
        try:
            remaining = super().parse_args(ctx, args)
        except Exception as error:
            if hasattr(error, "message"):  # Typer's own, which says what is wrong with it
                error.message += self._hint(ctx, given)
            raise
        settle(ctx)
        return remaining

    def _hint(self, ctx: Any, given: list[str]) -> str:
        """How to give what begins with a dash and is no option, where that may have been meant."""
        arguments = [each for each in self.params if isinstance(each, TyperArgument)]
        takes_text = any("TEXT" in (each.metavar or "") for each in arguments)
        options = {name: each for each in self.params for name in each.opts}
        behind = iter(given if arguments and "--" not in given else ())
        for argument in behind:
            if option := options.get(argument.partition("=")[0]):
                if not getattr(option, "is_flag", True) and "=" not in argument:
                    next(behind, None)  # its value
            elif _may_be_meant(argument, as_text=takes_text):
                what = "a text" if takes_text else "a name"
                return (
                    f"; {what} that begins with a dash comes last, behind --: "
                    f"{ctx.command_path} ... -- {shlex.quote(argument)}"
                )
        return ""


def _may_be_meant(argument: str, *, as_text: bool) -> bool:
    """Whether what is none of the options may be a text, or the name of a file."""
    if not argument.startswith("-") or argument == "-":
        return False
    return as_text or not argument.startswith("--") or any(map(str.isspace, argument))
