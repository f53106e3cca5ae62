"""Those who follow one onsale's frames in this process: each frame is put on all their connections in one go.

A listener costs its connection, and nothing that has to wake for each frame: a frame is laid out once, and one task writes it to
everybody. It knows connections, not what frames say.
"""

from __future__ import annotations

import asyncio
import time

from rulebook.patience import REST_WITHIN_S
from waitingroom.frames import HEARTBEAT, Frames

_AT_ONCE = 200
"""Listeners written to before others of this process have a turn, so that nobody's status waits for the whole audience."""
_SHARE = 0.25
"""Of a processor, at the most, that goes into frames: a very large audience gets fewer of them."""
_LONGEST_PAUSE_S = 2.0
_LOOK_AGAIN_S = 0.5
TAKEN_WITHIN_S = REST_WITHIN_S
"""Who has not taken a frame by then is cut off, as with any other answer: each holds one of our files."""


class _Listener:
    """One connection: the serial of the frame it got last, and the call which has it catch up (True) or end (False)."""

    __slots__ = ("call", "chunked", "serial", "transport")

    def __init__(self, transport: asyncio.Transport, *, chunked: bool) -> None:
        self.transport = transport
        self.chunked = chunked
        self.serial = 0
        self.call: asyncio.Future[bool] | None = None

    def tell(self, *, behind: bool) -> None:
        if self.call is not None and not self.call.done():
            self.call.set_result(behind)

    def give(self, serial: int, frame: bytes) -> None:
        self.serial = serial
        self.transport.write(_chunk(frame) if self.chunked else frame)


class Audience:
    """The listeners of one onsale."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self._listeners: set[_Listener] = set()
        self._sender: asyncio.Task[None] | None = None
        self._over = False

    async def stay(self, transport: asyncio.Transport, *, chunked: bool) -> None:
        """Give a connection the newest frame and each new one, until it is closed or there will be no more.

        Whoever doesn't take a frame in time misses those which follow, and gets the newest one as soon as there is room; who
        takes nothing for `TAKEN_WITHIN_S` is cut off.
        `chunked` tells how its answer is encoded.
        """
        listener = _Listener(transport, chunked=chunked)
        serial, newest = self.frames.newest
        if newest:
            listener.give(serial, newest)
        self._listeners.add(listener)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send(serial))
        try:
            while await self._called(listener):
                cut_at_s = time.monotonic() + TAKEN_WITHIN_S
                # Nothing tells when a connection that isn't full has been emptied.
                while not transport.is_closing() and transport.get_write_buffer_size():
                    if time.monotonic() >= cut_at_s:
                        transport.abort()  # closed, it would wait until all is taken
                    else:
                        await asyncio.sleep(_LOOK_AGAIN_S)
                if transport.is_closing():
                    return
                serial, newest = self.frames.newest
                if serial > listener.serial:
                    listener.give(serial, newest)
        finally:
            self._listeners.discard(listener)

    async def _called(self, listener: _Listener) -> bool:
        """Wait until the listener has fallen behind; False if it is to end."""
        if self._over:
            return False
        listener.call = asyncio.get_running_loop().create_future()
        return await listener.call

    async def _send(self, serial: int) -> None:
        try:
            while self._listeners:
                serial, frame = await self.frames.after(serial)
                if not frame:
                    self._end()
                    break
                began_s = time.thread_time()
                await self._spread(serial, frame)
                spent_s = time.thread_time() - began_s
                await asyncio.sleep(min(spent_s * (1.0 / _SHARE - 1.0), _LONGEST_PAUSE_S))
        finally:
            self._sender = None

    def _end(self) -> None:
        self._over = True
        for listener in self._listeners:
            listener.tell(behind=False)

    async def _spread(self, serial: int, frame: bytes) -> None:
        chunk = _chunk(frame)
        newer = serial if frame is not HEARTBEAT else serial + 1
        for count, listener in enumerate(list(self._listeners), 1):
            transport = listener.transport
            if transport.is_closing():
                listener.tell(behind=False)
            elif transport.get_write_buffer_size():
                # What it got before is still under way.
                listener.tell(behind=True)
            elif listener.serial < newer:
                listener.serial = serial
                transport.write(chunk if listener.chunked else frame)
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)


def _chunk(frame: bytes) -> bytes:
    """Lay a frame out as a chunk of an answer whose length is not known."""
    return b"%x\r\n%b\r\n" % (len(frame), frame)
