"""SamplingConfig: how to sample. SelectionConfig: which samples to return. EngineConfig and
MixtureConfig: what computes the probabilities."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Final

from charrnn.errors import ConfigError
from charrnn.generation.logit_bias import check_logit_bias
from charrnn.option_declaration import check, documented, option

ENDS: Final = "Prompt and end of the text"
FILTERS: Final = "Filters, in the order in which they apply"
SELECTION: Final = "Number and selection of texts"
MIXTURE: Final = "Mixture with n-grams"
COMPUTATION: Final = "Computation"
"""The panels of `--help`."""


@documented
@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """The settings of sampling. Raises ConfigError when a setting is out of range.

    Under a byte tokenizer, lengths are counted in bytes. None turns a setting off. A newline in
    `ban`, `only` and `stop` also stands for a carriage return before it, if the model writes those.
    The repetition penalty raises the probability of a recent character to a power. The presence and
    the frequency penalty are subtracted from the logits of characters that the text, without the
    prompt, has within `repetition_window`. `logit_bias` has pairs of an id and a number from -100
    to 100, which is added to the logit of that id; it has no option. A `regex`
    matches the text without the prompt. A text that may end ends when the model would continue with
    a character that the expression forbids (with `lines`: with a newline).
    """

    length: int | None = option(
        500,
        "Write at most N characters; 0 writes without end.",
        panel=ENDS,
        flags=("--length", "-l"),
        metavar="N",
        none=0,
        least=0,
    )
    min_length: int = option(
        0,
        "Write at least N characters before a stop string or a newline may end the text.",
        panel=ENDS,
        metavar="N",
        least=0,
    )
    stop: tuple[str, ...] = option(
        (),
        "End the text before this string. Can be given several times.",
        panel=ENDS,
        metavar="TEXT",
        escapes=True,
    )
    lines: bool = option(
        False,
        "Write one line: begin as after a newline and end before the next.",
        panel=ENDS,
        unset="as the model was trained",
    )
    regex: str | None = option(
        None,
        "Write only what matches this regular expression as a whole, without the prompt. The "
        "syntax is that of Rust's regex, which has no look-around and no back-references.",
        panel=ENDS,
        metavar="PATTERN",
        excludes=("stop", "min_length"),
    )
    ban: str | None = option(
        None, "Never write these characters.", panel=FILTERS, metavar="CHARS", escapes=True
    )
    only: str | None = option(
        None,
        "Write only these characters, and those of stop strings.",
        panel=FILTERS,
        metavar="CHARS",
        escapes=True,
    )
    no_repeat_ngram: int | None = option(
        None,
        "Never write the same N characters in a row twice, unless nothing else is possible.",
        panel=FILTERS,
        metavar="N",
        least=1,
    )
    repetition_penalty: float | None = option(
        None,
        "Make recent characters less likely (X above 1) or more likely (X below 1).",
        panel=FILTERS,
        metavar="X",
        above=0,
    )
    presence_penalty: float | None = option(
        None,
        "Subtract X from the logit of every recent character that is not of the prompt.",
        panel=FILTERS,
        metavar="X",
        least=-2,
        most=2,
    )
    frequency_penalty: float | None = option(
        None,
        "Subtract X from the logits of recent characters for each time that they came after the "
        "prompt.",
        panel=FILTERS,
        metavar="X",
        least=-2,
        most=2,
    )
    repetition_window: int = option(
        64, "Count the last N characters as recent.", panel=FILTERS, metavar="N", least=1
    )
    logit_bias: tuple[tuple[int, float], ...] = ()
    temperature: float = option(
        0.8,
        "Divide the logits by X: below 1 is safer, above 1 is wilder, 0 is greedy.",
        panel=FILTERS,
        flags=("--temperature", "-t"),
        metavar="X",
        least=0,
    )
    top_k: int | None = option(
        None, "Choose among the N likeliest characters.", panel=FILTERS, metavar="N", least=1
    )
    top_p: float | None = option(
        None,
        "Choose among the likeliest characters that together reach this probability.",
        panel=FILTERS,
        metavar="X",
        above=0,
        most=1,
    )
    min_p: float | None = option(
        None,
        "Choose among the characters that are at least X times as likely as the likeliest.",
        panel=FILTERS,
        metavar="X",
        above=0,
        most=1,
    )
    typical: float | None = option(
        None,
        "Choose among the most typical characters that together reach this probability.",
        panel=FILTERS,
        metavar="X",
        above=0,
        most=1,
    )
    seed: int = option(
        0,
        "Seed the random choices: the same seed gives the same text.",
        panel=SELECTION,
        metavar="N",
        unset="a random one",
        least=0,
    )

    def __post_init__(self) -> None:
        check(self)
        if isinstance(self.stop, str):
            raise ConfigError(f"stop: give a tuple of strings, such as ({self.stop!r},)")
        check_logit_bias(self.logit_bias)
        if "" in self.stop:
            raise ConfigError("a stop string is empty; leave it out")
        if self.length is not None and self.min_length > self.length:
            raise ConfigError(
                f"min-length {self.min_length}: choose no more than the length, {self.length}"
            )

    @property
    def penalizes_counts(self) -> bool:
        """Whether a penalty depends on how often each character came."""
        return bool(self.presence_penalty or self.frequency_penalty)

    @property
    def penalty_window(self) -> int:
        """The number of last characters to which penalties apply; 0 without a penalty."""
        penalizes = self.repetition_penalty is not None or self.penalizes_counts
        return self.repetition_window if penalizes else 0

    @property
    def stops(self) -> tuple[str, ...]:
        """All strings that end a text."""
        if not self.lines:
            return self.stop
        # A pattern says by itself whether a carriage return belongs to the text.
        return (*self.stop, "\n") if self.regex is None else ("\n",)

    def require_end(self) -> None:
        """Raise ConfigError if a text would never end."""
        if self.length is None and not self.stops and self.regex is None:
            raise ConfigError(
                "--length 0 is for a stream of one text; give --lines, --stop or --regex, so that "
                "every text ends"
            )


DEFAULT_ENGINE: Final = "int8"
"""The engine that writes texts unless another is chosen."""


@documented
@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """The engine that writes texts. Raises ConfigError for an unknown one."""

    engine: str = option(
        DEFAULT_ENGINE,
        "Compute with weights of int8, which is faster and gives the same text on every machine, "
        "or of float32.",
        panel=COMPUTATION,
        choices=("int8", "float32"),
    )

    def __post_init__(self) -> None:
        check(self)


@documented
@dataclass(frozen=True, kw_only=True)
class MixtureConfig:
    """Whether texts are drawn from a mixture of the network and n-grams of the training text.

    The filters apply to the probabilities of the mixture. None is the network alone. Raises
    ConfigError when a setting is out of range.
    """

    memory: float | None = option(
        None,
        "Draw from a mixture of the network, and with weight W of n-grams of the training text.",
        panel=MIXTURE,
        metavar="W",
        above=0,
        most=1,
    )
    memory_matches: bool = option(
        False,
        "Let the n-grams also continue the longest earlier passage that is like the end of the "
        "text. This copies the training text.",
        panel=MIXTURE,
        needs=("memory",),
    )

    def __post_init__(self) -> None:
        check(self)


@documented
@dataclass(frozen=True, kw_only=True)
class SelectionConfig:
    """The samples of a seed to return. Without `beam`, samples are drawn. None turns a setting off.

    Raises ConfigError when settings are out of range or contradict each other.
    """

    number: int = option(1, "Write N texts.", panel=SELECTION, flags=("-n",), metavar="N", least=1)
    index: int = option(
        0,
        "Begin with text K of the seed's texts; the first is 0.",
        panel=SELECTION,
        metavar="K",
        least=0,
    )
    unique: bool = option(False, "Write no text twice.", panel=SELECTION)
    novel: bool = option(
        False,
        "Write only texts that share no line with the training text; --novel N: no N characters in "
        "a row.",
        panel=SELECTION,
    )
    novel_length: int | None = option(
        None,
        "Write only texts that share no N characters in a row with the training text. --novel N is "
        "short for it.",
        panel=SELECTION,
        metavar="N",
        least=2,
        excludes=("novel",),
    )
    best_of: int | None = option(
        None,
        "Write the likeliest of every N texts, by log-probability per character.",
        panel=SELECTION,
        metavar="N",
        least=1,
        excludes=("beam",),
    )
    beam: int | None = option(
        None,
        "Search for the likeliest texts with a beam of width N, instead of drawing texts.",
        panel=SELECTION,
        metavar="N",
        least=1,
    )

    def __post_init__(self) -> None:
        check(self)
        if self.beam is not None and self.number > self.beam:
            raise ConfigError(
                f"--beam {self.beam} finds no more than {self.beam} texts; choose a smaller -n"
            )

    @property
    def compares(self) -> bool:
        """Whether texts are compared with the training text."""
        return self.novel or self.novel_length is not None

    @property
    def is_plain(self) -> bool:
        """Whether exactly one sample is drawn, without any filter."""
        filtered = self.unique or self.compares or self.best_of is not None
        return self.number == 1 and not filtered and self.beam is None

    @property
    def indices(self) -> Iterable[int]:
        """The indices of the samples to draw; endless if some may be rejected."""
        if self.unique or self.compares:
            return count(self.index)
        return range(self.index, self.index + self.number * (self.best_of or 1))
