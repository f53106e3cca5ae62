"""A stretch of network before a store, which can be slow, cut in silence, or cut with a reset. It reads nothing that it carries.

A silent cut loses nothing for good: as TCP does after a partition, what was sent before or during it arrives once it is over,
also if the sender has given up by then.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.relays import listening

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CHUNK_BYTES = 65536


class Relay:
    """Hands connections on to a port of the loopback address. `delay_s` is how long each byte takes, each way.

    `passed_bytes` is how many it has handed on, both ways together.
    """

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self.delay_s = 0.0
        self.passed_bytes = 0
        self._to_port = to_port
        self._whole = asyncio.Event()
        self._whole.set()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self, *, silently: bool) -> None:
        """Let nothing through any more: without a word, or by resetting every connection, new ones too."""
        if silently:
            self._whole.clear()
            return
        self._refusing = True
        for writer in list(self._writers):
            _reset(writer)

    def mend(self) -> None:
        """Let everything through again."""
        self._refusing = False
        self._whole.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        if self._refusing:
            _reset(writer)
            return
        await self._whole.wait()
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        if self._refusing:  # since it was opened
            _reset(writer)
            _reset(inner_writer)
            return
        self._writers |= {writer, inner_writer}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry_one_way(reader, inner_writer))
                both.create_task(self._carry_one_way(inner_reader, writer))
        except* OSError:
            pass  # reset by one side, or by us
        finally:
            self._writers -= {writer, inner_writer}
            inner_writer.close()

    async def _carry_one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._deliver(on_its_way, writer))
            try:
                while chunk := await reader.read(_CHUNK_BYTES):
                    on_its_way.put_nowait((time.monotonic() + self.delay_s, chunk))
            finally:
                on_its_way.put_nowait((time.monotonic() + self.delay_s, b""))

    async def _deliver(
        self, on_its_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due_s, chunk = await on_its_way.get()
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await self._whole.wait()
            if not chunk:
                writer.close()
                return
            if not writer.is_closing():
                self.passed_bytes += len(chunk)
            writer.write(chunk)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection as a machine does that knows nothing of it: with RST."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


@asynccontextmanager
async def relaying(to_port: int) -> AsyncIterator[Relay]:
    """Have a relay before a port for as long as the block lasts."""
    relay = Relay(to_port)
    async with listening(relay.carry) as port:
        relay.port = port
        yield relay
        relay.mend()
