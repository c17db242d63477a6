"""The corpus `python-docs`: the topics of Python's `help()`, which every interpreter has.

The topics share passages: the topic on compound statements has those on `if`, `for` and `with`,
which are also separate topics. A model that is evaluated on a passage from its training text looks
better than it is, so a paragraph that occurred before is left out. The text
follows from the topics alone: the same topics give the same text on every version of Python.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

SHORTEST_COPY: Final = 40
"""The fewest characters, without white space, of a paragraph that is left out where it occurs
again. A shorter one (a heading, `Note:`, the signature of a method) belongs to the paragraph after
it."""

_BLANK_LINES: Final = re.compile(r"\n(?:[ \t]*\n)+")
_UNDERLINE: Final = re.compile(r"^[ \t]*([*=\-~^])\1+[ \t]*$", re.MULTILINE)


def python_docs() -> Iterator[str]:
    """Yield the topics of Python's help(), sorted by name, without repeated paragraphs."""
    from pydoc_data.topics import topics

    return without_repeated_paragraphs(topics[name] for name in sorted(topics))


def without_repeated_paragraphs(texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts without paragraphs that occurred before, in the same text or an earlier one.

    A blank line separates the texts. A text of which nothing remains is left out.

    Paragraphs are separated by blank lines. They are compared without white space and without the
    underline of a heading, since a passage may be indented in only one of two texts. A short
    paragraph that occurred before stays if the next paragraph of its text stays.
    """
    seen: set[str] = set()
    separator = ""
    for text in texts:
        kept: list[str] = []
        waiting: list[str] = []  # short, and seen before: they stay if the next one does
        for paragraph in _BLANK_LINES.split(text.strip("\n")):
            if not paragraph.strip():
                continue
            key = "".join(_UNDERLINE.sub("", paragraph).split())
            if key not in seen:
                seen.add(key)
                kept += [*waiting, paragraph]
                waiting = []
            elif len(key) < SHORTEST_COPY:
                waiting.append(paragraph)
            else:
                waiting = []
        if kept:
            yield separator + "\n\n".join(kept) + "\n"
            separator = "\n"
