"""NativeEngine: the network on the CPU in C, if it is compiled.

Legend: B lanes, T time, V vocabulary, H hidden, L layers, G gates, P panels, F numbers in a vector.
"""

import ctypes
import functools
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.cores import usable_threads
from charrnn.engines.attention import AttentionLanes, AttentionWeights
from charrnn.engines.compiled_lanes import CModel, CompiledLanes, aligned
from charrnn.engines.engine import Array, State, check_ids, chunk_length, chunks, id_array
from charrnn.engines.layers import prepared_layer
from charrnn.engines.native_structures import (
    STRUCTURES,
    SUMS,
    CAttention,
    CLanes,
    CLayer,
)
from charrnn.errors import ConfigError
from charrnn.model.config import STATES, ModelConfig
from charrnn.native_library import open_library, switched_off
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors

_CELLS: Final = ("rnn", "gru", "lstm")
"""The cells in the order of step.c."""

_SHARED_BYTES: Final = 1_500_000
"""The bytes of weights above which two threads compute a single lane: the weights no longer fit
into one core's own cache (benchmarks/README.md has measurements)."""


def available() -> bool:
    """Return whether the native engine can run: it is compiled, and CHARRNN_NATIVE is not 0."""
    return not switched_off() and _library() is not None


def processors() -> list[int]:
    """Return the indices in step.c's list of processors that this one supports, the best first."""
    library = _library()
    if library is None:
        return []
    found: list[int] = []
    processor = 0
    while (floats := library.charrnn_floats(processor)) >= 0:
        found += [processor] if floats > 0 else []
        processor += 1
    return found


