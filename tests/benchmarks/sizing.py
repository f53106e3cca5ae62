"""How large a room has to be: `python -m tests.benchmarks.sizing` measures costs and prints a table of cores and memory.

Measured on this machine: the processor time of a status, of a join, of a frame to one listener and of a process at rest, and the
memory of a listener and of a process. Statuses and joins come one by one, as they do before a crowd: a server that is asked
without pause finds many at once and takes much less for each. Computed: what so many buyers come to, given the poll budget.
With `--write` the table replaces the one between the markers of the page.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import uvloop

from tests.benchmarks.children import ROOT, Child, child, valkey
from tests.benchmarks.hall import NAME, Hall
from tests.benchmarks.memory import memory
from tests.benchmarks.stream import Stream
from tests.benchmarks.versus import Effort, Subject
from tests.ports import free_port
from waitingroom.polling import MIN_INTERVAL_S, asking_for
from waitingroom.store.client import OnsaleStore
from waitingroom.store.connect import connect

BEGIN, END = "<!-- sizing: begin -->", "<!-- sizing: end -->"
PAGE = ROOT / "docs" / "how-to" / "production.md"
BUSY = 0.6
"""How much of a core is planned for: what is left is for bursts, pages, the gate and bad luck."""
AT_PER_S = 1_000.0
"""At which one process is asked for statuses and joins; a busier one does more each time it wakes, and takes less for each."""
FEWEST = 2
"""Processes of a room, one of which may be lost."""
RUSH_S = 60.0
"""All come within this time."""
ROWS = ((10_000, 1_000), (100_000, 1_000), (100_000, 5_000), (1_000_000, 5_000), (1_000_000, 20_000))
"""Buyers who wait, and the poll budget in requests/s."""
FRAME_SHARE = 0.25
"""Of a processor, that a process gives to frames at the most (`waitingroom.web.audience`): a large audience hears less often."""
_WAITING = 2_000


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured: processor time in seconds, memory in bytes."""

    status_s: float
    join_s: float
    frame_s: float
    idle_share: float
    """Of a processor, that a process uses though nobody asks: it goes on looking at the counters."""
    process_bytes: float
    listener_bytes: float
    buyer_bytes: float
    """In the store, for each who waits."""


