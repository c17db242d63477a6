"""Encoder and Decoder: ids as the shortest code that a memory allows, alone or with a network.

Each decision of an id takes as many bits as its probability says. The memory learns from each id
after it was coded, so that encoder and decoder make the same predictions. The code has the same
bytes on every machine, and whether it is written and read in C or in Python.

Legend: N ids, V vocabulary.
"""

import ctypes
from typing import Final

import numpy as np

from charrnn.array_types import Float32Array
from charrnn.engines.engine import Lanes
from charrnn.engines.int8_engine import Int8Lanes
from charrnn.engines.int8_structures import library as int8_library
from charrnn.engines.memory.arithmetic import (
    CODE_BITS,
    WHOLE,
    ArithmeticDecoder,
    ArithmeticEncoder,
    shortest,
)
from charrnn.engines.memory.coder_structures import CDecoder, CEncoder, CNetwork
from charrnn.engines.memory.compiled import library
from charrnn.engines.memory.memory import Memory
from charrnn.errors import ModelError

Ids = np.typing.NDArray[np.int32]

_BYTES_OF_A_DECISION: Final = 3
"""The most bytes that a decision may settle."""

_OVERFLOW: Final = "the model's weights are so large that its numbers overflow"


class NetworkReader:
    """A network that reads ids one by one, or many at once, and predicts the one that follows.

    Args:
        lanes: one lane of an engine of int8, whose numbers are the same in both ways.
        beginning: the id that is read before the first.
    """

    def __init__(self, lanes: Lanes, beginning: int) -> None:
        self.lanes = lanes
        self.last = np.array([beginning], dtype=np.int64)
        self.structure: CNetwork | None = None
        if isinstance(lanes, Int8Lanes):
            opened = int8_library()
            assert opened is not None
            lanes.next_ids[:] = self.last
            self.last = lanes.next_ids  # one array, which C reads and writes
            self.structure = CNetwork(
                ctypes.cast(opened.charrnn_int8_next, ctypes.c_void_p).value,
                ctypes.addressof(lanes.structure),
                lanes.attention_address,
                self.last.ctypes.data,
                lanes.logits.ctypes.data,
            )

    def predict(self) -> Float32Array:
        """Read the last id. Returns the logits (V,) of the next one, which the next call
        overwrites. Raises ModelError when they are not finite."""
        logits: Float32Array = self.lanes.step(self.last.astype(np.intp))[0]
        if not np.isfinite(logits).all():
            raise ModelError(_OVERFLOW)
        return logits


class Encoder:
    """An encoder of ids, which several memories may predict in turn."""

    def __init__(self) -> None:
        self._state = CEncoder(0, WHOLE, None, 0, 0)
        self._code = np.empty(0, dtype=np.uint8)

    def encode(self, memory: Memory, ids: Ids, logits: Float32Array | None = None) -> None:
        """Append ids (N,) as the code that a memory makes of them; the memory learns from them.

        Args:
            logits: what a network predicts for each, (N, V); None without a network.

        Raises ModelError when these are not finite.
        """
        self._make_room(len(ids) * _BYTES_OF_A_DECISION * memory.vocabulary_size.bit_length())
        ids = np.ascontiguousarray(ids, dtype=np.int32)
        if logits is not None:
            logits = np.ascontiguousarray(logits, dtype=np.float32)
        if memory.structure is None:
            self._encode_in_python(memory, ids, logits)
            return
        opened = library()
        assert opened is not None
        done = opened.charrnn_memory_encode(
            ctypes.addressof(memory.structure),
            ctypes.addressof(self._state),
            ids.ctypes.data,
            None if logits is None else logits.ctypes.data,
            len(ids),
        )
        if done < len(ids):
            raise ModelError(_OVERFLOW)

    def finish(self) -> bytes:
        """Return the code of all ids."""
        state = self._state
        return shortest(state.low, state.range, self._code[: state.size].tobytes())

    def _make_room(self, more: int) -> None:
        """Make room for `more` bytes of code."""
        state = self._state
        if state.room - state.size < more:
            code = np.empty(2 * len(self._code) + more, dtype=np.uint8)
            code[: state.size] = self._code[: state.size]
            self._code = code
            state.code, state.room = code.ctypes.data, len(code)

    def _encode_in_python(self, memory: Memory, ids: Ids, logits: Float32Array | None) -> None:
        coder, state = ArithmeticEncoder(), self._state
        coder.low, coder.range = state.low, state.range
        coder.code = bytearray(self._code[: state.size].tobytes())
        for place, each in enumerate(ids):
            predicted = None if logits is None else logits[place]
            if predicted is not None and not np.isfinite(predicted).all():
                raise ModelError(_OVERFLOW)
            memory.begin(predicted)
            while memory.undecided:
                bit = memory.bit(int(each))
                coder.encode_bit(bit, memory.predict_bit())
                memory.update_bit(bit)
            memory.end()
        state.low, state.range, state.size = coder.low, coder.range, len(coder.code)
        self._code[: state.size] = np.frombuffer(bytes(coder.code), dtype=np.uint8)


class Decoder:
    """A decoder of the code of an Encoder. Any bytes are the code of some ids.

    Args:
        code: what `Encoder.finish` returned.
    """

    def __init__(self, code: bytes) -> None:
        self._code = np.frombuffer(code, dtype=np.uint8)
        first = ArithmeticDecoder(code)
        self._state = CDecoder(
            first.offset, WHOLE, self._code.ctypes.data, len(code), CODE_BITS // 8
        )

    def decode(self, memory: Memory, count: int, network: NetworkReader | None = None) -> Ids:
        """Return the next `count` ids, given the memory as it was when they were encoded, and the
        network whose logits were given. Both read them.

        Raises ModelError when the network's logits are not finite.
        """
        ids = np.empty(count, dtype=np.int32)
        structure = None if network is None else network.structure
        if memory.structure is None or (network is not None and structure is None):
            self._decode_one_by_one(memory, ids, network)
            return ids
        opened = library()
        assert opened is not None
        addresses = ctypes.addressof(memory.structure), ctypes.addressof(self._state)
        if network is None or structure is None:
            opened.charrnn_memory_decode(*addresses, None, ids.ctypes.data, count)
            return ids
        assert isinstance(network.lanes, Int8Lanes)
        with network.lanes.attending():
            done = opened.charrnn_memory_decode(
                *addresses, ctypes.addressof(structure), ids.ctypes.data, count
            )
        if done < count:
            raise ModelError(_OVERFLOW)
        return ids

    def _decode_one_by_one(self, memory: Memory, ids: Ids, network: NetworkReader | None) -> None:
        """Decode ids where the memory or the network is not computed in C."""
        state = self._state
        coder = ArithmeticDecoder(self._code.tobytes())
        coder.offset, coder.range, coder.read = state.offset, state.range, state.read
        for place in range(len(ids)):
            memory.begin(None if network is None else network.predict())
            while memory.undecided:
                memory.update_bit(coder.decode_bit(memory.predict_bit()))
            ids[place] = memory.end()
            if network is not None:
                network.last[:] = ids[place]
        state.offset, state.range, state.read = coder.offset, coder.range, coder.read
