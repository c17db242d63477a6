"""VectorEngine: the network of an estimator in NumPy, without torch.

Legend: N sequences, B batch, R rows (B padded), T time, E numbers of a step, H hidden, F features
(H, or 2 H of both directions), K outputs.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from charrnn.array_types import Float32Array, Int64Array
from charrnn.engines.deterministic_matmul import multiply, whole_rows
from charrnn.engines.layers import Layer, prepared_layer
from charrnn.engines.numpy_engine import run_layer
from charrnn.errors import ModelError
from charrnn.estimators.network_config import NetworkConfig
from charrnn.estimators.sequences import Sequences
from charrnn.model.config import STATES
from charrnn.storage.tensor_file import Tensors
from charrnn.tasks.classify.engine_pooling import pooler

MOST_OUTPUTS: Final = 1 << 22
"""The most numbers of the outputs of a batch; a longer sequence is a batch by itself."""

LARGEST_BATCH: Final = 256


class VectorEngine:
    """The network of an estimator in float32, on the CPU.

    A sequence's numbers are the same to the last bit in any batch.

    Args:
        config: the sizes of the network.
        tensors: its weights.
    """

    def __init__(self, config: NetworkConfig, tensors: Tensors) -> None:
        self.config = config
        self._layers = [
            [
                prepared_layer(config.cell, tensors, f"_l{number}{direction}")
                for direction in config.directions
            ]
            for number in range(config.layers)
        ]
        self._weight = tensors.get("pooling.weight")
        self._head = np.ascontiguousarray(tensors["head.weight"].T)  # (F, K)
        self._head_bias = tensors["head.bias"]

    def answers(self, sequences: Sequences) -> Float32Array:
        """Compute the outputs (N, K) of sequences, whose steps are pooled.

        Raises ModelError where numbers overflow.
        """
        answers = np.empty((len(sequences), self.config.outputs), np.float32)
        for chosen, features in self._features(sequences):
            answers[chosen] = _finite(self._headed(self._pooled(features, sequences, chosen)))
        return answers

    def answers_of_steps(self, sequences: Sequences) -> list[Float32Array]:
        """Compute the outputs (T, K) of each step of the N sequences.

        Raises ModelError where numbers overflow.
        """
        answers = [np.empty((0, self.config.outputs), np.float32)] * len(sequences)
        for chosen, features in self._features(sequences):
            for row, number in enumerate(chosen.tolist()):
                read = features[: sequences.lengths[number], row]
                answers[number] = _finite(self._headed(read))
        return answers

    def _features(self, sequences: Sequences) -> Iterator[tuple[Int64Array, Float32Array]]:
        """Yield the places (B,) of the sequences of each batch, the longest first, and the outputs
        (T, B, F) of the top layer."""
        longest_first = np.argsort(-sequences.lengths, kind="stable")
        begin = 0
        while begin < len(sequences):
            steps = int(sequences.lengths[longest_first[begin]])
            fitting = MOST_OUTPUTS // (steps * self.config.features)
            chosen = longest_first[begin : begin + min(max(fitting, 1), LARGEST_BATCH)]
            with np.errstate(all="ignore"):  # an overflow shows in the answers
                read = self._read(sequences, chosen)
            yield chosen, read
            begin += len(chosen)

    def _read(self, sequences: Sequences, chosen: Int64Array) -> Float32Array:
        """Compute the outputs (T, B, F) of the top layer for some sequences, the longest first."""
        lengths = sequences.lengths[chosen]
        outputs = sequences.padded(chosen)  # (T, B, E)
        for directions in self._layers:
            read = [self._run(directions[0], outputs)]
            if self.config.bidirectional:
                order = _reversal(lengths)
                backwards = self._run(directions[1], _in_order(outputs, order))
                read.append(_in_order(backwards, order))
            outputs = np.concatenate(read, axis=2)
        return outputs

    def _pooled(
        self, features: Float32Array, sequences: Sequences, chosen: Int64Array
    ) -> Float32Array:
        """Pool the outputs (T, B, F) of some sequences into vectors (B, F)."""
        assert self.config.pooling is not None
        lengths = sequences.lengths[chosen]
        pool = pooler(self.config.pooling, lengths, self.config.hidden_size, self._weight)
        with np.errstate(all="ignore"):
            pool.add(0, features.swapaxes(0, 1))
            return pool.result()

    def _run(self, layer: Layer, inputs: Float32Array) -> Float32Array:
        """Run a layer over inputs (T, B, I) from its zero state; return its outputs (T, B, H)."""
        states = zero_state(self.config.cell, layer, inputs.shape[1])
        outputs = run_layer(self.config.cell, layer, padded_inputs(layer, inputs), states)
        return outputs[:, : inputs.shape[1], : self.config.hidden_size]

    def _headed(self, features: Float32Array) -> Float32Array:
        """Compute the outputs (N, K) of features (N, F)."""
        with np.errstate(all="ignore"):
            return multiply(features, self._head) + self._head_bias


def _finite(answers: Float32Array) -> Float32Array:
    """Return the outputs of the network. Raises ModelError where they overflowed."""
    if not np.isfinite(answers).all():
        raise ModelError(
            "the numbers of the network overflow: the weights, or what it reads, are too large"
        )
    return answers


def zero_state(cell: str, layer: Layer, count: int) -> tuple[Float32Array, ...]:
    """Return the state of a layer before the first step of B sequences: h, or h and c, each (R, H),
    padded."""
    shape = whole_rows(count), layer.weight_hh.shape[1]
    return tuple(np.zeros(shape, np.float32) for _ in STATES[cell])


def padded_inputs(layer: Layer, inputs: Float32Array) -> Float32Array:
    """Pad inputs (T, B, I) with zeros to the rows and columns that a layer reads."""
    steps, count, size = inputs.shape
    filled = np.zeros((steps, whole_rows(count), layer.weight_ih.shape[1]), np.float32)
    filled[:, :count, :size] = inputs
    return filled


def _reversal(lengths: Int64Array) -> Int64Array:
    """Return the steps (T, B) that reverse each sequence within its length."""
    steps = np.arange(lengths.max())[:, None]
    return np.where(steps < lengths, lengths - 1 - steps, steps)


def _in_order(values: Float32Array, order: Int64Array) -> Float32Array:
    """Return values (T, B, F) with the steps of each sequence in an order (T, B)."""
    taken: Float32Array = np.take_along_axis(values, order[:, :, None], axis=0)
    return taken