class NativeEngine:
    """The network of a model directory in C, in float32. The weights are folded as in NumPyEngine.

    Every sum adds its terms in a fixed order, whatever the number of lanes or threads. So a lane's
    numbers are the same to the last bit whatever else is in the batch, and whether a text is read
    at once or by the character. AVX2 and AVX-512 give the same bits with any compiler; a processor
    without fused multiply-add rounds differently.

    Several threads may step lanes of one engine at the same time, each its own lanes.

    Args:
        processor: an index in step.c's list of processors; None takes the best supported one.

    Raises ConfigError if the native engine is not available.
    """

    precision = "float32"
    parallel = True

    def __init__(
        self, config: ModelConfig, tensors: Tensors, *, processor: int | None = None
    ) -> None:
        library = _library() if available() else None
        if library is None:
            raise ConfigError(
                "the native engine is switched off or not compiled; choose the engine numpy, "
                "or reinstall charrnn with a C compiler"
            )
        self._library = library
        processor = processors()[0] if processor is None else processor
        self.floats: int = library.charrnn_floats(processor)
        if self.floats <= 0:
            raise ConfigError(f"this processor cannot run entry {processor} of the native engine")
        self.vocabulary_size = len(tensors["head.weight"])
        self.symbols = len(tensors["embedding.weight"])  # V, plus 1 with a mask
        self.hidden_size = config.hidden_size
        self.layers = config.layers
        self.states = len(STATES[config.cell])
        self.attention: AttentionWeights | None = None
        if config.attention is not None:
            self.attention = AttentionWeights(config, tensors)
        self._arrays: list[Array] = []  # the arrays that the C structures below point to
        layers = [self._layer(config.cell, tensors, number) for number in range(config.layers)]
        self._fold(processor, config.cell, tensors, layers[0])
        units = SUMS * self.floats
        self.sums = layers[0].panels * units  # the sums of a layer in one lane
        self.padded_size = layers[0].panels * (units if config.cell == "rnn" else self.floats)
        self.attention_layers: tuple[CLayer, CLayer] | None = None
        head = self._sums_of(tensors["head.weight"].T, tensors["head.bias"])
        if self.attention is None:
            layers.append(head)
        else:  # the projections of attention read the layers
            hidden = slice(self.hidden_size)
            layers.append(self._sums_of(self.attention.projection[hidden], self.attention.bias))
            output = self.attention.output[:, hidden]
            self.attention_layers = self._sums_of(output, np.zeros_like(output[0])), head
        self.padded_vocabulary = layers[-1].panels * units
        self._layers = (CLayer * len(layers))(*layers)
        self.model = CModel(
            processor,
            _CELLS.index(config.cell),
            self.symbols,
            self.hidden_size,
            len(layers),
            ctypes.addressof(self._layers),
        )
        self.weight_bytes = sum(array.nbytes for array in self._arrays)

    @classmethod
    def of(cls, model: Model) -> "NativeEngine":
        """Return the engine of a model. Raises ConfigError if it is not available."""
        return cls(model.config, model.tensors)

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Read ids (B, T); see Engine."""
        ids = id_array(ids)
        return self._lanes_for(ids).advance(ids, state)

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        """Return the state that `advance` returns; see Engine."""
        ids = id_array(ids)
        return self._lanes_for(ids).read(ids, state)

    def lanes(self, count: int, *, threads: int | None = None) -> "NativeLanes":
        """Return `count` lanes, each before the first character.

        Args:
            count: B.
            threads: the threads that compute a step, 1 or 2; None takes two for a single lane of a
                model that exceeds one core's cache.
        """
        return NativeLanes(self, count, threads=threads)

    def _lanes_for(self, ids: npt.NDArray[Any]) -> "NativeLanes":
        """Return lanes that read ids (B, T)."""
        batch, time = ids.shape
        return NativeLanes(self, batch, threads=None if time >= SUMS else 1)

    def memory(self, count: int) -> AttentionLanes | None:
        """Return the attention memory of `count` lanes; None without attention."""
        return None if self.attention is None else AttentionLanes(self.attention, count, count)

    def _layer(self, cell: str, tensors: Tensors, number: int) -> "CLayer":
        """Prepare a layer. The first one has biases where its table will be."""
        layer = prepared_layer(cell, tensors, f"_l{number}")
        weight_ih, start = layer.weight_ih, layer.bias  # (G, I, H), (G, 1, H)
        if cell == "gru":  # sums n, r, z and the candidate's recurrent part, which r multiplies
            weight_ih = weight_ih[[2, 0, 1]]
            start = np.stack([start[2], start[0], start[1], layer.inner_bias])
        inputs = tensors[f"rnn.weight_ih_l{number}"].shape[1]
        recurrent = layer.weight_hh[:, : self.hidden_size]
        return CLayer(
            self._panel_count(recurrent),
            self._keep(self._panels(start)),
            self._keep(self._panels(weight_ih[:, :inputs])),
            self._keep(self._panels(recurrent)),
        )

    def _fold(self, processor: int, cell: str, tensors: Tensors, first: "CLayer") -> None:
        """Compute the first layer's table from its biases and input weights, and drop those."""
        embedding = np.ascontiguousarray(tensors["embedding.weight"], dtype=np.float32)
        table = aligned((self.symbols, first.panels, SUMS, self.floats))
        self._library.charrnn_fold(
            processor,
            _CELLS.index(cell),
            ctypes.byref(first),
            embedding.ctypes.data,
            *embedding.shape,
            table.ctypes.data,
        )
        del self._arrays[:2]  # biases and input weights
        first.start, first.input = self._keep(table), None

    def _sums_of(self, weight: Array, bias: Array) -> "CLayer":
        """Return the product with a weight (K, N) plus a bias (N,), as a layer of C."""
        return CLayer(
            self._panel_count(weight),
            self._keep(self._panels(bias[None, None])),
            self._keep(self._panels(weight[None])),
            None,
        )

    def _panel_count(self, planes: Array) -> int:
        size = self._blocks(len(planes) if planes.ndim > 2 else 1) * self.floats
        return -(-int(planes.shape[-1]) // size)

    def _blocks(self, gates: int) -> int:
        """Return the number of vectors of the same gate that lie side by side in a panel."""
        return 1 if gates > 1 else SUMS

    def _panels(self, planes: Array) -> Array:
        """Copy planes (G, K, N) into panels (P, K, G or 4, F), N padded with zeros."""
        gates, rows, columns = planes.shape
        blocks, count = self._blocks(gates), self._panel_count(planes)
        filled = np.zeros((gates, rows, count * blocks * self.floats), dtype=np.float32)
        filled[..., :columns] = planes
        split = filled.reshape(gates, rows, count, blocks, self.floats).transpose(2, 1, 0, 3, 4)
        panels = aligned((count, rows, gates * blocks, self.floats))
        panels.reshape(split.shape)[:] = split
        return panels

    def _keep(self, array: Array) -> int:
        """Return the address of an array, which stays valid as long as the engine lives."""
        self._arrays.append(array)
        return array.ctypes.data


class NativeLanes(CompiledLanes):
    """Lanes of a NativeEngine; see Lanes. A step allocates no arrays."""

    _engine: NativeEngine
    _attention: CAttention

    def __init__(self, engine: NativeEngine, count: int, *, threads: int | None = None) -> None:
        self._engine, self._count = engine, count
        shape = (engine.layers, count, engine.padded_size)
        states = tuple(aligned(shape) for _ in range(engine.states))
        memory = engine.memory(count)
        super().__init__(states, engine.hidden_size, memory)
        self._outputs = aligned(shape)
        self._scores = aligned((count, engine.padded_vocabulary))
        rows = self._scores
        if memory is not None and engine.attention_layers is not None:
            # With attention, the scores hold its projections.
            self._attention = CAttention.of(memory, *engine.attention_layers, engine.floats)
            self._attention_pointer = ctypes.byref(self._attention)
            rows = self._attention.scores
        self._tops = self._states[0][-1].ctypes.data, self._scores.ctypes.data
        self._logits = rows[:, : engine.vocabulary_size]
        self._ids = np.zeros(count, dtype=np.int64)
        self._lanes = CLanes(
            ctypes.addressof(engine.model),
            count,
            engine.padded_size,
            engine.padded_vocabulary,
            self._ids.ctypes.data,
            self._states[0].ctypes.data,
            self._states[-1].ctypes.data,
            self._outputs.ctypes.data,
            self._scores.ctypes.data,
            None,
        )
        self._step = engine._library.charrnn_step
        self._attend_in_c = engine._library.charrnn_attend
        self._pointer = ctypes.byref(self._lanes)
        if threads is None:
            large = count == 1 and engine.weight_bytes > _SHARED_BYTES
            threads = 2 if large and usable_threads() > 1 else 1
        if threads > 1 and engine._library.charrnn_help(self._pointer):
            stop = weakref.finalize(self, engine._library.charrnn_stop_help, self._pointer)
            # When the program exits, another thread may still be using the helper.
            stop.atexit = False

    @property
    def attended(self) -> Array | None:
        """See ArrayLanes."""
        return self._attention.attended if self._memory is not None else None

    def _read(self, ids: npt.NDArray[Any], *, scored: bool) -> Iterator[tuple[Array, Array]]:
        """Read ids (B, T) in chunks; see CompiledLanes."""
        longest = min(chunk_length(self._count), ids.shape[1])
        scores = aligned((longest if scored else 0, *self._scores.shape))
        history = aligned((longest, *self._outputs.shape[1:]))
        sums = aligned((longest, self._count, self._engine.sums))
        for chunk in chunks(ids, self._count):
            steps = np.ascontiguousarray(chunk.T, dtype=np.int64)  # (t, B)
            if self._engine._library.charrnn_read(
                self._pointer,
                steps.ctypes.data,
                scores.ctypes.data if scored else None,
                sums.ctypes.data,
                history.ctypes.data,
                len(steps),
            ):
                check_ids(ids, self._engine.symbols)
            yield scores[: len(steps)], history[: len(steps)]


@functools.cache
def _library() -> ctypes.CDLL | None:
    """Return the library that setup.py builds from native/; None if there is none."""
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    return open_library(
        Path(__file__).with_name("native"),
        "step",
        structures=STRUCTURES,
        functions=[
            ("charrnn_floats", [size], ctypes.c_int),
            ("charrnn_tanh", [size, pointer, size], None),
            ("charrnn_step", [pointer], ctypes.c_int),
            ("charrnn_fold", [size, size, pointer, pointer, size, size, pointer], None),
            ("charrnn_read", [pointer, pointer, pointer, pointer, pointer, size], ctypes.c_int),
            ("charrnn_attend", [pointer, pointer, pointer, pointer], None),
            ("charrnn_help", [pointer], ctypes.c_int),
            ("charrnn_stop_help", [pointer], None),
        ],
    )
