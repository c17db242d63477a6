"""Surprise: how well a model predicts each character of a text, and which characters cost most.

Legend: N characters, M ids (more than N for a byte model), S characters shown, V vocabulary, K
bins of a histogram.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from charrnn.array_types import Float64Array, Int64Array
from charrnn.engines import Array, Reader
from charrnn.evaluation.token_scores import TokenScores, score_logits
from charrnn.explanation.concepts import KINDS, kinds_of, values_of
from charrnn.explanation.text_records import (
    CostlyPlace,
    CostlyWord,
    GroupLoss,
    Histogram,
    Surprise,
)
from charrnn.explanation.texts import ReadText, read_in_lanes

LIKELIEST: Final = 5
COSTLIEST: Final = 30
"""The places and the words that are listed."""

_AROUND: Final = 30
EDGES: Final = (*(0.25 * step for step in range(49)), math.inf)
"""The bounds of the bins of histograms, in bits."""

_GROUPS: Final = (1, 2, 3, 4, 6, 10, 20, 40, 80, 160)
"""Where groups of places in words and lines begin."""


class Surprisals(NamedTuple):
    """The surprisals of a text.

    Attributes:
        of_ids: (M,) of each id, in nats.
        nats: (N,) of each character.
        ranks: (N,) of its first id.
        top_ids, top_log_probabilities: (S, 5) the likeliest ids in the place of its first id.
    """

    of_ids: Float64Array
    nats: Float64Array
    ranks: Int64Array
    top_ids: Int64Array
    top_log_probabilities: Float64Array


def measure_surprisals(engine: Reader, text: ReadText, shown: int) -> Surprisals:
    """Read a text, and return the surprisals of its characters.

    Raises ModelError when the model's numbers overflow.
    """
    parts = read_in_lanes(engine, text.inputs, text.lanes)
    rows = ((part.positions[part.valid], part.outputs[part.valid]) for part in parts)
    return collect_surprisals(rows, text, shown, engine.vocabulary_size)


def collect_surprisals(
    rows: Iterable[tuple[Int64Array, Array]], text: ReadText, shown: int, vocabulary_size: int
) -> Surprisals:
    """Return the surprisals of a text from places (T,) and the logits (T, V) there, which come in
    any order."""
    count, top = len(text.ids), min(LIKELIEST, vocabulary_size)
    likely, ranks = np.zeros(count), np.zeros(count, np.int64)
    needed = min(int(text.starts[shown - 1]) + 1 if shown else 0, count)
    top_ids, top_scores = np.zeros((needed, top), np.int64), np.zeros((needed, top))
    for places, logits in rows:
        scores = score_logits(logits, text.ids[places].astype(np.int64), top)
        likely[places], ranks[places] = scores.log_probabilities, scores.ranks
        _keep(top_ids, top_scores, places, scores)
    starts = text.starts
    of_ids = np.maximum(-likely, 0.0)  # not -0
    return Surprisals(
        of_ids,
        text.per_character(of_ids),
        ranks[starts],
        top_ids[starts[:shown]],
        top_scores[starts[:shown]],
    )


def _keep(ids: Int64Array, values: Float64Array, places: Int64Array, scores: TokenScores) -> None:
    """Store the likeliest ids of the places that are shown."""
    wanted = places < len(ids)
    ids[places[wanted]] = scores.top_ids[wanted]
    values[places[wanted]] = scores.top_log_probabilities[wanted]


def describe_surprise(
    text: ReadText, found: Surprisals, samples_nats: Sequence[Float64Array] = ()
) -> Surprise:
    """Return the record of surprisals; `samples_nats` are those of the model's own samples."""
    nats = found.nats
    shown = len(found.top_ids)
    return Surprise(
        bits_per_character=_bits(nats),
        lanes=text.lanes,
        nats=nats[:shown],
        ranks=found.ranks[:shown],
        likeliest=found.top_ids,
        probabilities=np.exp(found.top_log_probabilities),
        costliest_places=_costliest_places(text.text, found),
        costliest_words=_costliest_words(text.text, nats),
        by_kind=losses_by_kind(text.text, nats),
        by_place_in_word=_by_place(values_of("position_in_word", text.text), nats),
        by_place_in_line=_by_place(_place_in_line(text.text), nats),
        histogram=_histogram(nats, samples_nats),
    )


