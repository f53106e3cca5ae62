"""A lean load generator: keep-alive HTTP/1.1 over raw sockets, one request under way a connection.

It parses no more of an answer than its status and length, so that the server and not this client is the limit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "
_OK = b"HTTP/1.1 200 "


@dataclass(frozen=True, slots=True)
class Window:
    """What one stretch of load came to: answers, and the seconds until the last of them."""

    answers: int
    seconds: float


class Load:
    """A number of open connections to one server, which send `requests` when they are let."""

    def __init__(self, connections: Sequence[_Connection]) -> None:
        self._connections = connections

    @classmethod
    async def open(cls, port: int, requests: Iterator[bytes], connections: int) -> Load:
        """Connect."""
        loop = asyncio.get_running_loop()
        opened = [
            (await loop.create_connection(lambda: _Connection(requests), "127.0.0.1", port))[1]
            for _ in range(connections)
        ]
        return cls(opened)

    async def run(self, seconds: float) -> Window:
        """Send for `seconds`, and wait until what is under way has been answered.

        Raises:
            RuntimeError: an answer was not 200, or a connection was lost.
        """
        begin = time.perf_counter()
        ends = [connection.start(begin + seconds) for connection in self._connections]
        answers = sum(await asyncio.gather(*ends))
        return Window(answers, time.perf_counter() - begin)

    def close(self) -> None:
        """Disconnect."""
        for connection in self._connections:
            connection.close()


async def ask_once(port: int, request: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Send one request and return the answer's headers and body.

    Raises:
        RuntimeError: the answer was not 200.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head = await reader.readuntil(_END)
        if not head.startswith(_OK):
            raise RuntimeError(f"the server answered {head[:60]!r}")
        pairs = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2]]
        headers = [(name, value) for name, value in pairs]
        length = next(int(value) for name, value in headers if name.lower() == "content-length")
        return headers, await reader.readexactly(length)
    finally:
        writer.close()
        await writer.wait_closed()


class _Connection(asyncio.Protocol):
    """Sends a request when the answer to the one before is whole, until its time is over."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self._buffer = b""
        self._answers = 0
        self._until = 0.0
        self._done: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport

    def start(self, until: float) -> asyncio.Future[int]:
        self._until = until
        self._answers = 0
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(next(self._requests))
        return self._done

    def close(self) -> None:
        self._done = None
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is one only in deed

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        end = data.find(_END)
        if end < 0 or len(data) < end + 4 + _length(data, end):
            self._buffer = data
            return
        self._buffer = b""
        if not data.startswith(_OK):
            self._fail(f"the server answered {data[:60]!r}")
            return
        self._answers += 1
        if time.perf_counter() < self._until:
            self._transport.write(next(self._requests))
        elif self._done is not None:
            self._done.set_result(self._answers)
            self._done = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the server closed the connection")

    def _fail(self, reason: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(RuntimeError(reason))
        self._done = None


def _length(data: bytes, end: int) -> int:
    head = data[: end + 2].lower()
    start = head.find(_LENGTH) + len(_LENGTH)
    return int(head[start : head.index(b"\r", start)])
