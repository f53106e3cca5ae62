"""One round of a rule: read the target and the signals, decide, act, remember, and tell the room what the shop can take.

It decides nothing itself (that is `rulebook.decide`), and does not know when rounds are made. A count that changed before it
could be written is never written over: it is a fact, on which is decided anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from autoscaler.acting import Actor, Change
from autoscaler.admitting import Admitter
from autoscaler.clock import Clock
from autoscaler.conditions import (
    decided_conditions,
    ready_condition,
    unread_condition,
    unwritten_condition,
    written_condition,
)
from autoscaler.errors import LaterTerm
from autoscaler.instrumentation.events import (
    ClockCorrected,
    ManualScale,
    RuleDecided,
    RuleScaled,
    ScaleConflict,
)
from autoscaler.journal import Journal, StepGivenUp
from autoscaler.keeping.rulememory import RuleMemory
from autoscaler.leadership.fencing import Fences
from autoscaler.leadership.standing import Leadership
from autoscaler.signals import SignalReader
from autoscaler.targets.base import TargetState
from rulebook.decision import Decision
from rulebook.memory import Memory
from rulebook.observation import Expected, Observation
from rulebook.rule import ScalingRule

DECIDE_TRIES = 5
"""How often a round decides anew because the target changed before the write; after that it is the next round's."""
DECIDE_WITHIN_S = 10.0
"""A round that has taken longer than this, and than its interval, decides anew no more: where each answer is slow as well, the
room's admission target would run out before the round comes to it."""
STORE_FENCE_SHARE = 0.25
"""Of a step's deadline, for the store's fence: a store that hangs must not use up the time of the target's."""

Decide: TypeAlias = Callable[[ScalingRule, Observation, Memory, float], Decision]


