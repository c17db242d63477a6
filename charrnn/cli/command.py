"""The class of all commands: it adds environment variables, and hints to usage errors."""

import shlex
from itertools import pairwise
from typing import Any, Final

from typer.core import TyperArgument, TyperCommand, TyperOption

from charrnn.cli.environment import settle

FLAGS_WITH_NUMBERS: Final = {"--novel": "--novel-length"}
"""Flags that a number may follow, and the option that is meant then."""


WITH_OWN_VARIABLE: Final = {("sample", "memory")}
"""Commands and options for which there is only the command's own environment variable: for other
commands, the option of this name is a switch."""


class Command(TyperCommand):
    """A command whose options all have environment variables, one for each of their names.

    `--top-k` of `sample` reads CHARRNN_SAMPLE_TOP_K, then CHARRNN_TOP_K. A typed option takes
    precedence; see `environment.py`.
    """

    def __init__(self, name: str | None, **settings: Any) -> None:
        if settings.get("help"):  # join the lines, which break where the docstring's do
            paragraphs = settings["help"].strip().split("\n\n")
            settings["help"] = "\n\n".join(" ".join(each.split()) for each in paragraphs)
        super().__init__(name, **settings)
        for option in self.params:
            if isinstance(option, TyperOption):
                long = [each for each in option.opts if each.startswith("--")] or option.opts
                names = [each.lstrip("-").replace("-", "_").upper() for each in long]
                own = [f"CHARRNN_{str(name).upper()}_{each}" for each in names]
                common = [] if (name, option.name) in WITH_OWN_VARIABLE else names
                option.envvar = [*own, *(f"CHARRNN_{each}" for each in common)]
                option.show_envvar = False  # thirty of them would bury the help

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line. An error about an unknown option gets a hint where the argument
        may be a text that begins with a dash."""
        given = list(args)
        try:
            remaining = super().parse_args(ctx, self._with_numbers(args))
        except Exception as error:
            if hasattr(error, "message"):  # a usage error of Typer's
                error.message += self._hint(ctx, given)
            raise
        settle(ctx)
        return remaining

    def _with_numbers(self, args: list[str]) -> list[str]:
        """Return the arguments with the long spelling of a flag that a number follows."""
        options = {name for each in self.params for name in each.opts}
        end = args.index("--") if "--" in args else len(args)
        found = list(args)
        for place, (first, second) in enumerate(pairwise(args[:end])):
            long = FLAGS_WITH_NUMBERS.get(first)
            if long in options and second.isascii() and second.isdigit():
                found[place] = long
        return found

    def _hint(self, ctx: Any, given: list[str]) -> str:
        """Return advice on how to pass an argument that begins with a dash, or an empty string."""
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
                    f"; put {what} that begins with a dash last, after --: "
                    f"{ctx.command_path} ... -- {shlex.quote(argument)}"
                )
        return ""


def _may_be_meant(argument: str, *, as_text: bool) -> bool:
    """Return whether an unknown option may be meant as a text, or as the name of a file."""
    if not argument.startswith("-") or argument == "-":
        return False
    return as_text or not argument.startswith("--") or any(map(str.isspace, argument))
