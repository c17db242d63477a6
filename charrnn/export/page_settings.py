"""The settings of sampling as the page's own engine reads them, from their declaration."""

from dataclasses import fields
from typing import Any, Final

from charrnn.generation.config import SamplingConfig
from charrnn.generation.logit_bias import LARGEST_BIAS
from charrnn.option_declaration import Range, options_of

_KINDS: Final[dict[Any, str]] = {
    int: "whole",
    int | None: "whole",
    float: "number",
    float | None: "number",
    bool: "switch",
    str | None: "text",
    tuple[str, ...]: "texts",
    tuple[tuple[int, float], ...]: "biases",
}

_NOT_IN_PAGES: Final = ("regex",)
"""Settings that the page refuses in a sentence."""


def page_settings() -> dict[str, dict[str, Any]]:
    """Return the default, kind and range of each setting, by name."""
    options = options_of(SamplingConfig)
    return {
        each.name: {
            "default": list(each.default) if isinstance(each.default, tuple) else each.default,
            "kind": _KINDS[each.type],
            **_range(options[each.name].range if each.name in options else _BIASES),
        }
        for each in fields(SamplingConfig)
        if each.name not in _NOT_IN_PAGES
    }


_BIASES: Final = Range(least=-LARGEST_BIAS, most=LARGEST_BIAS)
"""The range of `logit_bias`, which is no option of the command line."""


def _range(limits: Range) -> dict[str, Any]:
    """Return the limits of a number, and the words for them."""
    if limits == Range():
        return {}
    words = f"choose {limits.words}"
    return {"least": limits.least, "most": limits.most, "above": limits.above, "words": words}
