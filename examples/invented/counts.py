"""How checks print what they counted."""


def share(count: int, total: int, what: str) -> str:
    """One line: `what`, the count, and its share of the total."""
    percent = f"{100 * count / total:.1f} %" if total else "none to check"
    return f"{what:<44}{count:>8,} of {total:,}  {percent}"
