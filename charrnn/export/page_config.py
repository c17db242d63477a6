"""PageConfig: what a page in one file says. SETTINGS: the settings of sampling that it shows."""

from dataclasses import dataclass
from typing import Final

from charrnn.errors import ConfigError
from charrnn.option_declaration import documented, option

PAGE: Final = "The page"
"""The panel of `--help`."""

SETTINGS: Final = (
    *("length", "temperature", "top_k", "top_p", "min_p", "typical"),
    *("repetition_penalty", "no_repeat_ngram"),
)
"""The settings of sampling that the page has sliders for."""

_LONGEST_TITLE: Final = 200


@documented
@dataclass(frozen=True, kw_only=True)
class PageConfig:
    """What a page in one file says. Raises ConfigError for an empty or a too long title, and for
    an empty prompt."""

    title: str | None = option(
        None,
        "Give the page this title.",
        panel=PAGE,
        metavar="TEXT",
        unset="the name of the training text",
    )
    description: str | None = option(
        None, "Show this text below the title.", panel=PAGE, metavar="TEXT"
    )
    prompt: tuple[str, ...] = option(
        (),
        "Offer this beginning of a text. Can be given several times.",
        panel=PAGE,
        metavar="TEXT",
    )

    def __post_init__(self) -> None:
        if self.title is not None and not 0 < len(self.title.strip()) <= _LONGEST_TITLE:
            raise ConfigError(f"title: give 1 to {_LONGEST_TITLE} characters")
        if "" in self.prompt:
            raise ConfigError("a prompt is empty; leave it out")
