"""The control loop of one rule: read, decide, act, record, and tell the room what the shop can take now.

The loop decides nothing itself (that is `rulebook.decide`) and knows no particular source, target or metrics library. Whatever
fails is recorded, and the next round comes as if nothing had been. Between rounds it follows the target's readiness, and
rewrites the admission target at each change of it. A changed rule takes effect with the next round, which then comes at once;
the memory stays.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypeVar

from autoscaler.acting import Actor, Change
from autoscaler.admission import admission_target
from autoscaler.clock import Clock
from autoscaler.conditions import (
    Condition,
    decided_conditions,
    ready_condition,
    set_condition,
    unread_condition,
    unwritten_condition,
    written_condition,
)
from autoscaler.errors import brief
from autoscaler.instrumentation.events import (
    AdmissionWritten,
    ClockCorrected,
    ConditionChanged,
    Instrument,
    ManualScale,
    RoundEnded,
    RuleDecided,
    RuleScaled,
    ScaleConflict,
    StepFailed,
)
from autoscaler.keeping.rulememory import RuleMemory
from autoscaler.leadership.fencing import Fences
from autoscaler.leadership.standing import Leadership
from autoscaler.settings import ScalerSettings
from autoscaler.signals import SignalReader
from autoscaler.status import RuleStatus
from autoscaler.store.target_writer import AdmissionTarget, Written
from autoscaler.targets.base import Target, TargetState
from rulebook.decision import Decision, decide
from rulebook.memory import Memory
from rulebook.observation import Expected, Observation
from rulebook.override import Override, overridden
from rulebook.rule import Paused, ScalingRule

DEADLINE_SHARE = 0.8
"""Of the interval: what reading may take, so that acting fits in before the next round."""
DEADLINE_LIMIT_S = 10.0
FOLLOW_RETRY_S = 1.0
FAILURES_KEPT = 20
DECIDE_TRIES = 5
"""How often a round decides anew because the target changed before the write; after that it is the next round's."""

T = TypeVar("T")
Decide: TypeAlias = Callable[[ScalingRule, Observation, Memory, float], Decision]


class AdmissionWriter(Protocol):
    """Where admission targets go; the store's `TargetWriter` is one."""

    async def write(self, target: AdmissionTarget) -> Written:
        """Put a target in force."""
        ...

    async def fence(self, onsale: str, rule: str, term: int) -> None:
        """Have targets of earlier terms refused from now on."""
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
    leadership: Leadership
    memory: RuleMemory
    decide: Decide = decide


