"""What a status, a join and a gate's check cost, against a bare aiohttp handler; and P3: a status never touches the store.

Status and join are held against a sorted set as well, which is asked for each buyer's rank.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import uvloop
from redis import Redis

from tests.benchmarks.children import child, valkey
from tests.benchmarks.figures import Figure
from tests.benchmarks.hall import Hall
from tests.benchmarks.versus import Effort, compare, compare_with, load_for
from tests.ports import free_port

_WAITING = 2_000
_ADMITTED = 500  # so few that each pass has been seen when the first window begins
_NEVER_S = 86_400.0
_REST_S = 2.0
_NO_REST_S = 60.0


def status(effort: Effort) -> list[Figure]:
    """Measure a status: `status_rps_ratio`, `status_cpu_ratio`, `status_store_calls`, `status_vs_sorted_set`."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as store_url:
        hall = Hall(Path(folder), store_url, _WAITING)
        return [
            *compare(hall.status(), effort),
            _store_calls(hall, effort),
            compare_with(hall.status(), hall.sorted_set(), "status_vs_sorted_set", effort),
        ]


def join(effort: Effort) -> list[Figure]:
    """Measure a join: `join_rps_ratio`, `join_cpu_ratio`, `join_vs_sorted_set`."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as store_url:
        hall = Hall(Path(folder), store_url, 1)
        return [
            *compare(hall.join(), effort),
            compare_with(hall.join(), hall.sorted_set(), "join_vs_sorted_set", effort),
        ]


def gate(effort: Effort) -> list[Figure]:
    """Measure the gate: `gate_auth_rps_ratio`, `gate_auth_cpu_ratio`, and the same of `gate_check`, the check alone."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as store_url:
        hall = Hall(Path(folder), store_url, _ADMITTED)
        return [*compare(hall.gate_auth(), effort), *compare(hall.gate_check(), effort)]


def _store_calls(hall: Hall, effort: Effort) -> Figure:
    """Count the store's commands under load, less those of the same time without.

    What the room asks by itself (its counters, who was revoked) is made so rare here that it does not come at all while we count:
    it comes at moments of its own, and would blur a count that has to be exact. So would what a room asks as it starts, which on
    a busy machine goes on for a while after it has begun to answer: we wait until the store has been left alone.
    """
    port = free_port()
    with child("server", {**hall.room(_NEVER_S), "port": port}):
        store = Redis.from_url(hall.store_url)
        start = _commands_at_rest(store)
        began = time.monotonic()
        answers = uvloop.run(load_for(port, hall.status().requests(), effort))
        took_s = time.monotonic() - began
        loaded = _commands(store)
        time.sleep(took_s)
        idle = _commands(store)
        store.close()
    # Whichever way they differ, the count was disturbed, or statuses ask the store: neither is nought.
    calls = abs((loaded - start) - (idle - loaded))
    return Figure(
        "status_store_calls", value=calls / answers, unit="commands/request", n=answers, baseline=0.0
    )


def _commands_at_rest(store: Redis) -> int:
    """Count the store's commands once they have stood still for a while.

    Raises:
        RuntimeError: they go on and on, so that the room's own cannot be told from a status's.
    """
    count = _commands(store)
    since = began = time.monotonic()
    while time.monotonic() - since < _REST_S:
        time.sleep(_REST_S / 20)
        now = _commands(store)
        if now != count:
            count, since = now, time.monotonic()
        if time.monotonic() - began > _NO_REST_S:
            raise RuntimeError("the room asks the store again and again though nobody asks the room")
    return count


def _commands(store: Redis) -> int:
    """Count all commands which the store has run, in scripts or not, without our own questions."""
    stats = store.info("commandstats")
    return sum(int(each["calls"]) for name, each in stats.items() if not name.startswith("cmdstat_info"))
