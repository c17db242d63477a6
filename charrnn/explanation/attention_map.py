"""Attention maps: the attention weights of each generated character, also as a web page.

Legend: N characters, W window.
"""

import html
import json
import unicodedata
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.engines import NumPyEngine
from charrnn.errors import ModelError
from charrnn.storage.files import write_file
from charrnn.storage.model_directory import Model

LEAST: Final = 0.01
"""The smallest attention weight that a page shows."""


@dataclass(frozen=True)
class AttentionMap:
    """A text and its attention weights.

    Attributes:
        text: N characters, the prompt first.
        given: the number of characters of the prompt.
        looks: N arrays: the attention weights of each generated character over the W or fewer
            characters before it, in the order of the text. The rest up to 1 is attention to the
            empty positions before the text. The arrays of the prompt's characters are empty.
    """

    text: str
    given: int
    looks: tuple[npt.NDArray[np.float32], ...]


def require_attention(model: Model) -> None:
    """Raise ModelError unless the model has attention."""
    if model.config.attention is None:
        raise ModelError(
            f"the model of {model.provenance.corpus} has no attention; "
            "train one with charrnn train --attention WINDOW"
        )


def attention_map(model: Model, given: str, written: str) -> AttentionMap:
    """Compute the attention weights of each character of `written` after the prompt `given`.

    Raises ModelError when the model has no attention, UnknownCharacterError for characters that it
    has never seen.
    """
    require_attention(model)
    text = given + written
    # Under a byte tokenizer, a character is several ids.
    lengths = [len(model.tokenizer.encode(character)) for character in text]
    ends = list(accumulate(lengths))
    ids = model.tokenizer.encode(text)
    owner = np.repeat(np.arange(len(text)), lengths)  # the character of each id
    lanes = NumPyEngine.of(model).lanes(1)
    looks = [np.empty(0, dtype=np.float32) for _ in text]
    for place, id_ in enumerate(ids[:-1]):
        lanes.step(np.array([id_], dtype=np.intp))
        character = int(owner[place + 1])
        begins = place + 1 == ends[character] - lengths[character]
        if begins and character >= max(len(given), 1):
            assert lanes.attended is not None
            weights = lanes.attended[0, -place - 1 :]  # those of the ids up to this one
            seen = owner[place + 1 - len(weights) : place + 1]
            looks[character] = np.bincount(seen - seen[0], weights).astype(np.float32)
    return AttentionMap(text, len(given), tuple(looks))


def write_map(path: Path, model: Model, given: str, written: str) -> None:
    """Write the page of an attention map to a file. Raises as `attention_map`, and StorageError."""
    looked = attention_map(model, given, written)
    page = to_html(looked, title=f"Attention map of a model of {model.provenance.corpus}")
    write_file(path, page.encode())


def to_html(looked: AttentionMap, *, title: str) -> str:
    """Return a web page of the map: pointing at a character colours the characters it attended to.

    The page is self-contained, makes no requests, and shows the plain text without scripts.
    """
    shares = [
        [[place - len(row) + int(j), round(float(row[j]), 3)] for j in np.flatnonzero(row >= LEAST)]
        for place, row in enumerate(looked.looks)
    ]
    characters = "".join(
        f"<i{' class=g' if place < looked.given else ''}>{shown_character(character)}</i>"
        for place, character in enumerate(looked.text)
    )
    return _PAGE.format(
        title=html.escape(title),
        characters=characters,
        shares=json.dumps(shares, separators=(",", ":")),
    )


def shown_character(character: str) -> str:
    """Escape a character for HTML; an invisible one, other than white space, becomes its code."""
    if character == "\n":
        return "<u>\u21b5</u>\n"
    if character == "\t":
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, from surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(character)[0] == "C":
        return f"\\u{code:04x}"
    return html.escape(character)


_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
pre {{ font: 16px/1.6 monospace; white-space: pre-wrap; overflow-wrap: anywhere; }}
i {{ font-style: normal; border-radius: 2px; }}
i.g {{ color: #777; }}
i.here {{ outline: 2px solid #06c; }}
u {{ text-decoration: none; color: #bbb; user-select: none; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p id="caption">Point at a character to see which characters the model attended to when it wrote it.
Click to keep the selection. The prompt is grey.</p>
<pre id="text">{characters}</pre>
<script>
const shares = {shares};
const marks = Array.from(document.querySelectorAll("#text i"));
const caption = document.getElementById("caption");
let kept = false;
function show(place) {{
  for (const mark of marks) {{ mark.style.background = ""; mark.classList.remove("here"); }}
  marks[place].classList.add("here");
  let rest = 1;
  for (const [earlier, share] of shares[place]) {{
    marks[earlier].style.background = "rgba(255, 120, 0, " + Math.min(1, 0.1 + share) + ")";
    marks[earlier].title = (100 * share).toFixed(1) + " %";
    rest -= share;
  }}
  caption.textContent = shares[place].length
    ? (100 * (1 - rest)).toFixed(0) + " % of its attention is coloured; the rest is spread too thin"
    : "The attention of this character is spread too thin to show, or it belongs to the prompt.";
}}
marks.forEach((mark, place) => {{
  mark.addEventListener("mouseenter", () => {{ if (!kept) show(place); }});
  mark.addEventListener("click", () => {{ kept = !kept; show(place); }});
}});
</script>
</body>
</html>
"""
