"""The document of a page in one file, whose policy allows nothing but what is in it.

The file makes no requests. It has blocks that are no code: what the page is about, the page's
scripts, style and settings, all compressed, and the loader that unpacks them. The policy names the
hash of each script and of the style, so that nothing else can run.
"""

import base64
import hashlib
import html
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from charrnn.export.javascript import bundle
from charrnn.export.stylesheet import shortened_style
from charrnn.page.assets import INDEX, read_asset

_LOADER: Final = "local/page_loader.js"

_DIGITS: Final = bytes.maketrans(b"<&", b",.")
"""What stands for the digits of base 85 that mean something in HTML."""


class PageParts(NamedTuple):
    """The scripts and the style of a kind of page. `worker` is None where it has none."""

    loader: str
    main: str
    worker: str | None
    style: str


def bundle_parts(main: str, styles: Sequence[str], worker: str | None = None) -> PageParts:
    """Return the scripts and the style of a kind of page.

    Args:
        main: the module that starts the page.
        styles: the style sheets, which lose the rules that the page does not need.
        worker: the module that a worker runs.
    """
    loader, script = (bundle(name, read_page_file, short=True) for name in (_LOADER, main))
    source = "".join(read_page_file(name) for name in styles)
    return PageParts(
        loader=loader,
        main=script,
        worker=None if worker is None else bundle(worker, read_page_file, short=True),
        style=shortened_style(source, script + read_page_file(INDEX)),
    )


def page_document(
    title: str, page: PageParts, *, config: Mapping[str, Any], blocks: Mapping[str, bytes]
) -> bytes:
    """Return a page in one file.

    Args:
        title: its title, in Unicode without halves of surrogate pairs.
        page: its scripts and style.
        config: what its main script reads from the element `page-config`.
        blocks: what its main script unpacks, by the ids of the elements.
    """
    parts = [
        ["style", None, "page-style", page.style],
        ["script", "application/json", "page-config", json.dumps(config)],
        ["script", None, "page-main", page.main],
    ]
    if page.worker is not None:
        parts.insert(2, ["script", "text/plain", "page-worker", page.worker])
    packed = {name: pack(content) for name, content in blocks.items()}
    packed["charrnn-page"] = pack(json.dumps(parts).encode())
    return _document(title, page, packed).encode()


def encodable(text: str) -> str:
    """Return a text with question marks for lone surrogates, which UTF-8 does not have."""
    return text.encode("utf-8", "replace").decode()


def pack(content: bytes) -> str:
    """Return bytes as unpack_bytes.js reads them."""
    return base64.b85encode(zlib.compress(content, 9)).translate(_DIGITS).decode()


@cache
def read_page_file(name: str) -> str:
    """Return the source of a file of the page, or of its own engine in local/. Raises KeyError for
    anything else."""
    folder, _, file = name.rpartition("/")
    if not folder:
        return read_asset(name).decode()
    own = {each.name: each for each in files("charrnn.page").joinpath("local").iterdir()}
    if folder != "local" or file not in own or not own[file].is_file():
        raise KeyError(name)
    return own[file].read_text(encoding="utf-8")


def _policy(page: PageParts) -> str:
    """Return the Content-Security-Policy: nothing is allowed but what is in the file."""
    worker = "" if page.worker is None else "worker-src blob:; "
    return (
        f"default-src 'none'; script-src {_hash(page.loader)} {_hash(page.main)}; "
        f"style-src {_hash(page.style)}; {worker}img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _document(title: str, page: PageParts, packed: Mapping[str, str]) -> str:
    """Return the document, with the body of the page that the server serves."""
    icon = base64.b64encode(read_asset("icon.svg")).decode()
    index = read_asset(INDEX).decode()
    body = re.search(r"<body>\n(.*)  </body>", index, re.DOTALL)
    named = '<h1 class="name">charrnn</h1>'
    assert body is not None and body[1].count(named) == 1
    shown = html.escape(title)
    content = body[1].replace(named, f'<h1 class="name">{shown}</h1>').replace("\n    ", "\n")
    blocks = "\n".join(
        f'<script type="application/octet-stream" id="{name}">{text}</script>'
        for name, text in packed.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(page)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="charrnn">
<title>{shown}</title>
<link rel="icon" type="image/svg+xml" href="data:image/svg+xml;base64,{icon}">
</head>
<body>
{content.strip()}
{blocks}
<script>{page.loader}</script>
</body>
</html>
"""
