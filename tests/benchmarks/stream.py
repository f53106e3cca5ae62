"""An open loop of load: requests go out when they are due, at random moments so many a second, however soon others are answered.

A server under `load` finds the requests of all connections waiting each time it wakes, and so does a good deal of its work once
for many. Here it wakes for one or two, as it does before a crowd: an answer costs what it costs at that rate.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator

from tests.benchmarks.load import Window
from tidegate.bench.connections import Connections, Question
from tidegate.bench.questions import is_ok

_TICK_S = 0.001
_LATEST_S = 30.0


class Stream:
    """Open connections to one server, over which `requests` go at `per_s` on the average, one under way on each."""

    def __init__(self, requests: Iterator[bytes], per_s: float, seed: int = 1) -> None:
        self._requests = requests
        self._per_s = per_s
        self._random = random.Random(seed)
        self._connections = Connections(self._answered, self._fail)
        self._answers = 0
        self._failure: str | None = None

    @classmethod
    async def open(cls, port: int, requests: Iterator[bytes], connections: int, per_s: float) -> Stream:
        """Connect."""
        stream = cls(requests, per_s)
        await stream._connections.open("127.0.0.1", port, connections)
        return stream

    async def run(self, seconds: float) -> Window:
        """Send for `seconds`, and wait until what is under way has been answered.

        Raises:
            RuntimeError: an answer was not 200 or did not come, or a connection was lost.
        """
        self._answers = 0
        begin_s = time.perf_counter()
        due_s = begin_s + self._random.expovariate(self._per_s)
        while (now_s := time.perf_counter()) < begin_s + seconds:
            while due_s <= now_s:
                self._connections.send(Question("", 0, due_s), next(self._requests))
                due_s += self._random.expovariate(self._per_s)
            await self._breathe()
        latest_s = time.perf_counter() + _LATEST_S
        while self._connections.under_way:
            if time.perf_counter() > latest_s:
                raise RuntimeError(
                    f"{self._connections.under_way} requests were not answered in {_LATEST_S:g} s"
                )
            await self._breathe()
        return Window(self._answers, time.perf_counter() - begin_s)

    def close(self) -> None:
        """Disconnect."""
        self._connections.close()

    async def _breathe(self) -> None:
        await asyncio.sleep(_TICK_S)
        if self._failure is not None:
            raise RuntimeError(self._failure)

    def _answered(self, question: Question, answer: bytes) -> None:
        self._answers += 1
        if not is_ok(answer):
            self._fail(f"the server answered {answer[:60]!r}")

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
