"""ExplainConfig: how much to explain."""

from dataclasses import dataclass
from typing import Final

from charrnn.errors import ConfigError
from charrnn.option_declaration import check, documented, option

PARTS: Final = (
    *("surprise", "cells", "memory", "copying", "learning", "embeddings"),
    *("attribution", "alignment"),
)
"""The parts of an Explanation."""


@documented
@dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """How much to explain. Raises ConfigError for a setting out of range."""

    parts: tuple[str, ...] = option(
        (),
        f"Compute only this part: {', '.join(PARTS)}. Can be given several times.",
        flags=("--part",),
        metavar="PART",
        unset="all",
    )
    shown: int = option(
        20_000,
        "Record single characters of the first N; all other figures are of all that is read.",
        flags=("--shown",),
        metavar="N",
        least=1,
        most=1_000_000,
    )
    samples: int = option(
        100,
        "Write N samples, to see what the model copies and how much it surprises itself; 0 writes "
        "none.",
        flags=("--samples",),
        metavar="N",
        least=0,
        most=100_000,
    )
    seed: int = option(0, "Seed the samples and the places that are drawn.", metavar="N", least=0)

    def __post_init__(self) -> None:
        check(self)
        for part in self.parts:
            if part not in PARTS:
                raise ConfigError(f"part {part!r}: choose from {', '.join(PARTS)}")

    def wants(self, part: str) -> bool:
        """Return whether a part is to be computed."""
        return not self.parts or part in self.parts
