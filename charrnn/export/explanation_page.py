"""A page in one file that shows an explanation: the part Inside of the page, and its record.

See page_document.py for what it may do.
"""

import hashlib
import json
from functools import cache
from typing import Final

from charrnn.explanation.explanation import Explanation
from charrnn.export.page_document import PageParts, bundle_parts, encodable, page_document
from charrnn.wording import valid_text

_STYLES: Final = (
    *("style.css", "tasks.css", "plot.css", "watch.css", "inside.css", "inside_parts.css"),
    "local/local.css",
)
_MAIN: Final = "local/inside_main.js"


def explanation_page(explanation: Explanation) -> bytes:
    """Return a page in one file that shows an explanation.

    >>> Path("fables.html").write_bytes(explanation_page(charrnn.explain("fables")))

    A text of 20,000 characters makes a page of about a megabyte.
    """
    record = json.dumps(
        explanation.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    content = valid_text(record).encode()
    config = {"id": hashlib.sha256(content).hexdigest()[:16]}
    title = encodable(explanation.model.corpus)
    return page_document(
        title, explanation_parts(), config=config, blocks={"charrnn-explanation": content}
    )


@cache
def explanation_parts() -> PageParts:
    """Return the scripts and the style of every page of an explanation."""
    return bundle_parts(_MAIN, _STYLES)
