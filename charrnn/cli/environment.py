"""Precedence of typed options and environment variables, and conflicts between options.

An environment variable is set once for many commands, so it is ignored where it conflicts with a
typed option or does not apply to the input. Conflicts between typed options are errors. Options
declare their conflicts as Relations.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

from charrnn.cli.text_argument import is_there
from charrnn.data.read_options import ReadOptions
from charrnn.errors import ConfigError
from charrnn.option_declaration import Relations, options_of

BESIDE_RESUME: Final = {"corpus", "resume", "quiet", "log", *options_of(ReadOptions)}
"""Parameters allowed with --resume: where the text is now, and how to show progress."""


def settle(context: Any) -> None:
    """Reset options that come from the environment and do not apply to their defaults.

    Raises ConfigError for options that exclude each other, and for an option without the one that
    it needs.
    """
    params = context.params
    relations: dict[str, Relations] = getattr(context.command.callback, "relations", {})
    given = {name for name in params if _source(context, name) == "ENVIRONMENT"}
    typed = {name for name in params if _source(context, name) == "COMMANDLINE"}
    pairs = {(name, each) for name, own in relations.items() for each in own.excludes}
    if given:
        if typed - BESIDE_RESUME:
            _forget(context, given & {"resume"})
        both_ways = pairs | {(second, first) for first, second in pairs}
        _forget(context, given & {first for first, second in both_ways if second in typed})
        _forget(context, given & _unused(context.command.name, params))
        needy = {name: own.needs for name, own in relations.items() if own.needs}
        lacking = {name for name, needs in needy.items() if not any(map(params.get, needs))}
        _forget(context, given & lacking)
        decided = {name: own.decided_by for name, own in relations.items()}
        _forget(context, given & {name for name in decided if any(map(params.get, decided[name]))})
    defaults = _defaults(context)
    set_ = {name for name in given | typed if params[name] != defaults[name]}
    for first, second in sorted(pairs):
        if {first, second} <= set_:
            names = f"{_flag(context, first)} and {_flag(context, second)}"
            raise ConfigError(f"{names} exclude each other; choose one")
    for name in sorted(set_ & relations.keys()):
        needs = relations[name].needs
        if needs and not any(map(params.get, needs)):
            wanted = " or ".join(_flag(context, each) for each in needs)
            flag = _flag(context, name)
            raise ConfigError(f"{flag} needs {wanted}; add {wanted}, or leave out {flag}")


def refuse_unused(
    context: Any, *, unused: Collection[str] = (), tokenizer: str | None = None
) -> None:
    """Raise ConfigError if a typed option on reading text has no effect.

    Args:
        unused: options that have no effect in this command, whatever is read.
        tokenizer: the kind of tokenizer. A byte tokenizer needs no encoding of a plain file, and
            has a fixed vocabulary, so that min_count has no effect.
    """
    from charrnn.data.sources import HUGGING_FACE

    params = context.params
    names = _names_read(context.command.name, params)
    unused = {*unused} | (options_of(ReadOptions).keys() - _used(names))
    if tokenizer == "byte":
        unused.add("min_count")
        fetched = any(name.startswith(HUGGING_FACE) for name in names)
        if params["column"] is None and not fetched:
            unused.add("encoding")
    for name in (*options_of(ReadOptions), "min_count"):
        if name in unused and is_typed(context, name):
            where = f"on reading {', '.join(names)}" if names else "here, where no text is read"
            raise ConfigError(f"{_flag(context, name)} has no effect {where}; leave it out")


def refuse_typed(context: Any, *names: str, why: str) -> None:
    """Raise ConfigError if one of the parameters was given on the command line, where it has no
    effect."""
    for name in names:
        if is_typed(context, name):
            raise ConfigError(f"{_flag(context, name)} has no effect {why}; leave it out")


def is_typed(context: Any, *names: str) -> bool:
    """Return whether one of the parameters was given on the command line."""
    return any(_source(context, name) == "COMMANDLINE" for name in names)


def _source(context: Any, name: str) -> str | None:
    source = context.get_parameter_source(name)
    return None if source is None else str(source.name)


def _flag(context: Any, name: str) -> str:
    """Return the flag of an option, as a person types it."""
    flags = {each.name: each.opts for each in context.command.params}[name]
    return str(next((flag for flag in flags if flag.startswith("--")), flags[0]))


def _defaults(context: Any) -> dict[str, Any]:
    return {each.name: each.get_default(context) for each in context.command.params}


def _forget(context: Any, names: Iterable[str]) -> None:
    defaults = _defaults(context)
    for name in names:
        context.params[name] = defaults[name]


def _names_read(command: str, params: dict[str, Any]) -> list[str]:
    """Return the inputs that a command reads: files, folders, names of corpora."""
    if command in ("train", "plan"):
        return params["corpus"] or ["python-docs"]
    if command == "evaluate":
        return [] if params["file"] is None else [params["file"]]
    if command == "sample":
        uses = ("novel", "novel_length", "memory")
        return (params["corpus"] or []) if any(map(params.get, uses)) else []
    text: str | None = params["text"]
    return [text] if text is not None and is_there(text) else []


def _used(names: list[str]) -> frozenset[str]:
    from charrnn.data.sources import options_used

    return options_used(names)


def _unused(command: str, params: dict[str, Any]) -> set[str]:
    """Return the reading options that have no effect on the input.

    A folder has either a class for each folder in it, or no classes; so column or label is among
    them.
    """
    if command not in ("train", "plan", "evaluate", "sample", "predict"):
        return set()
    from charrnn.data.documents import FOLDER
    from charrnn.data.sources import find_corpus

    names = _names_read(command, params)
    used = _used(names)
    unused = options_of(ReadOptions).keys() - used
    paths = [find_corpus(name) for name in names]
    if names and all(path is not None and path.is_dir() for path in paths):
        by_folder = command == "predict" or params.get("label") == FOLDER
        unused.add("column" if by_folder else "label")
    if command == "predict" and (not names or "column" in used):
        unused.add("lines")  # each row or file is one text
    return unused