def losses_by_kind(text: str, nats: Float64Array) -> tuple[GroupLoss, ...]:
    """Return the loss of each kind of character that the text has, in the order of KINDS."""
    kinds = np.array(kinds_of(text))
    return tuple(
        GroupLoss(name=kind, characters=int(chosen.sum()), bits=_bits(nats[chosen]))
        for kind in KINDS
        if (chosen := kinds == kind).any()
    )


def _bits(nats: Float64Array) -> float:
    return float(nats.mean()) / math.log(2) if len(nats) else math.nan


def _place_in_line(text: str) -> Float64Array:
    """Return the place (N,) of each character in its line, from 1; a line end belongs to the line
    that it ends."""
    before = np.concatenate([[0.0], values_of("column", text)[:-1]])[: len(text)]
    return before + 1


def _by_place(places: Float64Array, nats: Float64Array) -> tuple[GroupLoss, ...]:
    """Return the loss of groups of places; place 0 is left out."""
    groups = []
    for begin, end in pairwise([*_GROUPS, math.inf]):
        chosen = (places >= begin) & (places < end)
        if not chosen.any():
            continue
        last = "" if math.isinf(end) else str(int(end) - 1)
        name = str(begin) if last == str(begin) else f"{begin}-{last}" if last else f"{begin}+"
        groups.append(GroupLoss(name=name, characters=int(chosen.sum()), bits=_bits(nats[chosen])))
    return tuple(groups)


def _costliest_places(text: str, found: Surprisals) -> tuple[CostlyPlace, ...]:
    order = np.argsort(-found.nats, kind="stable")[:COSTLIEST]
    return tuple(
        CostlyPlace(
            place=place,
            character=text[place],
            nats=float(found.nats[place]),
            rank=int(found.ranks[place]),
            before=text[max(place - _AROUND, 0) : place],
            after=text[place + 1 : place + 1 + _AROUND],
        )
        for place in order.tolist()
    )


def _costliest_words(text: str, nats: Float64Array) -> tuple[CostlyWord, ...]:
    """Return the words with the largest nats for each time that they come."""
    words = values_of("inside_word", text)
    borders = np.diff(words.astype(np.int8), prepend=0, append=0)
    sums = np.concatenate([[0.0], np.cumsum(nats)])
    costs: dict[str, list[float]] = defaultdict(list)
    first: dict[str, int] = {}
    bounds = zip(np.flatnonzero(borders == 1), np.flatnonzero(borders == -1), strict=True)
    for begin, end in bounds:
        word = text[begin:end]
        costs[word].append(float(sums[end] - sums[begin]))
        first.setdefault(word, int(begin))
    order = sorted(costs, key=lambda word: (-sum(costs[word]) / len(costs[word]), first[word]))
    return tuple(
        CostlyWord(
            word=word,
            count=len(costs[word]),
            nats=sum(costs[word]) / len(costs[word]),
            place=first[word],
        )
        for word in order[:COSTLIEST]
    )


def _histogram(nats: Float64Array, samples: Sequence[Float64Array]) -> Histogram:
    own = np.concatenate(samples) if samples else np.zeros(0)

    def shares(values: Float64Array) -> tuple[float, ...]:
        if not len(values):
            return ()
        bins = np.searchsorted(EDGES, values / math.log(2), side="right") - 1
        counts = np.bincount(np.clip(bins, 0, len(EDGES) - 2), minlength=len(EDGES) - 1)
        return tuple((counts / len(values)).tolist())

    return Histogram(
        edges=EDGES,
        text=shares(nats),
        samples=shares(own),
        text_bits=_bits(nats),
        samples_bits=_bits(own) if len(own) else None,
    )
