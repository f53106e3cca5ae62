"""Keeps one rule's admission target in force: by its last decision, for the replicas that are ready now.

What the target says is `admission`'s; when it is written, a round or a change of readiness says.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from autoscaler.admission import AdmissionTarget, Written, admission_target
from autoscaler.clock import Clock
from autoscaler.instrumentation.events import AdmissionWritten
from autoscaler.journal import Journal, StepGivenUp
from autoscaler.leadership.standing import Leadership
from autoscaler.settings import ScalerSettings
from rulebook.rule import ScalingRule


class AdmissionWriter(Protocol):
    """Where admission targets go; the store's `TargetWriter` is one."""

    async def write(self, target: AdmissionTarget) -> Written:
        """Put a target in force."""
        ...

    async def fence(self, onsale: str, rule: str, term: int) -> None:
        """Have targets of earlier terms refused from now on."""
        ...


class Admitter:
    """The admission target of one rule, written by its last decision."""

    def __init__(
        self,
        onsale: str | None,
        *,
        writer: AdmissionWriter,
        journal: Journal,
        leadership: Leadership,
        clock: Clock,
        settings: ScalerSettings,
    ) -> None:
        self._onsale = onsale
        self._rule: ScalingRule | None = None
        self._decided_s = 0.0
        self._writer = writer
        self._journal = journal
        self._leadership = leadership
        self._clock = clock
        self._settings = settings
        # One writer at a time, each with the newest counts: a slow write cannot overtake a later one.
        self._writing = asyncio.Lock()
        self._announced_ready: int | None = None

    def decided(self, rule: ScalingRule) -> None:
        """Take note that a decision was made just now, by this form of the rule; it is in the status."""
        self._rule, self._decided_s = rule, self._clock.monotonic_s()

    def keep_to(self, onsale: str | None) -> None:
        """Write no target for another onsale from now on: the document names it no longer."""
        self._onsale = onsale
        admission = self._journal.status.admission
        if admission is not None and admission.target.onsale != onsale:
            self._journal.note(admission=None)

    async def at_rest(self) -> None:
        """Return once no write is under way."""
        async with self._writing:
            return

    def has_announced(self, ready: int) -> bool:
        """Tell whether the room knows already that so many replicas are ready."""
        return ready == self._announced_ready

    async def rewrite(self) -> bool:
        """Tell the room what the replicas that are ready now can take. Returns whether that worked; nothing is raised.

        A decision older than a target's validity says nothing about now: then the target is left to expire, which puts the
        room on its fallback rate.
        """
        validity_s = self._settings.validity_s(self._journal.status.interval_s)
        if self._rule is None or self._clock.monotonic_s() - self._decided_s > validity_s:
            return True
        async with self._writing:
            status = self._journal.status
            if status.decision is None or status.state is None:
                return True
            ready = status.state.ready
            target = admission_target(
                self._rule,
                status.decision,
                ready,
                validity_s=validity_s,
                term=self._leadership.term,
                now_s=self._clock.now_s(),
            )
            if target is None or target.onsale != self._onsale:
                return True
            try:
                written = await self._journal.step("write admission", self._put_in_force(target))
            except StepGivenUp:
                return False
            self._announced_ready = ready
            event = AdmissionWritten(target, written)
            if target.onsale == self._onsale:  # the document may have changed meanwhile
                self._journal.note(admission=event)
            self._journal.tell(event)
            if not written.accepted:
                # Another leader's, which our lease will tell; or one's of a lease that was deleted, and counted anew.
                with suppress(StepGivenUp):
                    await self._journal.step("outbid", self._leadership.outbid(written.term))
            return written.accepted

    async def _put_in_force(self, target: AdmissionTarget) -> Written:
        self._leadership.check()
        return await self._writer.write(target)
