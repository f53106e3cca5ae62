"""What it costs to have many follow a line by Server-Sent Events: memory a listener, and how soon all of them hear of a release.

One process of the room, and as many connections as are asked for (or as this system lets two processes open). The line moves a
few buyers a second, so that frames follow one another. A frame names the store's time at which its buyers were released: what is
told is how long after that the last listener had it. A listener that takes nothing for a while gets the newest frame only; what
share of all frames was missed so is told too, as such a frame has no last listener.
"""

from __future__ import annotations

import asyncio
import math
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop

from tests.benchmarks.children import Child, child, valkey
from tests.benchmarks.figures import Figure, middle
from tests.benchmarks.hall import NAME, Hall
from tests.benchmarks.versus import free_port
from tidegate.bench.figures import quantile

_WAITING = 2_000
_RATE = "5/s"
_SPARE_FILES = 500
_LONGEST_S = 60.0  # where a machine is too busy for a single frame in the time that was asked for
_AT_ONCE = 50
_END = b"\n\n"
_AS_OF = b'data: {"as_of":'
_REQUEST = (
    f"GET /{NAME}/events HTTP/1.1\r\nHost: queue.example.org\r\nAccept: text/event-stream\r\n\r\n".encode()
)


@dataclass(slots=True)
class Heard:
    """How the listeners heard one frame: when it was made, and when each of them had it (unix seconds)."""

    made_s: float
    """By the store's clock; no two frames have the same."""
    times_s: list[float] = field(default_factory=list)


def listeners(count: int, seconds: float) -> list[Figure]:
    """Have `count` listen for `seconds`: `listener_bytes`, `listeners_last_frame`, `listeners_missed_frames`, `listeners_cpu` ...

    Raises:
        RuntimeError: a listener lost its connection, or there was no frame which all of them heard.
    """
    allowed = _allowed(count)
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as store_url:
        hall = Hall(Path(folder), store_url, _WAITING, rate=_RATE)
        port = free_port()
        with child("server", {**hall.room(0.2), "port": port}) as server:
            return uvloop.run(_measure(server, port, count, allowed, seconds))


class _Crowd:
    """The listeners, and how they heard each frame made after one moment and until another."""

    def __init__(self) -> None:
        self.heard: dict[float, Heard] = {}
        self.after_s = self.until_s = math.inf
        self.newest_s = 0.0
        self.welcomed = 0
        self.past = 0
        """How many have heard a frame made after the last moment: what they have not heard before it, they have missed."""
        self.lost = 0

    def check(self) -> None:
        """See whether all are still there.

        Raises:
            RuntimeError: one isn't.
        """
        if self.lost:
            raise RuntimeError(f"{self.lost} listeners lost their connection")

    def has_heard_together(self, count: int) -> bool:
        """Tell whether there is a frame which all of them have heard."""
        return any(len(heard.times_s) == count for heard in self.heard.values())

    def hear(self, made_s: float) -> None:
        self.newest_s = max(self.newest_s, made_s)
        if self.after_s < made_s <= self.until_s:
            self.heard.setdefault(made_s, Heard(made_s)).times_s.append(time.time())


class _Listener(asyncio.Protocol):
    """Reads the moment of each frame. A frame is one chunk of the answer, so what frames chunks stands between two of them."""

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._begun = b""
        self._welcomed = self._past = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        *whole, self._begun = (self._begun + data).split(_END)
        for event in whole:
            _, found, told = event.partition(_AS_OF)
            if found:
                self._hear(float(told[: told.index(b",")]))

    def _hear(self, made_s: float) -> None:
        crowd = self._crowd
        if not self._welcomed:
            self._welcomed = True
            crowd.welcomed += 1
        if made_s > crowd.until_s and not self._past:
            self._past = True
            crowd.past += 1
        crowd.hear(made_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.lost += 1


async def _measure(server: Child, port: int, wanted: int, count: int, seconds: float) -> list[Figure]:
    loop, crowd = asyncio.get_running_loop(), _Crowd()
    empty_kb = int(server.ask("rss_kb"))
    transports = []
    for start in range(0, count, _AT_ONCE):
        here = min(_AT_ONCE, count - start)
        made = [loop.create_connection(lambda: _Listener(crowd), "127.0.0.1", port) for _ in range(here)]
        transports += [transport for transport, _ in await asyncio.gather(*made)]
    while crowd.welcomed < count:
        crowd.check()
        await asyncio.sleep(0.01)
    full_kb = int(server.ask("rss_kb"))
    crowd.after_s = crowd.newest_s
    before_s, began_s = float(server.ask("cpu")), time.perf_counter()
    await asyncio.sleep(seconds)
    while not crowd.has_heard_together(count) and time.perf_counter() - began_s < _LONGEST_S:
        crowd.check()
        await asyncio.sleep(0.05)
    crowd.until_s = crowd.newest_s
    cpu_s, took_s = float(server.ask("cpu")) - before_s, time.perf_counter() - began_s
    # Whoever has heard of a later frame will not hear of one before it any more.
    latest_s = time.perf_counter() + _LONGEST_S
    while crowd.past < count and time.perf_counter() < latest_s:
        crowd.check()
        await asyncio.sleep(0.05)
    crowd.check()
    for transport in transports:
        transport.close()
    note = f"{count} listeners on one process"
    if count < wanted:
        note += f"; {wanted} were asked for, which this system's limit of open files does not allow"
    return figures_of(list(crowd.heard.values()), count, 1024 * (full_kb - empty_kb), cpu_s, took_s, note)


def figures_of(
    heard: Sequence[Heard], count: int, grown_bytes: int, cpu_s: float, took_s: float, note: str
) -> list[Figure]:
    """Return the figures of `count` listeners.

    Raises:
        RuntimeError: there is no frame which all of them heard: nought milliseconds would be the best of figures.
    """
    whole = [each for each in heard if len(each.times_s) == count]
    if not whole:
        raise RuntimeError(f"of {len(heard)} frames none was heard by all {count} listeners")
    last_ms = sorted(1000.0 * (max(each.times_s) - each.made_s) for each in whole)
    first_ms = [1000.0 * (min(each.times_s) - each.made_s) for each in whole]
    written = sum(len(each.times_s) for each in heard)
    missed = 1.0 - written / (count * len(heard))
    told = f"{note}; the first had it after {middle(first_ms):.0f} ms, longest {last_ms[-1]:.0f} ms"
    share = f"of all frames, over all listeners; {len(whole)} of {len(heard)} frames were heard by all"
    return [
        Figure("listener_bytes", grown_bytes / count, "bytes", count, note=note),
        Figure("listeners_last_frame", quantile(last_ms, 0.5), "ms", len(whole), note=told),
        Figure("listeners_missed_frames", missed, "fraction", count * len(heard), note=share),
        Figure("listeners_frames_per_s", len(heard) / took_s, "frames/s", len(heard), note=note),
        Figure("listeners_cpu", cpu_s / took_s, "of a core", len(heard), note=note),
        Figure("listeners_frame_cpu", 1e6 * cpu_s / written, "us", written, note="a frame a listener"),
    ]


def _allowed(count: int) -> int:
    """Let this process and those that it starts open enough files; return how many listeners that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _SPARE_FILES
    if hard == resource.RLIM_INFINITY or hard >= needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
        return count
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(1, hard - _SPARE_FILES)