def table(costs: Costs, rows: Iterable[tuple[int, int]] = ROWS) -> str:
    """Return the table as Markdown; pure."""
    lines = [
        "| waiting | poll budget | who is last asks every | cores: all come | cores: all wait "
        "| processes: a frame a second | memory: listeners | memory: store |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for waiting, budget in rows:
        last_s = asking_for(waiting, budget).interval_s(waiting)
        # A short line doesn't use the budget up: nobody asks more often than twice a second.
        polls_s = min(budget, waiting / MIN_INTERVAL_S) * costs.status_s
        joins_s = waiting / RUSH_S * costs.join_s
        cells = (
            f"{waiting:,}",
            f"{budget:,}/s",
            _time(last_s),
            _cores(joins_s + polls_s, costs.idle_share),
            _cores(polls_s, costs.idle_share),
            str(max(1, math.ceil(waiting * costs.frame_s / FRAME_SHARE))),
            _memory(waiting * costs.listener_bytes),
            _memory(waiting * costs.buyer_bytes),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def report(costs: Costs, at: datetime, machine: str) -> str:
    """Return the table with what it rests on; pure."""
    return (
        f"Measured on {at:%Y-%m-%d} on {machine}, by `make sizing`: at {AT_PER_S:,.0f}/s of one process a status takes "
        f"{costs.status_s * 1e6:.0f} µs of processor time, a join {costs.join_s * 1e6:.0f} µs; a frame to one listener "
        f"{costs.frame_s * 1e6:.0f} µs. A process takes {_memory(costs.process_bytes)}, and {costs.idle_share:.1%} of a core "
        f"when nobody asks; each listener {costs.listener_bytes / 1024:.0f} kB more.\n\n{table(costs)}"
    )


def between_markers(page: str, text: str) -> str:
    """Return the page with what stands between its markers replaced; pure.

    Raises:
        ValueError: it has no markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{text}{END}{after}"


def measure(effort: Effort, listeners: int, buyers: int) -> Costs:
    """Measure, with nothing else running on the machine at best."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as store_url:
        hall = Hall(Path(folder), store_url, _WAITING)
        status, idle_share = uvloop.run(_cost_s(hall.status(), effort))
        join, _ = uvloop.run(_cost_s(hall.join(), effort))
        frame_s, process, listener = uvloop.run(_listening(hall, effort, listeners))
    (kept,) = memory(buyers)
    return Costs(status, join, frame_s, idle_share, process, listener, kept.value)


async def _cost_s(subject: Subject, effort: Effort) -> tuple[float, float]:
    """Return the server's processor time an answer, and what it uses in a second when nobody asks, which is not in it."""
    port = free_port()
    with child("server", {**subject.options, "port": port}) as server:
        stream = await Stream.open(port, subject.requests(), effort.connections, AT_PER_S)
        await stream.run(effort.seconds)
        idle_per_s = await _used_per_s(server, effort.seconds * effort.rounds)
        costs = []
        for _ in range(effort.rounds):
            before = float(server.ask("cpu"))
            window = await stream.run(effort.seconds)
            used = float(server.ask("cpu")) - before - idle_per_s * window.seconds
            costs.append(used / max(1, window.answers))
        stream.close()
    return max(0.0, median(costs)), idle_per_s


async def _used_per_s(server: Child, seconds: float) -> float:
    before, began = float(server.ask("cpu")), time.monotonic()
    await asyncio.sleep(seconds)
    return (float(server.ask("cpu")) - before) / (time.monotonic() - began)


async def _listening(hall: Hall, effort: Effort, listeners: int) -> tuple[float, float, float]:
    """Return the processor time of a frame to one listener, and the memory of a process and of a listener."""
    port, seconds = free_port(), effort.seconds * effort.rounds
    client = connect(hall.store_url)
    store = OnsaleStore(client, NAME, hall.settings)
    with child("server", {**hall.room(0.2), "port": port}) as server:
        changing = asyncio.create_task(_change(store))
        alone = await _used_per_s(server, seconds)
        bare_bytes = 1024.0 * float(server.ask("rss_kb"))
        opened = [await _Listener.open(port) for _ in range(listeners)]
        await asyncio.sleep(1.0)
        full_bytes = 1024.0 * float(server.ask("rss_kb"))
        before = sum(listener.frames for listener in opened)
        began = time.monotonic()
        used_per_s = await _used_per_s(server, seconds)
        frames_per_s = (sum(listener.frames for listener in opened) - before) / (time.monotonic() - began)
        changing.cancel()
        for listener in opened:
            listener.close()
    await client.aclose()
    if not frames_per_s:
        raise RuntimeError("no listener was sent a frame")
    return (
        max(0.0, used_per_s - alone) / frames_per_s,
        bare_bytes,
        max(0.0, full_bytes - bare_bytes) / listeners,
    )


async def _change(store: OnsaleStore) -> None:
    """Have the line change more often than copies are taken."""
    number = 0
    while True:
        number += 1
        await store.join([f"listening{number:013d}"])
        await asyncio.sleep(0.1)


class _Listener:
    """One open stream of events, which counts the frames that come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.frames = 0
        self._writer = writer
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def open(cls, port: int) -> _Listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /{NAME}/events HTTP/1.1\r\nHost: queue.example.org\r\n\r\n".encode())
        return cls(reader, writer)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(65_536):
            self.frames += chunk.count(b"event: line")

    def close(self) -> None:
        self._reading.cancel()
        self._writer.close()


def _cores(used: float, idle_share: float) -> str:
    """Write how many cores are planned for so much work, with what as many processes as it takes use anyhow."""
    cores = (used + max(FEWEST, math.ceil(used / BUSY)) * idle_share) / BUSY
    if cores < 0.1:
        return "< 0.1"
    return f"{cores:.1f}" if cores < 10 else f"{math.ceil(cores)}"


def _memory(size: float) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{max(1, round(size / 2**20))} MB"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _machine() -> str:
    try:
        names = Path("/proc/cpuinfo").read_text(encoding="ascii")
        model = next(line for line in names.splitlines() if line.startswith("model name")).partition(": ")[2]
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{os.cpu_count()} processors ({model}), Python {platform.python_version()}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sizing", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/how-to/production.md")
    parser.add_argument("--rounds", type=int, default=10, help="windows of each measurement (10)")
    parser.add_argument(
        "--window", type=float, default=0.5, metavar="SECONDS", help="length of a window (0.5)"
    )
    parser.add_argument("--listeners", type=int, default=500, help="open streams (500)")
    parser.add_argument(
        "--buyers", type=int, default=200_000, help="how many join for the store's memory (200000)"
    )
    options = parser.parse_args(arguments)
    costs = measure(Effort(options.rounds, options.window), options.listeners, options.buyers)
    text = report(costs, datetime.now(UTC), _machine())
    sys.stdout.write(text)
    if options.write:
        PAGE.write_text(between_markers(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    main()
