"""The command that trains for longer than the one that was typed."""

import shlex
from typing import Any, Final

from charrnn.cli.environment import is_typed
from charrnn.training.options import parse_duration
from charrnn.training.recipe import DEFAULT_BUDGET

_CHANGED: Final = {"name", "out", "quiet", "budget", "epochs", "steps"}
"""Parameters that differ in a longer training, which is another run of another duration."""


def longer_training(context: Any, times: int) -> str | None:
    """Return the command of `context` with its duration multiplied by `times`; None if it resumes a
    run, or reads a text from stdin, which cannot be read again.

    Also None for a file whose name begins with a dash, as it would be read as an option.
    """
    params = context.params
    if params["resume"] is not None or any(name[0] == "-" for name in params["corpus"] or ()):
        return None
    words = ["charrnn", "train"]
    for parameter in context.command.params:
        if parameter.name in _CHANGED or not is_typed(context, parameter.name):
            continue
        value = params[parameter.name]
        if parameter.param_type_name == "argument":
            words += [str(each) for each in value]
        elif isinstance(value, bool):
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            values = value if isinstance(value, list | tuple) else [value]
            for each in values:
                words += [parameter.opts[0], _number(each) if type(each) is float else str(each)]
    if params["epochs"] is not None:
        words += ["--epochs", _number(times * params["epochs"])]
    elif params["steps"] is not None:
        words += ["--steps", str(times * params["steps"])]
    else:
        budget = params["budget"]
        seconds = DEFAULT_BUDGET if budget is None else parse_duration(budget)
        words += ["--budget", _duration(times * seconds)]
    return shlex.join(words)


def _duration(seconds: float) -> str:
    """Return a time as `--budget` reads it: 90s, 20m."""
    return f"{_number(seconds / 60)}m" if seconds % 60 == 0 else f"{_number(seconds)}s"


def _number(value: float) -> str:
    """Return a number as it was typed: 0.001, 6 and not 6.0."""
    return f"{value:.15g}"
