"""Memory which the workers of one host share: each has a slot that it alone writes, and all read.

It knows bytes, not metrics. A slot outlives its worker, so that the one who stands in goes on from there. Each slot has two
halves: a writer fills the one that is not shown, and then turns the slot over, so readers meet whole texts; a checksum tells
when a reader was too slow and has to look again.
"""

from __future__ import annotations

import mmap
import struct
import zlib

SLOT_BYTES = 2 << 20
"""Enough for several hundred onsales; pages that are never written cost nothing."""
_SHOWN = struct.Struct("<Q")
_HEAD = struct.Struct("<QQ")
_TRIES = 100


class SlotFull(Exception):
    """The text is longer than half a slot; the one before still stands."""


class Scoreboard:
    """Make it before the workers are forked."""

    def __init__(self, slots: int, slot_bytes: int = SLOT_BYTES) -> None:
        self.slots = slots
        self._slot_bytes = slot_bytes
        self._half_bytes = (slot_bytes - _SHOWN.size) // 2
        self._memory = mmap.mmap(-1, slots * slot_bytes)

    def write(self, slot: int, text: bytes) -> None:
        """Replace what stands in a slot.

        Raises:
            SlotFull: it is too long.
        """
        if len(text) > self._half_bytes - _HEAD.size:
            raise SlotFull(f"{len(text)} bytes, there is room for {self._half_bytes - _HEAD.size}")
        start = slot * self._slot_bytes
        hidden = 1 - _SHOWN.unpack_from(self._memory, start)[0]
        half = start + _SHOWN.size + hidden * self._half_bytes
        self._memory[half + _HEAD.size : half + _HEAD.size + len(text)] = text
        _HEAD.pack_into(self._memory, half, len(text), zlib.crc32(text))
        _SHOWN.pack_into(self._memory, start, hidden)

    def read(self, slot: int) -> bytes:
        """Return what stands in a slot; nothing if its worker has not written yet, or writes faster than this reads."""
        start = slot * self._slot_bytes
        for _ in range(_TRIES):
            shown = _SHOWN.unpack_from(self._memory, start)[0]
            half = start + _SHOWN.size + shown * self._half_bytes
            length, checksum = _HEAD.unpack_from(self._memory, half)
            text = self._memory[half + _HEAD.size : half + _HEAD.size + length]
            if zlib.crc32(text) == checksum:
                return text
        return b""
