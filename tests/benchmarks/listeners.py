"""What it costs to have many follow a line by Server-Sent Events: memory a listener, and how soon all of them hear of a release.

One process of the room, and as many connections as are asked for (or as this system lets two processes open). The line moves a
few buyers a second, so that frames follow one another. A frame names the store's time at which its buyers were released: what is
told is how long after that the last listener had it.
"""

from __future__ import annotations

import asyncio
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
_AS_OF = b'"as_of":'
_REQUEST = (
    f"GET /{NAME}/events HTTP/1.1\r\nHost: queue.example.org\r\nAccept: text/event-stream\r\n\r\n".encode()
)


@dataclass(slots=True)
class Heard:
    """How the listeners heard one frame: when it was made, and when each of them had it (unix seconds)."""

    made_s: float
    times_s: list[float] = field(default_factory=list)


def listeners(count: int, seconds: float) -> list[Figure]:
    """Have `count` listen for `seconds`: `listener_bytes`, `listeners_last_frame`, `listeners_cpu`, `listeners_frame_cpu`."""
    allowed = _allowed(count)
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as store_url:
        hall = Hall(Path(folder), store_url, _WAITING, rate=_RATE)
        port = free_port()
        with child("server", {**hall.room(0.2), "port": port}) as server:
            return uvloop.run(_measure(server, port, count, allowed, seconds))


class _Crowd:
    """The listeners, and the frames which they have heard while it is counted."""

    def __init__(self) -> None:
        self.heard: dict[bytes, Heard] = {}
        self.counting = False
        self.welcomed = 0
        self.lost = 0

    def has_heard_together(self, count: int) -> bool:
        """Tell whether there is a frame which all of them have heard."""
        return any(len(heard.times_s) == count for heard in self.heard.values())

    def hear(self, made: bytes) -> None:
        if self.counting:
            heard = self.heard.get(made)
            if heard is None:
                heard = self.heard[made] = Heard(float(made))
            heard.times_s.append(time.time())


class _Listener(asyncio.Protocol):
    """Reads as much of a frame as says which one it is."""

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._welcomed = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        start = data.find(_AS_OF)
        if start < 0:
            return
        start += len(_AS_OF)
        if not self._welcomed:
            self._welcomed = True
            self._crowd.welcomed += 1
        self._crowd.hear(data[start : data.index(b",", start)])

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
        assert not crowd.lost, f"{crowd.lost} listeners lost their connection"
        await asyncio.sleep(0.01)
    full_kb = int(server.ask("rss_kb"))
    crowd.counting = True
    before_s, began_s = float(server.ask("cpu")), time.perf_counter()
    await asyncio.sleep(seconds)
    while not crowd.has_heard_together(count) and time.perf_counter() - began_s < _LONGEST_S:
        await asyncio.sleep(0.05)
    cpu_s, took_s = float(server.ask("cpu")) - before_s, time.perf_counter() - began_s
    crowd.counting = False
    for transport in transports:
        transport.close()
    note = f"{count} listeners on one process"
    if count < wanted:
        note += f"; {wanted} were asked for, which this system's limit of open files does not allow"
    return _figures(list(crowd.heard.values()), count, 1024 * (full_kb - empty_kb), cpu_s, took_s, note)


def _figures(
    heard: Sequence[Heard], count: int, grown_bytes: int, cpu_s: float, took_s: float, note: str
) -> list[Figure]:
    # The first and the last one were heard in part while it was counted.
    whole = [each for each in heard if len(each.times_s) == count]
    last_ms = sorted(1000.0 * (max(each.times_s) - each.made_s) for each in whole)
    first_ms = [1000.0 * (min(each.times_s) - each.made_s) for each in whole]
    written = sum(len(each.times_s) for each in heard)
    longest = last_ms[-1] if last_ms else 0.0
    told = f"{note}; the first had it after {middle(first_ms or [0.0]):.0f} ms, longest {longest:.0f} ms"
    return [
        Figure("listener_bytes", grown_bytes / count, "bytes", count, note=note),
        Figure("listeners_last_frame", quantile(last_ms, 0.5), "ms", len(whole), note=told),
        Figure("listeners_frames_per_s", len(heard) / took_s, "frames/s", len(heard), note=note),
        Figure("listeners_cpu", cpu_s / took_s, "of a core", len(heard), note=note),
        Figure(
            "listeners_frame_cpu", 1e6 * cpu_s / max(1, written), "us", written, note="a frame a listener"
        ),
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
