"""Which options that come from the environment take part in a command.

A variable is set once, for many commands. What does not go with what is typed, or with what is
read, is as if it were not set; where all of it is typed, the command says what is wrong.
"""

import os
from collections.abc import Iterable
from typing import Any, Final

EXCLUSIVE: Final = (
    {"budget", "epochs", "steps"},
    {"name", "out"},
    {"as_json", "as_jsonl"},
    {"as_json", "as_json_lines"},
    {"as_json", "as_diff"},
    {"adapt", "protocol"},
    {"regress", "class_weights"},
    {"regex", "stop"},
    {"regex", "min_length"},
    {"best_of", "beam"},
    {"log_probabilities", "beam"},
    {"attention_map", "number"},
    {"attention_map", "as_json"},
    {"attention_map", "as_json_lines"},
    {"attention_map", "is_unique"},
    {"attention_map", "is_novel"},
    {"attention_map", "best_of"},
    {"attention_map", "beam"},
)
"""Options, by the names of their parameters, of which no two may be given."""

NEEDED: Final = {
    "regress": ("label",),
    "class_weights": ("label",),
    "pooling": ("label",),
    "log_probabilities": ("as_json", "as_json_lines"),
}
"""Options that take one of the others beside them."""

DECIDED: Final = {
    "lines": ("label",),
    "attention": ("label", "start_from"),
    **dict.fromkeys(
        (
            "tokenizer",
            "cell",
            "layers",
            "hidden_size",
            "embedding_size",
            "bidirectional",
            "pooling",
        ),
        ("start_from",),
    ),
}
"""Options that mean nothing beside one of the others, which decides that."""

BESIDE_RESUME: Final = {
    "corpus",
    "resume",
    "quiet",
    "encoding",
    "glob",
    "column",
    "label",
    "delimiter",
}
"""What may be given with --resume: where the text now is, and how to show progress."""

_READING: Final = ("column", "label", "delimiter")
"""How tables are read; other texts have nothing of the kind."""


def settle(context: Any) -> None:
    """Puts options that come from the environment and do not apply back to their defaults."""
    params = context.params
    sources = {name: context.get_parameter_source(name) for name in params}
    given = {name for name, source in sources.items() if source and source.name == "ENVIRONMENT"}
    if not given:
        return
    typed = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    if typed - BESIDE_RESUME:
        _forget(context, given & {"resume"})
    excluded = {name for group in EXCLUSIVE for name in group & given if group - {name} & typed}
    _forget(context, excluded)
    _forget(context, given & _of_no_use(context.command.name, params))
    _forget(context, [n for n in given & NEEDED.keys() if not any(map(params.get, NEEDED[n]))])
    _forget(context, [n for n in given & DECIDED.keys() if any(map(params.get, DECIDED[n]))])


def is_typed(context: Any, *names: str) -> bool:
    """Whether one of the parameters was given on the command line."""
    sources = map(context.get_parameter_source, names)
    return any(source is not None and source.name == "COMMANDLINE" for source in sources)


def _forget(context: Any, names: Iterable[str]) -> None:
    defaults = {each.name: each for each in context.command.params}
    for name in names:
        context.params[name] = defaults[name].get_default(context)


def _of_no_use(command: str, params: dict[str, Any]) -> set[str]:
    """The options of reading that make no difference to what is read."""
    if command in ("train", "plan"):
        return _unused(params["corpus"] or ["python-docs"], params.get("label"))
    if command == "evaluate":
        return _unused([params["file"]] if params["file"] is not None else [], params["label"])
    if command == "sample":
        if not params["is_novel"]:
            return {"corpus", "encoding", "glob", *_READING}
        named = params["corpus"] or []
        return _unused(named, None) | (set() if named else {"encoding", "glob"})
    if command != "predict":
        return set()
    name = params["text"]
    if name != "-" and not os.path.exists(name):
        return {"lines", *_READING}
    unused = _unused([name], None)
    if os.path.isdir(name):
        return {"lines", *_READING}
    return unused if "column" in unused else unused | {"lines"}


def _unused(names: list[str], label: str | None) -> set[str]:
    """Of what is read: files, folders, corpora by name."""
    from charrnn.data.documents import FOLDER
    from charrnn.data.sources import find_corpus, options_used

    unused = {*_READING} - options_used(names)
    paths = [find_corpus(name) for name in names]
    if names and all(path is not None and path.is_dir() for path in paths):
        unused.add("column" if label == FOLDER else "label")
    return unused
