"""Phrases for messages that several modules share."""


def counted(count: int, what: str) -> str:
    """Return a number of things in words, such as 1 step, 1,200 steps."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
