"""The mixture of a memory in NumPy, as in native/memory_mixture.h.

After PAQ (Mahoney, 2005, "Adaptive weighing of context models for lossless data compression") and
Mattern, 2013 (doi:10.1109/DCC.2013.43). Each prediction is a log-odds. There are sets of weights,
of which each has a row selected by something small; each makes a prediction of its own, from which
it learns. Their weighted sum is adjusted by how such sums came out after the same last ids.

With a network, the result is averaged with the network alone, each with the share that it has
earned so far (the fixed share of Herbster & Warmuth, 1998, doi:10.1023/A:1007424614876): on a text
of which there is nothing to remember, hardly more is lost than the share that the mixture begins
with.

Legend: n decisions at the same depth.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from charrnn.array_types import Float32Array, Int64Array
from charrnn.engines.memory.config import PARTS, PROBABILITY_BITS, MemoryConfig
from charrnn.engines.memory.numbers import logarithm, logistic, sum_of
from charrnn.engines.memory.tables import (
    ADJUSTED,
    BIAS_INPUT,
    COUNTERS,
    INPUTS,
    MATCH_INPUT,
    NETWORK_INPUT,
    SET_ROWS,
    Tables,
    Words,
)
from charrnn.engines.memory.view import View, mixed

_LIMIT: Final = np.float32(16)
_ONE: Final = np.float32(1)
_TINY: Final = np.float32(1e-30)


@dataclass(frozen=True)
class Guess:
    """What is known of an id that was begun.

    Attributes:
        config: the parts of the memory.
        stretched: the log-odds (4096,) of probabilities.
        view: the contexts and matches.
        tree: (2^(D + 1),) what a network gives each beginning of an id; None without one.
        decisions: D.
    """

    config: MemoryConfig
    stretched: Float32Array
    view: View
    tree: Float32Array | None
    decisions: int


@dataclass(frozen=True)
class Decisions:
    """Predictions of n decisions, and what is needed to learn from the first.

    Attributes:
        kind: 1 with a network, 0 without.
        inputs: (n, INPUTS).
        odds: (n, SETS) the log-odds of each set.
        rows: (SETS, n) the selected rows.
        mean: (n,) the probability of 1 before the adjustment.
        levels: (n,) the level below.
        share: (n,) of the level above.
        adjustments: (n,) the rows of the adjustment.
        adjusted: (n,) the probability of the adjustment alone.
        averaged: (2, n) the probabilities of the mixture and of the network alone.
        whole: (n,) the probability of 1, in units of 2^-PROBABILITY_BITS.
    """

    kind: int
    inputs: Float32Array
    odds: Float32Array
    rows: Int64Array
    mean: Float32Array
    levels: Int64Array
    share: Float32Array
    adjustments: Int64Array
    adjusted: Float32Array
    averaged: Float32Array
    whole: Int64Array


def decide(
    tables: Tables,
    guess: Guess,
    shares: Float32Array,
    prefixes: Int64Array,
    opened: Words,
    states: Int64Array,
    left: int,
) -> Decisions:
    """Predict decisions.

    Args:
        shares: (2, n) of the mixture and of the network alone, given the decisions before.
        prefixes: (n,) the decisions before, after a 1.
        opened: (n, COUNTERS) the nodes.
        states: (n, COUNTERS) their states.
        left: the decisions ahead.
    """
    config, view, tree = guess.config, guess.view, guess.tree
    x, known, longest = _inputs(tables, guess, prefixes, opened, states, left)
    odds_of_network = np.zeros(len(prefixes), dtype=np.float32)
    if tree is not None:
        zero, one = logarithm(tree[2 * prefixes + np.array([[0], [1]])] + _TINY)
        odds_of_network = _clamped(one - zero, np.float32(12))
        x[:, NETWORK_INPUT] = odds_of_network
    x[:, BIAS_INPUT] = np.float32(0.3)
    kind = int(tree is not None)
    selected = {
        "by-match": np.where(longest < 16, longest // 2, 6 + longest // 8),
        "by-knowledge": known,
        "by-decision": prefixes % SET_ROWS[2],
        "by-last-id": np.full_like(prefixes, (view.context[0] + 1) % SET_ROWS[3]),
    }
    rows = np.stack([each * config.has(name) for name, each in selected.items()])
    rows += np.cumsum([0, *SET_ROWS[:-1]])[:, None]
    products = x * tables.weights[kind, rows]  # (SETS, n, INPUTS)
    odds_of_sets = _clamped(sum_of(products), _LIMIT).T
    odds = _clamped(sum_of(odds_of_sets * tables.final_weights[kind]), _LIMIT)
    place = (_clamped(odds, np.float32(7.999)) + np.float32(8)) * np.float32(2)
    levels = place.astype(np.int64)
    share = place - levels.astype(np.float32)
    hashed = mixed(3, view.context[0])
    adjustments = np.array([mixed(hashed, each) % ADJUSTED for each in prefixes.tolist()])
    below, above = (tables.adjustments[kind, adjustments, levels + k] for k in (0, 1))
    adjusted = below * (_ONE - share) + above * share
    both = _clamped((odds + adjusted) * np.float32(0.5), _LIMIT)
    outcomes = [odds, _clamped(adjusted, _LIMIT), both if config.has("adjustment") else odds]
    before, alone, mixture, network = logistic(np.stack([*outcomes, odds_of_network]))
    mean = shares[0] * mixture + shares[1] * network
    units = (mean * np.float32(1 << PROBABILITY_BITS)).astype(np.int64)
    whole = np.minimum(np.maximum(units, 1), (1 << PROBABILITY_BITS) - 1)
    return Decisions(
        *(kind, x, odds_of_sets, rows, before, levels, share),
        *(adjustments, alone, np.stack([mixture, network]), whole),
    )


def shares_after(shares: Float32Array, decisions: Decisions, bit: int) -> Float32Array:
    """Return the shares (2, n) after a decision."""
    averaged = decisions.averaged
    earned = shares * (averaged if bit else _ONE - averaged)
    return np.asarray(earned / (earned[0] + earned[1]))


def _inputs(
    tables: Tables, guess: Guess, prefixes: Int64Array, opened: Words, states: Int64Array, left: int
) -> tuple[Float32Array, Int64Array, Int64Array]:
    """Return the inputs (n, INPUTS) without a network, how many counters know each node, and the
    longest match that agrees with the decisions before."""
    x = np.zeros((len(prefixes), INPUTS), dtype=np.float32)
    stretched, view = guess.stretched, guess.view
    used = np.array([guess.config.has(each) for each in PARTS[:COUNTERS]])
    seen = ((opened >> np.uint32(8) & np.uint32(255)) > 0) & used
    direct = _clamped(stretched[opened >> np.uint32(20)], np.float32(8))
    mapped = tables.maps[np.arange(COUNTERS), states]
    x[:, 0:MATCH_INPUT:2] = np.where(seen, direct, np.float32(0))
    x[:, 1:MATCH_INPUT:2] = np.where(seen, stretched[mapped >> np.uint32(20)], np.float32(0))
    longest = np.zeros(len(prefixes), dtype=np.int64)
    for match, expected in enumerate(view.expected):
        if expected < 0:
            continue
        agrees = prefixes == (expected | 1 << guess.decisions) >> left
        length = view.lengths[match]
        entry = tables.match_maps[match, length // 2 * 2 + (left == guess.decisions)]
        sign = np.float32(1 if expected >> (left - 1) & 1 else -1)
        certainty = np.float32(entry >> np.uint32(10)) * np.float32(2**-21) - _ONE
        column = MATCH_INPUT + 2 * match
        x[agrees, column] = sign * stretched[entry >> np.uint32(20)]
        x[agrees, column + 1] = sign * certainty
        longest = np.where(agrees, np.maximum(longest, length), longest)
    return x, seen.sum(axis=1), longest


def learn_mixture(tables: Tables, decision: Decisions, bit: int) -> None:
    """Move the weights of one decision towards what came."""
    kind, outcome = decision.kind, np.float32(bit)
    steps = np.float32(tables.totals[1 + kind])
    late = _ONE + steps * np.float32(1 / 3000)
    tables.totals[1 + kind] += np.uint64(1)
    rate = np.float32(0.006) + np.float32(0.014) / late
    final_rate = np.float32(0.0005) + np.float32(0.0045) / late
    odds = decision.odds[0]
    tables.final_weights[kind] += odds * ((outcome - decision.mean[0]) * final_rate)
    steps_of_sets = (outcome - logistic(odds)) * rate
    tables.weights[kind, decision.rows[:, 0]] += steps_of_sets[:, None] * decision.inputs[0]
    level, share = int(decision.levels[0]), decision.share[0]
    step = (outcome - decision.adjusted[0]) * np.float32(0.08)
    entries = tables.adjustments[kind, decision.adjustments[0]]
    entries[level] += (_ONE - share) * step
    entries[level + 1] += share * step


def learn_shares(tables: Tables, config: MemoryConfig, shares: Float32Array) -> None:
    """Keep the shares (2,) after an id, and give each of both a little."""
    if config.has("network-alone"):
        tables.trust[:] = shares * np.float32(0.999) + np.float32(0.0005)


def _clamped(x: Float32Array, limit: np.float32) -> Float32Array:
    return np.minimum(np.maximum(x, -limit), limit)
