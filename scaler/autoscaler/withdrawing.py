"""Takes back the admission targets of rules that no longer bound their onsale: taken away, renamed, or given another onsale.

What there is to take back follows from the documents alone: what a plan that was in force here has bound, and the present one
does not name. So a rule in its last good form is not taken back, and a scaler that stands by knows as much as the one which
leads, in case it has to finish that one's work. Only the leader takes back, in its own term.

No mistake must let in more: a rule that still bounds the onsale must speak first, as one that was renamed has yet to, and while a
document that may be such a rule cannot be used, nothing is taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeAlias

from autoscaler.admission import Withdrawal, bound_onsale
from autoscaler.ending import end_tasks
from autoscaler.errors import AutoscalerError, LaterTerm, brief
from autoscaler.instrumentation.events import AdmissionNotWithdrawn, AdmissionWithdrawn, Instrument
from autoscaler.leadership.standing import Leadership
from autoscaler.plan import Plan

RETRY_S = 1.0
UNCLEAR = "a document that may bound it instead cannot be used"

Bound: TypeAlias = tuple[str, str]
"""An onsale, and a rule that bounds it."""


class TargetTaker(Protocol):
    """Takes admission targets back; the store's `TargetWriter` is one."""

    async def withdraw(self, onsale: str, rule: str, term: int, after: Collection[str]) -> Withdrawal:
        """Have a rule count no more for an onsale, once each rule of `after` has a target in force there."""
        ...


class Withdrawer:
    """What is to be taken back, until it has been."""

    def __init__(self, taker: TargetTaker, leadership: Leadership, instrument: Instrument) -> None:
        self._taker = taker
        self._leadership = leadership
        self._instrument = instrument
        self._plan = Plan()
        self._bound: set[Bound] = set()
        self._errors: dict[Bound, str] = {}
        self._news = asyncio.Event()

    @property
    def owed(self) -> list[Bound]:
        """What is still to be taken back."""
        return sorted(self._bound - _bounds(self._plan, dry=True))

    def follow(self, plan: Plan) -> None:
        """Take back what the plan no longer names; to be called once no loop writes that any more."""
        self._plan = plan
        self._bound |= _bounds(plan, dry=False)
        self._errors.clear()
        self._news.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take back what is owed for the time of the context, and try again each second what failed or waits."""
        task = asyncio.create_task(self._run(), name="withdraw targets")
        try:
            yield
        finally:
            await end_tasks([task])

    async def take_back(self) -> None:
        """Try once to take back all that is owed. Nothing is raised."""
        for bound in self.owed:
            if not self._leadership.is_leading():
                return
            try:
                await self._take_back(bound)
            except LaterTerm as later:
                self._failed(bound, later)
                # Another leader's, which our lease will tell; or one's of a lease that was deleted, and counted anew.
                with suppress(AutoscalerError):
                    await self._leadership.outbid(later.term)
            except Exception as error:  # whatever it is, it is tried again
                self._failed(bound, error)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S if self.owed else None):
                    await self._news.wait()
            self._news.clear()
            await self.take_back()

    async def _take_back(self, bound: Bound) -> None:
        if bound not in self.owed:  # the documents have changed since
            return
        if self._plan.incomplete:
            self._failed(bound, UNCLEAR)
            return
        onsale, rule = bound
        speakers = sorted(other for name, other in _bounds(self._plan, dry=False) if name == onsale)
        self._leadership.check()
        outcome = await self._taker.withdraw(onsale, rule, self._leadership.term, speakers)
        if outcome is Withdrawal.WITHDRAWN:
            self._instrument.record(AdmissionWithdrawn(onsale, rule))
        if outcome is not Withdrawal.WAITS and bound in self.owed:
            self._bound.discard(bound)

    def _failed(self, bound: Bound, error: Exception | str) -> None:
        """Tell of a failure, once for each cause."""
        if self._errors.get(bound) != brief(error):
            self._errors[bound] = brief(error)
            self._instrument.record(AdmissionNotWithdrawn(*bound, brief(error)))


def _bounds(plan: Plan, *, dry: bool) -> set[Bound]:
    """Name what the rules of a plan bound, with or without those that run dry and tell the room nothing."""
    return {
        (onsale, name)
        for name, rule in plan.rules.items()
        if (onsale := bound_onsale(rule)) is not None and (dry or not rule.spec.dry_run)
    }
