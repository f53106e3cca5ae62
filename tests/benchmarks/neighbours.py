"""Two onsales of one process: what the rush of joins to one costs the buyers of the other, in the same run without and with it.

A quiet onsale has a line that moves at its rate, and a few buyers who ask where they stand, at a steady pace. In every other
window a crowd joins another onsale of the same process as fast as it is answered. Releases are read from the store by an observer
who knows nothing of the bucket, in the store's own time.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import uvloop
from redis.asyncio import Redis

from rulebook import Onsale
from rulebook.coupling import US_PER_S
from tests.benchmarks.children import Child, child, valkey
from tests.benchmarks.figures import Figure, middle
from tests.benchmarks.load import Load
from tests.benchmarks.versus import Effort
from tests.ports import free_port
from waitingroom.keyfiles import load_keyring
from waitingroom.places import Place, sign_place
from waitingroom.roomsettings import room_settings
from waitingroom.store.client import OnsaleStore
from waitingroom.store.connect import connect
from waitingroom.web.cookies import PLACE_COOKIE, device_cookie

QUIET, RUSH = "quiet", "rush"
RATE_PER_S = 50.0
_DEVICE_COOKIE = device_cookie(secure=True)
_BURST = 5
_ASKED_PER_S = 100.0
_ASKING = 4
_LOOK = """
local clock = redis.call('TIME')
local epoch = redis.call('HGET', KEYS[1], 'epoch')
local line = redis.call('HMGET', KEYS[1], 'released:' .. epoch, 'tail:' .. epoch)
return {clock[1], clock[2], line[1] or '0', line[2] or '0'}
"""


@dataclass(frozen=True, slots=True)
class Look:
    """The quiet onsale at one moment of the store's clock."""

    at_us: int
    released: int
    tail: int


@dataclass
class Window:
    """What was seen of the quiet onsale in one stretch of time, and how many joined the other meanwhile."""

    latencies_ms: list[float] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    joins_per_s: float = 0.0
    busy: float = 0.0

    @property
    def p99_ms(self) -> float:
        """The status latency that one in a hundred exceeds."""
        return sorted(self.latencies_ms)[int(0.99 * (len(self.latencies_ms) - 1))]

    @property
    def moves(self) -> list[Look]:
        """The looks at which something had just been released: between two of them the rate brings just what is released."""
        return [look for before, look in pairwise(self.looks) if look.released > before.released]

    @property
    def due(self) -> float:
        """What the rate brings between the first move and the last; in a window that saw none, between its looks."""
        between = self.moves or self.looks
        return RATE_PER_S * (between[-1].at_us - between[0].at_us) / US_PER_S if between else 0.0

    @property
    def released(self) -> int:
        """What was released between them."""
        moves = self.moves
        return moves[-1].released - moves[0].released if moves else 0


