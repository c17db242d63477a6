"""A page in one file: a model, the engine that runs it, and the parts Write and Many of the page.

See page_document.py for what it may do.
"""

import hashlib
from functools import cache
from typing import Any, Final

from charrnn.errors import ConfigError
from charrnn.export.page_config import SETTINGS, PageConfig
from charrnn.export.page_document import PageParts, bundle_parts, encodable, page_document
from charrnn.export.page_model import page_entry, page_model
from charrnn.generation.config import SamplingConfig
from charrnn.storage.model_directory import Model

_STYLES: Final = ("style.css", "tasks.css", "local/local.css")
_WORKER: Final = "local/local_worker.js"
_MAIN: Final = "local/local_main.js"


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
    title = encodable(config.title or model.provenance.corpus)
    said = {
        "id": hashlib.sha256(content).hexdigest()[:16],
        "title": title,
        "description": config.description,
        "prompts": config.prompt,
        "card": card,
        "sampling": {} if sampling is None else _slider_values(sampling),
        "entry": page_entry(model) | {"id": title},
    }
    return page_document(title, page_parts(), config=said, blocks={"charrnn-model": content})


@cache
def page_parts() -> PageParts:
    """Return the scripts and the style of every page."""
    return bundle_parts(_MAIN, _STYLES, _WORKER)


def _slider_values(sampling: SamplingConfig) -> dict[str, Any]:
    """Return what the sliders begin with, by name; None is off."""
    if not sampling.length:
        raise ConfigError("length 0: the page's slider needs a length; give one above 0")
    return {name: getattr(sampling, name) for name in SETTINGS}
