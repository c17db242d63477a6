"""Phrases for messages that several modules share."""

import re
from typing import Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def counted(count: int, what: str) -> str:
    """Return a number of things in words, such as 1 step, 1,200 steps."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def thousands(number: float) -> str:
    """Return a number in few characters: 950, 2.4k, 12k, 1.5M."""
    if number >= 999_500:
        return f"{number / 1e6:.1f}M"
    if number >= 9_950:
        return f"{number / 1e3:.0f}k"
    return f"{number / 1e3:.1f}k" if number >= 999.5 else f"{number:.0f}"


def valid_text(text: str) -> str:
    """Return a text with U+FFFD for each lone surrogate, such as for a byte that is not UTF-8:
    strict readers of JSON refuse those."""
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
