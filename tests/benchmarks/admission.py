"""P4 and P5 with several processes turning the wheel at once: neither more nor less is released than the rate allows.

An observer reads the store's time and counters in one step, some hundred times a second, and knows nothing of the bucket. Rates
change under way by target segments, and one target is let expire, so that the fallback rate counts.
"""

from __future__ import annotations

import asyncio
import tempfile
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import uvloop
from redis.asyncio import Redis

from rulebook.coupling import US_PER_S, targets_key
from tests.benchmarks.bound import Mark, excess
from tests.benchmarks.children import child, valkey
from tests.benchmarks.figures import Figure
from waitingroom.store.client import OnsaleStore

PROCESSES = 4
_NAME = "cactusfestival"
_KEY = f"{{{_NAME}}}:room"
_CEILING_PER_S = 200.0
_FALLBACK_PER_S = 40.0
_BURST = 60
# Buyers/s, each for an equal share of the time; None lets the target before it expire, so that the fallback rate counts.
_PLAN: tuple[float | None, ...] = (90.0, 300.0, 30.0, 160.5, None, 120.0)
_LOOK_EVERY_S = 0.003
_TELLING = 200.0  # buyers due, of whom one in a hundred is to be seen
_SETTINGS = {
    "rate": repr(_CEILING_PER_S),
    "burst": str(_BURST),
    "capacity": "",
    "fallback": repr(_FALLBACK_PER_S),
    "claim_us": str(600 * US_PER_S),
    "prequeue_us": "0",
    "opens_us": "0",
    "closes_us": "0",
    "order": "fifo",
    "config": "benchmark",
}
_LOOK = """
local clock = redis.call('TIME')
local room = redis.call('HMGET', KEYS[1], 'epoch', 'no_shows')
local line = redis.call('HMGET', KEYS[1], 'released:' .. room[1], 'tail:' .. room[1])
return {clock[1], clock[2], line[1] or '0', line[2] or '0', room[2] or '0'}
"""
_WRITE_TARGET = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
redis.call('RPUSH', KEYS[1], cjson.encode({
  rule = 'benchmark', from_us = string.format('%.0f', now), until_us = string.format('%.0f', now + ARGV[2]),
  rate = ARGV[1], capacity = '', reason = 'so it is planned', term = '0' }))
return string.format('%.0f', now)
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What the observer read at one moment of the store's clock."""

    at_us: int
    released: int
    tail: int
    no_shows: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A rate in force from `from_us` on."""

    from_us: int
    rate_per_s: float

    @property
    def size(self) -> float:
        """The bucket's size."""
        return max(float(_BURST), self.rate_per_s)


def admission(seconds: float) -> list[Figure]:
    """Let several processes release for `seconds`: `admission_over` and `admission_shortfall`."""
    with (
        tempfile.TemporaryDirectory(prefix="tidegate-") as folder,
        valkey(Path(folder)) as url,
        ExitStack() as stack,
    ):
        looks, pieces, calls = uvloop.run(_run(stack, url, seconds))
    marks = _marks(looks, pieces)
    released = looks[-1].released - looks[0].released
    due = float(marks[-1].allowed_after - marks[0].allowed_after)
    note = f"{released} released in {seconds:.0f} s by {calls} calls of {PROCESSES} processes"
    return [
        Figure(
            "admission_over",
            value=max(0.0, round(float(excess(marks)), 6)),
            unit="buyers",
            n=len(looks),
            note=note,
        ),
        Figure(
            "admission_shortfall",
            value=max(shortfall(looks, marks), worst_piece(looks, marks, pieces)),
            unit="fraction",
            n=len(looks),
            baseline=due,
            ratio=released / due,
            note=f"the worst of all and of each rate; baseline: rate x elapsed; {note}",
        ),
    ]


def shortfall(looks: Sequence[Look], marks: Sequence[Mark]) -> float:
    """Return the share of rate x elapsed that was not released, at the best look of the last second.

    What the bucket holds back is missing at all of them; what the next call will release, for as long as a busy machine keeps
    all processes from calling, only until then.
    """
    first_released, first_allowed = looks[0].released, float(marks[0].allowed_after)
    since_us = looks[-1].at_us - US_PER_S
    shares = [
        1.0 - (look.released - first_released) / due
        for look, mark in zip(looks, marks, strict=True)
        if look.at_us >= since_us and (due := float(mark.allowed_after) - first_allowed) > 0
    ]
    return max(0.0, min(shares))


