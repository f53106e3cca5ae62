"""The control loop of one rule: read, decide, act, record, and tell the room what the shop can take now.

The loop decides nothing itself (that is `rulebook.decide`) and knows no particular source, target or metrics library. Whatever
fails is recorded, and the next round comes as if nothing had been. Between rounds it follows the target's readiness, and
rewrites the admission target at each change of it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypeVar

from autoscaler.admission import admission_target
from autoscaler.clock import Clock
from autoscaler.errors import brief
from autoscaler.instrumentation.events import (
    AdmissionWritten,
    Instrument,
    RoundEnded,
    RuleDecided,
    RuleScaled,
    StepFailed,
)
from autoscaler.settings import ScalerSettings
from autoscaler.signals import SignalReader
from autoscaler.status import RuleStatus
from autoscaler.store.target_writer import AdmissionTarget, Written
from autoscaler.targets.base import Target
from rulebook.decision import Decision, decide
from rulebook.memory import Memory
from rulebook.observation import Expected, Observation
from rulebook.rule import ScalingRule

DEADLINE_SHARE = 0.8
"""Of the interval: what reading may take, so that acting fits in before the next round."""
DEADLINE_LIMIT_S = 10.0
FOLLOW_RETRY_S = 1.0
FAILURES_KEPT = 20

T = TypeVar("T")
Decide: TypeAlias = Callable[[ScalingRule, Observation, Memory, float], Decision]


class AdmissionWriter(Protocol):
    """Where admission targets go; the store's `TargetWriter` is one."""

    async def write(self, target: AdmissionTarget) -> Written:
        """Put a target in force."""
        ...


class _StepFailed(Exception):
    """A step of a round failed, and has been recorded; the steps that rest on it are left out."""


@dataclass(frozen=True, slots=True)
class LoopParts:
    """What a loop works with."""

    rule: ScalingRule
    target: Target
    signals: SignalReader
    writer: AdmissionWriter
    instrument: Instrument
    clock: Clock
    settings: ScalerSettings
    decide: Decide = decide


