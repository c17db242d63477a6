"""FillConfig: settings for filling gaps. ProofreadConfig: settings for proofreading."""

from dataclasses import dataclass, field

from charrnn.errors import ConfigError
from charrnn.option_declaration import check, documented, limits, option


@documented
@dataclass(frozen=True, kw_only=True)
class FillConfig:
    """Settings for filling gaps. Raises ConfigError when a setting is out of range.

    Without `longest`, each gap character stands for one character. The beam search keeps `width`
    partial fills, never fewer than `alternatives`. It reads `context` characters on each side of a
    position, and the score of a fill includes `reach` characters on each side. Gaps with fewer than
    `near` characters between them are filled together.
    """

    gap: str = option("_", "Read this character as a gap.", metavar="CHAR", escapes=True)
    longest: int | None = option(
        None, "Fill at most N characters into a gap of unknown length.", metavar="N", least=1
    )
    alternatives: int = option(
        1, "Write N texts, the most probable first.", flags=("-n",), metavar="N", least=1
    )
    width: int = field(default=16, metadata=limits(least=1))
    context: int = field(default=96, metadata=limits(least=1))
    reach: int = field(default=8, metadata=limits(least=1))
    near: int = field(default=24, metadata=limits(least=1))

    def __post_init__(self) -> None:
        if len(self.gap) != 1:
            raise ConfigError(f"gap {self.gap!r}: choose a single character")
        check(self)


@documented
@dataclass(frozen=True, kw_only=True)
class ProofreadConfig:
    """Settings for proofreading. Raises ConfigError when a setting is out of range.

    Edits are tried on characters whose surprisal is at least `surprise` nats: `tried` characters in
    place of one, or before or after it. An edit is scored by the `scored` characters on each side,
    and `context` more on each side are read.
    """

    threshold: float = option(
        8.0,
        "Suggest corrections that make the text around them likelier by at least this many nats. "
        "A lower value finds more mistakes, and reports more correct text.",
        metavar="NATS",
        least=0,
    )
    surprise: float = field(default=4.0, metadata=limits(least=0))
    scored: int = field(default=5, metadata=limits(least=1))
    context: int = field(default=16, metadata=limits(least=1))
    tried: int = field(default=3, metadata=limits(least=1))

    def __post_init__(self) -> None:
        check(self)
