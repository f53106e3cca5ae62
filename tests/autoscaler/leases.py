"""A lease kept in a test's memory, and candidates for it, each with a clock of its own that stands still until it is moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from autoscaler.errors import LeaseTaken, StoreUnavailable
from autoscaler.leadership.elector import Elector
from autoscaler.leadership.lease import Lease, Timings
from tests.autoscaler.fakes import ManualClock, Recorder


class HeldLease:
    """Keeps a lease as the real keepers do: a write in the place of what is no longer there is refused."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.away = False
        self.read_only = False
        self.loses_answers = False
        self.takes_s = 0.0
        self.opening_s = 0.0
        self.is_open = False
        self.writes = 0
        self.while_writing: Callable[[], None] = lambda: None

    async def read(self) -> Lease | None:
        await self._answer()
        return self.lease

    async def write(self, lease: Lease, seen: Lease | None) -> Lease:
        await self._answer()
        if self.read_only:
            raise StoreUnavailable("takes no writes")
        there = "" if self.lease is None else self.lease.version
        if there != ("" if seen is None else seen.version):
            raise LeaseTaken("written by somebody else")
        self.writes += 1
        self.lease = replace(lease, version=str(self.writes))
        self.while_writing()
        if self.loses_answers:
            raise StoreUnavailable("no answer")
        return self.lease

    def label(self) -> None:
        """Make another version of it that says the same, as an annotation does."""
        assert self.lease is not None
        self.writes += 1
        self.lease = replace(self.lease, version=str(self.writes))

    async def _answer(self) -> None:
        if not self.is_open:
            await asyncio.sleep(self.opening_s)
            self.is_open = True
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if self.away:
            raise StoreUnavailable("away")


class Candidate:
    """An elector, and what it records."""

    def __init__(self, keeper: HeldLease, identity: str, clock: ManualClock, lease_s: float = 15.0) -> None:
        self.recorder = Recorder()
        self.elector = Elector(keeper, identity, Timings.of(lease_s), clock=clock, instrument=self.recorder)
        self.leadership = self.elector.leadership

    async def attempt(self) -> bool:
        """Try once; returns whether it leads then."""
        await self.elector.attempt()
        return self.leadership.is_leading()
