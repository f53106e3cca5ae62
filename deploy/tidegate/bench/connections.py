"""Keep-alive connections to one server, one request under way on each: what reaches a room through a proxy.

A request that finds no free connection waits for one, as it would in the proxy; its time counts all the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, cast

from tidegate.bench.questions import whole_length


class Question(NamedTuple):
    """What is asked for whom: `due_s` is when it should have been sent, by the loop's clock."""

    kind: str
    buyer: int
    due_s: float


Answered = Callable[[Question, bytes], None]


class Connections:
    """Sends requests; `answered` is called with each answer, `failed` with what goes wrong with a connection."""

    def __init__(self, answered: Answered, failed: Callable[[str], None]) -> None:
        self.answered = answered
        self.failed = failed
        self.under_way = 0
        self._free: deque[_Connection] = deque()
        self._all: list[_Connection] = []
        self._waiting: deque[tuple[Question, bytes]] = deque()

    async def open(self, host: str, port: int, count: int) -> None:
        """Connect."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            _, connection = await loop.create_connection(lambda: _Connection(self), host, port)
            self._all.append(connection)
        self._free = deque(self._all)

    def send(self, question: Question, request: bytes, *, first: bool = False) -> None:
        """Send a request as soon as a connection is free, `first` before those which wait for one."""
        self.under_way += 1
        if self._free:
            # In turn: the room closes a connection on which nothing was ever asked.
            self._free.popleft().send(question, request)
        elif first:
            self._waiting.appendleft((question, request))
        else:
            self._waiting.append((question, request))

    def close(self) -> None:
        """Disconnect; what is under way is given up."""
        for connection in self._all:
            connection.close()

    def take_answer(self, connection: _Connection, question: Question, answer: bytes) -> None:
        """Pass an answer on, and have its connection send what has waited longest."""
        self.under_way -= 1
        self.answered(question, answer)
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._free.append(connection)


class _Connection(asyncio.Protocol):
    """One connection: a question, and as much of its answer as has come."""

    def __init__(self, pool: Connections) -> None:
        self._pool = pool
        self._question: Question | None = None
        self._buffer = b""
        self._closing = False
        self._transport: asyncio.Transport

    def send(self, question: Question, request: bytes) -> None:
        self._question = question
        self._transport.write(request)

    def close(self) -> None:
        self._closing = True
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is one only in deed

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        length = whole_length(data)
        if length is None or len(data) < length:
            self._buffer = data
            return
        self._buffer = b""
        question, self._question = self._question, None
        if question is None or len(data) > length:
            self._pool.failed("the room answered what was not asked")
            return
        self._pool.take_answer(self, question, data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self._pool.failed(f"the room closed a connection: {exc or 'without a reason'}")
