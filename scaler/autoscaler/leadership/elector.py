"""Takes part in the election: tries to get the lease, keeps renewing it, and gives it back at the end.

Our own rather than `kubernetes_asyncio.leaderelection`, which compares wall clocks in part, counts no transitions, never releases
the lease and calls nobody back when it is cancelled; and here the same rules hold for a lease in the store.

A leader which cannot renew stops acting at its deadline, but stays on duty until it sees that another has taken over: while the
lease's keeper is away nobody else can, and what it runs (pools of replicas) must not die of that.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from autoscaler.clock import Clock
from autoscaler.ending import end_tasks
from autoscaler.errors import AutoscalerError, LeaseTaken, LeaseUnanswered, NotLeading, brief
from autoscaler.instrumentation.events import Instrument, LeadershipChanged, LeaseFailed
from autoscaler.leadership.lease import (
    Lease,
    Sighting,
    Timings,
    is_free,
    released,
    renewed,
    sight,
    taken,
    unseen,
)
from autoscaler.leadership.standing import Leadership

JITTER = 0.2
"""Of the pause between tries, so that candidates which started together do not try together for ever (client-go's 1.2)."""
RELEASE_TRIES = 3
MOST_ANSWERS = 3
"""How many answers one try waits for at the most: a renewal, a reading where that met another form, and the write."""

Answer = TypeVar("Answer")


class LeaseKeeper(Protocol):
    """Where a lease is kept; a write is carried out only if the lease is still in the form that was seen."""

    async def read(self) -> Lease | None:
        """Return the lease; None when there is none.

        Raises:
            AutoscalerError: it cannot be told.
        """
        ...

    async def write(self, lease: Lease, seen: Lease | None) -> Lease:
        """Put a lease in the place of the one seen; returns it with its version.

        Raises:
            LeaseTaken: somebody else has written since. Nothing was written.
            AutoscalerError: it was refused, or there is no answer: it may have been written.
        """
        ...


class Elector:
    """One candidate. `leadership` tells how it stands; `run` and then `resign` make it so."""

    def __init__(
        self, keeper: LeaseKeeper, identity: str, timings: Timings, *, clock: Clock, instrument: Instrument
    ) -> None:
        self.leadership = Leadership(clock, identity, self._raise_term)
        self._keeper = keeper
        self._identity = identity
        self._timings = timings
        self._clock = clock
        self._instrument = instrument
        self._sighting: Sighting | None = None
        self._answered_s = clock.monotonic_s()
        self._refused = False
        """Whether a lease that was free could not be taken, so that its holder may be well and unable to renew."""
        self._held: Lease | None = None
        self._last_term: int | None = None
        self._told: tuple[bool, bool, str, int] | None = None
        # A renewal and an outbidding must not cross: each writes in the place of what the other has written.
        self._writing = asyncio.Lock()
        self._late: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Stand for election until cancelled."""
        while True:
            await self.attempt()
            await self._clock.sleep(self._timings.retry_s * (1 + JITTER * random.random()))

    async def attempt(self) -> None:
        """Try once to get the lease, or to renew it. Nothing is raised."""
        try:
            async with self._writing:
                await self._get_or_renew()
        except AutoscalerError as error:
            now_s = self._clock.monotonic_s()
            if self._sighting is not None:
                self._refused = self._refused or is_free(self._sighting, now_s)
                self._sighting = unseen(self._sighting, self._answered_s, now_s)
            self._answered_s = now_s
            self._instrument.record(LeaseFailed(brief(error)))
            until_next_s = self._timings.retry_s * (1 + JITTER) + MOST_ANSWERS * self._timings.try_s
            self.leadership.unsettled(self._clock.monotonic_s() + until_next_s)
            self._tell(brief(error))
        else:
            self._answered_s = self._clock.monotonic_s()
            self._tell("")

    async def resign(self) -> None:
        """Stop leading, and give the lease back if it is ours, so that the next takes over at once. Nothing is raised."""
        was_on_duty = self.leadership.on_duty
        self.leadership.yield_to("")
        await end_tasks(self._late)
        try:
            async with self._writing, asyncio.timeout(self._timings.renew_within_s):
                if was_on_duty:
                    await self._release()
        except (AutoscalerError, TimeoutError) as error:
            self._instrument.record(LeaseFailed(f"not released: {brief(error)}"))
        self._tell("resigned")

    async def _get_or_renew(self) -> None:
        if self._held is not None and self.leadership.is_leading():
            try:
                await self._renew(self._held)
            except LeaseTaken:  # by another, or by a write of our own that got no answer
                self._held = None
            else:
                return
        sighting = await self._read()
        lease = sighting.lease
        if lease is not None and lease.holder == self._identity:
            await self._renew(lease)
            return
        # A lease that vanished is its holder's to write anew, unless that was away too long to know of others.
        ours = lease is None and self.leadership.may_tend()
        if not ours and not is_free(sighting, self._clock.monotonic_s()):
            self._held = None
            self.leadership.yield_to("" if lease is None else lease.holder)
            return
        if lease is not None and self._refused:
            await self._probe(lease)
            return
        wanted = taken(lease, self._identity, self._timings, self._clock.now_s(), self._last_term)
        await self._write(wanted, lease)

    async def _renew(self, lease: Lease, *, above: int | None = None) -> None:
        await self._write(renewed(lease, self._clock.now_s(), above=above), lease)

    async def _probe(self, lease: Lease) -> None:
        """See whether the lease can be written again, by writing what it says: now its holder has time to renew it.

        Without that, who tries in the moment in which its keeper takes writes again would unseat a leader that is well.
        """
        written = await self._answer(self._keeper.write(lease, lease))
        self._refused = False
        self._sighting = sight(None, written, self._clock.monotonic_s())

    async def _write(self, lease: Lease, seen: Lease | None) -> None:
        # The deadline counts from before the write: others count from when they see it, which is never earlier.
        begun_s = self._clock.monotonic_s()
        written = await self._answer(self._keeper.write(lease, seen))
        self._held, self._last_term, self._refused = written, written.term, False
        self._sighting = sight(None, written, begun_s)
        self.leadership.hold(written.term, begun_s + self._timings.renew_within_s)

    async def _read(self) -> Sighting:
        lease, before = await self._answer(self._keeper.read()), self._sighting
        self._sighting = sight(before, lease, self._clock.monotonic_s())
        if before is None or self._sighting.since_s != before.since_s:
            self._refused = False  # it was written, so it can be
        if lease is not None:
            self._last_term = max(lease.term, self._last_term or 0)
        return self._sighting

    async def _answer(self, request: Coroutine[Any, Any, Answer]) -> Answer:
        """Wait for one answer. Each has its own time: where all are slow, a reading must not use up the time of the write.

        One that is late is not cut off, though nobody waits for it any more: its connection would be closed with it, and the next
        try would begin with opening another. Where each answer is slow, none would ever come in time again. A late write does no
        harm: it is carried out only in the place of the very form that was seen.
        """
        asking = asyncio.create_task(self._until_too_late(request))
        try:
            done, _ = await asyncio.wait({asking}, timeout=self._timings.try_s)
        except BaseException:
            asking.cancel()
            raise
        if done:
            return asking.result()
        self._late.add(asking)
        asking.add_done_callback(self._forget)
        raise LeaseUnanswered(f"no answer within {self._timings.try_s:g} s")

    async def _until_too_late(self, request: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            async with asyncio.timeout(self._timings.lease_s):
                return await request
        except TimeoutError as error:
            raise LeaseUnanswered(f"no answer within {self._timings.lease_s:g} s") from error

    def _forget(self, late: asyncio.Task[Any]) -> None:
        self._late.discard(late)
        if not late.cancelled():
            late.exception()  # what became of it, the next try sees at the lease

    async def _raise_term(self, above: int) -> None:
        async with self._writing:
            lease = (await self._read()).lease
            if lease is None or lease.holder != self._identity:
                raise NotLeading(f"not leading: a leader of term {above} has taken over")
            await self._renew(lease, above=above)
        self._tell(f"term {above} was found where only leaders write")

    async def _release(self) -> None:
        for _ in range(RELEASE_TRIES):
            lease = await self._keeper.read()
            if lease is None or lease.holder != self._identity:
                return
            try:
                await self._keeper.write(released(lease, self._clock.now_s()), lease)
            except LeaseTaken:  # a renewal that got no answer came through after all
                continue
            return

    def _tell(self, reason: str) -> None:
        """Record how we stand, if that is news."""
        leadership = self.leadership
        now = (leadership.is_leading(), leadership.on_duty, leadership.holder, leadership.term)
        if now != self._told:
            self._told = now
            self._instrument.record(LeadershipChanged(*now, reason=reason))