class RuleLoop:
    """Runs one rule and keeps its memory. `run` and `follow` run side by side until they are cancelled."""

    def __init__(self, parts: LoopParts, memory: Memory | None = None) -> None:
        spec = parts.rule.spec
        self._parts = parts
        self._memory = memory or Memory()
        self._deadline_s = min(spec.interval_s * DEADLINE_SHARE, DEADLINE_LIMIT_S)
        self._failures: deque[StepFailed] = deque(maxlen=FAILURES_KEPT)
        self._admission_lock = asyncio.Lock()
        self._announced_ready: int | None = None
        self._status = RuleStatus(
            rule=parts.rule.name, target=parts.target.name, interval_s=spec.interval_s, dry_run=spec.dry_run
        )

    @property
    def status(self) -> RuleStatus:
        """What is known now."""
        return self._status

    @property
    def memory(self) -> Memory:
        """What the next decision will be based on."""
        return self._memory

    async def run(self) -> None:
        """Evaluate the rule each interval, on a grid that does not drift; a round that takes too long skips points of it."""
        clock, interval_s = self._parts.clock, self._parts.rule.spec.interval_s
        start_s, turn = clock.monotonic_s(), 0
        while True:
            await self.evaluate()
            elapsed_s = clock.monotonic_s() - start_s
            turn = max(turn + 1, math.ceil(elapsed_s / interval_s))
            await clock.sleep(turn * interval_s - elapsed_s)

    async def follow(self) -> None:
        """Rewrite the admission target whenever the target's readiness changes."""
        while True:
            try:
                async for state in self._parts.target.watch():
                    self._status = replace(self._status, state=state)
                    if state.ready != self._announced_ready:
                        await self.rewrite_admission()
            except Exception as error:  # a watch that broke is begun again
                self._fail("watch target", error)
            await self._parts.clock.sleep(FOLLOW_RETRY_S)

    async def evaluate(self) -> None:
        """Do one round: read, decide, act, record, write the admission target. Nothing is raised."""
        started_s = self._parts.clock.monotonic_s()
        try:
            ok = await self._round()
        except _StepFailed:
            ok = False
        now_s = self._parts.clock.now_s()
        took_s = self._parts.clock.monotonic_s() - started_s
        self._status = replace(
            self._status,
            rounds=self._status.rounds + 1,
            last_round_at_s=now_s,
            last_success_at_s=now_s if ok else self._status.last_success_at_s,
        )
        self._parts.instrument.record(RoundEnded(self._parts.rule.name, ok, now_s, took_s))

    async def rewrite_admission(self) -> bool:
        """Tell the room what the replicas that are ready now can take, by the last decision. Returns whether that worked.

        A decision older than a target's validity says nothing about now: then the target is left to expire, which puts the
        room on its fallback rate.
        """
        status, settings = self._status, self._parts.settings
        if status.decision is None or status.decided_at_s is None:
            return True
        validity_s = settings.validity_s(self._parts.rule.spec.interval_s)
        if self._parts.clock.now_s() - status.decided_at_s > validity_s:
            return True
        # One writer at a time, each with the newest counts: a slow write cannot overtake a later one.
        async with self._admission_lock:
            status = self._status
            if status.decision is None or status.state is None:
                return True
            ready = status.state.ready
            target = admission_target(
                self._parts.rule, status.decision, ready, validity_s=validity_s, term=settings.term
            )
            if target is None:
                return True
            try:
                written = await self._step("write admission", self._parts.writer.write(target))
            except _StepFailed:
                return False
            self._announced_ready = ready
            event = AdmissionWritten(target, written)
            self._status = replace(self._status, admission=event)
            self._parts.instrument.record(event)
            return written.accepted

    async def _round(self) -> bool:
        parts = self._parts
        state = await self._step("read target", parts.target.current())
        self._status = replace(self._status, state=state)
        answers, onsales, forecast = await asyncio.gather(
            parts.signals.read(state.endpoints, self._deadline_s),
            parts.signals.read_onsales(self._deadline_s),
            parts.signals.foresee(self._deadline_s),
        )
        now_s = parts.clock.now_s()
        observation = Observation(
            current=state.replicas,
            ready=state.ready,
            readings={name: answer.reading for name, answer in answers.items()},
            onsales=onsales,
            forecast=forecast if isinstance(forecast, Expected) else None,
        )
        decision = self._decide(observation, now_s)
        parts.signals.remember(observation, decision, now_s)
        self._memory = decision.memory
        self._status = replace(
            self._status, decision=decision, decided_at_s=now_s, answers=answers, forecast=forecast
        )
        parts.instrument.record(RuleDecided(parts.rule.name, decision, answers, now_s))
        scaled = await self._act(decision, now_s)
        return await self.rewrite_admission() and scaled

    def _decide(self, observation: Observation, now_s: float) -> Decision:
        try:
            return self._parts.decide(self._parts.rule, observation, self._memory, now_s)
        except Exception as error:
            self._fail("decide", error)
            raise _StepFailed from error

    async def _act(self, decision: Decision, now_s: float) -> bool:
        """Scale the target if the decision says so, and remember that only when it worked."""
        parts, before, after = self._parts, decision.current, decision.desired
        if before == after:
            return True
        try:
            await self._step("scale", parts.target.scale(after))
        except _StepFailed:
            return False
        self._memory = self._memory.after_scaling(before, after, now_s)
        parts.instrument.record(
            RuleScaled(parts.rule.name, parts.target.name, before, after, decision.reason)
        )
        return True

    async def _step(self, step: str, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await work
        except TimeoutError as error:
            self._fail(step, f"not done within {self._deadline_s:g} s")
            raise _StepFailed from error
        except Exception as error:
            self._fail(step, error)
            raise _StepFailed from error

    def _fail(self, step: str, error: Exception | str) -> None:
        failure = StepFailed(self._parts.rule.name, step, brief(error), self._parts.clock.now_s())
        self._failures.append(failure)
        self._status = replace(self._status, failures=tuple(self._failures))
        self._parts.instrument.record(failure)