def neighbours(effort: Effort) -> list[Figure]:
    """Measure: `neighbours_status_p99`, `neighbours_over`, `neighbours_shortfall`."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as store_url:
        place = uvloop.run(_prepare(Path(folder), store_url, int(4 * effort.rounds * effort.seconds)))
        port = free_port()
        options = {
            "kind": "room",
            "folder": folder,
            "store": store_url,
            "refresh_every_s": 0.2,
            "port": port,
        }
        with child("server", options) as server:
            alone, beside = uvloop.run(_measure(server, port, store_url, place, effort))
    return _figures(alone, beside)


def document(name: str, rate: str) -> Onsale:
    """Return a line that moves at `rate`."""
    spec = {
        "shop": f"https://tickets.example.org/{name}",
        "protect": [{"path": f"/{name}"}],
        "admission": {"rate": rate, "burst": _BURST, "claimWithin": "4h"},
    }
    return Onsale.model_validate(
        {"apiVersion": "tidegate.dev/v1", "kind": "Onsale", "metadata": {"name": name}, "spec": spec}
    )


async def look(client: Redis) -> Look:
    """Read the quiet onsale's counters and the store's time in one step."""
    reply = await client.eval(_LOOK, 1, f"{{{QUIET}}}:room")
    seconds, microseconds, released, tail = (int(float(each)) for each in reply)
    return Look(seconds * US_PER_S + microseconds, released, tail)


async def _prepare(folder: Path, store_url: str, seconds: int) -> bytes:
    """Write documents and keys, put a line before the quiet onsale, and return the question of its last buyer."""
    documents = {QUIET: document(QUIET, f"{RATE_PER_S:g}/s"), RUSH: document(RUSH, "1/s")}
    (folder / "onsales").mkdir()
    for name, onsale in documents.items():
        fields: dict[str, Any] = onsale.model_dump(mode="json", by_alias=True, exclude_none=True)
        (folder / "onsales" / f"{name}.yaml").write_text(json.dumps(fields))
    keyring = load_keyring(folder / "keys", [])
    client = connect(store_url)
    store = OnsaleStore(client, QUIET, room_settings(documents[QUIET]))
    await store.configure()
    count = int(RATE_PER_S) * (seconds + 60)
    for start in range(0, count, 500):
        given = await store.join([_device(number) for number in range(start, min(start + 500, count))])
    await client.aclose()
    last = given[-1]
    place = Place(QUIET, last.epoch, last.number, last.at_ms, _device(count - 1).encode())
    kid = keyring.signing_place_kid
    token = sign_place(place, kid, keyring.place_keys[kid])
    return _request(
        "GET", f"/{QUIET}/status", f"{_DEVICE_COOKIE}={_device(count - 1)}; {PLACE_COOKIE}={token}"
    )


async def _measure(
    server: Child, port: int, store_url: str, question: bytes, effort: Effort
) -> tuple[list[Window], list[Window]]:
    client = Redis.from_url(store_url, decode_responses=True)
    crowd = await Load.open(port, _joins(), effort.connections)
    await crowd.run(effort.seconds / 4)
    alone: list[Window] = []
    beside: list[Window] = []
    for _ in range(effort.rounds):
        alone.append(await _window(server, client, port, question, effort, None))
        beside.append(await _window(server, client, port, question, effort, crowd))
    crowd.close()
    await client.aclose()
    return alone, beside


async def _window(
    server: Child, client: Redis, port: int, question: bytes, effort: Effort, crowd: Load | None
) -> Window:
    window = Window()
    cpu_before, began = float(server.ask("cpu")), time.perf_counter()
    asking = [
        asyncio.create_task(_ask(port, question, began + number / _ASKED_PER_S, effort.seconds, window))
        for number in range(_ASKING)
    ]
    looking = asyncio.create_task(_look_on(client, began + effort.seconds, window))
    if crowd is not None:
        joined = await crowd.run(effort.seconds)
        window.joins_per_s = joined.answers / joined.seconds
    await asyncio.gather(looking, *asking)
    window.busy = (float(server.ask("cpu")) - cpu_before) / (time.perf_counter() - began)
    return window


async def _ask(port: int, question: bytes, first_s: float, seconds: float, window: Window) -> None:
    """Ask at fixed moments; a late answer counts from the moment at which its question was due."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = first_s
    while due < first_s + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        writer.write(question)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head[:60]
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        window.latencies_ms.append((time.perf_counter() - due) * 1000.0)
        due += _ASKING / _ASKED_PER_S
    writer.close()
    await writer.wait_closed()


async def _look_on(client: Redis, until_s: float, window: Window) -> None:
    while time.perf_counter() < until_s:
        window.looks.append(await look(client))
        assert window.looks[-1].tail > window.looks[-1].released, "the quiet line ran empty"
        await asyncio.sleep(0.01)


def _figures(alone: list[Window], beside: list[Window]) -> list[Figure]:
    quiet, loud = (middle([window.p99_ms for window in windows]) for windows in (alone, beside))
    asked = sum(len(window.latencies_ms) for window in beside)
    joins = middle([window.joins_per_s for window in beside])
    busy = middle([window.busy for window in beside])
    note = f"beside {joins:.0f} joins/s to the other onsale, one process busy to {busy:.0%}"
    return [
        Figure("neighbours_status_p99", loud, "ms", asked, baseline=quiet, ratio=loud / quiet, note=note),
        _release_figure("neighbours_over", alone, beside, 1.0, note),
        _release_figure("neighbours_shortfall", alone, beside, -1.0, note),
    ]


def _release_figure(name: str, alone: list[Window], beside: list[Window], sign: float, note: str) -> Figure:
    """Compare releases with what the rate brings: over all windows, as one release may fall to either side of an edge."""

    def off(windows: list[Window]) -> float:
        due = sum(window.due for window in windows)
        released = sum(window.released for window in windows)
        return max(0.0, sign * (released - due)) / max(due, 1.0)

    released = sum(window.released for window in beside)
    return Figure(
        name, off(beside), "fraction", released, baseline=off(alone), note=f"baseline: alone; {note}"
    )


def _joins() -> Iterator[bytes]:
    for number in itertools.count(1):
        yield _request("POST", f"/{RUSH}/join", f"{_DEVICE_COOKIE}={_device(number + 10**9)}")


def _device(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(16, "big")).rstrip(b"=").decode()


def _request(method: str, path: str, cookies: str) -> bytes:
    length = ["Content-Length: 0"] if method == "POST" else []
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: queue.example.org",
        "Accept: application/json",
        f"Cookie: {cookies}",
        *length,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
