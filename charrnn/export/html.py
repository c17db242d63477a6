"""A page in one file: a model, the engine that runs it, and the parts Write and Many of the page.

The file makes no requests, and its policy allows none. It has three blocks that are no code: the
model, the page's scripts and style, both compressed, and the loader that unpacks them. The policy
names the hash of each script and of the style, so that nothing else can run.
"""

import base64
import hashlib
import html
import json
import re
import zlib
from functools import cache
from importlib.resources import files
from typing import Any, Final

from charrnn.errors import ConfigError
from charrnn.export.javascript import bundle
from charrnn.export.page_config import SETTINGS, PageConfig
from charrnn.export.page_model import page_entry, page_model
from charrnn.export.stylesheet import shortened_style
from charrnn.generation.config import SamplingConfig
from charrnn.page.assets import INDEX, read_asset
from charrnn.storage.model_directory import Model

_STYLES: Final = ("style.css", "tasks.css", "local/local.css")
_LOADER: Final = "local/page_loader.js"
_WORKER: Final = "local/local_worker.js"
_MAIN: Final = "local/local_main.js"

_DIGITS: Final = bytes.maketrans(b"<&", b",.")
"""What stands for the digits of base 85 that mean something in HTML."""


def html_page(
    model: Model,
    config: PageConfig | None = None,
    *,
    sampling: SamplingConfig | None = None,
    card: str | None = None,
) -> bytes:
    """Return a page in one file that writes with a model.

    Args:
        model: a language model.
        config: what the page says.
        sampling: what the sliders begin with, of its fields SETTINGS; None leaves them where the
            page has them.
        card: the text of the model's card, which is a click away.

    Raises ModelError when it is no language model, UnknownCharacterError for a prompt with
    characters that it does not know, ConfigError for a length without end.
    """
    config = config or PageConfig()
    content = page_model(model)
    for prompt in config.prompt:
        model.tokenizer.encode(prompt)
    title = config.title or model.provenance.corpus
    loader = bundle(_LOADER, read_page_file, short=True)
    main = bundle(_MAIN, read_page_file, short=True)
    style = _style(main)
    said = {
        "id": hashlib.sha256(content).hexdigest()[:16],
        "title": title,
        "description": config.description,
        "prompts": config.prompt,
        "card": card,
        "sampling": {} if sampling is None else _slider_values(sampling),
        "entry": page_entry(model) | {"id": title},
    }
    parts = [
        ["style", None, "page-style", style],
        ["script", "application/json", "page-config", json.dumps(said)],
        ["script", "text/plain", "page-worker", bundle(_WORKER, read_page_file, short=True)],
        ["script", None, "page-main", main],
    ]
    page = _document(
        title,
        policy=_policy(scripts=(loader, main), style=style),
        loader=loader,
        parts=pack(json.dumps(parts).encode()),
        model=pack(content),
    )
    return page.encode()


def _slider_values(sampling: SamplingConfig) -> dict[str, Any]:
    """Return what the sliders begin with, by name; None is off."""
    if not sampling.length:
        raise ConfigError("length 0: the page's slider needs a length; give one above 0")
    return {name: getattr(sampling, name) for name in SETTINGS}


def _policy(*, scripts: tuple[str, ...], style: str) -> str:
    """Return the Content-Security-Policy: nothing is allowed but what is in the file."""
    allowed = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; worker-src blob:; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def pack(content: bytes) -> str:
    """Return bytes as unpack_bytes.js reads them."""
    return base64.b85encode(zlib.compress(content, 9)).translate(_DIGITS).decode()


def _style(main: str) -> str:
    """Return the style of what the page's main script and document have."""
    source = "".join(read_page_file(name) for name in _STYLES)
    return shortened_style(source, main + read_page_file(INDEX))


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


def _document(title: str, *, policy: str, loader: str, parts: str, model: str) -> str:
    """Return the document, with the body of the page that the server serves."""
    icon = base64.b64encode(read_asset("icon.svg")).decode()
    index = read_asset(INDEX).decode()
    body = re.search(r"<body>\n(.*)  </body>", index, re.DOTALL)
    named = '<h1 class="name">charrnn</h1>'
    assert body is not None and body[1].count(named) == 1
    shown = html.escape(title)
    content = body[1].replace(named, f'<h1 class="name">{shown}</h1>').replace("\n    ", "\n")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="charrnn">
<title>{shown}</title>
<link rel="icon" type="image/svg+xml" href="data:image/svg+xml;base64,{icon}">
</head>
<body>
{content.strip()}
<script type="application/octet-stream" id="charrnn-model">{model}</script>
<script type="application/octet-stream" id="charrnn-page">{parts}</script>
<script>{loader}</script>
</body>
</html>
"""
