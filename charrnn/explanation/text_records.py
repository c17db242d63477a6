"""The parts of an Explanation about the text: surprise, learning and classes. See Explanation.

Legend: S characters shown, N characters of the text.
"""

from dataclasses import dataclass
from typing import Any

from charrnn.explanation.record import Record


@dataclass(frozen=True, kw_only=True)
class CostlyPlace(Record):
    """A character that the model expected least.

    Attributes:
        place: where it is in the text, which may be beyond the S characters shown.
        character: the character.
        nats, rank: see Surprise.
        before, after: up to 30 characters around it.
    """

    place: int
    character: str
    nats: float
    rank: int
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class CostlyWord(Record):
    """A word that cost the model many nats.

    Attributes:
        word: the word.
        count: how often it comes in the text.
        nats: what all its characters cost together, the mean over these times.
        place: where it comes first.
    """

    word: str
    count: int
    nats: float
    place: int


@dataclass(frozen=True, kw_only=True)
class GroupLoss(Record):
    """The loss of a group of characters.

    Attributes:
        name: the kind of character (`letters`, `spaces`, ...), or the place in the word or in the
            line (`1`, `2`, `3`, `4-5`, `6-9`, ...).
        characters: how many characters of the text are in the group.
        bits: their loss in bits per character.
    """

    name: str
    characters: int
    bits: float


@dataclass(frozen=True, kw_only=True)
class Histogram(Record):
    """How often characters have which surprisal, in the text and in the model's own samples.

    Attributes:
        edges: (K + 1,) the bounds of the bins in bits; the last is null, for the last bin has all
            above.
        text, samples: (K,) the shares of characters in each bin. Samples are drawn at temperature
            1 without filters; empty where there are none.
        text_bits, samples_bits: the mean surprisal of both; that of samples may be null.
    """

    edges: tuple[float, ...]
    text: tuple[float, ...]
    samples: tuple[float, ...]
    text_bits: float
    samples_bits: float | None


@dataclass(frozen=True, kw_only=True)
class Surprise(Record):
    """How well the model predicts each character from all before it.

    Attributes:
        bits_per_character: the loss over all N characters.
        lanes: 1 where the text was read as one stream; more where a long text was read in as many
            parts side by side, each after a beginning that is not counted.
        nats: (S,) the surprisal of each character.
        ranks: (S,) 1 where it was the likeliest one. Of a character of several bytes, ranks and
            likeliest ids are those of its first byte.
        likeliest: (S, 5) the likeliest ids in each place, the likeliest first.
        probabilities: (S, 5) their probabilities.
        costliest_places: the characters with the largest surprisal, of all N.
        costliest_words: the words with the largest loss, of all N.
        by_kind, by_place_in_word, by_place_in_line: the loss of groups of characters.
        histogram: see Histogram.
    """

    bits_per_character: float
    lanes: int
    nats: Any
    ranks: Any
    likeliest: Any
    probabilities: Any
    costliest_places: tuple[CostlyPlace, ...]
    costliest_words: tuple[CostlyWord, ...]
    by_kind: tuple[GroupLoss, ...]
    by_place_in_word: tuple[GroupLoss, ...]
    by_place_in_line: tuple[GroupLoss, ...]
    histogram: Histogram


@dataclass(frozen=True, kw_only=True)
class CheckpointLoss(Record):
    """The losses of a checkpoint.

    Attributes:
        step: its training steps.
        characters: the characters it had read.
        bits: the loss in bits per character, of each of `Learning.kinds`.
        total: the loss over all characters.
    """

    step: int
    characters: int
    bits: tuple[float, ...]
    total: float


@dataclass(frozen=True, kw_only=True)
class Learning(Record):
    """What was learned when, over the checkpoints that are kept.

    Attributes:
        kinds: the kinds of characters.
        counts: how many characters of each kind there are.
        checkpoints: their losses, the earliest first.
        learned: [kind, step]: the first of these checkpoints with at least nine tenths of what the
            best has gained on the first; null where nothing was gained.
    """

    kinds: tuple[str, ...]
    counts: tuple[int, ...]
    checkpoints: tuple[CheckpointLoss, ...]
    learned: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, kw_only=True)
class Piece(Record):
    """A piece of a text, and what it did for the prediction.

    Attributes:
        place, length: where it is.
        effect: of a class: its log-odds with the piece less those without it, in nats. Of a number:
            the same difference of the number.
    """

    place: int
    length: int
    effect: float


@dataclass(frozen=True, kw_only=True)
class Attribution(Record):
    """Which characters made a classifier's prediction, by leaving each out.

    Attributes:
        label: the likeliest class; null from a model of numbers.
        probabilities: the probability of each class by name, the likeliest first.
        number: the number; null from a model of classes.
        pieces: characters, words or stretches of words, in the order of the text.
        unit: `character`, `word` or `words`.
    """

    label: str | None
    probabilities: dict[str, float]
    number: float | None
    unit: str
    pieces: tuple[Piece, ...]