class Rounds:
    """Makes the rounds of one rule, one after the other."""

    def __init__(
        self,
        *,
        actor: Actor,
        fences: Fences,
        admitter: Admitter,
        journal: Journal,
        memory: RuleMemory,
        leadership: Leadership,
        clock: Clock,
        decide: Decide,
    ) -> None:
        self._actor = actor
        self._fences = fences
        self._admitter = admitter
        self._journal = journal
        self._memory = memory
        self._leadership = leadership
        self._clock = clock
        self._decide_by = decide

    async def make(self, rule: ScalingRule, signals: SignalReader) -> bool:
        """Make a round by a form of the rule; returns whether all of it worked. Nothing is raised."""
        try:
            return await self._make(rule, signals)
        except StepGivenUp:
            return False
        except Exception as error:  # nothing that one round meets may end the loop
            self._journal.fail("round", error)
            return False

    async def _make(self, rule: ScalingRule, signals: SignalReader) -> bool:
        journal = self._journal
        until_s = self._clock.monotonic_s() + max(DECIDE_WITHIN_S, rule.spec.interval_s)
        unfenced = await self._fence(rule)
        state, manual = await self._read_target(signals)
        answers, onsales, forecast = await asyncio.gather(
            signals.read(state.endpoints, journal.deadline_s),
            signals.read_onsales(journal.deadline_s),
            signals.foresee(journal.deadline_s),
        )
        readings = {name: answer.reading for name, answer in answers.items()}
        for tries in range(1, DECIDE_TRIES + 1):
            now_s = self._clock.now_s()
            observation = Observation(
                current=state.replicas,
                ready=state.ready,
                readings=readings,
                onsales=onsales,
                forecast=forecast if isinstance(forecast, Expected) else None,
            )
            decision = self._decide(rule, observation, now_s)
            journal.note(decision=decision, decided_at_s=now_s, answers=answers, forecast=forecast)
            self._admitter.decided(rule)
            journal.judge(*decided_conditions(decision, answers, paused=bool(rule.spec.paused), now_s=now_s))
            scaled = await self._act(decision, state, unfenced=unfenced, manual=manual, now_s=now_s)
            if scaled is not None or tries == DECIDE_TRIES or self._clock.monotonic_s() > until_s:
                break
            # Never the same number again: what others have just written is a fact to decide on.
            state, manual = await self._read_target(signals)
            # Looked at after the reading: what is marked after that makes the version which was read an old one.
            self._fences.doubt()
            unfenced = await self._fence(rule)
        signals.remember(observation, decision, now_s)
        bounds = (rule.spec.replicas.min, rule.spec.replicas.max)
        journal.tell(RuleDecided(rule.name, decision, answers, now_s, bounds))
        if scaled is None:
            self._memory.keep(decision.memory, state.replicas)
            journal.fail("scale", f"the target changed before it could be written (tries: {tries})")
            journal.judge(unwritten_condition(journal.last_failure, self._clock.now_s()))
        return await self._admitter.rewrite() and scaled is True

    async def _fence(self, rule: ScalingRule) -> str:
        """See that the fences stand; returns why not. A round goes on without: it decides and shows, and scales nothing."""
        try:
            store_within_s = self._journal.deadline_s * STORE_FENCE_SHARE
            await self._journal.step("fence", self._fences.put_up(rule, store_within_s))
        except StepGivenUp:
            return self._journal.last_failure
        return ""

    async def _read_target(self, signals: SignalReader) -> tuple[TargetState, bool]:
        """Read the target and take note of what others did to it; returns whether they changed its count just now."""
        journal = self._journal
        try:
            seen = await journal.step("read target", self._actor.read())
        except StepGivenUp:
            journal.judge(unread_condition(journal.last_failure, self._clock.now_s()))
            raise
        journal.note(state=seen.state)
        step = self._memory.begin_round(seen.state.replicas)
        if step is not None:
            signals.follow_clock(step.by_s)
            journal.tell(ClockCorrected(journal.status.rule, step.by_s))
        if seen.change is None:
            return seen.state, False
        self._remember(seen.change)
        return seen.state, not seen.change.ours

    def _remember(self, change: Change) -> None:
        """Count a change that nobody answered for, or somebody else's, towards the policies' periods as if it were ours."""
        before, after = change.before, change.after
        self._memory.keep(self._memory.value.after_scaling(before, after, self._clock.now_s()), after)
        rule, target = self._journal.status.rule, self._journal.status.target
        if change.ours:
            reason = "written earlier, without an answer"
            self._journal.tell(RuleScaled(rule, target, before, after, reason))
        else:
            self._journal.tell(ManualScale(rule, target, before, after, change.by))

    def _decide(self, rule: ScalingRule, observation: Observation, now_s: float) -> Decision:
        try:
            return self._decide_by(rule, observation, self._memory.value, now_s)
        except Exception as error:
            self._journal.fail("decide", error)
            raise StepGivenUp from error

    async def _act(
        self, decision: Decision, state: TargetState, *, unfenced: str, manual: bool, now_s: float
    ) -> bool | None:
        """Scale the target if the decision says so. None when it has changed meanwhile, so that this must be decided anew.

        The memory goes on from this decision unless it has to be made again, and counts a change only when it was written.
        What others changed is respected until the next interval: whoever scales by hand sees it happen.
        """
        journal, before, after = self._journal, decision.current, decision.desired
        rule, target = journal.status.rule, journal.status.target
        if unfenced:
            self._memory.keep(decision.memory, before)
            journal.judge(unwritten_condition(unfenced, now_s))
            return False
        if before == after or manual or state.obstacle:
            self._memory.keep(decision.memory, before)
            journal.judge(ready_condition(state.obstacle, now_s))
            if state.obstacle and before != after:
                journal.fail("scale", state.obstacle)
            return not state.obstacle or before == after
        changed = decision.memory.after_scaling(before, after, now_s)
        if after < before:
            await self._memory.keep_ahead(changed, after)
        try:
            written = await journal.step("scale", self._scale(after, state))
        except StepGivenUp:
            self._memory.keep(decision.memory, before)
            journal.judge(unwritten_condition(journal.last_failure, self._clock.now_s()))
            return False
        if not written:
            journal.tell(ScaleConflict(rule, target, after))
            return None
        self._memory.keep(changed, after)
        journal.judge(written_condition(before, after, now_s))
        journal.tell(RuleScaled(rule, target, before, after, decision.reason))
        return True

    async def _scale(self, replicas: int, decided_on: TargetState) -> bool:
        leadership = self._leadership
        leadership.check()
        if leadership.elected and decided_on.term > leadership.term:
            # Our clock says that we lead, and the target that another does: a suspended host's clock stands still.
            self._fences.doubt()
            raise LaterTerm(
                f"a leader of term {decided_on.term} has taken over from term {leadership.term}",
                decided_on.term,
            )
        return await self._actor.write(replicas, decided_on)
