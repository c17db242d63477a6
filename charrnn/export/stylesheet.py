"""The style of a page without comments and indentation, and without rules for what it lacks."""

import re
from collections.abc import Iterator
from typing import NamedTuple


class _Rule(NamedTuple):
    """A rule: its selectors, or the condition of a group of rules, and what is in its braces."""

    head: str
    body: str


def shortened_style(source: str, scripts: str) -> str:
    """Return a style sheet without the rules whose classes no script or document names.

    Args:
        source: the style sheet, without braces in strings.
        scripts: the scripts and the document. `theme-${...}` stands for all names that begin so.
    """
    names = set(re.findall(r"[\w-]+", scripts))
    beginnings = tuple(re.findall(r"([\w-]+-)\$\{", scripts))

    def is_used(selector: str) -> bool:
        classes = re.findall(r"\.([a-zA-Z][\w-]*)", selector)
        return all(each in names or each.startswith(beginnings) for each in classes)

    def kept(text: str) -> Iterator[str]:
        for head, body in _rules(text):
            if head.startswith(("@media", "@supports")):
                if inside := "".join(kept(body)):
                    yield f"{head}{{\n{inside}}}\n"
            elif head.startswith("@"):
                yield f"{head}{{{_lines(body)}}}\n"
            elif selectors := [each for each in _selectors(head) if is_used(each)]:
                yield f"{','.join(selectors)}{{{_lines(body)}}}\n"

    return "".join(kept(re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)))


def _rules(text: str) -> Iterator[_Rule]:
    """Yield the rules of a style sheet, or of a group. Raises ValueError where braces do not
    match."""
    place = 0
    while text[place:].strip():
        opening = text.index("{", place)
        depth, end = 1, opening + 1
        while depth:
            if end == len(text):
                raise ValueError("style sheet: a brace is not closed")
            depth += (text[end] == "{") - (text[end] == "}")
            end += 1
        yield _Rule(" ".join(text[place:opening].split()), text[opening + 1 : end - 1])
        place = end


def _selectors(head: str) -> list[str]:
    """Return the selectors of a list, at commas outside of parentheses."""
    return [each.strip() for each in re.split(r",(?![^(]*\))", head)]


def _lines(body: str) -> str:
    """Return declarations, or the rules in a group such as @keyframes, without indentation."""
    return "\n".join(line for each in body.splitlines() if (line := each.strip()))
