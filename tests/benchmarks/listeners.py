"""What it costs to have many follow a line by Server-Sent Events: memory a listener, and how soon all of them hear of a release.

One process of the room, and as many connections as are asked for (or as this system lets two processes open). The line moves a
few buyers a second, so that frames follow one another. An observer notes by the store's own time when it moved: what is told is
how long after that the last listener had a frame which says so. Whether the frame was made at that very moment does not matter:
the room rests between two frames to a large audience, and what is released meanwhile is told late, in a later one. A listener
that takes nothing for a while gets the newest frame only; what share of the frames was missed so is told too.
"""

from __future__ import annotations

import asyncio
import math
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

from tests.benchmarks.children import Child, child, valkey
from tests.benchmarks.figures import Figure, middle
from tests.benchmarks.hall import NAME, Hall
from tests.benchmarks.observer import Move
from tests.ports import free_port
from tidegate.bench.figures import quantile

_WAITING = 2_000
_RATE = "5/s"
_SPARE_FILES = 500
_LONGEST_S = (
    60.0  # where a machine is too busy for a single release, or its frame, in the time that was asked for
)
_AT_ONCE = 50
_END = b"\n\n"
_AS_OF = b'data: {"as_of":'
_LINES = b'"lines":[['
_REQUEST = (
    f"GET /{NAME}/events HTTP/1.1\r\nHost: queue.example.org\r\nAccept: text/event-stream\r\n\r\n".encode()
)


@dataclass(slots=True)
class Told:
    """How many listeners know that a position's turn has come, and when the first and the last of them heard (unix seconds)."""

    first_s: float
    last_s: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class Hearing:
    """What `count` listeners heard in a stretch of time.

    Attributes:
        count: how many listened, all of them throughout.
        moves: how the line moved, as the store has it.
        told: by position, who heard that its turn has come.
        frames: how many listeners had each frame, by the store's time at which it was made.
        grown_bytes: what the process had grown by when all were connected.
        cpu_s, took_s: the process's time, and the clock's.
    """

    count: int
    moves: Sequence[Move]
    told: Mapping[int, Told]
    frames: Mapping[float, int]
    grown_bytes: int
    cpu_s: float
    took_s: float


def listeners(count: int, seconds: float) -> list[Figure]:
    """Have `count` listen for `seconds`: `listener_bytes`, `listeners_last_frame`, `listeners_missed_frames`, `listeners_cpu` ...

    Raises:
        RuntimeError: a listener lost its connection, the line did not move, or somebody did not hear of a release.
    """
    allowed = _allowed(count)
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as store_url:
        hall = Hall(Path(folder), store_url, _WAITING, rate=_RATE)
        port = free_port()
        observed = {"store": store_url, "onsale": NAME}
        with (
            child("server", {**hall.room(0.2), "port": port}) as server,
            child("observer", observed) as observer,
        ):
            hearing = uvloop.run(_measure(server, observer, port, allowed, seconds))
    note = f"{allowed} listeners on one process"
    if allowed < count:
        note += f"; {count} were asked for, which this system's limit of open files does not allow"
    return figures_of(hearing, note)


class _Crowd:
    """The listeners; what they hear in frames made after one moment, and which frames until another."""

    def __init__(self) -> None:
        self.frames: dict[float, int] = {}
        self.told: dict[int, Told] = {}
        self.after_s = self.until_s = math.inf
        """By the store's clock, by which no two frames have the same time."""
        self.welcomed = 0
        self.past = 0
        """How many have heard a frame made after the last moment, and so of all that was released before it."""
        self.lost = 0

    def check(self) -> None:
        """See whether all are still there.

        Raises:
            RuntimeError: one isn't.
        """
        if self.lost:
            raise RuntimeError(f"{self.lost} listeners lost their connection")

    def hear(self, made_s: float, known: int, released: int) -> None:
        """Note a frame of one who knew of the turns up to `known`, and knows of those up to `released` now."""
        if made_s <= self.after_s:
            return
        if made_s <= self.until_s:
            self.frames[made_s] = self.frames.get(made_s, 0) + 1
        now_s = time.time()
        for position in range(known + 1, released + 1):
            told = self.told.get(position)
            if told is None:
                self.told[position] = Told(now_s, now_s)
            else:
                told.last_s = now_s
                told.count += 1


