"""Looks at processes and stores from outside, while a fault lasts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from tests.chaos.effects import ENDED

PING_WITHIN_S = 2.0
"""How long a ping waits for its answer: several times what the slowest network here takes."""
_GONE_WITHIN_S = 2.0
_POLL_S = 0.01


def state_of(pid: int) -> str:
    """Return the one letter for a process's state; nothing if there is none."""
    try:
        about = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The name before it is in brackets, and may hold spaces and brackets itself.
    return about.rpartition(")")[2].split()[0]


def children_of(pid: int) -> list[int]:
    """Return the processes that this one started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in children.split()]


def left_of(pids: Iterable[int]) -> list[int]:
    """Return those that have not ended."""
    return [pid for pid in pids if state_of(pid) not in ENDED]


async def left_in_the_end(pids: Collection[int]) -> list[int]:
    """Return those that have not ended although they were given a moment for it."""
    deadline = time.monotonic() + _GONE_WITHIN_S
    while (left := left_of(pids)) and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_S)
    return left


async def ping(port: int, within_s: float = PING_WITHIN_S) -> float | None:
    """Return how long a store on this port takes for a ping, in seconds; None if it is refused or not answered in time."""
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                begun = time.monotonic()
                writer.write(b"PING\r\n")
                answered = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    return time.monotonic() - begun if answered else None
