"""The arrays of a memory, as they are before anything is read.

Legend: V vocabulary, D decisions of an id.
"""

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float32Array
from charrnn.engines.memory.config import CONTEXT, MemoryConfig
from charrnn.engines.memory.numbers import logarithm

ORDERS: Final = (1, 2, 3, 4, 6, 8)
COUNTERS: Final = len(ORDERS) + 2
MATCHES: Final = 2
MATCH_LEAST: Final = (12, 20)
INPUTS: Final = 32
SET_ROWS: Final = (16, 16, 1024, 1024)
SETS: Final = len(SET_ROWS)
LEVELS: Final = 33
ADJUSTED: Final = 8192
NODES: Final = 15
NODE_START: Final = 1 << 31
STATES: Final = 1600
SHORT: Final = 5
"""The longest history of a node that is a state of its own."""

MAP_LIMIT: Final = 1023
MATCH_INPUT: Final = 2 * COUNTERS
NETWORK_INPUT: Final = MATCH_INPUT + 2 * MATCHES
BIAS_INPUT: Final = NETWORK_INPUT + 1

Words = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Tables:
    """What a memory has learned. The shapes are those of memory.h."""

    context: npt.NDArray[np.int32]  # (CONTEXT,) the last ids; -1 before the first
    table: Words  # (2^table_bits, 16) 15 nodes and a check
    maps: Words  # (COUNTERS, STATES)
    history: npt.NDArray[np.int32]  # (2^history_bits,)
    places: Words  # (MATCHES, 2^place_bits)
    match_maps: Words  # (MATCHES, 64)
    weights: Float32Array  # (2, rows, INPUTS)
    final_weights: Float32Array  # (2, SETS)
    adjustments: Float32Array  # (2, ADJUSTED, LEVELS)
    trust: Float32Array  # (2,) the shares of the mixture and of the network alone
    totals: npt.NDArray[np.uint64]  # (3,)

    def copy(self) -> "Tables":
        """Return an independent copy."""
        return Tables(*(getattr(self, each.name).copy() for each in fields(self)))


def place_bits(config: MemoryConfig) -> int:
    """Return the size of the tables of places."""
    return min(config.history_bits, 20)


def new_tables(config: MemoryConfig) -> Tables:
    """Return the tables of a memory that has read nothing."""
    return Tables(
        np.full(CONTEXT, -1, dtype=np.int32),
        np.zeros((1 << config.table_bits, 16), dtype=np.uint32),
        np.tile(_new_map(), (COUNTERS, 1)),
        np.zeros(1 << config.history_bits, dtype=np.int32),
        np.zeros((MATCHES, 1 << place_bits(config)), dtype=np.uint32),
        np.tile(_entries(1 - 0.25 / (1 + np.arange(64) // 2), 6), (MATCHES, 1)),
        _new_weights(),
        np.full((2, SETS), 1 / SETS, dtype=np.float32),
        np.tile(_levels(), (2, ADJUSTED, 1)),
        _new_trust(config),
        np.zeros(3, dtype=np.uint64),
    )


def stretched() -> Float32Array:
    """Return the log-odds (4096,) of probabilities, in the middle of each of 4096 steps."""
    p = (np.arange(4096) + np.float32(0.5)).astype(np.float32)
    return np.asarray(logarithm(p) - logarithm(np.float32(4096) - p))


def _new_map() -> Words:
    """Return a map (STATES,): the probability of 1 in each state of a node."""
    p = np.full(STATES, 0.5)
    for seen in range(SHORT + 1):
        for last in range(1 << seen):
            value = 0.5
            for step in range(seen):
                bit = last >> (seen - 1 - step) & 1
                value += (bit - value) / (step + 1.5)
            p[1 << seen | last] = value * 0.98 + 0.01
    p[64:] = (np.arange(STATES - 64) // 16 % 32 + 0.5) / 32
    return _entries(p, 4)


def _entries(p: npt.NDArray[Any], count: int) -> Words:
    return ((p * (1 << 22)).astype(np.uint32) << np.uint32(10)) | np.uint32(count)


def _new_weights() -> Float32Array:
    """Return weights like those that texts of many kinds led to: without a network, the counters
    share; with one, it leads."""
    weights = np.zeros((2, sum(SET_ROWS), INPUTS), dtype=np.float32)
    weights[0, :, 1:MATCH_INPUT:2] = 0.2
    weights[0, :, MATCH_INPUT:NETWORK_INPUT:2] = 0.2
    weights[1, :, :MATCH_INPUT:2] = -0.06
    weights[1, :, 1:MATCH_INPUT:2] = 0.12
    weights[1, :, MATCH_INPUT:NETWORK_INPUT:2] = 0.15
    weights[1, :, NETWORK_INPUT] = 0.8
    return weights


def _new_trust(config: MemoryConfig) -> Float32Array:
    return np.array([0.5, 0.5] if config.has("network-alone") else [1, 0], dtype=np.float32)


def _levels() -> Float32Array:
    return (np.arange(LEVELS, dtype=np.float32) - 16) / np.float32(2)
