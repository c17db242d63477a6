"""Generates docs/options.md: python -m charrnn.cli.option_tables > docs/options.md"""

from collections.abc import Iterator
from typing import Any, Final

from typer.core import TyperOption
from typer.main import get_command

_HEAD: Final = """\
# Options

Every option of every command, as `charrnn COMMAND --help` shows it. This file is written by
`make docs`.

An option is set on the command line or by its environment variable. For one command alone, the
variable has the command's name in it: `CHARRNN_SAMPLE_SEED` is the `--seed` of `charrnn sample`.
What is typed goes first, then the command's own variable, then the common one. A variable that does
not apply to what a command reads, or to what is typed, is ignored. `charrnn --debug COMMAND`, or
`CHARRNN_DEBUG`, shows a traceback when something fails."""


def option_tables() -> str:
    """Return all commands with their options, as Markdown."""
    from charrnn.cli.app import app

    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    sections = [_HEAD]
    for name, command in commands.items():
        summary, _, _ = command.help.partition("\n\n")
        sections.append(f"## charrnn {name}\n\n{summary}")
        panels: dict[str, list[TyperOption]] = {}
        for option in command.params:
            if isinstance(option, TyperOption) and option.name != "help":
                panels.setdefault(option.rich_help_panel or "Options", []).append(option)
        for panel, options in panels.items():
            sections.append("\n".join(_table(command, panel, options)))
    return "\n\n".join(sections) + "\n"


def _table(command: Any, panel: str, options: list[TyperOption]) -> Iterator[str]:
    context = command.context_class(command, info_name=command.name)
    yield f"| {panel} | Environment variable | Default | What it does |"
    yield "| --- | --- | --- | --- |"
    for option in options:
        written = [*option.opts, *option.secondary_opts]
        if value := _value(option, context):
            written[-1] += f" {value}"
        flags = ", ".join(f"`{each}`" for each in written)
        known = list(option.envvar or ())
        variables = [each for each in known if not _is_own(command, each)] or known
        cells = (
            flags,
            ", ".join(f"`{each}`" for each in variables),
            _default(option),
            option.help or "",
        )
        yield f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"


def _is_own(command: Any, variable: str) -> bool:
    """Return whether an environment variable applies to one command alone."""
    return variable.startswith(f"CHARRNN_{command.name.upper()}_")


def _value(option: TyperOption, context: Any) -> str:
    """Return the placeholder of the option's value, with its range."""
    if option.is_flag:
        return ""
    shown = str(option.display_type_rich(ctx=context)).strip("<>")
    return shown if option.min is None else f"{shown} [x>={option.min:g}]"


def _default(option: TyperOption) -> str:
    """Return what applies when the option is not given."""
    if isinstance(option.show_default, str):
        return option.show_default
    if option.is_flag:
        return "off"
    return "" if option.default is None else f"`{option.default}`"


if __name__ == "__main__":
    print(option_tables(), end="")
