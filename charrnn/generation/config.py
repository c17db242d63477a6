"""SamplingConfig: how to sample. SelectionConfig: which samples are wanted."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from charrnn.errors import ConfigError
from charrnn.generation.filters import check_filters


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How to sample. Raises ConfigError when a setting is out of range.

    What is counted in characters is counted in bytes under a byte tokenizer. What is None is off. A
    newline in `ban`, `only` and `stop` stands for the carriage return before it as well, where the
    model writes such.

    Attributes:
        length: characters to make at most; None: without end.
        min_length: characters that the text has at least, before a stop string or newline ends it.
        temperature: below 1 bolder guesses give way to safer ones; 0 is greedy.
        top_k: choose among the k likeliest only.
        top_p: choose among the likeliest that together reach this probability.
        min_p: choose among those at least so many times as likely as the likeliest.
        typical: choose among the most typical that together reach this probability.
        repetition_penalty: characters of the last `repetition_window` become less likely: p becomes
            p to this power.
        repetition_window: how far back the penalty looks.
        no_repeat_ngram: no so many characters in a row come twice; where nothing else is possible,
            they may.
        ban: characters that never come.
        only: the only characters that may come (and those of stop strings).
        stop: end before any of these strings.
        lines: begin as after a newline, and end before the next.
        regex: the text, without the prompt, matches this regular expression as a whole. Where it
            may end, it does when the model would go on with what the expression forbids (with
            `lines`: with a newline). Its syntax is that of Rust's regex: no look-around and no
            back-references.
        seed: of the random choices.
    """

    length: int | None = 500
    min_length: int = 0
    temperature: float = 0.8
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical: float | None = None
    repetition_penalty: float | None = None
    repetition_window: int = 64
    no_repeat_ngram: int | None = None
    ban: str | None = None
    only: str | None = None
    stop: tuple[str, ...] = ()
    lines: bool = False
    regex: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_filters(
            repetition_penalty=self.repetition_penalty,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            typical=self.typical,
        )
        for name, least in (
            ("length", 0),
            ("min_length", 0),
            ("repetition_window", 1),
            ("no_repeat_ngram", 1),
            ("seed", 0),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name.replace('_', '-')} {value}: choose {least} or above")
        if isinstance(self.stop, str):
            raise ConfigError(f"stop: give a tuple of strings, such as ({self.stop!r},)")
        if "" in self.stop:
            raise ConfigError("a stop string is empty; leave it out")
        if self.length is not None and self.min_length > self.length:
            raise ConfigError(f"min-length {self.min_length}: more than the length, {self.length}")
        if self.regex is not None and (self.stop or self.min_length):
            raise ConfigError(
                "regex: it says by itself where a text ends; leave stop, min-length out"
            )

    @property
    def stops(self) -> tuple[str, ...]:
        """All strings that end a text."""
        if not self.lines:
            return self.stop
        # A pattern says by itself whether a carriage return belongs to the text.
        return (*self.stop, "\n") if self.regex is None else ("\n",)

    def require_end(self) -> None:
        """Raises ConfigError where a text that is wanted whole would never end."""
        if self.length is None and not self.stops and self.regex is None:
            raise ConfigError(
                "--length 0: give --lines, --stop or --regex, so that every text ends; only a "
                "stream of one text may go on without end"
            )


@dataclass(frozen=True, kw_only=True)
class SelectionConfig:
    """Which samples are wanted, of all that a seed has. Raises ConfigError when settings are out of
    range or contradict each other.

    Attributes:
        number: how many.
        index: begin with this sample of the seed.
        unique: no text comes twice.
        novel: no text comes that has a line of the training text.
        best_of: of every so many samples, the likeliest by nats per character; None: off.
        beam: search for the likeliest texts, keeping so many beginnings; None: draw.
    """

    number: int = 1
    index: int = 0
    unique: bool = False
    novel: bool = False
    best_of: int | None = None
    beam: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("number", 1), ("index", 0), ("best_of", 1), ("beam", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name.replace('_', '-')} {value}: choose {least} or above")
        if self.beam is not None and self.best_of is not None:
            raise ConfigError("--beam finds the likeliest by itself: leave --best-of out")
        if self.beam is not None and self.number > self.beam:
            raise ConfigError(
                f"--beam {self.beam} finds no more than {self.beam} texts: ask for no more with -n"
            )

    @property
    def is_plain(self) -> bool:
        """Whether one sample is wanted as it is made, whatever it is."""
        filtered = self.unique or self.novel or self.best_of is not None
        return self.number == 1 and not filtered and self.beam is None

    @property
    def indices(self) -> Iterable[int]:
        """The samples to be made, of which some are wanted; endless where some are rejected."""
        if self.unique or self.novel:
            return count(self.index)
        return range(self.index, self.index + self.number * (self.best_of or 1))
