"""The draw: a keyed permutation of the pre-queue's numbers 1..N, which anybody can recompute from the published seed.

The numbers 0..N-1 are written as (left, right) in the mixed radix a x b, a = ceil(sqrt N), b = ceil(N / a), and sent through a
Feistel network whose halves are added modulo a and b by turns (Black and Rogaway, "Ciphers with Arbitrary Finite Domains",
2002); a result of N or more goes through again (cycle-walking). The round function is HMAC-SHA256, of which the first 48 bits
count, so that a browser computes it in ordinary numbers. As a half takes only about sqrt(N) values, all rounds are tabled
once per draw, and a position then costs a few look-ups.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

ROUNDS = 16
_LABEL = b"tidegate draw v1"
_BEACON_LABEL = b"tidegate draw beacon v1"
_INPUT = struct.Struct(">QBQ")
_TAKEN_BYTES = 6


@dataclass(frozen=True, slots=True)
class Draw:
    """The permutation of one opening; `size` is N, the joined before the opening. Made by `make_draw`."""

    size: int
    left_radix: int
    right_radix: int
    rounds: Sequence[Sequence[int]]

    def position(self, number: int) -> int:
        """Return the position in 1..N drawn for `number` in 1..N; numbers beyond N keep their place behind the draw."""
        if number > self.size:
            return number
        index = number - 1
        while True:
            index = self._permute(index)
            if index < self.size:
                return index + 1

    def _permute(self, index: int) -> int:
        left_radix, right_radix = self.left_radix, self.right_radix
        left, right = divmod(index, right_radix)
        for even, odd in zip(self.rounds[::2], self.rounds[1::2], strict=True):
            left = (left + even[right]) % left_radix
            right = (right + odd[left]) % right_radix
        return left * right_radix + right


def make_draw(seed: bytes, onsale: str, size: int) -> Draw:
    """Table the rounds of the draw of `onsale` among `size` buyers; costs about 32 x sqrt(size) HMACs."""
    left_radix = max(1, math.isqrt(max(0, size - 1)) + 1)
    right_radix = max(1, -(-size // left_radix))
    name = onsale.encode()
    prefix = _LABEL + struct.pack(">H", len(name)) + name
    rounds = []
    for number in range(ROUNDS):
        values, modulus = (right_radix, left_radix) if number % 2 == 0 else (left_radix, right_radix)
        rounds.append(
            [_round(seed, prefix + _INPUT.pack(size, number, value)) % modulus for value in range(values)]
        )
    return Draw(size, left_radix, right_radix, rounds)


def mix_beacon(seed: bytes, onsale: str, source: str, value: str) -> bytes:
    """Return the key of a draw whose beacon was announced as `source` and has `value`: HMAC-SHA256 with the seed as key.

    Every text is preceded by its length, so that no two announcements share a message.
    """
    message = _BEACON_LABEL
    for text in (onsale, source, value):
        encoded = text.encode()
        message += struct.pack(">H", len(encoded)) + encoded
    return hmac.digest(seed, message, hashlib.sha256)


def _round(seed: bytes, text: bytes) -> int:
    return int.from_bytes(hmac.digest(seed, text, hashlib.sha256)[:_TAKEN_BYTES], "big")
