"""Makes what a document shows quick: the same commands and calls, with small networks and a few
steps of training.

As a script, this is the `charrnn` of the commands that are checked.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

_LENGTHS: Final = ("budget", "epochs", "steps")
_SMALL: Final[dict[str, Any]] = {"hidden_size": 16, "batch_size": 8}
_STEPS: Final = 4
_EPOCHS: Final = 2

# The most that some options of `sample` are given.
_AT_MOST: Final = {"-n": 8, "--best-of": 4, "--length": 200}


def shortened_command(arguments: Sequence[str]) -> list[str]:
    """The arguments of charrnn, with a short training in the place of a long one."""
    words = list(arguments)
    if "--help" in words or "-h" in words or not words:
        return words
    if words[0] == "sample":
        return list(_capped(words))
    if words[0] != "train" or "--resume" in words:
        return words
    small = {} if "--from" in words else _SMALL  # a model that is fine-tuned keeps its size
    replaced = {f"--{each.replace('_', '-')}" for each in (*_LENGTHS, *small, "device")}
    kept = list(_without(words, replaced))
    settings = {**small, "steps": _STEPS, "device": "cpu"}
    added = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    return [kept[0], *added, *kept[1:]]


def _without(words: Sequence[str], options: set[str]) -> Iterator[str]:
    """The words without these options, all of which take a value."""
    rest = iter(words)
    for word in rest:
        if word in options:
            next(rest, None)
        elif word.split("=")[0] not in options:
            yield word


def _capped(words: Sequence[str]) -> Iterator[str]:
    most: int | None = None
    for word in words:
        is_number = most is not None and word.isdecimal()
        yield str(min(int(word), most)) if is_number and most is not None else word
        most = _AT_MOST.get(word)


class _ShortTrainings(ast.NodeTransformer):
    """Gives calls that train few steps and small networks."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        given = {each.arg for each in node.keywords}
        if name in ("train", "stream_train") and "resume" not in given:
            small = {} if "start_from" in given else _SMALL
            self._replace(node, _LENGTHS, {**small, "steps": _STEPS, "precision": "fp32"})
        elif "epochs" in given:
            self._replace(node, (), {"epochs": _EPOCHS})
        return node

    def _replace(self, node: ast.Call, removed: Sequence[str], settings: dict[str, Any]) -> None:
        left_out = {*removed, *settings}
        node.keywords = [each for each in node.keywords if each.arg not in left_out]
        node.keywords += [
            ast.keyword(arg=name, value=ast.Constant(value)) for name, value in settings.items()
        ]


def shortened_code(tree: ast.Module) -> ast.Module:
    """Python with short trainings in the place of long ones."""
    _ShortTrainings().visit(tree)
    return ast.fix_missing_locations(tree)


if __name__ == "__main__":
    from charrnn.__main__ import main

    sys.argv = ["charrnn", *shortened_command(sys.argv[1:])]
    main()
