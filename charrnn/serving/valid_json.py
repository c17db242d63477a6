"""ValidJson: a response of JSON with texts of byte models, which may not be UTF-8."""

import json
from typing import Any

from starlette.responses import JSONResponse

from charrnn.serving.settled_text import valid_text


class ValidJson(JSONResponse):
    """A response of JSON, with U+FFFD for each byte that is not UTF-8."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return valid_text(text).encode()
