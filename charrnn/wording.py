"""Words of messages that several floors write."""


def counted(count: int, what: str) -> str:
    """A number of things, for people: 1 step, 1,200 steps."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
