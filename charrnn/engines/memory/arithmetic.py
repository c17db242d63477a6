"""The arithmetic coder in Python, which writes and reads the bytes of native/range_coder.h.

A code is a number in [0, 1), the shortest in an interval that each decision divides in proportion
to its probabilities. `low` and `range` hold the 40 bits of the interval that are not settled yet;
all bytes before them are, but for a carry. (G. N. N. Martin, Range encoding, 1979, with the two
outcomes of a decision for an alphabet.)
"""

from typing import Final

from charrnn.engines.memory.config import PROBABILITY_BITS

CODE_BITS: Final = 40
WHOLE: Final = 1 << CODE_BITS
LEAST_RANGE: Final = 1 << (CODE_BITS - 8)


class ArithmeticEncoder:
    """An encoder of decisions. `low`, `range` and `code` may be set, to go on with a code."""

    def __init__(self) -> None:
        self.low, self.range = 0, WHOLE
        self.code = bytearray()

    def encode_bit(self, bit: int, probability: int) -> None:
        """Append a decision whose probability to be 1 is given in units of 2^-PROBABILITY_BITS."""
        part = self.range * probability >> PROBABILITY_BITS
        if bit:
            self.range = part
        else:
            self.low, self.range = self.low + part, self.range - part
        if self.low >= WHOLE:
            self.low -= WHOLE
            _carry(self.code)
        while self.range <= LEAST_RANGE:
            self.code.append(self.low >> (CODE_BITS - 8))
            self.low = (self.low << 8) % WHOLE
            self.range <<= 8

    def finish(self) -> bytes:
        """Return the shortest code of all decisions; zeros that would follow are left out."""
        return shortest(self.low, self.range, self.code)


class ArithmeticDecoder:
    """A decoder of decisions. Any bytes are the code of some decisions."""

    def __init__(self, code: bytes) -> None:
        self.code, self.read = code, CODE_BITS // 8
        self.offset = int.from_bytes(code[: self.read].ljust(self.read, b"\0"), "big")
        self.range = WHOLE

    def decode_bit(self, probability: int) -> int:
        """Return the next decision, given the probability with which it was encoded."""
        part = self.range * probability >> PROBABILITY_BITS
        bit = int(self.offset < part)
        if bit:
            self.range = part
        else:
            self.offset, self.range = self.offset - part, self.range - part
        while self.range <= LEAST_RANGE:
            follows = self.code[self.read] if self.read < len(self.code) else 0
            self.offset, self.range = self.offset << 8 | follows, self.range << 8
            self.read += 1
        return bit


def shortest(low: int, length: int, settled: bytes | bytearray) -> bytes:
    """Return the shortest code of the interval from `low`, of this length, behind settled bytes."""
    code = bytearray(settled)
    for count in range(CODE_BITS // 8 + 1):
        unit = 1 << (CODE_BITS - 8 * count)
        value = -(-low // unit) * unit
        if value < low + length:
            if value >= WHOLE:
                value -= WHOLE
                _carry(code)
            code += value.to_bytes(CODE_BITS // 8, "big")[:count]
            break
    return bytes(code).rstrip(b"\0")


def _carry(code: bytearray) -> None:
    """Add 1 to the last byte, and to the one before it where that was 255."""
    place = len(code) - 1
    while code[place] == 255:
        code[place] = 0
        place -= 1
    code[place] += 1
