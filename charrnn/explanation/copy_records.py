"""The part of an Explanation about copies of the training text. See Explanation.

Legend: S characters shown.
"""

from dataclasses import dataclass

from charrnn.explanation.record import Record


@dataclass(frozen=True, kw_only=True)
class Copy(Record):
    """A passage that stands word for word in the training text, and is as long as it can be.

    Attributes:
        text_number: the number of the text (the sample) that has it, from 0.
        place: where it begins there.
        length: its characters (bytes, of a byte model).
        passage: the passage; of a long one, the first 400 characters.
        training_place, training_line: where it stands in the training text: the position of its
            first character (byte), and the number of its line from 1.
    """

    text_number: int
    place: int
    length: int
    passage: str
    training_place: int
    training_line: int


@dataclass(frozen=True, kw_only=True)
class CopyFigures(Record):
    """How much of some texts is copied from the training text.

    Attributes:
        name: which texts: `samples`, `text` or `held_out`.
        texts, characters: how many.
        longest: the longest copies, the longest first.
        shares: for a length, the share of characters that lie in copies of so many characters or
            more; the keys are 20, 50, 100 and 200.
        novelty: (50,) for n from 1 to 50, the share of the sequences of n characters that do not
            occur in the training text; null where all texts are shorter.
    """

    name: str
    texts: int
    characters: int
    longest: tuple[Copy, ...]
    shares: dict[int, float]
    novelty: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Copying(Record):
    """What the model and people copy from the training text.

    Attributes:
        training_characters: the length of the training text, without what was held out.
        figures: those of samples, of the text, and of the held-out text, as far as there are any.
        passages: [place, length, training place] of the copies of 20 characters or more in the S
            characters shown.
    """

    training_characters: int
    figures: tuple[CopyFigures, ...]
    passages: tuple[tuple[int, int, int], ...] = ()