class _Listener(asyncio.Protocol):
    """Reads the moment of each frame and how far the line is.

    A frame is one chunk of the answer, so what frames chunks stands between two of them.
    """

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._begun = b""
        self._released: int | None = None
        self._past = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        *whole, self._begun = (self._begun + data).split(_END)
        for event in whole:
            _, found, told = event.partition(_AS_OF)
            if found:
                lines = told.index(_LINES) + len(_LINES)
                released = told[lines : told.index(b"]", lines)].split(b",")[1]
                self._hear(float(told[: told.index(b",")]), int(released))

    def _hear(self, made_s: float, released: int) -> None:
        crowd = self._crowd
        if self._released is None:
            self._released = released
            crowd.welcomed += 1
        if made_s > crowd.until_s and not self._past:
            self._past = True
            crowd.past += 1
        crowd.hear(made_s, self._released, released)
        self._released = released

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.lost += 1


async def _measure(server: Child, observer: Child, port: int, count: int, seconds: float) -> Hearing:
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
    crowd.after_s = float(observer.ask("now"))
    before_s, began_s = float(server.ask("cpu")), time.perf_counter()
    await asyncio.sleep(seconds)
    while not _moves(observer, crowd) and time.perf_counter() - began_s < _LONGEST_S:
        crowd.check()
        await asyncio.sleep(0.05)
    crowd.until_s = float(observer.ask("now"))
    cpu_s, took_s = float(server.ask("cpu")) - before_s, time.perf_counter() - began_s
    # Whoever has a frame of later than that has heard of every release before, and gets no earlier frame any more.
    latest_s = time.perf_counter() + _LONGEST_S
    while crowd.past < count and time.perf_counter() < latest_s:
        crowd.check()
        await asyncio.sleep(0.05)
    crowd.check()
    for transport in transports:
        transport.close()
    moves = _moves(observer, crowd)
    return Hearing(count, moves, crowd.told, crowd.frames, 1024 * (full_kb - empty_kb), cpu_s, took_s)


def _moves(observer: Child, crowd: _Crowd) -> list[Move]:
    """Return how the line moved between the crowd's two moments."""
    moves = [Move(*move) for move in observer.ask("moves")]
    return [move for move in moves if crowd.after_s <= move.before_s < crowd.until_s]


def figures_of(hearing: Hearing, note: str) -> list[Figure]:
    """Return the figures of a hearing.

    Raises:
        RuntimeError: the line did not move, or not all heard of a move: nought milliseconds would be the best of figures.
    """
    count, moves, told, frames = hearing.count, hearing.moves, hearing.told, hearing.frames
    if not moves:
        raise RuntimeError(f"the line did not move in {hearing.took_s:.0f} s")
    unheard = sum(1 for move in moves if move.released not in told or told[move.released].count < count)
    if unheard:
        raise RuntimeError(
            f"of {len(moves)} moves of the line {unheard} were not heard of by all {count} listeners"
        )
    last_ms = sorted(1000.0 * (told[move.released].last_s - move.before_s) for move in moves)
    first_ms = [1000.0 * (told[move.released].first_s - move.before_s) for move in moves]
    written = sum(frames.values())
    whole = sum(1 for heard in frames.values() if heard == count)
    missed = 1.0 - written / (count * len(frames)) if frames else 0.0
    when = f"{note}; the first had it after {middle(first_ms):.0f} ms, longest {last_ms[-1]:.0f} ms"
    share = f"of the frames that were sent, over all listeners; {whole} of {len(frames)} were heard by all"
    frames_per_s, moves_per_s = len(frames) / hearing.took_s, len(moves) / hearing.took_s
    return [
        Figure("listener_bytes", hearing.grown_bytes / count, "bytes", count, note=note),
        Figure("listeners_last_frame", quantile(last_ms, 0.5), "ms", len(moves), note=when),
        Figure("listeners_missed_frames", missed, "fraction", count * len(frames), note=share),
        Figure(
            "listeners_frames_per_s",
            frames_per_s,
            "frames/s",
            len(frames),
            moves_per_s,
            frames_per_s / moves_per_s,
            "baseline: moves of the line a second; a frame that tells of several was sent for the last of them",
        ),
        Figure("listeners_cpu", hearing.cpu_s / hearing.took_s, "of a core", len(frames), note=note),
        Figure(
            "listeners_frame_cpu",
            1e6 * hearing.cpu_s / max(1, written),
            "us",
            written,
            note="a frame a listener",
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