def worst_piece(looks: Sequence[Look], marks: Sequence[Mark], pieces: Sequence[Piece]) -> float:
    """Return the worst share that was not released while one rate was in force: at a low one it would not show in all.

    Lost is by how much the line is further behind at the best look of a piece's last second than at that of the piece before.
    Pieces of which so little was due that a hundredth of it is no two buyers are left out.
    """
    edges = [looks[0].at_us, *(piece.from_us for piece in pieces[1:]), looks[-1].at_us + 1]
    worst, behind = 0.0, float(marks[0].allowed_after) - looks[0].released
    for from_us, until_us in pairwise(edges):
        within = [
            (float(mark.allowed_after), look)
            for look, mark in zip(looks, marks, strict=True)
            if from_us <= look.at_us < until_us
        ]
        if not within:
            continue
        before = behind
        allowed, behind = min(
            (
                (allowed, allowed - look.released)
                for allowed, look in within
                if look.at_us >= until_us - US_PER_S
            ),
            key=lambda at: at[1],
            default=(0.0, behind),
        )
        due = allowed - within[0][0]
        if due >= _TELLING:
            worst = max(worst, (behind - before) / due)
    return worst


async def _run(stack: ExitStack, url: str, seconds: float) -> tuple[list[Look], list[Piece], int]:
    client = Redis.from_url(url, decode_responses=True)
    store = OnsaleStore(client, _NAME, _SETTINGS)
    options = {"store": url, "onsale": _NAME, "settings": _SETTINGS}
    await store.configure()
    await _refill_line(store, Look(0, 0, 0, 0))
    # All are there before the first one begins: on a small machine they leave each other little time to start.
    advancers = [stack.enter_context(child("advancer", options)) for _ in range(PROCESSES)]
    # The bucket has filled meanwhile. Emptied now, it cannot make up for what is released too slowly later.
    await store.advance()
    for advancer in advancers:
        advancer.ask("start")
    pieces = [Piece(0, _CEILING_PER_S)]
    planned = asyncio.create_task(_follow_plan(client, seconds / len(_PLAN), pieces))
    looks = await _observe(client, store, planned)
    calls = sum(int(advancer.ask("calls")) for advancer in advancers)
    await client.aclose()
    return looks, pieces, calls


async def _observe(client: Redis, store: OnsaleStore, until: asyncio.Task[None]) -> list[Look]:
    """Look again and again, and let buyers join before the line is empty."""
    look = client.register_script(_LOOK)
    looks: list[Look] = []
    while not until.done():
        seconds, microseconds, *counters = map(int, await look(keys=[_KEY]))
        looks.append(Look(seconds * US_PER_S + microseconds, *counters))
        assert looks[-1].tail > looks[-1].released, "the line ran empty: nothing could be measured"
        await _refill_line(store, looks[-1])
        await asyncio.sleep(_LOOK_EVERY_S)
    until.result()
    return looks


async def _refill_line(store: OnsaleStore, seen: Look) -> None:
    if seen.tail - seen.released < 4 * max(rate or 0.0 for rate in _PLAN):
        await store.join([f"device-{seen.tail + number:015}" for number in range(500)])


async def _follow_plan(client: Redis, share_s: float, pieces: list[Piece]) -> None:
    write = client.register_script(_WRITE_TARGET)
    for index, rate_per_s in enumerate(_PLAN):
        if rate_per_s is not None:
            expires = index + 1 < len(_PLAN) and _PLAN[index + 1] is None
            valid_us = int((share_s if expires else 10 * share_s) * US_PER_S)
            at_us = int(await write(keys=[targets_key(_NAME)], args=[repr(rate_per_s), valid_us]))
            pieces.append(Piece(at_us, min(_CEILING_PER_S, rate_per_s)))
            if expires:
                pieces.append(Piece(at_us + valid_us, _FALLBACK_PER_S))
        await asyncio.sleep(share_s)


def _marks(looks: Sequence[Look], pieces: Sequence[Piece]) -> list[Mark]:
    """Turn what was seen into marks: what is released between two looks is dated no nearer than that."""
    starts = [piece.from_us for piece in pieces]
    brought, marks = 0.0, []
    before = looks[0]
    for look in looks:
        first, last = bisect_right(starts, before.at_us) - 1, bisect_right(starts, look.at_us) - 1
        edges = [before.at_us, *starts[first + 1 : last + 1], look.at_us]
        for piece, (begin, end) in zip(pieces[first : last + 1], pairwise(edges), strict=True):
            brought += piece.rate_per_s * (end - begin) / US_PER_S
        since = max(piece.size for piece in pieces[first : last + 1])
        allowed = brought + look.no_shows
        marks.append(Mark(look.released, look.released, allowed, allowed, pieces[last].size, since))
        before = look
    return marks
