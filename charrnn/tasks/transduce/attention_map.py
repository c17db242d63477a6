"""A page that shows which source characters wrote which target symbols.

The page is one file without scripts and requests: a table for each text, its columns the characters
of the source, its rows the symbols of the translation, darker where a character wrote more of a
symbol.

Legend: S characters of a source, U symbols of its translation.
"""

import html
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from charrnn.explanation.attention_map import shown_character
from charrnn.storage.files import write_file
from charrnn.tasks.transduce.translate import Translation
from charrnn.wording import valid_text

MOST_TEXTS: Final = 1_000
"""The most texts of a page; a browser shows more of them slowly."""

MOST_CELLS: Final = 1_000_000
"""The most cells of all tables of a page."""

_LEVELS: Final = 10
"""The shades of a cell."""


def write_alignments(path: Path, translations: Sequence[Translation], *, title: str) -> int:
    """Write the page of translations that have alignments; return how many of them it shows, the
    first. Raises StorageError."""
    shown: list[Translation] = []
    cells = 0
    for each in translations[:MOST_TEXTS]:
        cells += 0 if each.alignment is None else each.alignment.size
        if cells > MOST_CELLS:
            break
        shown.append(each)
    write_file(path, valid_text(to_html(shown, title=title)).encode())
    return len(shown)


def to_html(translations: Sequence[Translation], *, title: str) -> str:
    """Return the page."""
    style_hash = b64encode(sha256(_STYLE.encode()).digest()).decode()
    return _PAGE.format(
        title=html.escape(title),
        style=_STYLE,
        style_hash=style_hash,
        texts="\n".join(map(_section, translations)),
    )


def _section(translation: Translation) -> str:
    source = f'<bdi class="s">{_inline(translation.source)}</bdi>'
    if translation.alignment is None or not translation.targets:
        why = translation.problem or "there is nothing to translate"
        return f"<section><h2>{source}</h2><p>{html.escape(why)}</p></section>"
    best = translation.targets[0]
    lines = "".join(
        f"<tr><th>{_inline(symbol)}</th>"
        + "".join(map(_cell, translation.alignment[row].tolist()))
        + "</tr>\n"
        for row, symbol in enumerate(best.symbols)
    )
    head = "".join(f"<th>{_inline(character)}</th>" for character in translation.source)
    return (
        f"<section><h2>{source} \u2192 <bdi>{_inline(best.text)}</bdi> "
        f"<small>{100 * best.probability:.1f} %</small></h2>\n"
        f"<table><tr><td></td>{head}</tr>\n{lines}</table></section>"
    )


def _cell(weight: float) -> str:
    level = round(min(max(weight, 0.0), 1.0) * _LEVELS)
    return f'<td class="w{level}" title="{100 * weight:.0f} %"></td>' if level else "<td></td>"


def _inline(text: str) -> str:
    """Escape a text for HTML, with a sign for blanks, which a table would not show."""
    return "".join(
        "\u2423" if character == " " else shown_character(character).rstrip("\n")
        for character in text
    )


_SHADES: Final = "\n".join(
    f"td.w{level} {{ background: rgba(255, 120, 0, {level / _LEVELS}); }}"
    for level in range(1, _LEVELS + 1)
)

_STYLE: Final = f"""
body {{ font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 0.5rem; overflow-wrap: anywhere; }}
small {{ color: #777; font-weight: normal; }}
section {{ overflow-x: auto; }}
table {{ border-collapse: collapse; direction: ltr; }}
th {{ font-weight: normal; padding: 0 0.3rem; white-space: pre; }}
td {{ border: 1px solid #ddd; min-width: 1.4rem; height: 1.4rem; }}
tr:first-child td {{ border: 0; }}
u {{ text-decoration: none; color: #999; }}
{_SHADES}
"""

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; style-src 'sha256-{style_hash}'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p>Each row is a symbol of a translation; the coloured cell shows the character of the source that
the model was at when it wrote the symbol.</p>
{texts}
</body>
</html>
"""
