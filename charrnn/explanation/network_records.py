"""The parts of an Explanation about the network: cells, memory and embeddings. See Explanation.

Legend: S characters shown, W window of attention.
"""

from dataclasses import dataclass
from typing import Any

from charrnn.explanation.record import Record


@dataclass(frozen=True, kw_only=True)
class UnitScore(Record):
    """How well the activity of a unit shows a concept.

    Attributes:
        layer, unit: which unit.
        sign: 1 where its activity is higher with more of the concept, -1 where it is lower.
        score: on the half of the text that was not used to choose the unit: the AUC of a binary
            concept (0.5 is chance, 1 is perfect), the correlation with a graded one.
        chosen_score: the same on the half that was used to choose it.
    """

    layer: int
    unit: int
    sign: int
    score: float
    chosen_score: float


@dataclass(frozen=True, kw_only=True)
class UnitSum(Record):
    """A weighted sum of up to four units that shows a concept.

    Attributes:
        units: [layer, unit, weight] of each; the weights are for activities less their mean,
            divided by their standard deviation.
        score: as of UnitScore.
    """

    units: tuple[tuple[int, int, float], ...]
    score: float


@dataclass(frozen=True, kw_only=True)
class ConceptScore(Record):
    """What was found about a concept.

    Attributes:
        name: the entry of charrnn.explanation.concepts.CONCEPTS, such as `inside_quotes`.
        description: what it is, in words.
        kind: `binary` or `graded`.
        mean: its mean over the text; of a binary concept, the share of places that have it.
        units: the best units, the best first (as chosen).
        random_direction: the score of the best of as many random directions, chosen and measured as
            units are: what a score is worth that says nothing of a single unit.
        sum_of_units: the best small sum of units.
    """

    name: str
    description: str
    kind: str
    mean: float
    units: tuple[UnitScore, ...]
    random_direction: float
    sum_of_units: UnitSum


@dataclass(frozen=True, kw_only=True)
class HeldUnit(Record):
    """What it costs to hold a unit at its mean, as the cause behind a correlation.

    Attributes:
        concept: the name of the binary concept of whose places it is measured.
        nats_there: the nats per character lost where the next character is predicted on places of
            the concept.
        nats_elsewhere: those lost on all other places.
        characters_there, characters_elsewhere: how many characters both are of.
    """

    concept: str
    nats_there: float
    nats_elsewhere: float
    characters_there: int
    characters_elsewhere: int


@dataclass(frozen=True, kw_only=True)
class Unit(Record):
    """The activity of a unit that shows some concept.

    Attributes:
        layer, unit: which unit.
        concepts: names of the concepts that it shows best of all units.
        lowest, highest, mean: its activity over the text.
        activity: (S,) bytes, 0 for `lowest` and 255 for `highest`: after reading each character.
            In JSON, base64.
        held: what it costs to hold it at its mean; null where that was not measured.
    """

    layer: int
    unit: int
    concepts: tuple[str, ...]
    lowest: float
    highest: float
    mean: float
    activity: bytes
    held: HeldUnit | None


@dataclass(frozen=True, kw_only=True)
class Cells(Record):
    """What single units show of concepts that are computed from the text.

    Attributes:
        characters: how many characters were read for it; the units are chosen on half of them (in
            alternating blocks), and scored on the other half.
        concepts: what was found about each concept, the best first.
        missing_concepts: names of concepts that come too seldom in the text (or too often) to be
            measured.
        units: the best units, those of the best concepts first.
    """

    characters: int
    concepts: tuple[ConceptScore, ...]
    missing_concepts: tuple[str, ...]
    units: tuple[Unit, ...]


@dataclass(frozen=True, kw_only=True)
class ContextLoss(Record):
    """The loss of predictions from the last few characters only.

    Attributes:
        characters: how many characters (bytes, of a byte model) it was given, from a zero state.
        bits: the loss in bits per character.
        predictions: how many predictions it is the mean of.
    """

    characters: int
    bits: float
    predictions: int


@dataclass(frozen=True, kw_only=True)
class Forgetting(Record):
    """How fast a layer forgets that one character was another.

    Attributes:
        layer: the layer.
        distances: characters read since the one that was changed; 0 is that character.
        difference: the distance between the states with and without the change, divided by that of
            states at unrelated places: 1 is all, 0 is forgotten.
    """

    layer: int
    distances: tuple[int, ...]
    difference: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Occlusion(Record):
    """Which earlier characters a prediction hangs on.

    Attributes:
        place, character, nats: the character that is predicted, and its surprisal.
        earlier: [place, nats] of earlier characters: how many nats more it costs when that one is
            exchanged for others (less than 0: it would cost less).
    """

    place: int
    character: str
    nats: float
    earlier: tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True)
class AttentionLooks(Record):
    """What a model with attention looked at.

    Attributes:
        window: W.
        by_distance: (W,) the mean attention weight on the state 1, 2, ... characters back.
        looks: for each of the first characters shown, [distance, weight] of the largest weights
            with which it was predicted; distance 1 is the character before it.
    """

    window: int
    by_distance: Any
    looks: tuple[tuple[tuple[int, float], ...], ...]


@dataclass(frozen=True, kw_only=True)
class Memory(Record):
    """How far back the text matters to the model.

    Attributes:
        context: the loss with 1, 2, 4, ... characters of context.
        full_bits: the loss with all characters before.
        forgetting: one entry for each layer.
        occlusions: of some places of the text, the surprising and the sure.
        attention: null for a model without attention.
    """

    context: tuple[ContextLoss, ...]
    full_bits: float
    forgetting: tuple[Forgetting, ...]
    occlusions: tuple[Occlusion, ...]
    attention: AttentionLooks | None


@dataclass(frozen=True, kw_only=True)
class EmbeddedCharacter(Record):
    """A character on the plane of the embeddings.

    Attributes:
        id: its position in `alphabet`.
        x, y: its place on the plane.
        neighbours: [id, cosine similarity] of the nearest others, the nearest first.
    """

    id: int
    x: float
    y: float
    neighbours: tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True)
class Embeddings(Record):
    """The embeddings of the characters, projected on their two principal components.

    Attributes:
        characters: one entry for each id, or for the 1,000 that come most often in the text.
        variance: the shares of the variance that lie in the two components.
    """

    characters: tuple[EmbeddedCharacter, ...]
    variance: tuple[float, float]