class RuleLoop:
    """Runs one rule and keeps its memory. `run` and `follow` run side by side, until `stop` or until they are cancelled."""

    def __init__(self, parts: LoopParts) -> None:
        self._parts = parts
        self._actor = Actor(parts.target)
        self._fences = Fences(parts.leadership, self._actor, parts.writer)
        self._documented = parts.rule
        self._overridden_by: Override | None = None
        self._changed: tuple[ScalingRule, SignalReader] | None = None
        self._stopping = False
        self._woken = asyncio.Event()
        self._memory = parts.memory
        self._memory.on_failure = lambda error: self._fail("keep memory", error)
        self._failures: deque[StepFailed] = deque(maxlen=FAILURES_KEPT)
        self._admission_lock = asyncio.Lock()
        self._announced_ready: int | None = None
        self._admitting = parts.rule
        self._status = _of_rule(
            RuleStatus(rule=parts.rule.name, target=parts.target.name, interval_s=0.0, dry_run=False),
            parts.rule,
        )

    @property
    def status(self) -> RuleStatus:
        """What is known now."""
        return replace(self._status, memory=self._memory.state, override=self._memory.override)

    @property
    def memory(self) -> Memory:
        """What the next decision will be based on."""
        return self._memory.value

    def change(self, rule: ScalingRule, signals: SignalReader) -> None:
        """Go by another form of the rule on the same target. The next round is the first of it, and comes at once."""
        self._changed = (rule, signals)
        self._woken.set()

    @property
    def target(self) -> Target:
        """What is scaled."""
        return self._parts.target

    async def override(self, override: Override | None) -> None:
        """Go by an operator's word over the document, or by the document again, from the next round on, which comes at once.

        Raises:
            NotLeading: that is for the scaler which leads.
        """
        self._parts.leadership.check()
        await self._memory.set_override(override)
        self._woken.set()

    def stop(self) -> None:
        """Have `run` return: now, or when the present round is done, so that nothing is left half written."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Evaluate the rule each interval, on a grid that does not drift; a round that takes too long skips points of it."""
        clock = self._parts.clock
        start_s, turn = clock.monotonic_s(), 0
        while not self._stopping:
            await self.evaluate()
            interval_s = self._parts.rule.spec.interval_s
            elapsed_s = clock.monotonic_s() - start_s
            turn = max(turn + 1, math.ceil(elapsed_s / interval_s))
            if await self._sleep(turn * interval_s - elapsed_s):
                start_s, turn = clock.monotonic_s(), 0

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
        self._take_change()
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
            last_round_monotonic_s=self._parts.clock.monotonic_s(),
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
                self._admitting,
                status.decision,
                ready,
                validity_s=validity_s,
                term=self._parts.leadership.term,
            )
            if target is None:
                return True
            try:
                written = await self._step("write admission", self._put_in_force(target))
            except _StepFailed:
                return False
            self._announced_ready = ready
            event = AdmissionWritten(target, written)
            self._status = replace(self._status, admission=event)
            self._parts.instrument.record(event)
            if not written.accepted:
                # Another leader's, which our lease will tell; or one's of a lease that was deleted, and counted anew.
                with suppress(_StepFailed):
                    await self._step("outbid", self._parts.leadership.outbid(written.term))
            return written.accepted

    async def _put_in_force(self, target: AdmissionTarget) -> Written:
        self._parts.leadership.check()
        return await self._parts.writer.write(target)

    async def _scale(self, replicas: int, decided_on: TargetState) -> bool:
        self._parts.leadership.check()
        return await self._actor.write(replicas, decided_on)

    async def _sleep(self, seconds: float) -> bool:
        """Sleep until it is time, or until there is news; returns whether there is."""
        sleeping = asyncio.ensure_future(self._parts.clock.sleep(seconds))
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait({sleeping, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            woken.cancel()
        return self._woken.is_set()

    def _take_change(self) -> None:
        self._woken.clear()
        if self._changed is None and self._memory.override == self._overridden_by:
            return
        if self._changed is not None:
            (self._documented, signals), self._changed = self._changed, None
            self._parts = replace(self._parts, signals=signals)
        self._overridden_by = self._memory.override
        self._parts = replace(self._parts, rule=overridden(self._documented, self._overridden_by))
        self._status = _of_rule(self._status, self._parts.rule)

    @property
    def _deadline_s(self) -> float:
        return min(self._parts.rule.spec.interval_s * DEADLINE_SHARE, DEADLINE_LIMIT_S)

    async def _round(self) -> bool:
        parts = self._parts
        await self._step("fence", self._fences.put_up(parts.rule))
        state, manual = await self._read_target()
        answers, onsales, forecast = await asyncio.gather(
            parts.signals.read(state.endpoints, self._deadline_s),
            parts.signals.read_onsales(self._deadline_s),
            parts.signals.foresee(self._deadline_s),
        )
        readings = {name: answer.reading for name, answer in answers.items()}
        for tries_left in reversed(range(DECIDE_TRIES)):
            now_s = parts.clock.now_s()
            observation = Observation(
                current=state.replicas,
                ready=state.ready,
                readings=readings,
                onsales=onsales,
                forecast=forecast if isinstance(forecast, Expected) else None,
            )
            decision = self._decide(observation, now_s)
            self._admitting = parts.rule
            self._status = replace(
                self._status, decision=decision, decided_at_s=now_s, answers=answers, forecast=forecast
            )
            paused = bool(parts.rule.spec.paused)
            self._judge(*decided_conditions(decision, answers, paused=paused, now_s=now_s))
            scaled = await self._act(decision, state, manual=manual, now_s=now_s)
            if scaled is not None or not tries_left:
                break
            # Never the same number again: what others have just written is a fact to decide on.
            state, manual = await self._read_target()
        parts.signals.remember(observation, decision, now_s)
        parts.instrument.record(RuleDecided(parts.rule.name, decision, answers, now_s))
        if scaled is None:
            self._memory.keep(decision.memory, state.replicas)
            self._fail("scale", f"the target changed {DECIDE_TRIES} times before it could be written")
            self._judge(unwritten_condition(self._failures[-1].error, parts.clock.now_s()))
        return await self.rewrite_admission() and scaled is True

    async def _read_target(self) -> tuple[TargetState, bool]:
        """Read the target and take note of what others did to it; returns whether they changed its count just now."""
        try:
            seen = await self._step("read target", self._actor.read())
        except _StepFailed:
            self._judge(unread_condition(self._failures[-1].error, self._parts.clock.now_s()))
            raise
        self._status = replace(self._status, state=seen.state)
        step = self._memory.begin_round(seen.state.replicas)
        if step is not None:
            self._parts.instrument.record(ClockCorrected(self._parts.rule.name, step.by_s))
        if seen.change is None:
            return seen.state, False
        self._remember(seen.change)
        return seen.state, not seen.change.ours

    def _remember(self, change: Change) -> None:
        """Count a change that nobody answered for, or somebody else's, towards the policies' periods as if it were ours."""
        parts, before, after = self._parts, change.before, change.after
        self._memory.keep(self._memory.value.after_scaling(before, after, parts.clock.now_s()), after)
        name, target = parts.rule.name, parts.target.name
        if change.ours:
            reason = "written earlier, without an answer"
            parts.instrument.record(RuleScaled(name, target, before, after, reason))
        else:
            parts.instrument.record(ManualScale(name, target, before, after, change.by))

    def _decide(self, observation: Observation, now_s: float) -> Decision:
        try:
            return self._parts.decide(self._parts.rule, observation, self._memory.value, now_s)
        except Exception as error:
            self._fail("decide", error)
            raise _StepFailed from error

    async def _act(
        self, decision: Decision, state: TargetState, *, manual: bool, now_s: float
    ) -> bool | None:
        """Scale the target if the decision says so. None when it has changed meanwhile, so that this must be decided anew.

        The memory goes on from this decision unless it has to be made again, and counts a change only when it was written.
        What others changed is respected until the next interval: whoever scales by hand sees it happen.
        """
        parts, before, after = self._parts, decision.current, decision.desired
        if before == after or manual or state.obstacle:
            self._memory.keep(decision.memory, before)
            self._judge(ready_condition(state.obstacle, now_s))
            if state.obstacle and before != after:
                self._fail("scale", state.obstacle)
            return not state.obstacle or before == after
        changed = decision.memory.after_scaling(before, after, now_s)
        if after < before:
            await self._memory.keep_ahead(changed, after)
        try:
            written = await self._step("scale", self._scale(after, state))
        except _StepFailed:
            self._memory.keep(decision.memory, before)
            self._judge(unwritten_condition(self._failures[-1].error, parts.clock.now_s()))
            return False
        if not written:
            parts.instrument.record(ScaleConflict(parts.rule.name, parts.target.name, after))
            return None
        self._memory.keep(changed, after)
        self._judge(written_condition(before, after, now_s))
        parts.instrument.record(
            RuleScaled(parts.rule.name, parts.target.name, before, after, decision.reason)
        )
        return True

    def _judge(self, *conditions: Condition) -> None:
        """Bring the conditions up to date, and tell of those that changed."""
        for condition in conditions:
            before = {(old.type, old.holds, old.reason) for old in self._status.conditions}
            self._status = replace(self._status, conditions=set_condition(self._status.conditions, condition))
            if (condition.type, condition.holds, condition.reason) not in before:
                self._parts.instrument.record(ConditionChanged(self._parts.rule.name, condition))

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


def _of_rule(status: RuleStatus, rule: ScalingRule) -> RuleStatus:
    spec = rule.spec
    paused = spec.paused.replicas if isinstance(spec.paused, Paused) else spec.paused
    return replace(status, interval_s=spec.interval_s, dry_run=spec.dry_run, paused=paused)
