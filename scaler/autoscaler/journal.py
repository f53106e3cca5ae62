"""What is known of one rule, and the steps of its rounds: each has its deadline, and each failure is on record.

It takes note of what others find out, and tells the instruments where that is news. What is done, and in which order, is not
known here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, TypeVar

from autoscaler.clock import Clock
from autoscaler.conditions import Condition, set_condition
from autoscaler.errors import brief
from autoscaler.instrumentation.events import ConditionChanged, Event, Instrument, StepFailed
from autoscaler.status import RuleStatus
from rulebook.rule import Paused, ScalingRule

DEADLINE_SHARE = 0.8
"""Of the interval: what a step may take, so that acting fits in before the next round."""
DEADLINE_LIMIT_S = 10.0
FAILURES_KEPT = 20

T = TypeVar("T")


class StepGivenUp(Exception):
    """A step of a round failed, and has been recorded; the steps that rest on it are left out."""


class Journal:
    """The status of one rule, as far as it has come."""

    def __init__(self, rule: ScalingRule, target: str, *, instrument: Instrument, clock: Clock) -> None:
        self._instrument = instrument
        self._clock = clock
        self._failures: deque[StepFailed] = deque(maxlen=FAILURES_KEPT)
        self._status = RuleStatus(rule=rule.name, target=target, interval_s=0.0, dry_run=False)
        self.take(rule)

    @property
    def status(self) -> RuleStatus:
        """What is known now, but for the memory's keeping."""
        return self._status

    @property
    def deadline_s(self) -> float:
        """What a step may take."""
        return min(self._status.interval_s * DEADLINE_SHARE, DEADLINE_LIMIT_S)

    @property
    def last_failure(self) -> str:
        """Why the last step that failed did; empty before any has."""
        return self._failures[-1].error if self._failures else ""

    def take(self, rule: ScalingRule) -> None:
        """Go by this form of the rule from now on."""
        spec = rule.spec
        paused = spec.paused.replicas if isinstance(spec.paused, Paused) else spec.paused
        self.note(interval_s=spec.interval_s, dry_run=spec.dry_run, paused=paused)

    def note(self, **changes: Any) -> None:
        """Put what is known now into fields of the status."""
        self._status = replace(self._status, **changes)

    def tell(self, event: Event) -> None:
        """Tell the instruments."""
        self._instrument.record(event)

    def judge(self, *conditions: Condition) -> None:
        """Bring the conditions up to date, and tell of those that changed."""
        for condition in conditions:
            before = {(old.type, old.holds, old.reason) for old in self._status.conditions}
            self.note(conditions=set_condition(self._status.conditions, condition))
            if (condition.type, condition.holds, condition.reason) not in before:
                self.tell(ConditionChanged(self._status.rule, condition))

    async def step(self, step: str, work: Awaitable[T]) -> T:
        """Do one step within the deadline.

        Raises:
            StepGivenUp: it failed, for whatever reason.
        """
        try:
            async with asyncio.timeout(self.deadline_s):
                return await work
        except TimeoutError as error:
            self.fail(step, f"not done within {self.deadline_s:g} s")
            raise StepGivenUp from error
        except Exception as error:
            self.fail(step, error)
            raise StepGivenUp from error

    def fail(self, step: str, error: Exception | str) -> None:
        """Record that a step failed."""
        failure = StepFailed(self._status.rule, step, brief(error), self._clock.now_s())
        self._failures.append(failure)
        self.note(failures=tuple(self._failures))
        self.tell(failure)
